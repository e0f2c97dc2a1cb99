// Frames of the subprotocol `podling.v1`: one binary message each, the first byte is the type, numbers are big-endian.
// docs/protocol.md is the reference.

/** @typedef {{ rows: number, cols: number }} Size */
/** @typedef {{ number: number, name: string | null, owner: boolean, readOnly: boolean, asks: boolean }} Person */
/**
 * Who is attached: by number, which of them this viewer is, and who alone may type.
 * @typedef {{ you: number, holder: number | null, people: Person[] }} Roll
 */
/** @typedef {keyof typeof LEASE_VERBS} LeaseVerb */
/**
 * What the server sends.
 * @typedef {{ type: "output", offset: number, replay: boolean, bytes: Uint8Array }
 *   | { type: "snapshot", offset: number, replay: boolean, size: Size, bytes: Uint8Array }
 *   | { type: "skipped", from: number, to: number }
 *   | { type: "stage", stage: string, elapsedMillis: number }
 *   | { type: "resized", size: Size }
 *   | { type: "viewers", count: number }
 *   | { type: "lease", roll: Roll }
 *   | { type: "resume", generation: number, token: string }
 *   | { type: "exit", reason: string, exitCode: number | null, detail: string }
 *   | { type: "error", status: number, detail: string }
 *   | { type: "mark", text: string }
 *   | { type: "input-taken", total: number }
 *   | { type: "fetched", offset: number, bytes: Uint8Array }} ServerFrame
 */

export const SUBPROTOCOL = "podling.v1";

/** How much may be typed beyond what the program has taken. */
export const INPUT_WINDOW_BYTES = 256 * 1024;

const FLAG_REPLAY = 1;
const text = new TextDecoder();

/**
 * @param {ArrayBuffer} buffer
 * @returns {ServerFrame | null} null for a type that this page does not know
 */
export function decode(buffer) {
  const view = new DataView(buffer);
  const rest = (/** @type {number} */ from) => new Uint8Array(buffer, from);
  // Offsets stay far below 2^53, where a number stops being exact.
  const offset = (/** @type {number} */ at) => Number(view.getBigUint64(at));
  const size = (/** @type {number} */ at) => ({ rows: view.getUint16(at), cols: view.getUint16(at + 2) });
  const replay = () => (view.getUint8(1) & FLAG_REPLAY) !== 0;
  const json = () => JSON.parse(text.decode(rest(1)));
  switch (view.getUint8(0)) {
    case 0x01:
      return { type: "output", offset: offset(2), replay: replay(), bytes: rest(10) };
    case 0x02:
      return { type: "snapshot", offset: offset(2), replay: replay(), size: size(10), bytes: rest(14) };
    case 0x03:
      return { type: "skipped", from: offset(1), to: offset(9) };
    case 0x04: {
      const { stage, elapsed_millis: elapsedMillis } = json();
      return { type: "stage", stage, elapsedMillis };
    }
    case 0x05:
      return { type: "resized", size: size(1) };
    case 0x06:
      return { type: "viewers", count: view.getUint32(1) };
    case 0x07: {
      const { you, holder, people } = json();
      return { type: "lease", roll: { you, holder, people: people.map(person) } };
    }
    case 0x08:
      return { type: "resume", generation: view.getUint32(1), token: text.decode(rest(5)) };
    case 0x09: {
      const { reason, exit_code: exitCode, detail } = json();
      return { type: "exit", reason, exitCode: exitCode ?? null, detail };
    }
    case 0x0a: {
      const { status, detail } = json();
      return { type: "error", status, detail };
    }
    case 0x0b:
      return { type: "mark", text: text.decode(rest(1)) };
    case 0x0c:
      return { type: "input-taken", total: offset(1) };
    case 0x0d:
      return { type: "fetched", offset: offset(1), bytes: rest(9) };
    default:
      return null;
  }
}

/** @param {Uint8Array} bytes as typed */
export function input(bytes) {
  const frame = new Uint8Array(1 + bytes.length);
  frame[0] = 0x20;
  frame.set(bytes, 1);
  return frame;
}

/** @param {number} offset everything below it was drawn */
export function ack(offset) {
  const frame = new DataView(new ArrayBuffer(9));
  frame.setUint8(0, 0x21);
  frame.setBigUint64(1, BigInt(offset));
  return new Uint8Array(frame.buffer);
}

/** @param {Size} size */
export function resize({ rows, cols }) {
  return Uint8Array.of(0x22, rows >> 8, rows & 0xff, cols >> 8, cols & 0xff);
}

/** @param {number} generation of the resume token that this page now holds */
export function resumeAck(generation) {
  const frame = new DataView(new ArrayBuffer(5));
  frame.setUint8(0, 0x23);
  frame.setUint32(1, generation);
  return new Uint8Array(frame.buffer);
}

/** Asks for output that was skipped; at most 1 MiB of it is answered. @param {number} from @param {number} to */
export function fetch(from, to) {
  const frame = new DataView(new ArrayBuffer(17));
  frame.setUint8(0, 0x26);
  frame.setBigUint64(1, BigInt(from));
  frame.setBigUint64(9, BigInt(to));
  return new Uint8Array(frame.buffer);
}

const LEASE_VERBS = { ask: 0, "give-up": 1, grant: 2, refuse: 3, "take-back": 4 };

/** A wish of the input lease; `number` is of whom to grant or refuse it. @param {LeaseVerb} verb */
export function leaseWish(verb, number = 0) {
  const frame = new DataView(new ArrayBuffer(6));
  frame.setUint8(0, 0x25);
  frame.setUint8(1, LEASE_VERBS[verb]);
  frame.setUint32(2, number);
  return new Uint8Array(frame.buffer);
}

/**
 * @param {{ number: number, name: string | null, owner: boolean, read_only: boolean, asks: boolean }} wire
 * @returns {Person}
 */
function person({ read_only: readOnly, ...rest }) {
  return { ...rest, readOnly };
}

/** The page became visible or was clicked. */
export function focus() {
  return Uint8Array.of(0x24);
}
