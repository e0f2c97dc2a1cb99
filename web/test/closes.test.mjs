import assert from "node:assert/strict";
import test from "node:test";
import { afterClose, elapsed } from "../src/closes.mjs";

const half = () => 0.5;

test("a hand-over comes back at once, other losses after a moment, and then ever later", () => {
  const delay = (/** @type {number} */ code, /** @type {number} */ attempt) => {
    const next = afterClose(code, "", attempt, half);
    return next.action === "retry" ? next.delayMillis : next.action;
  };
  assert.equal(delay(1001, 0), 0);
  assert.equal(delay(1006, 0), 250);
  assert.equal(delay(4412, 0), 250);
  assert.equal(delay(1001, 1), 750);
  assert.equal(delay(4503, 3), 3_000);
  assert.equal(delay(1006, 50), 11_250);
});

test("what cannot be helped by waiting stops with words", () => {
  for (const code of [4400, 4401, 4403, 4404, 4408, 4409, 4410]) {
    const next = afterClose(code, "mode: lossless, live or plain", 0);
    assert.ok(next.action === "stop" && next.title && next.text, String(code));
  }
  assert.equal(afterClose(1000, "", 0).action, "ended");
  const taken = afterClose(4409, "", 0);
  assert.ok(taken.action === "stop" && taken.button === "take-over");
  const fell = afterClose(4411, "", 0);
  assert.ok(fell.action === "retry" && fell.restart);
});

test("times are short", () => {
  assert.deepEqual([0, 59_999, 61_000, -5].map(elapsed), ["0 s", "59 s", "1 min 1 s", "0 s"]);
});
