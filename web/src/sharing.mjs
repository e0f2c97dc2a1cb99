// A share link: its secret, which stands behind the # and so reaches no server by itself, is traded for a session token.

/**
 * @typedef {{ token: string } | { title: string, text: string, again: boolean }} Redeemed `again`: trying again may help
 */

/** A link that is not answered is not used up, as far as anybody knows. */
const TIMEOUT_MILLIS = 15_000;

/**
 * @param {string} secret
 * @param {typeof fetch} ask
 * @returns {Promise<Redeemed>}
 */
export async function redeem(secret, ask = fetch) {
  try {
    const answer = await ask("/api/shares/redeem", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ secret }),
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MILLIS),
    });
    if (answer.ok) return { token: (await answer.json()).token };
    return refused(answer.status);
  } catch {
    return refused(0);
  }
}

/** @param {number} status @returns {Redeemed} */
function refused(status) {
  if (status === 404 || status === 400) {
    const text = "It was used as often as it may be, has expired, or was taken back. Ask whoever gave it to you for another.";
    return { title: "This link cannot be used any more", text, again: false };
  }
  if (status === 429) return { title: "Too many links were tried", text: "Wait a minute, then try again.", again: true };
  return { title: "The link could not be opened", text: "The server did not answer as it should.", again: true };
}
