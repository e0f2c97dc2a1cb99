// Asks for output that was skipped, a question at a time, and reads the answers.

/**
 * How an answer ended: `next` is where a next question goes on, `missing` how much of what was asked for is no longer
 * kept.
 * @typedef {{ next: number, missing: number }} Answer
 */
/** @typedef {{ reached: number, to: number, missing: number, onPiece: (bytes: Uint8Array) => void, answer: (answer: Answer | null) => void }} Question */

export class Fetching {
  #send;
  /** @type {Question | null} */
  #question = null;
  /** The answer to the question before, whoever asked it. @type {Promise<unknown>} */
  #before = Promise.resolve();

  /** @param {(from: number, to: number) => boolean} send false when there is no connection */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Asks for what is between two offsets; the server answers with a part of it, from the beginning on.
   * @param {number} from
   * @param {number} to
   * @param {(bytes: Uint8Array) => void} onPiece in order
   * @returns {Promise<Answer | null>} null when the connection was lost
   */
  ask(from, to, onPiece) {
    const answer = this.#before.then(() => this.#ask(from, to, onPiece));
    this.#before = answer;
    return answer;
  }

  /** @param {number} offset @param {Uint8Array} bytes */
  fetched(offset, bytes) {
    const question = this.#question;
    if (question === null) return;
    question.missing += Math.max(0, offset - question.reached);
    question.reached = Math.max(question.reached, offset + bytes.length);
    if (bytes.length > 0) return question.onPiece(bytes);
    this.#question = null;
    question.answer({ next: question.reached, missing: question.missing });
  }

  /** Another stream begins, which knows nothing of a question that was put to the one before. */
  begin() {
    if (this.#question !== null && !this.#send(this.#question.reached, this.#question.to)) this.lost();
  }

  /** Nothing more will come on this connection. */
  lost() {
    const question = this.#question;
    this.#question = null;
    question?.answer(null);
  }

  /** @param {number} from @param {number} to @param {(bytes: Uint8Array) => void} onPiece @returns {Promise<Answer | null>} */
  #ask(from, to, onPiece) {
    return new Promise((answer) => {
      this.#question = { reached: from, to, missing: 0, onPiece, answer };
      if (!this.#send(from, to)) this.lost();
    });
  }
}
