import assert from "node:assert/strict";
import test from "node:test";
import { Fetching } from "../src/fetching.mjs";
import { Gaps, amount, markText, markedGap } from "../src/gaps.mjs";
import { SkippedOutput } from "../src/skipped.mjs";

/** @typedef {import("../src/fetching.mjs").Answer} Answer */

test("a snapshot closes the gap that was told of, and one without stands for no gap", () => {
  const gaps = new Gaps();
  assert.equal(gaps.snapshot(), null);
  gaps.skipped(10, 30);
  gaps.skipped(30, 50);
  assert.deepEqual(gaps.snapshot(), { number: 1, from: 10, to: 50 });
  assert.equal(gaps.snapshot(), null);
  gaps.skipped(60, 70);
  gaps.begin(); // The stream broke before the snapshot; the next one begins at 60.
  assert.equal(gaps.snapshot(), null);
  gaps.skipped(60, 100);
  assert.deepEqual(gaps.snapshot(), { number: 2, from: 60, to: 100 });
  assert.deepEqual([gaps.count, gaps.bytes, gaps.get(2)?.from, gaps.get(3)], [2, 80, 60, undefined]);
});

test("the mark of a gap fits its line and is found again", () => {
  const gap = { number: 12, from: 0, to: 1_234_567 };
  assert.equal(markText(gap, 80), "─── gap 12 · 1.2 MB were skipped · show ───");
  for (const cols of [20, 30, 43, 44, 200]) assert.equal(markedGap(markText(gap, cols)), 12);
  assert.ok(markText(gap, 30).length <= 30);
  assert.equal(markedGap("$ echo gap 12"), null);
});

test("amounts are short", () => {
  const rows = /** @type {const} */ ([[1, "1 byte"], [999, "999 bytes"], [1_000, "1.0 kB"], [999_999, "1.0 MB"], [3_140_000, "3.1 MB"], [2e9, "2.0 GB"]]);
  for (const [bytes, text] of rows) assert.equal(amount(bytes), text);
});

/** A server that keeps the bytes from `first` on and answers at most `most` of them. @param {number} first @param {number} most */
function server(first, most) {
  const fetching = new Fetching((from, to) => {
    const begin = Math.max(from, first);
    const end = Math.max(begin, Math.min(to, begin + most));
    queueMicrotask(() => {
      for (let at = begin; at < end; at += 1000) fetching.fetched(at, pattern(at, Math.min(at + 1000, end)));
      fetching.fetched(end, new Uint8Array(0));
    });
    return true;
  });
  return fetching;
}

/** @param {number} from @param {number} to */
function pattern(from, to) {
  return Uint8Array.from({ length: to - from }, (_, at) => (from + at) % 251);
}

/** @param {SkippedOutput} output */
async function whole(output) {
  while ((await output.more()) === "more");
  return output.read(0, output.size);
}

test("a gap is fetched whole, a question at a time", async () => {
  const fetching = server(0, 64_000);
  const output = new SkippedOutput({ number: 1, from: 5_000, to: 300_001 }, (...question) => fetching.ask(...question));
  const other = new SkippedOutput({ number: 2, from: 7, to: 90_000 }, (...question) => fetching.ask(...question));
  const [bytes, others] = await Promise.all([whole(output), whole(other)]);
  assert.ok(Buffer.from(bytes).equals(pattern(5_000, 300_001)));
  assert.ok(Buffer.from(others).equals(pattern(7, 90_000)));
  assert.deepEqual([output.missing, output.whole, output.file().size], [0, true, 295_001]);
});

test("what is no longer kept is counted, and asked for no second time", async () => {
  const fetching = server(6_000, 1_000_000);
  const output = new SkippedOutput({ number: 1, from: 5_000, to: 9_000 }, (...question) => fetching.ask(...question));
  assert.ok(Buffer.from(await whole(output)).equals(pattern(6_000, 9_000)));
  assert.equal(output.missing, 1_000);
  const gone = new SkippedOutput({ number: 1, from: 0, to: 4_000 }, (...question) => fetching.ask(...question));
  assert.equal((await whole(gone)).length, 0);
  assert.deepEqual([gone.missing, gone.whole], [4_000, true]);
});

test("an answer that leads nowhere ends the asking", async () => {
  const fetching = new Fetching((from) => {
    queueMicrotask(() => fetching.fetched(from, new Uint8Array(0)));
    return true;
  });
  const output = new SkippedOutput({ number: 1, from: 10, to: 20 }, (...question) => fetching.ask(...question));
  assert.equal((await whole(output)).length, 0);
  assert.equal(output.missing, 10);
});

test("a lost connection loses no piece and doubles none", async () => {
  let connected = true;
  const fetching = new Fetching((from, to) => {
    if (!connected) return false;
    queueMicrotask(() => {
      fetching.fetched(from, pattern(from, from + 10));
      fetching.lost();
      assert.equal(to, 100);
    });
    return true;
  });
  const output = new SkippedOutput({ number: 1, from: 0, to: 100 }, (...question) => fetching.ask(...question));
  assert.equal(await output.more(), "lost");
  connected = false;
  assert.equal(await output.more(), "lost");
  assert.deepEqual([output.size, output.passed], [0, 0]);
});

test("a question that a broken stream leaves open is put to the next one", async () => {
  /** @type {number[][]} */
  const asked = [];
  const fetching = new Fetching((from, to) => {
    asked.push([from, to]);
    queueMicrotask(() => {
      fetching.fetched(from, pattern(from, from + 50));
      if (asked.length === 1) return fetching.begin();
      fetching.fetched(from + 50, new Uint8Array(0));
    });
    return true;
  });
  const output = new SkippedOutput({ number: 1, from: 0, to: 100 }, (...question) => fetching.ask(...question));
  assert.ok(Buffer.from(await whole(output)).equals(pattern(0, 100)));
  assert.deepEqual(asked, [[0, 100], [50, 100]]);
});
