// The order in which things reach the terminal. xterm.js parses what it is given later and in pieces; what depends on
// the terminal's state, such as a resize, has to wait for its turn and lets nothing pass before it is done.

/** What this needs of a terminal. @typedef {{ write: (data: string | Uint8Array, done?: () => void) => void }} Writes */

export class Drawing {
  #term;
  /** What came while a step was waiting for its turn. @type {(() => void)[] | null} */
  #held = null;

  /** @param {Writes} term */
  constructor(term) {
    this.#term = term;
  }

  /** @param {string | Uint8Array} data @param {() => void} [done] called when it was parsed */
  write(data, done) {
    this.#inTurn(() => this.#term.write(data, done));
  }

  /**
   * Does a step when all before it was parsed. What the step writes to the terminal itself comes before all that is
   * drawn after it.
   * @param {() => void} step
   */
  then(step) {
    this.#inTurn(() => {
      this.#held = [];
      this.#term.write("", () => {
        try {
          step();
        } finally {
          this.#release();
        }
      });
    });
  }

  /** @param {() => void} act */
  #inTurn(act) {
    if (this.#held === null) act();
    else this.#held.push(act);
  }

  #release() {
    const held = this.#held ?? [];
    this.#held = null;
    for (const act of held) this.#inTurn(act);
  }
}
