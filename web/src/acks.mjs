// Tells the server how far the page has drawn: that is what refills its credit for output.

export class Acks {
  #send;
  #drawn = 0;
  #acked = 0;
  #due = false;

  /** @param {(offset: number) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Everything below the offset was parsed. The ack goes out when the task that parsed it is over, one for all that was
   * parsed in it. No timer has a part in this: those of a hidden tab come once a second.
   * @param {number} offset
   */
  drawn(offset) {
    this.#drawn = Math.max(this.#drawn, offset);
    if (this.#due || this.#drawn === this.#acked) return;
    this.#due = true;
    queueMicrotask(() => this.#ack());
  }

  /** Another stream has begun, to which nothing was acked yet. */
  begin() {
    this.#acked = 0;
  }

  /** What is drawn from now on has offsets of its own: the terminal was emptied. */
  reset() {
    this.#drawn = 0;
    this.#acked = 0;
  }

  #ack() {
    this.#due = false;
    if (this.#drawn === this.#acked) return;
    this.#acked = this.#drawn;
    this.#send(this.#drawn);
  }
}
