// What opens a session for this tab: the token of the link, and then resume tokens. Kept over a reload, gone with the tab.

/**
 * How this page may open the session. A token is spent by one nonce, so both are kept until the resume token is here.
 * @typedef {{ resume: string } | { token: string, nonce: string }} Key
 */

/** How long another tab has to answer. */
const ANSWER_MILLIS = 300;

export class Keys {
  #name;
  #storage;
  /** Best first. @type {Key[]} */
  #keys;
  #tabs;
  /** Whether this tab's key is the newest: nobody has taken over. */
  #isCurrent = false;
  #answered = () => {};

  /**
   * @param {string} uid
   * @param {string | null} token from the address
   * @param {Pick<Storage, "getItem" | "setItem" | "removeItem">} storage
   */
  constructor(uid, token, storage = sessionStorage) {
    this.#name = `podling:${uid}`;
    this.#storage = storage;
    this.#keys = kept(storage.getItem(this.#name));
    if (token) this.add(token);
    this.#tabs = new BroadcastChannel(this.#name);
    this.#tabs.onmessage = ({ data }) => this.#heard(data);
  }

  /** @param {string} token the best there is, from now on */
  add(token) {
    this.#keys.unshift({ token, nonce: nonce() });
    this.#keep();
  }

  /** @returns {Key | null} */
  best() {
    return this.#keys[0] ?? null;
  }

  /** @param {string} token */
  resumeWith(token) {
    this.#keys = [{ resume: token }];
    this.#isCurrent = true;
    this.#keep();
  }

  /** Another tab took over, and has a newer key. */
  outdated() {
    this.#isCurrent = false;
  }

  /** A tab that was duplicated shares its key with this one; whichever came last has the only good one. */
  async askOtherTabs() {
    if (this.#isCurrent) return;
    /** @type {Promise<void>} */
    const answer = new Promise((resolve) => (this.#answered = resolve));
    this.#tabs.postMessage({ ask: true });
    await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, ANSWER_MILLIS))]);
  }

  /** @param {{ ask?: true, resume?: string }} message */
  #heard({ ask, resume }) {
    const key = this.best();
    if (ask && this.#isCurrent && key !== null && "resume" in key) {
      this.#tabs.postMessage({ resume: key.resume });
    } else if (resume !== undefined && !this.#isCurrent) {
      this.#keys = [{ resume }];
      this.#keep();
      this.#answered();
    }
  }

  /** The best key was refused. @returns {boolean} whether there is another */
  discardBest() {
    this.#keys.shift();
    this.#keep();
    return this.#keys.length > 0;
  }

  close() {
    this.#tabs.close();
  }

  #keep() {
    if (this.#keys.length === 0) this.#storage.removeItem(this.#name);
    else this.#storage.setItem(this.#name, JSON.stringify(this.#keys));
  }
}

/** @param {string | null} text @returns {Key[]} */
function kept(text) {
  try {
    const keys = JSON.parse(text ?? "[]");
    return Array.isArray(keys) ? keys.slice(0, 4) : [];
  } catch {
    return []; // Of another version of this page.
  }
}

/** 16 random bytes as 22 base64url characters. */
function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
