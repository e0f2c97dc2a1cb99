// One viewer's connection to a session: opens it with a token, comes back with a resume token, and tells what happens.

import { afterClose } from "./closes.mjs";
import * as frames from "./frames.mjs";

/** @typedef {import("./frames.mjs").ServerFrame} ServerFrame */
/** @typedef {import("./closes.mjs").Next} Next */
/** @typedef {import("./keys.mjs").Keys} Keys */
/**
 * @typedef {object} Events
 * @property {(frame: ServerFrame) => void} onFrame
 * @property {() => void} onAdmitted the server listens, on a new connection
 * @property {(next: Next) => void} onClose
 * @property {() => void} onRestart what was received so far is no longer continued: the output begins anew
 */

/** An open that takes longer is given up: a dead network says nothing. */
const OPEN_TIMEOUT_MILLIS = 15_000;
/** How many lines a page that holds nothing asks for: as many as it keeps. */
const HISTORY_LINES = 100_000;

export class Connection {
  #uid;
  #keys;
  #events;
  /** @type {WebSocket | null} */
  #socket = null;
  /** Whether the server has admitted this page on the open socket. */
  #admitted = false;
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;
  /** What the server said before it closed. */
  #detail = "";
  /** The offset of the next byte; null before the first. @type {number | null} */
  #reached = null;

  /**
   * @param {string} uid
   * @param {Keys} keys
   * @param {Events} events
   */
  constructor(uid, keys, events) {
    this.#uid = uid;
    this.#keys = keys;
    this.#events = events;
    addEventListener("online", () => this.#hurry());
    addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#hurry());
  }

  open() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#admitted = false;
    this.#detail = "";
    const socket = new WebSocket(this.#url(), subprotocols(this.#keys));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      clearTimeout(this.#timer);
    };
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = (close) => this.#closed(socket, close.code, close.reason);
    this.#timer = setTimeout(() => this.#closed(socket, 1006, ""), OPEN_TIMEOUT_MILLIS);
    this.#socket = socket;
  }

  /** Tries again now, after the page had given up or another one had taken over. */
  async again() {
    this.#attempt = 0;
    await this.#keys.askOtherTabs();
    this.open();
  }

  /** The session can be seen: a later loss starts to count anew. */
  settled() {
    this.#attempt = 0;
  }

  /** Whether the server has let this page in. */
  get admitted() {
    return this.#admitted;
  }

  /** @param {Uint8Array} frame @returns {boolean} whether there was a connection to send it on */
  send(frame) {
    if (!this.#admitted || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(/** @type {BufferSource} */ (frame));
    return true;
  }

  #url() {
    const begin = this.#reached === null ? { history: HISTORY_LINES } : { from: this.#reached };
    return address(this.#uid, { mode: "live", ...begin });
  }

  /** @param {ArrayBuffer} data */
  #receive(data) {
    const frame = frames.decode(data);
    if (frame === null) return;
    if (frame.type === "resume") this.#resume(frame);
    else if (frame.type === "output") this.#reached = frame.offset + frame.bytes.length;
    else if (frame.type === "snapshot") this.#reached = frame.offset;
    else if (frame.type === "error") this.#detail = frame.detail;
    this.#events.onFrame(frame);
  }

  /** @param {ServerFrame & { type: "resume" }} resume */
  #resume({ token, generation }) {
    const first = !this.#admitted;
    this.#keys.resumeWith(token);
    this.#admitted = true;
    this.send(frames.resumeAck(generation));
    if (first) this.#events.onAdmitted();
  }

  /** @param {WebSocket} socket @param {number} code @param {string} reason */
  #closed(socket, code, reason) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#admitted = false;
    socket.close();
    // The link in the address was spent before, but this tab may still hold the key that it got for it.
    if (code === 4401 && this.#keys.discardBest()) return this.open();
    const next = afterClose(code, this.#detail || reason, this.#attempt);
    if (code === 4409) this.#keys.outdated();
    if (next.action === "retry") {
      if (next.restart) {
        this.#reached = null;
        this.#events.onRestart();
      }
      this.#attempt += 1;
      this.#timer = setTimeout(() => this.open(), next.delayMillis);
    }
    this.#events.onClose(next);
  }

  #hurry() {
    if (this.#socket === null && this.#timer !== undefined) this.open();
  }
}

/** @param {string} uid @param {Record<string, string | number>} query */
export function address(uid, query) {
  const url = new URL(`/ws/${uid}`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  return url;
}

/** @param {Keys} keys */
export function subprotocols(keys) {
  const key = keys.best();
  if (key === null) throw new Error("there is no key to open the session with");
  if ("resume" in key) return [frames.SUBPROTOCOL, "resume", key.resume];
  return [frames.SUBPROTOCOL, "bearer", key.token, `nonce.${key.nonce}`];
}
