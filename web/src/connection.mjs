// One viewer's connection to a session: opens it with a token, comes back with a resume token, and tells what happens.

import { afterClose } from "./closes.mjs";
import * as frames from "./frames.mjs";

/** @typedef {import("./frames.mjs").ServerFrame} ServerFrame */
/** @typedef {import("./closes.mjs").Next} Next */
/** @typedef {import("./keys.mjs").Keys} Keys */
/**
 * @typedef {object} Events
 * @property {(frame: ServerFrame) => void} onFrame
 * @property {() => void} onOpen the socket is open, nothing is known yet
 * @property {(next: Next) => void} onClose
 * @property {() => void} onRestart what was received so far is no longer continued: the output begins anew
 */

/** An open that takes longer is given up: a dead network says nothing. */
const OPEN_TIMEOUT_MILLIS = 15_000;
/** What is typed while the connection is away is kept this long, and no longer: later it would surprise. */
const TYPE_AHEAD_MILLIS = 5_000;
const TYPE_AHEAD_BYTES = 16 * 1024;
const MAX_INPUT_BYTES = 16 * 1024;

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
  /** @type {{ bytes: Uint8Array, at: number }[]} */
  #typed = [];

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
    const socket = new WebSocket(this.#url(), this.#subprotocols());
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      clearTimeout(this.#timer);
      this.#events.onOpen();
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

  /** @param {Uint8Array} frame */
  send(frame) {
    if (this.#admitted) this.#socket?.send(/** @type {BufferSource} */ (frame));
  }

  /** @param {Uint8Array} bytes as typed */
  type(bytes) {
    if (!this.#admitted) {
      const held = this.#typed.reduce((sum, part) => sum + part.bytes.length, 0);
      if (held + bytes.length <= TYPE_AHEAD_BYTES) this.#typed.push({ bytes, at: Date.now() });
      return;
    }
    for (let at = 0; at < bytes.length; at += MAX_INPUT_BYTES) {
      this.send(frames.input(bytes.subarray(at, at + MAX_INPUT_BYTES)));
    }
  }

  #url() {
    const url = new URL(`/ws/${this.#uid}`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("mode", "lossless");
    if (this.#reached !== null) url.searchParams.set("from", String(this.#reached));
    return url;
  }

  #subprotocols() {
    const key = this.#keys.best();
    if (key === null) throw new Error("there is no key to open the session with");
    if ("resume" in key) return [frames.SUBPROTOCOL, "resume", key.resume];
    return [frames.SUBPROTOCOL, "bearer", key.token, `nonce.${key.nonce}`];
  }

  /** @param {ArrayBuffer} data */
  #receive(data) {
    const frame = frames.decode(data);
    if (frame === null) return;
    if (frame.type === "resume") {
      this.#keys.resumeWith(frame.token);
      this.#admitted = true;
      this.send(frames.resumeAck(frame.generation));
      this.#sendTyped();
    } else if (frame.type === "output") {
      this.#reached = frame.offset + frame.bytes.length;
    } else if (frame.type === "error") {
      this.#detail = frame.detail;
    }
    this.#events.onFrame(frame);
  }

  #sendTyped() {
    const since = Date.now() - TYPE_AHEAD_MILLIS;
    for (const part of this.#typed.splice(0)) {
      if (part.at >= since) this.type(part.bytes);
    }
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
