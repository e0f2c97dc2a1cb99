import assert from "node:assert/strict";
import test from "node:test";
import { redeem } from "../src/sharing.mjs";

/** @param {number} status @param {unknown} body */
const answering = (status, body = {}) => async () => new Response(JSON.stringify(body), { status });

test("a secret is traded for a token, in the body and without cookies", async () => {
  /** @type {[unknown, RequestInit | undefined][]} */
  const asked = [];
  const ask = async (/** @type {unknown} */ url, /** @type {RequestInit | undefined} */ init) => {
    asked.push([url, init]);
    return new Response(JSON.stringify({ token: "t" }));
  };
  assert.deepEqual(await redeem("s", ask), { token: "t" });
  assert.equal(asked[0]?.[0], "/api/shares/redeem");
  assert.equal(asked[0]?.[1]?.body, '{"secret":"s"}');
  assert.equal(asked[0]?.[1]?.credentials, "omit");
});

test("a link that is over says so, and a server that fails may be asked again", async () => {
  const again = async (/** @type {number} */ status) => {
    const redeemed = await redeem("s", answering(status));
    return "title" in redeemed ? redeemed.again : "a token";
  };
  assert.equal(await again(404), false);
  assert.equal(await again(429), true);
  assert.equal(await again(503), true);
  const lost = await redeem("s", () => Promise.reject(new TypeError("no network")));
  assert.ok("again" in lost && lost.again);
});
