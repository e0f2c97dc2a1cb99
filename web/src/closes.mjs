// What a page does when its socket closes, by close code, and what it says.

/**
 * `retry`: connect again after `delayMillis`, from the offset reached; with `restart`, from the first that is kept.
 * `stop`: tell the user. `button` names what they can do about it.
 * @typedef {{ action: "retry", delayMillis: number, restart: boolean, why: string }
 *   | { action: "stop", title: string, text: string, button?: "take-over" | "reconnect" }
 *   | { action: "ended" }} Next
 */

const FIRST_DELAY_MILLIS = 500;
const LONGEST_DELAY_MILLIS = 15_000;

const NEW_LINK = "Ask for a new link where this one came from: POST /api/sessions/{id}/token makes one.";

/**
 * @param {number} code
 * @param {string} detail what the server said, for people
 * @param {number} attempt how many times in a row it was tried already
 * @param {() => number} random from 0 to 1
 * @returns {Next}
 */
export function afterClose(code, detail, attempt, random = Math.random) {
  const retry = (/** @type {string} */ why, restart = false) => {
    const first = code === 1001 ? 0 : random() * FIRST_DELAY_MILLIS;
    const longest = Math.min(FIRST_DELAY_MILLIS * 2 ** attempt, LONGEST_DELAY_MILLIS);
    const delayMillis = attempt === 0 ? first : longest * (0.5 + random() / 2);
    return /** @type {Next} */ ({ action: "retry", delayMillis, restart, why });
  };
  switch (code) {
    case 1000:
      return { action: "ended" };
    case 1001:
      return retry("The server handed this terminal over.");
    case 4400:
      return { action: "stop", title: "This page and the server do not agree", text: detail, button: "reconnect" };
    case 4401:
      return { action: "stop", title: "This link has been used or has expired", text: `A link opens a terminal once, and only for a few minutes. ${NEW_LINK}` };
    case 4403:
      return { action: "stop", title: "The link was taken back", text: "Whoever shared this terminal has ended it. Ask for another link." };
    case 4404:
      return { action: "stop", title: "There is no such session", text: "It may have been deleted, or the link is incomplete." };
    case 4408:
      return { action: "stop", title: "Disconnected while idle", text: "Nothing happened here for a while.", button: "reconnect" };
    case 4409:
      return { action: "stop", title: "Open somewhere else", text: "This terminal was opened in another tab or window.", button: "take-over" };
    case 4410:
      return { action: "stop", title: "This session is over", text: "Its output is no longer kept." };
    case 4411:
      return retry("The oldest output is no longer kept.", true);
    case 4412:
      return retry("This page was too slow for the output.");
    case 4429:
      return retry("Too many people are watching. Waiting for a place.");
    case 4503:
      return retry("The server is busy with a failure of its own.");
    default:
      return retry("The connection was lost.");
  }
}

/** What a stage is called while it lasts. @type {Record<string, string>} */
export const STAGES = {
  scheduling: "Finding a machine",
  fetching: "Fetching the source",
  verifying: "Verifying the source",
  extracting: "Extracting the source",
  installing: "Installing dependencies",
};

/** @param {number} millis */
export function elapsed(millis) {
  const seconds = Math.max(0, Math.floor(millis / 1000));
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
