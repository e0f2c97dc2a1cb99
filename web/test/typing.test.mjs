import assert from "node:assert/strict";
import test from "node:test";
import { INPUT_WINDOW_BYTES } from "../src/frames.mjs";
import { Typing } from "../src/typing.mjs";

const encoder = new TextEncoder();
const CTRL_C = Uint8Array.of(3);

function typing() {
  /** @type {Uint8Array[]} */
  const sent = [];
  /** @type {number[]} */
  const waiting = [];
  const typed = new Typing((bytes) => sent.push(bytes.slice()), (bytes) => waiting.push(bytes));
  const total = () => sent.reduce((sum, bytes) => sum + bytes.length, 0);
  return { typed, sent, waiting, total };
}

test("what is typed goes out at once, in frames that the server takes", () => {
  const { typed, sent, waiting, total } = typing();
  typed.opened(0);
  typed.type(encoder.encode("ls\r"), 0);
  typed.type(new Uint8Array(100_000), 0);
  assert.equal(Buffer.from(sent[0] ?? []).toString(), "ls\r");
  assert.equal(total(), 100_003);
  assert.ok(sent.every((bytes) => bytes.length <= 16 * 1024));
  assert.deepEqual(waiting, []);
});

test("never is more sent than the credit, whatever is pasted, and all of it comes in order", () => {
  const { typed, sent, total, waiting } = typing();
  typed.opened(0);
  const paste = Uint8Array.from({ length: 3_000_000 }, (_, at) => at % 251);
  typed.type(paste, 0);
  typed.type(encoder.encode("x"), 0);
  let taken = 0;
  while (total() < paste.length + 1) {
    assert.ok(total() - taken <= INPUT_WINDOW_BYTES);
    taken += Math.min(70_001, total() - taken);
    typed.taken(taken);
  }
  assert.ok(Buffer.concat(sent).equals(Buffer.concat([paste, encoder.encode("x")])));
  assert.equal(waiting.at(-1), 0);
});

test("Ctrl-C drops the rest of a paste and is sent although the program takes nothing", () => {
  const { typed, sent, waiting, total } = typing();
  typed.opened(0);
  typed.type(new Uint8Array(INPUT_WINDOW_BYTES * 2), 0);
  const before = total();
  typed.type(CTRL_C, 0);
  assert.deepEqual([total() - before, Array.from(sent.at(-1) ?? [])], [1, [3]]);
  assert.equal(waiting.at(-1), 0);
  for (let press = 0; press < 10_000; press += 1) typed.type(CTRL_C, 0);
  assert.ok(total() <= INPUT_WINDOW_BYTES, "not even interrupts go beyond the credit");
});

test("a program that was told of a paste is told of its end when the rest is dropped", () => {
  const { typed, sent } = typing();
  typed.opened(0);
  typed.type(encoder.encode(`\x1b[200~${"x".repeat(INPUT_WINDOW_BYTES)}\x1b[201~`), 0);
  typed.type(CTRL_C, 0);
  assert.equal(Buffer.concat(sent.slice(-2)).toString(), "\x1b[201~\x03");
});

test("what is typed while the connection is away is kept for seconds, and each connection has its own credit", () => {
  const { typed, sent, total } = typing();
  typed.type(encoder.encode("old"), 0);
  typed.type(encoder.encode("new"), 4_000);
  typed.type(new Uint8Array(20_000), 4_000);
  typed.opened(6_000);
  assert.equal(Buffer.concat(sent).toString(), "new");
  typed.taken(3);
  typed.type(new Uint8Array(INPUT_WINDOW_BYTES * 2), 7_000);
  const before = total();
  typed.closed(8_000);
  typed.opened(9_000);
  assert.ok(total() > before, "the rest of the paste goes on");
  assert.ok(total() - before <= INPUT_WINDOW_BYTES);
  typed.closed(10_000);
  const then = total();
  typed.opened(20_000);
  assert.equal(total(), then, "and is given up when the connection was away for long");
});
