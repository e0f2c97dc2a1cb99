// The two colour schemes of the terminal; those of the page around it are in terminal.css.

/** @type {Record<"dark" | "light", import("../vendor/xterm.mjs").ITheme>} */
export const THEMES = {
  dark: {
    background: "#0d1017",
    foreground: "#d8dee9",
    cursor: "#7cc5ff",
    cursorAccent: "#0d1017",
    selectionBackground: "#2f4a6b",
    scrollbarSliderBackground: "#ffffff1f",
    scrollbarSliderHoverBackground: "#ffffff38",
    scrollbarSliderActiveBackground: "#ffffff4d",
    black: "#1c2230", red: "#f2777a", green: "#8fd18a", yellow: "#f0c674",
    blue: "#7aa8f7", magenta: "#c49af0", cyan: "#6fcfd6", white: "#cbd3e1",
    brightBlack: "#667086", brightRed: "#ff9a9c", brightGreen: "#aee6a4", brightYellow: "#ffdc95",
    brightBlue: "#a3c4ff", brightMagenta: "#ddbdff", brightCyan: "#98e6eb", brightWhite: "#f5f8ff",
  },
  light: {
    background: "#fdfdfc",
    foreground: "#24292f",
    cursor: "#0b66c3",
    cursorAccent: "#ffffff",
    selectionBackground: "#b6d7f7",
    scrollbarSliderBackground: "#00000026",
    scrollbarSliderHoverBackground: "#00000040",
    scrollbarSliderActiveBackground: "#00000059",
    black: "#24292f", red: "#c4272e", green: "#1a7f37", yellow: "#8a6100",
    blue: "#0b5cc4", magenta: "#8038c9", cyan: "#0f7b86", white: "#6b7480",
    brightBlack: "#57606a", brightRed: "#a40e1a", brightGreen: "#116329", brightYellow: "#6a4a00",
    brightBlue: "#0a4bb0", brightMagenta: "#6a24b5", brightCyan: "#0a5f68", brightWhite: "#3d444d",
  },
};

/** @typedef {keyof typeof THEMES} ThemeName */

const NAME = "podling:theme";

/** What the user chose here, or else what their system has. @returns {ThemeName} */
export function preferredTheme() {
  const chosen = localStorage.getItem(NAME);
  if (chosen === "dark" || chosen === "light") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/** @param {ThemeName} theme */
export function rememberTheme(theme) {
  localStorage.setItem(NAME, theme);
}
