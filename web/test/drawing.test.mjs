import assert from "node:assert/strict";
import test from "node:test";
import { tickWhileHidden } from "../src/background.mjs";
import { Drawing } from "../src/drawing.mjs";

/** A terminal that parses when told to, in order, as xterm.js does. */
function terminal() {
  /** @type {{ data: string | Uint8Array, done: (() => void) | undefined }[]} */
  const queue = [];
  /** @type {string[]} */
  const seen = [];
  return {
    seen,
    /** @param {string | Uint8Array} data @param {() => void} [done] */
    write: (data, done) => void queue.push({ data, done }),
    parse() {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (next.data !== "") seen.push(String(next.data));
        next.done?.();
      }
    },
  };
}

test("a step waits for what came before it, and what it writes comes before what follows", () => {
  const term = terminal();
  const drawing = new Drawing(term);
  drawing.write("a");
  drawing.then(() => {
    assert.deepEqual(term.seen, ["a"]);
    term.write("b");
  });
  drawing.then(() => {
    assert.deepEqual(term.seen, ["a", "b"]);
    term.seen.push("resized");
  });
  drawing.write("c", () => term.seen.push("drawn"));
  term.parse();
  drawing.write("d");
  term.parse();
  assert.deepEqual(term.seen, ["a", "b", "resized", "c", "drawn", "d"]);
});

test("a step that fails does not stop what follows", () => {
  const term = terminal();
  const drawing = new Drawing(term);
  drawing.then(() => {
    throw new Error("no room");
  });
  drawing.write("a");
  assert.throws(() => term.parse(), /no room/);
  term.parse();
  assert.deepEqual(term.seen, ["a"]);
});

test("timers without delay go on while the tab is hidden, once each, and can be cancelled", async () => {
  const channel = new MessageChannel();
  let last = 0;
  /** @type {Map<number, () => void>} */
  const sleeping = new Map();
  /** @type {import("../src/background.mjs").Scope} */
  const scope = {
    document: { visibilityState: "hidden" },
    setTimeout: (act) => {
      sleeping.set((last += 1), act);
      return last;
    },
    clearTimeout: (id) => void sleeping.delete(id ?? 0),
  };
  tickWhileHidden(scope, channel);
  /** @type {string[]} */
  const ran = [];
  await new Promise((done) => {
    scope.setTimeout(() => ran.push("first"));
    scope.clearTimeout(scope.setTimeout(() => ran.push("cancelled")));
    scope.setTimeout(() => ran.push("later"), 50);
    scope.setTimeout(() => done(undefined), 0);
  });
  assert.deepEqual(ran, ["first"]);
  assert.equal(sleeping.size, 1, "only the one with a delay is left to the browser");
  scope.document.visibilityState = "visible";
  scope.setTimeout(() => ran.push("shown"));
  assert.equal(sleeping.size, 2, "a visible tab has the browser's timers");
  channel.port1.close();
});
