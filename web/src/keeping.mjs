// What moves into the scrollback before a snapshot replaces the screen. When something was skipped in between, that is
// the whole screen, and a line below it says what is missing. After a resize it is what xterm.js brought back from the
// scrollback when lines joined again: the snapshot knows nothing of them.

import { markText } from "./gaps.mjs";

/** @typedef {import("./gaps.mjs").Gap} Gap */
/** @typedef {import("../vendor/xterm.mjs").Terminal} Terminal */
/** @typedef {import("../vendor/xterm.mjs").IBuffer} IBuffer */

/** Gives up a sequence that was cut, leaves the alternate screen, and undoes what would keep lines from scrolling. */
const PLAIN = "\x18\x1b[?1049l\x1b[?6l\x1b[4l\x1b[?7h\x1b[r\x1b(B\x0f\x1b[0m";
const DIM = "\x1b[0;90m";
const LINK = "\x1b[0;36;4m";

export class Keeping {
  /** The screen that was kept last. */
  #kept = "";
  /** The first line of the screen, from before a resize. @type {import("../vendor/xterm.mjs").IMarker | undefined} */
  #top;

  /** A resize follows. @param {Terminal} term */
  resizes(term) {
    const { active } = term.buffer;
    if (active.type === "normal" && this.#top === undefined) this.#top = term.registerMarker(-active.cursorY);
  }

  /** What to write so that no more than the screen is replaced. @param {Terminal} term which has parsed all before */
  giveBack(term) {
    const { rows, buffer } = term;
    const lines = this.#top === undefined ? 0 : this.#top.line - buffer.normal.baseY;
    this.#top?.dispose();
    this.#top = undefined;
    return lines > 0 ? `${PLAIN}\x1b[${rows};1H${"\n".repeat(lines)}` : "";
  }

  /**
   * What to write so that the screen, and below it the mark of a gap, stand in the scrollback.
   * @param {Terminal} term which has parsed all before
   * @param {Gap} gap
   */
  keep(term, gap) {
    const { rows, cols } = term;
    this.#top?.dispose();
    this.#top = undefined;
    const lines = screenLines(term.buffer.normal, rows);
    const text = lines.join("\n");
    // Behind a full-screen program it stays as it was, and need not be kept each time.
    const known = text === this.#kept;
    this.#kept = text;
    const mark = markText(gap, cols);
    const markRows = Math.ceil(mark.length / cols);
    const used = known ? 0 : lines.length;
    const place = used === 0 ? "\x1b[H\x1b[2J" : `\x1b[${used};1H\r\n`;
    const coloured = mark.replace("show", `${LINK}show${DIM}`);
    return `${PLAIN}${place}${DIM}${coloured}\x1b[0m\x1b[${rows};1H${"\n".repeat(Math.min(used + markRows, rows))}`;
  }
}

/** The screen down to its last line with text. @param {IBuffer} buffer @param {number} rows */
function screenLines(buffer, rows) {
  const lines = Array.from({ length: rows }, (_, y) => buffer.getLine(buffer.baseY + y)?.translateToString(true) ?? "");
  return lines.slice(0, lines.findLastIndex((line) => line !== "") + 1);
}
