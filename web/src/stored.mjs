// Output of a session that has ended: no stream is left to ask, but the log is still there, and can be read from any
// offset that is kept.

import { address, subprotocols } from "./connection.mjs";
import * as frames from "./frames.mjs";

/** @typedef {import("./fetching.mjs").Answer} Answer */

/** The offset that was asked for is no longer kept; the reason is the first that is. */
const NOT_KEPT = 4411;
/** A log that says nothing for this long is given up. */
const SILENCE_MILLIS = 15_000;

/**
 * @param {string} uid
 * @param {import("./keys.mjs").Keys} keys
 * @param {number} from
 * @param {number} to
 * @param {(bytes: Uint8Array) => void} onPiece in order
 * @returns {Promise<Answer | null>} null when it cannot be reached
 */
export async function readStored(uid, keys, from, to, onPiece) {
  const { reached, first } = await read(uid, keys, from, to, onPiece);
  if (first === null) return reached === from ? null : { next: reached, missing: 0 };
  const begin = Math.min(first, to);
  const rest = begin === to ? { reached: to } : await read(uid, keys, begin, to, onPiece);
  return { next: rest.reached, missing: begin - from };
}

/**
 * Reads until `to`, or until the log says no more.
 * @param {string} uid
 * @param {import("./keys.mjs").Keys} keys
 * @param {number} from
 * @param {number} to
 * @param {(bytes: Uint8Array) => void} onPiece
 * @returns {Promise<{ reached: number, first: number | null }>} `first`: where the log begins, when that is behind `from`
 */
function read(uid, keys, from, to, onPiece) {
  const socket = new WebSocket(address(uid, { mode: "lossless", from }), subprotocols(keys));
  socket.binaryType = "arraybuffer";
  let reached = from;
  return new Promise((done) => {
    let silence = setTimeout(() => socket.close(), SILENCE_MILLIS);
    socket.onclose = ({ code, reason }) => {
      clearTimeout(silence);
      done({ reached, first: code === NOT_KEPT ? Number(reason) : null });
    };
    socket.onmessage = ({ data }) => {
      clearTimeout(silence);
      silence = setTimeout(() => socket.close(), SILENCE_MILLIS);
      const frame = frames.decode(data);
      if (frame?.type === "resume") {
        keys.resumeWith(frame.token);
        socket.send(frames.resumeAck(frame.generation));
      } else if (frame?.type === "output" && reached < to) {
        onPiece(frame.bytes.subarray(Math.max(0, reached - frame.offset), to - frame.offset));
        reached = Math.min(to, frame.offset + frame.bytes.length);
        socket.send(frames.ack(frame.offset + frame.bytes.length));
        if (reached === to) socket.close();
      }
    };
  });
}
