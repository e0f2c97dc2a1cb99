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
import { Drawing } from "./drawing.mjs";
import { markedGap } from "./gaps.mjs";
import { Keeping } from "./keeping.mjs";
import { look, openLink } from "./look.mjs";
import { QueryStripper } from "./queries.mjs";
import { syncScrollbarOncePerPicture } from "./scrolling.mjs";
import { THEMES } from "./themes.mjs";

/** @typedef {import("./frames.mjs").Size} Size */
/** @typedef {import("./gaps.mjs").Gap} Gap */
/** @typedef {import("./themes.mjs").ThemeName} ThemeName */
/**
 * @typedef {object} Events
 * @property {(bytes: Uint8Array) => void} onInput
 * @property {(offset: number) => void} onDrawn everything below the offset is on the screen
 * @property {(size: Size) => void} onFit the size that would fill the page
 * @property {(size: Size | null) => void} onBoxed the terminal's size, where it is not the one that fills the page
 * @property {(gap: number) => void} onGap somebody wants to see what was skipped
 * @property {(title: string) => void} onTitle
 * @property {() => void} onBell
 * @property {(text: string) => void} onCopyAsked the program wants to fill the clipboard
 */

/** A window that was resized shows whose size the terminal has, when it is not its own, after this long. */
const BOX_AFTER_MILLIS = 500;

export class Screen {
  #frame;
  #events;
  #fit = new FitAddon();
  #stripper = new QueryStripper();
  #characters = new Characters();
  #keeping = new Keeping();
  #drawing;
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
      ...look(theme),
      cursorBlink: true,
      macOptionIsMeta: true,
      // Has no other effect than this: a screen that grows gets empty lines, and none from the scrollback, which the
      // snapshot that follows would overwrite.
      windowsPty: { backend: "conpty", buildNumber: 21376 },
    });
    this.#drawing = new Drawing(this.term);
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
    this.#draw(bytes, offset + bytes.length, replay);
  }

  /**
   * The whole screen, in place of the one that is shown.
   * @param {import("./frames.mjs").ServerFrame & { type: "snapshot" }} snapshot
   * @param {Gap | null} gap what was skipped before it; what is shown is kept in the scrollback
   */
  replace({ bytes, offset, replay, size }, gap) {
    this.#stripper.reset();
    this.#characters.reset();
    if (gap !== null) this.#drawing.then(() => this.term.write(this.#keeping.keep(this.term, gap)));
    this.resize(size);
    this.#drawing.then(() => this.term.write(this.#keeping.giveBack(this.term)));
    this.#draw(bytes, offset, replay);
  }

  /** A line of this page's own, between the program's. @param {string} text */
  note(text) {
    this.#drawing.write(`\x1b[0;2;3m\r\n${text.replace(/\p{Cc}/gu, " ")}\x1b[0m\r\n`);
  }

  /** Empties the terminal, after what is still to be drawn. @param {() => void} done */
  reset(done) {
    this.#stripper.reset();
    this.#characters.reset();
    this.#drawing.write("\x18\x1bc\x1b[3J", done);
  }

  /** The window size from here on; it may be another viewer's. @param {Size} size */
  resize({ rows, cols }) {
    this.#drawing.then(() => {
      if (this.term.rows !== rows || this.term.cols !== cols) {
        this.#keeping.resizes(this.term);
        this.term.resize(cols, rows);
      }
      this.#box();
    });
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
    this.#drawing.write("\x1b[?25l");
  }

  /** @param {Uint8Array} bytes @param {number} end the offset after them @param {boolean} replay */
  #draw(bytes, end, replay) {
    this.#pending.push({ replay, end });
    // Parsed later, in order: the first that is pending is the one being parsed.
    this.#drawing.write(this.#characters.push(this.#stripper.push(bytes)), () => {
      const drawn = this.#pending.shift();
      if (drawn !== undefined) this.#events.onDrawn(drawn.end);
    });
  }

  /** Shows where a terminal ends that does not fill the page. */
  #box() {
    const { rows, cols } = this.term;
    const fit = this.fitting();
    const boxed = fit !== null && (fit.rows !== rows || fit.cols !== cols);
    this.#frame.classList.toggle("boxed", boxed);
    this.#events.onBoxed(boxed ? { rows, cols } : null);
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
    syncScrollbarOncePerPicture(term);
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
    term.registerLinkProvider({
      provideLinks: (y, found) => {
        const text = term.buffer.active.getLine(y - 1)?.translateToString(true) ?? "";
        const gap = markedGap(text);
        if (gap === null) return found(undefined);
        const range = { start: { x: 1, y }, end: { x: text.length, y } };
        found([{ range, text, activate: () => this.#events.onGap(gap), decorations: { pointerCursor: true, underline: false } }]);
      },
    });
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
      // A server that gives this window its size has done so by then.
      setTimeout(() => this.#box(), BOX_AFTER_MILLIS);
      if (size !== null && document.visibilityState === "visible") this.#events.onFit(size);
    });
  }
}

/** @param {string} text */
export function copySelection(text) {
  // Refused without focus or on a plain-http address; the browser's own copy command still works there.
  if (text) navigator.clipboard?.writeText(text).catch(() => {});
}
