// The panel that shows what was skipped: fetched in pieces, drawn in a terminal of its own that nobody types into.

import { FitAddon } from "../vendor/addon-fit.mjs";
import { Terminal } from "../vendor/xterm.mjs";
import { Characters } from "./characters.mjs";
import { amount } from "./gaps.mjs";
import { look } from "./look.mjs";
import { syncScrollbarOncePerPicture } from "./scrolling.mjs";
import { SkippedOutput } from "./skipped.mjs";

/** @typedef {import("./gaps.mjs").Gaps} Gaps */
/** @typedef {import("./gaps.mjs").Gap} Gap */
/** @typedef {import("./skipped.mjs").Ask} Ask */
/** @typedef {{ gap: Gap, output: SkippedOutput, characters: Characters, term: Terminal, shown: number, task: "idle" | "drawing" | "saving", lost: boolean }} View */

/** What is drawn at once; with `PART_LINES` it stays within the lines that a terminal keeps. */
const CHUNK_BYTES = 32 * 1024;
/** A longer gap is shown in parts. */
const PART_LINES = 60_000;

/** How often the progress of a long answer is shown. */
const PROGRESS_MILLIS = 200;

const HIDE_CURSOR = "\x1b[?25l";

export class GapPanel {
  #gaps;
  #ask;
  #theme;
  #cols;
  #dialog = /** @type {HTMLDialogElement} */ (element("gap"));
  /** @type {View | null} */
  #view = null;

  /**
   * @param {Gaps} gaps
   * @param {Ask} ask
   * @param {() => import("./themes.mjs").ThemeName} theme
   * @param {() => number} cols of the session's terminal
   * @param {() => void} back gives the keyboard back to the terminal
   */
  constructor(gaps, ask, theme, cols, back) {
    this.#gaps = gaps;
    this.#ask = ask;
    this.#theme = theme;
    this.#cols = cols;
    setInterval(() => this.#render(), PROGRESS_MILLIS);
    this.#dialog.addEventListener("close", () => {
      this.#leave();
      back();
    });
    element("gap-close").addEventListener("click", () => this.#dialog.close());
    element("gap-older").addEventListener("click", () => this.#step(-1));
    element("gap-newer").addEventListener("click", () => this.#step(1));
    element("gap-go").addEventListener("click", () => this.#go());
    element("gap-save").addEventListener("click", () => this.#save());
  }

  /** @param {number} number of a gap; one that there is not is ignored */
  open(number) {
    const gap = this.#gaps.get(number);
    if (gap === undefined) return;
    this.#leave();
    if (!this.#dialog.open) this.#dialog.showModal();
    const term = new Terminal({ ...look(this.#theme()), disableStdin: true, cursorInactiveStyle: "none" });
    this.#place(term);
    this.#view = { gap, output: new SkippedOutput(gap, this.#ask), characters: new Characters(), term, shown: 0, task: "idle", lost: false };
    void this.#draw(this.#view);
  }

  /** @param {Terminal} term */
  #place(term) {
    const fit = new FitAddon();
    term.loadAddon(fit);
    term.open(element("gap-terminal"));
    syncScrollbarOncePerPicture(term);
    term.resize(this.#cols(), fit.proposeDimensions()?.rows ?? 24);
    term.attachCustomKeyEventHandler((event) => scrolls(term, event));
    term.focus();
  }

  #leave() {
    this.#view?.term.dispose();
    this.#view = null;
  }

  /** @param {number} by */
  #step(by) {
    if (this.#view !== null) this.open(this.#view.gap.number + by);
  }

  /** Stops, or goes on. */
  #go() {
    const view = this.#view;
    if (view === null) return;
    if (view.task === "idle") return void this.#draw(view);
    view.task = "idle";
    this.#render();
  }

  /** Draws the next part, in place of the one before. @param {View} view */
  async #draw(view) {
    const { term, output } = view;
    this.#begin(view, "drawing");
    term.reset();
    term.write(HIDE_CURSOR);
    let atTop = false;
    while (this.#goesOn(view, "drawing") && term.buffer.normal.length < PART_LINES) {
      if (view.shown === output.size && !(await this.#more(view))) break;
      const bytes = await output.read(view.shown, CHUNK_BYTES);
      if (!this.#goesOn(view, "drawing")) break;
      view.shown += bytes.length;
      await new Promise((parsed) => term.write(view.characters.push(bytes), () => parsed(undefined)));
      if (!atTop && term.buffer.active.baseY > 0) {
        term.scrollToTop(); // Where it begins; the rest comes below, out of sight.
        atTop = true;
      }
      this.#render();
    }
    this.#finish(view, "drawing");
  }

  /** Fetches what is left and hands out all of it as a file. */
  async #save() {
    const view = this.#view;
    if (view === null || view.task === "saving") return;
    this.#begin(view, "saving");
    while (this.#goesOn(view, "saving") && (await this.#more(view))) this.#render();
    if (this.#goesOn(view, "saving") && view.output.whole) saveAs(view.output.file(), `skipped-${view.gap.from}-${view.gap.to}.log`);
    this.#finish(view, "saving");
  }

  /** @param {View} view @returns {Promise<boolean>} whether there may be more */
  async #more(view) {
    const state = await view.output.more();
    view.lost = state === "lost";
    return state === "more";
  }

  /** @param {View} view @param {View["task"]} task */
  #begin(view, task) {
    view.task = task;
    view.lost = false;
    this.#render();
  }

  /** @param {View} view @param {View["task"]} task */
  #finish(view, task) {
    if (view.task === task) view.task = "idle";
    this.#render();
  }

  /** @param {View} view @param {View["task"]} task */
  #goesOn(view, task) {
    return this.#view === view && view.task === task;
  }

  #render() {
    if (this.#view === null) return;
    const { gap, output, task, shown } = this.#view;
    const all = gap.to - gap.from;
    element("gap-title").textContent = `Gap ${gap.number} of ${this.#gaps.count}`;
    element("gap-range").textContent = `${amount(all)} of output, from byte ${count(gap.from)} to ${count(gap.to)}`;
    const progress = /** @type {HTMLProgressElement} */ (element("gap-progress"));
    progress.max = all;
    progress.value = output.passed;
    element("gap-state").textContent = stateText(this.#view);
    button("gap-older").disabled = gap.number === 1;
    button("gap-newer").disabled = gap.number === this.#gaps.count;
    button("gap-save").disabled = task === "saving";
    const go = button("gap-go");
    go.hidden = task === "idle" && output.whole && shown === output.size;
    go.textContent = task !== "idle" ? "Stop" : this.#view.lost ? "Try again" : "Show the next part";
  }
}

/** @param {View} view */
function stateText({ gap, output, task, shown, lost }) {
  const all = amount(gap.to - gap.from);
  const missing = output.missing === 0 ? "" : ` ${amount(output.missing)} of it are no longer kept.`;
  if (lost) return "It cannot be fetched: there is no connection to the session now.";
  if (task !== "idle" && !output.whole) return `Fetching… ${amount(output.passed)} of ${all}`;
  if (output.whole && output.size === 0) return "Nothing of it is kept any more.";
  if (output.whole && shown === output.size) return `This is the end of it.${missing}`;
  return `Shown up to ${amount(shown)} of ${all}.${missing}`;
}

/** Keys scroll, and reach nothing else: Esc closes the panel, Tab leaves the terminal. @param {Terminal} term @param {KeyboardEvent} event */
function scrolls(term, { type, key }) {
  if (type !== "keydown") return false;
  if (key === "ArrowUp") term.scrollLines(-1);
  else if (key === "ArrowDown") term.scrollLines(1);
  else if (key === "PageUp") term.scrollPages(-1);
  else if (key === "PageDown" || key === " ") term.scrollPages(1);
  else if (key === "Home") term.scrollToTop();
  else if (key === "End") term.scrollToBottom();
  return false;
}

/** @param {Blob} blob @param {string} name */
function saveAs(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {number} number */
function count(number) {
  return number.toLocaleString("en").replaceAll(",", "\u202f");
}

/** @param {string} id */
function button(id) {
  return /** @type {HTMLButtonElement} */ (element(id));
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}
