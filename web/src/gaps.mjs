// The gaps in what this page was shown: output that was skipped because the page was too slow for it, or away.

/** Output from the first offset to the second was not shown. @typedef {{ number: number, from: number, to: number }} Gap */

export class Gaps {
  /** @type {Gap[]} */
  #gaps = [];
  /** Told of, but not followed by its snapshot yet. @type {{ from: number, to: number } | null} */
  #open = null;

  /** @param {number} from @param {number} to */
  skipped(from, to) {
    // Without a snapshot in between nothing was shown in between.
    this.#open = { from: this.#open?.from ?? from, to };
  }

  /** A snapshot came. @returns {Gap | null} the gap before it */
  snapshot() {
    if (this.#open === null) return null;
    const gap = { number: this.#gaps.length + 1, ...this.#open };
    this.#open = null;
    this.#gaps.push(gap);
    return gap;
  }

  /** Another stream begins where the page was before what it was told of. */
  begin() {
    this.#open = null;
  }

  /** @param {number} number from 1 */
  get(number) {
    return this.#gaps[number - 1];
  }

  get count() {
    return this.#gaps.length;
  }

  /** How many bytes were skipped in all. */
  get bytes() {
    return this.#gaps.reduce((sum, { from, to }) => sum + (to - from), 0);
  }
}

/**
 * The line that stands in the terminal for a gap.
 * @param {Gap} gap
 * @param {number} cols
 */
export function markText({ number, from, to }, cols) {
  const size = amount(to - from);
  const whole = `─── gap ${number} · ${size} were skipped · show ───`;
  return whole.length < cols ? whole : `gap ${number} · ${size} · show`;
}

/**
 * Which gap a line of the terminal stands for. A program may print such a line as well; it then leads to a gap that
 * there is, or nowhere.
 * @param {string} line
 */
export function markedGap(line) {
  const number = /^(?:─── )?gap (\d{1,9}) · /.exec(line)?.[1];
  return number === undefined ? null : Number(number);
}

/** @param {number} bytes */
export function amount(bytes) {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  if (bytes < 999_950) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 999_950_000) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
