import assert from "node:assert/strict";
import test from "node:test";
import { Acks } from "../src/acks.mjs";

test("one ack goes out for all that one task parsed, and none twice", async () => {
  /** @type {number[]} */
  const sent = [];
  const acks = new Acks((offset) => sent.push(offset));
  for (const offset of [10, 20, 30]) acks.drawn(offset);
  assert.deepEqual(sent, []);
  await Promise.resolve();
  assert.deepEqual(sent, [30]);
  acks.drawn(30);
  acks.drawn(25);
  await Promise.resolve();
  assert.deepEqual(sent, [30]);
});

test("a new stream is told anew, and an emptied terminal begins again below", async () => {
  /** @type {number[]} */
  const sent = [];
  const acks = new Acks((offset) => sent.push(offset));
  acks.drawn(30);
  await Promise.resolve();
  acks.begin();
  acks.drawn(30);
  await Promise.resolve();
  acks.reset();
  acks.drawn(5);
  await Promise.resolve();
  assert.deepEqual(sent, [30, 30, 5]);
});
