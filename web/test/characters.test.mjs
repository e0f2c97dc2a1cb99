import assert from "node:assert/strict";
import { test } from "node:test";
import { Characters } from "../src/characters.mjs";

const text = "a\u2026b\u{1f600}\u00e9\u2022";
const bytes = new TextEncoder().encode(text);

test("a character that is cut at any byte arrives in one piece", () => {
  for (let cut = 0; cut <= bytes.length; cut++) {
    const characters = new Characters();
    const strict = new TextDecoder("utf-8", { fatal: true });
    const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)].map((piece) => strict.decode(characters.push(piece)));
    assert.equal(pieces.join(""), text, `cut at ${cut}`);
  }
});

test("one byte at a time loses nothing", () => {
  const characters = new Characters();
  const whole = [...bytes].flatMap((byte) => [...characters.push(Uint8Array.of(byte))]);
  assert.deepEqual(whole, [...bytes]);
});

test("bytes that begin no character are not held back", () => {
  const characters = new Characters();
  for (const broken of [[0x80], [0xff], [0x80, 0x80, 0x80], [0xc3, 0x41], [0xe2, 0x41]]) {
    assert.deepEqual([...characters.push(Uint8Array.from(broken))], broken);
  }
});

test("a reset forgets the beginning of a character", () => {
  const characters = new Characters();
  characters.push(Uint8Array.of(0xe2, 0x80));
  characters.reset();
  assert.deepEqual([...characters.push(Uint8Array.of(0x41))], [0x41]);
});
