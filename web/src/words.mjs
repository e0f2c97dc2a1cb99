// What a program says that stands outside of its terminal: made harmless, and short.

const MAX_TITLE = 80;
const MAX_PREVIEW = 60;

/** Controls, and what is invisible or turns the direction of the rest: it would say something else than it seems to. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/** One line for the window's title. @param {string} text */
export function cleanTitle(text) {
  return cut(text.replace(UNSEEN, " ").replace(/\s+/gu, " ").trim(), MAX_TITLE);
}

/** The beginning of what a program wants to put on the clipboard. @param {string} text */
export function preview(text) {
  return cut(text.replace(/\r?\n/gu, "⏎").replace(UNSEEN, "�").trim(), MAX_PREVIEW);
}

/** @param {string} text @param {number} most */
function cut(text, most) {
  const letters = Array.from(text);
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}
