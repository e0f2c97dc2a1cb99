// The terminal on the page: xterm.js with its addons, drawing what comes and telling what is typed. It never answers
// the program by itself.

import { ClipboardAddon } from "../vendor/addon-clipboard.mjs";
import { FitAddon } from "../vendor/addon-fit.mjs";
import { SearchAddon } from "../vendor/addon-search.mjs";
import { Unicode11Addon } from "../vendor/addon-unicode11.mjs";
import { WebLinksAddon } from "../vendor/addon-web-links.mjs";
import { WebglAddon } from "../vendor/addon-webgl.mjs";
import { Terminal } from "../vendor/xterm.mjs";
import { Characters } from "./characters.mjs";
import { QueryStripper } from "./queries.mjs";
import { THEMES } from "./themes.mjs";

/** @typedef {import("./frames.mjs").Size} Size */
/** @typedef {import("./themes.mjs").ThemeName} ThemeName */
/**
 * @typedef {object} Events
 * @property {(bytes: Uint8Array) => void} onInput
 * @property {(offset: number) => void} onDrawn everything below the offset is on the screen
 * @property {(size: Size) => void} onFit the size that would fill the page
 * @property {(title: string) => void} onTitle
 * @property {() => void} onBell
 * @property {(text: string) => void} onCopyAsked the program wants to fill the clipboard
 */

const SCROLLBACK_LINES = 100_000;
const FONT =
  'ui-monospace, "SF Mono", "JetBrains Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono", monospace';

export class Screen {
  #frame;
  #events;
  #fit = new FitAddon();
  #stripper = new QueryStripper();
  #characters = new Characters();
  /** What xterm.js has not parsed yet, oldest first. @type {{ replay: boolean, end: number }[]} */
  #pending = [];
  #fitAsked = false;
  search = new SearchAddon();
  term;

  /**
   * @param {HTMLElement} frame
   * @param {Events} events
   * @param {ThemeName} theme
   */
  constructor(frame, events, theme) {
    this.#frame = frame;
    this.#events = events;
    this.term = new Terminal({
      allowProposedApi: true,
      cursorBlink: true,
      fontFamily: FONT,
      fontSize: 14,
      lineHeight: 1.2,
      macOptionIsMeta: true,
      minimumContrastRatio: 3,
      scrollback: SCROLLBACK_LINES,
      theme: THEMES[theme],
      linkHandler: { activate: (_, uri) => openLink(uri) },
    });
    this.#load();
    this.#listen();
  }

  /** @param {ThemeName} theme */
  set theme(theme) {
    this.term.options.theme = THEMES[theme];
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} offset of the first byte
   * @param {boolean} replay it was shown to somebody before: it makes no noise
   */
  write(bytes, offset, replay) {
    this.#pending.push({ replay, end: offset + bytes.length });
    // Parsed later, in order: the first that is pending is the one being parsed.
    this.term.write(this.#characters.push(this.#stripper.push(bytes)), () => {
      const drawn = this.#pending.shift();
      if (drawn !== undefined) this.#events.onDrawn(drawn.end);
    });
  }

  /** A line of this page's own, between the program's. @param {string} text */
  note(text) {
    this.term.write(`\x1b[0;2;3m\r\n${text.replace(/\p{Cc}/gu, " ")}\x1b[0m\r\n`);
  }

  /** How many writes wait to be drawn. */
  get waiting() {
    return this.#pending.length;
  }

  /** Empties the terminal, after what is still to be drawn. */
  reset() {
    this.#stripper.reset();
    this.#characters.reset();
    this.term.write("\x18\x1bc\x1b[3J");
  }

  /** The window size that the session has; it may be another viewer's. @param {Size} size */
  resize({ rows, cols }) {
    this.term.resize(cols, rows);
    const fit = this.fitting();
    const boxed = fit !== null && (fit.rows !== rows || fit.cols !== cols);
    this.#frame.classList.toggle("boxed", boxed);
    return boxed;
  }

  /** The size that fills the page; null while it cannot be measured. @returns {Size | null} */
  fitting() {
    const size = this.#fit.proposeDimensions();
    if (size === undefined || Number.isNaN(size.cols) || Number.isNaN(size.rows)) return null;
    return { rows: Math.min(Math.max(size.rows, 5), 500), cols: Math.min(Math.max(size.cols, 20), 1000) };
  }

  /** Nothing more will come. */
  end() {
    this.term.options.cursorBlink = false;
    this.term.options.disableStdin = true;
    this.term.write("\x1b[?25l");
  }

  #load() {
    const { term } = this;
    term.loadAddon(this.#fit);
    term.loadAddon(this.search);
    term.loadAddon(new Unicode11Addon());
    term.unicode.activeVersion = "11";
    term.loadAddon(new WebLinksAddon((_, uri) => openLink(uri)));
    term.loadAddon(new ClipboardAddon(undefined, {
      readText: () => "", // Never asked: the question is stripped.
      writeText: (_, text) => void (this.#replaying || this.#events.onCopyAsked(text)),
    }));
    term.open(this.#frame);
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => webgl.dispose()); // xterm.js goes on with the DOM.
      term.loadAddon(webgl);
    } catch {
      // No WebGL here: slower, and otherwise the same.
    }
  }

  #listen() {
    const { term } = this;
    const encoder = new TextEncoder();
    term.onData((text) => this.#events.onInput(encoder.encode(text)));
    // Old mouse reports: one byte each.
    term.onBinary((text) => this.#events.onInput(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
    term.onBell(() => this.#replaying || this.#events.onBell());
    term.onTitleChange((title) => this.#replaying || this.#events.onTitle(title));
    this.#frame.addEventListener("mouseup", () => copySelection(term.getSelection()));
    new ResizeObserver(() => this.#askToFit()).observe(this.#frame);
    document.fonts?.ready.then(() => this.#askToFit());
  }

  get #replaying() {
    return this.#pending[0]?.replay ?? false;
  }

  /** Once per frame, however often the window changes in it. */
  #askToFit() {
    if (this.#fitAsked) return;
    this.#fitAsked = true;
    requestAnimationFrame(() => {
      this.#fitAsked = false;
      const size = this.fitting();
      if (size !== null && document.visibilityState === "visible") this.#events.onFit(size);
    });
  }
}

/** @param {string} text */
export function copySelection(text) {
  // Refused without focus or on a plain-http address; the browser's own copy command still works there.
  if (text) navigator.clipboard?.writeText(text).catch(() => {});
}

/** @param {string} uri */
function openLink(uri) {
  if (/^https?:\/\//i.test(uri)) window.open(uri, "_blank", "noopener,noreferrer");
}
