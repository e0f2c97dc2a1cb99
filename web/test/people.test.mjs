import assert from "node:assert/strict";
import test from "node:test";
import { decode, leaseWish } from "../src/frames.mjs";
import { nameOf, turnOf } from "../src/people.mjs";

/** @param {Partial<import("../src/frames.mjs").Person>} change */
const person = (change) => ({ number: 1, name: null, owner: false, readOnly: false, asks: false, ...change });
const owner = person({ owner: true });
const guest = person({ number: 2, name: "Ada" });

test("a person has its name, or what it is", () => {
  assert.deepEqual([owner, guest, person({ number: 7 })].map(nameOf), ["Owner", "Ada", "Guest 7"]);
});

test("everybody who may write types, until one holds the lease", () => {
  assert.equal(turnOf({ you: 2, holder: null, people: [owner, guest] }), null);
  const reader = person({ number: 3, readOnly: true });
  assert.equal(turnOf({ you: 3, holder: null, people: [owner, reader] })?.types, false);
  const held = { holder: 1, people: [owner, guest] };
  assert.deepEqual(turnOf({ you: 2, ...held }), { text: "Owner has the keyboard", button: "Ask for it", verb: "ask", types: false });
  assert.equal(turnOf({ you: 1, ...held })?.types, true);
  const asking = { holder: 1, people: [owner, { ...guest, asks: true }] };
  assert.equal(turnOf({ you: 2, ...asking })?.verb, "give-up");
  assert.equal(turnOf({ you: 1, holder: 2, people: [owner, guest] })?.verb, "take-back");
});

test("the frames of the lease", () => {
  const json = '{"you":2,"holder":null,"people":[{"number":2,"name":"Ada","owner":false,"read_only":true,"asks":false}]}';
  const frame = new Uint8Array([0x07, ...new TextEncoder().encode(json)]).buffer;
  const people = [{ number: 2, name: "Ada", owner: false, readOnly: true, asks: false }];
  assert.deepEqual(decode(frame), { type: "lease", roll: { you: 2, holder: null, people } });
  assert.deepEqual([...leaseWish("grant", 258)], [0x25, 2, 0, 0, 1, 2]);
});
