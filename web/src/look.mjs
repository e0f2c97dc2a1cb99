// How a terminal of this page looks: the one of the session, and the one that shows what was skipped.

import { THEMES } from "./themes.mjs";

/** @typedef {import("./themes.mjs").ThemeName} ThemeName */
/** @typedef {import("../vendor/xterm.mjs").ITerminalOptions} Options */

const SCROLLBACK_LINES = 100_000;
const FONT =
  'ui-monospace, "SF Mono", "JetBrains Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono", monospace';

/** @param {ThemeName} theme @returns {Options} */
export function look(theme) {
  return {
    allowProposedApi: true,
    fontFamily: FONT,
    fontSize: 14,
    lineHeight: 1.2,
    minimumContrastRatio: 3,
    scrollback: SCROLLBACK_LINES,
    theme: THEMES[theme],
    linkHandler: { activate: (_, uri) => openLink(uri) },
  };
}

/** @param {string} uri */
export function openLink(uri) {
  if (/^https?:\/\//i.test(uri)) window.open(uri, "_blank", "noopener,noreferrer");
}
