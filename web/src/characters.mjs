// Keeps a character that is cut between two writes in one piece.
//
// xterm.js takes UTF-8 in pieces, but forgets a character that is cut behind a byte 0x80: of `E2 80 | A6` (an ellipsis;
// so for dashes, quotes and bullets) it draws nothing. The runner cuts its frames where the command's output paused, at
// any byte, so the page puts such characters together first.

export class Characters {
  /** The beginning of a character; at most 3 bytes. */
  #held = new Uint8Array(0);

  /**
   * @param {Uint8Array} bytes
   * @returns {Uint8Array} what came before and `bytes`, up to the end of the last whole character
   */
  push(bytes) {
    const all = this.#held.length === 0 ? bytes : joined(this.#held, bytes);
    const end = all.length - unfinished(all);
    this.#held = all.slice(end);
    return all.subarray(0, end);
  }

  /** Forgets what waits: the terminal was reset. */
  reset() {
    this.#held = new Uint8Array(0);
  }
}

/**
 * @param {Uint8Array} first
 * @param {Uint8Array} second
 */
function joined(first, second) {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

/**
 * How many bytes at the end begin a character whose rest is missing.
 * @param {Uint8Array} bytes
 */
function unfinished(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = /** @type {number} */ (bytes[bytes.length - back]);
    if ((byte & 0xc0) !== 0x80) return needed(byte) > back ? back : 0;
  }
  return 0;
}

/** How many bytes a character has that begins with this one. @param {number} lead */
function needed(lead) {
  if (lead < 0xc0 || lead >= 0xf8) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}
