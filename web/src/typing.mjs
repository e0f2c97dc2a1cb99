// What is typed, on its way to the program: held while the connection is away, and within the credit that the server
// gives for input. What exceeds the credit waits here, so that an interrupt need not wait behind it.

import { INPUT_WINDOW_BYTES } from "./frames.mjs";

/** What is typed while the connection is away is kept this long, and no longer: later it would surprise. */
const TYPE_AHEAD_MILLIS = 5_000;
const TYPE_AHEAD_BYTES = 16 * 1024;
const MAX_INPUT_BYTES = 16 * 1024;
/** The part of the credit that is left for interrupts when a paste waits. */
const RESERVE_BYTES = 4 * 1024;

const CTRL_C = 0x03;
const CTRL_BACKSLASH = 0x1c;
/** How a terminal tells a program that a paste is over. */
const PASTE_END = new TextEncoder().encode("\x1b[201~");

export class Typing {
  #send;
  #onWaiting;
  #open = false;
  /** What was not sent yet, oldest first. @type {{ bytes: Uint8Array, at: number }[]} */
  #queue = [];
  #waiting = 0;
  #told = 0;
  #sent = 0;
  #taken = 0;

  /**
   * @param {(bytes: Uint8Array) => void} send
   * @param {(bytes: number) => void} onWaiting how much waits for credit now
   */
  constructor(send, onWaiting) {
    this.#send = send;
    this.#onWaiting = onWaiting;
  }

  /** The server listens, on a connection whose credit is whole. @param {number} now in milliseconds */
  opened(now) {
    this.#open = true;
    this.#sent = 0;
    this.#taken = 0;
    this.#keep((part) => part.at >= now - TYPE_AHEAD_MILLIS);
    this.#flush();
  }

  /** @param {number} now in milliseconds */
  closed(now) {
    if (!this.#open) return;
    this.#open = false;
    for (const part of this.#queue) part.at = now;
  }

  /** @param {Uint8Array} bytes as typed @param {number} now in milliseconds */
  type(bytes, now) {
    if (!this.#open && this.#waiting + bytes.length > TYPE_AHEAD_BYTES) return;
    if (this.#waiting > 0 && this.#open && isInterrupt(bytes)) return this.#interrupt(bytes, now);
    this.#queue.push({ bytes, at: now });
    this.#waiting += bytes.length;
    if (this.#open) this.#flush();
  }

  /** @param {number} total how many bytes of this connection's input the program has taken */
  taken(total) {
    this.#taken = Math.max(this.#taken, total);
    if (this.#open) this.#flush();
  }

  /** The rest of the paste goes away; a program that was told of its beginning is told of its end. @param {Uint8Array} bytes @param {number} now */
  #interrupt(bytes, now) {
    const last = this.#queue.at(-1)?.bytes;
    const ends = last !== undefined && endsWith(last, PASTE_END) ? [PASTE_END, bytes] : [bytes];
    this.#queue = ends.map((part) => ({ bytes: part, at: now }));
    this.#waiting = ends.reduce((sum, part) => sum + part.length, 0);
    this.#flush(0);
  }

  /** Sends what the credit allows. @param {number} reserve how much of the credit is left for later */
  #flush(reserve = RESERVE_BYTES) {
    for (let part = this.#queue[0]; part !== undefined; part = this.#queue[0]) {
      const room = Math.min(INPUT_WINDOW_BYTES - reserve - (this.#sent - this.#taken), MAX_INPUT_BYTES);
      if (room <= 0) break;
      this.#send(part.bytes.subarray(0, room));
      this.#sent += Math.min(part.bytes.length, room);
      this.#waiting -= Math.min(part.bytes.length, room);
      part.bytes = part.bytes.subarray(room);
      if (part.bytes.length === 0) this.#queue.shift();
    }
    this.#tell();
  }

  #tell() {
    if (this.#told === this.#waiting) return;
    this.#told = this.#waiting;
    this.#onWaiting(this.#waiting);
  }

  /** @param {(part: { bytes: Uint8Array, at: number }) => boolean} wanted */
  #keep(wanted) {
    this.#queue = this.#queue.filter(wanted);
    this.#waiting = this.#queue.reduce((sum, part) => sum + part.bytes.length, 0);
  }
}

/** @param {Uint8Array} bytes */
function isInterrupt(bytes) {
  return bytes.length === 1 && (bytes[0] === CTRL_C || bytes[0] === CTRL_BACKSLASH);
}

/** @param {Uint8Array} bytes @param {Uint8Array} end */
function endsWith(bytes, end) {
  return bytes.length >= end.length && end.every((byte, at) => bytes[bytes.length - end.length + at] === byte);
}
