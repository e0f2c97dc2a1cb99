import assert from "node:assert/strict";
import test from "node:test";
import { Keys } from "../src/keys.mjs";

function storage() {
  /** @type {Map<string, string>} */
  const map = new Map();
  return {
    getItem: (/** @type {string} */ name) => map.get(name) ?? null,
    setItem: (/** @type {string} */ name, /** @type {string} */ value) => void map.set(name, value),
    removeItem: (/** @type {string} */ name) => void map.delete(name),
  };
}

test("a token keeps its nonce over a reload until there is a resume token", (t) => {
  const kept = storage();
  const first = new Keys("a", "T", kept);
  t.after(() => first.close());
  const key = first.best();
  assert.ok(key !== null && "nonce" in key && /^[\w-]{22}$/.test(key.nonce));
  const reloaded = new Keys("a", null, kept);
  t.after(() => reloaded.close());
  assert.deepEqual(reloaded.best(), key);
  reloaded.resumeWith("R");
  const again = new Keys("a", null, kept);
  t.after(() => again.close());
  assert.deepEqual(again.best(), { resume: "R" });
  const stranger = new Keys("b", null, kept);
  t.after(() => stranger.close());
  assert.equal(stranger.best(), null);
});

test("a link that was used before gives way to the key that this tab has", (t) => {
  const kept = storage();
  kept.setItem("podling:a", JSON.stringify([{ resume: "R" }]));
  const keys = new Keys("a", "spent", kept);
  t.after(() => keys.close());
  assert.equal(keys.discardBest(), true);
  assert.deepEqual(keys.best(), { resume: "R" });
  assert.equal(keys.discardBest(), false);
  assert.equal(keys.best(), null);
});

test("whose tab was taken over gets the newest key from the one that took over", async (t) => {
  const [before, after] = [new Keys("a", null, storage()), new Keys("a", null, storage())];
  t.after(() => (before.close(), after.close()));
  before.resumeWith("R1");
  after.resumeWith("R2");
  before.outdated();
  await before.askOtherTabs();
  assert.deepEqual(before.best(), { resume: "R2" });
});

test("what is not ours is not read", (t) => {
  const kept = storage();
  kept.setItem("podling:a", "{broken");
  const keys = new Keys("a", null, kept);
  t.after(() => keys.close());
  assert.equal(keys.best(), null);
});
