import assert from "node:assert/strict";
import test from "node:test";
import * as frames from "../src/frames.mjs";

/** @param {string} hex */
function bytes(hex) {
  return new Uint8Array(hex.match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? []);
}

/** @param {Uint8Array} array */
function hex(array) {
  return Buffer.from(array).toString("hex");
}

const json = (/** @type {string} */ kind, /** @type {object} */ value) =>
  bytes(kind + Buffer.from(JSON.stringify(value)).toString("hex")).buffer;

test("what the server sends is read", () => {
  const output = frames.decode(bytes("010100000001000000006869").buffer);
  assert.ok(output?.type === "output");
  assert.deepEqual([output.offset, output.replay, hex(output.bytes)], [2 ** 32, true, "6869"]);
  assert.deepEqual(frames.decode(bytes("0500180050").buffer), { type: "resized", size: { rows: 24, cols: 80 } });
  assert.deepEqual(frames.decode(bytes("0600000003").buffer), { type: "viewers", count: 3 });
  assert.deepEqual(frames.decode(bytes("0800000002612e62").buffer), { type: "resume", generation: 2, token: "a.b" });
  const stage = frames.decode(json("04", { stage: "fetching", elapsed_millis: 12 }));
  assert.deepEqual(stage, { type: "stage", stage: "fetching", elapsedMillis: 12 });
  const exit = frames.decode(json("09", { reason: "oom", detail: "No memory." }));
  assert.deepEqual(exit, { type: "exit", reason: "oom", exitCode: null, detail: "No memory." });
  const snapshot = frames.decode(bytes("02000000000000000020001800501b5b48").buffer);
  assert.ok(snapshot?.type === "snapshot");
  assert.deepEqual([snapshot.offset, snapshot.replay, snapshot.size, hex(snapshot.bytes)], [32, false, { rows: 24, cols: 80 }, "1b5b48"]);
  const skipped = frames.decode(bytes("0300000000000010040000000100000000").buffer);
  assert.deepEqual(skipped, { type: "skipped", from: 4100, to: 2 ** 32 });
  assert.deepEqual(frames.decode(bytes("0c0000000000000003").buffer), { type: "input-taken", total: 3 });
  const fetched = frames.decode(bytes("0d00000000000010046869").buffer);
  assert.ok(fetched?.type === "fetched");
  assert.deepEqual([fetched.offset, hex(fetched.bytes)], [4100, "6869"]);
  assert.equal(frames.decode(bytes("1f00").buffer), null);
});

test("what the page sends is written", () => {
  assert.equal(hex(frames.input(bytes("6c730d"))), "206c730d");
  assert.equal(hex(frames.ack(2 ** 40 + 1)), "210000010000000001");
  assert.equal(hex(frames.resize({ rows: 40, cols: 300 })), "220028012c");
  assert.equal(hex(frames.resumeAck(7)), "2300000007");
  assert.equal(hex(frames.fetch(4100, 8192)), "2600000000000010040000000000002000");
  assert.equal(hex(frames.focus()), "24");
});
