// The output of one gap, fetched a piece at a time and kept, to be read and saved.

/** @typedef {import("./gaps.mjs").Gap} Gap */
/** @typedef {import("./fetching.mjs").Answer} Answer */
/** @typedef {(from: number, to: number, onPiece: (bytes: Uint8Array) => void) => Promise<Answer | null>} Ask */

/** What the first question asks for, so that something is soon there; each asks for twice as much as the one before. */
const FIRST_QUESTION_BYTES = 64 * 1024;
/** The most that is answered. */
const QUESTION_BYTES = 1024 * 1024;

export class SkippedOutput {
  #gap;
  #ask;
  #next;
  /** In a Blob, which the browser may move to its disk. */
  #kept = new Blob();
  #questionBytes = FIRST_QUESTION_BYTES;
  /** How much of the open question's answer came so far. */
  #coming = 0;
  /** The question that is open. @type {Promise<"more" | "whole" | "lost"> | null} */
  #asking = null;
  /** How much of it the server no longer keeps. */
  missing = 0;

  /** @param {Gap} gap @param {Ask} ask */
  constructor(gap, ask) {
    this.#gap = gap;
    this.#ask = ask;
    this.#next = gap.from;
  }

  /** How much can be read. */
  get size() {
    return this.#kept.size;
  }

  /** How much was fetched so far, or is no longer kept. */
  get passed() {
    return this.#next - this.#gap.from + this.#coming;
  }

  get whole() {
    return this.#next >= this.#gap.to;
  }

  /** Fetches the next part. `lost` when the connection was; asked again, it goes on. */
  more() {
    this.#asking ??= this.#more().finally(() => void (this.#asking = null));
    return this.#asking;
  }

  /** @param {number} at @param {number} length @returns {Promise<Uint8Array>} shorter at the end */
  async read(at, length) {
    return new Uint8Array(await this.#kept.slice(at, at + length).arrayBuffer());
  }

  /** All that was fetched. */
  file() {
    return this.#kept;
  }

  /** @returns {Promise<"more" | "whole" | "lost">} */
  async #more() {
    const { to } = this.#gap;
    if (this.whole) return "whole";
    /** @type {Uint8Array[]} */
    const pieces = [];
    const answer = await this.#ask(this.#next, Math.min(to, this.#next + this.#questionBytes), (bytes) => {
      pieces.push(bytes);
      this.#coming += bytes.length;
    });
    this.#coming = 0;
    if (answer === null) return "lost"; // Its pieces are asked for again.
    this.#questionBytes = Math.min(this.#questionBytes * 2, QUESTION_BYTES);
    this.#kept = new Blob([this.#kept, ...pieces.map((bytes) => /** @type {BlobPart} */ (bytes))]);
    // An answer that leads nowhere: what is left will never come.
    const next = answer.next > this.#next ? Math.min(answer.next, to) : to;
    this.missing += answer.next > this.#next ? Math.min(answer.missing, next - this.#next) : to - this.#next;
    this.#next = next;
    return "more";
  }
}
