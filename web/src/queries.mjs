// Takes out of a terminal's output the sequences that ask the terminal to answer: device attributes, status and cursor
// reports, modes, colours, the clipboard, window reports.
//
// The runner answers them, once, whether or not anyone watches. A page that answered as well would type its answers
// into the program, once for each viewer and again with each reload.
//
// The parser follows that of xterm.js (after https://vt100.net/emu/dec_ansi_parser), so that both agree on where a
// sequence begins and ends, and it keeps its place when the output is cut inside a sequence.

const BEL = 0x07;
const CAN = 0x18;
const SUB = 0x1a;
const ESC = 0x1b;
const DEL = 0x7f;
/** The first byte of U+0080 to U+00BF in UTF-8, and so of the 8-bit controls. */
const C1_LEAD = 0xc2;

/** No honest sequence that could be a query is longer; one that is goes away as a whole. */
const MAX_HELD = 4096;

const EMPTY = new Uint8Array(0);

/** @typedef {"ground" | "escape" | "csi" | "osc" | "dcs" | "string" | "swallow" | "swallow-csi"} State */

export class QueryStripper {
  /** @type {State} */
  #state = "ground";
  /** The sequence so far, while it is not known whether it is a query. @type {number[]} */
  #held = [];
  /** Whether the string under way is an OSC, which BEL ends. */
  #isOsc = false;
  /** Whether a `C1_LEAD` waits for its second byte. */
  #lead = false;
  #out = EMPTY;
  #length = 0;

  /**
   * @param {Uint8Array} bytes
   * @returns {Uint8Array} what is to be drawn
   */
  push(bytes) {
    this.#out = EMPTY; // The one before is still being drawn.
    this.#length = 0;
    let lead = -1;
    for (let at = 0; at < bytes.length; ) {
      if (this.#state === "ground" && !this.#lead) {
        if (lead < at) lead = indexOr(bytes, C1_LEAD, at, bytes.length);
        const end = nextDoubt(bytes, at, lead);
        if (at === 0 && end === bytes.length) return bytes; // Most output, as it came.
        this.#copy(bytes.subarray(at, end));
        at = end;
        if (at === bytes.length) break;
      }
      this.#byte(/** @type {number} */ (bytes[at]));
      at += 1;
    }
    return this.#out.subarray(0, this.#length);
  }

  /** Forgets where it was: the terminal was reset. */
  reset() {
    this.#state = "ground";
    this.#held = [];
    this.#lead = false;
  }

  /** @param {number} byte */
  #byte(byte) {
    if (this.#lead) {
      this.#lead = false;
      if (byte >= 0x80 && byte <= 0x9f) return this.#c1(byte);
      this.#plain(C1_LEAD);
    }
    if (byte === C1_LEAD) this.#lead = true;
    else this.#plain(byte);
  }

  /** @param {number} byte */
  #plain(byte) {
    if (byte === ESC) {
      this.#interrupt();
      this.#begin("escape", ESC);
    } else if (byte === CAN || byte === SUB) {
      this.#held = [];
      this.#state = "ground";
      this.#emit(byte);
    } else {
      this.#inState(byte);
    }
  }

  /** @param {number} byte */
  #inState(byte) {
    switch (this.#state) {
      case "ground":
        return this.#emit(byte);
      case "escape":
        return this.#escape(byte);
      case "csi":
        return this.#csi(byte);
      case "osc":
        return this.#osc(byte);
      case "dcs":
        return this.#dcs(byte);
      case "string":
        this.#emit(byte);
        if (this.#isOsc && byte === BEL) this.#state = "ground";
        return;
      case "swallow":
        if (this.#isOsc && byte === BEL) this.#state = "ground";
        return;
      case "swallow-csi":
        if (byte < 0x20) this.#emit(byte);
        else if (byte >= 0x40) this.#state = "ground";
    }
  }

  /** @param {number} byte */
  #escape(byte) {
    if (byte < 0x20) return this.#emit(byte);
    if (byte === DEL) return;
    this.#held.push(byte);
    if (byte <= 0x2f) return this.#limit();
    // After an intermediate even a bracket is a final byte, as in `ESC ( [`.
    const introducer = this.#held.length === 2 ? String.fromCharCode(byte) : "";
    if (introducer === "[") this.#state = "csi";
    else if (introducer === "]") this.#state = "osc";
    else if (introducer === "P") this.#state = "dcs";
    else if (introducer === "X" || introducer === "^" || introducer === "_") this.#pass(false);
    else this.#finish(introducer === "Z"); // DECID, an old form of DA.
  }

  /** @param {number} byte */
  #csi(byte) {
    // Controls inside a sequence are carried out at once.
    if (byte < 0x20) return this.#emit(byte);
    if (byte === DEL) return;
    this.#held.push(byte);
    if (byte >= 0x80) return this.#finish(false);
    if (byte < 0x40) return this.#limit("swallow-csi");
    this.#finish(isCsiQuery(latin(this.#held.slice(2))));
  }

  /** @param {number} byte */
  #osc(byte) {
    if (byte === BEL) {
      this.#held.push(byte);
      return this.#finish(isOscQuery(latin(this.#held.slice(2, -1))));
    }
    if (byte < 0x20) return; // Terminals skip controls here, and so would see the query behind them.
    this.#held.push(byte);
    if (this.#held.length < MAX_HELD) return;
    if (mayBecomeQuery(latin(this.#held.slice(2)))) this.#swallow(true);
    else this.#pass(true);
  }

  /** @param {number} byte */
  #dcs(byte) {
    if (byte < 0x20 || byte === DEL) return;
    this.#held.push(byte);
    if (byte >= 0x80) return this.#pass(false);
    if (byte < 0x40) return this.#limit("swallow");
    if (isDcsQuery(latin(this.#held.slice(2)))) this.#swallow(false);
    else this.#pass(false);
  }

  /** An 8-bit control; what it introduces is handed on in its 7-bit form. @param {number} byte */
  #c1(byte) {
    this.#interrupt();
    switch (byte) {
      case 0x9b:
        return this.#begin("csi", ESC, 0x5b);
      case 0x9d:
        return this.#begin("osc", ESC, 0x5d);
      case 0x90:
        return this.#begin("dcs", ESC, 0x50);
      case 0x98:
      case 0x9e:
      case 0x9f:
        this.#begin("string", ESC, byte - 0x40);
        return this.#pass(false);
      case 0x9c:
      case 0x9a: // DECID
        return;
      default:
        this.#emit(C1_LEAD);
        this.#emit(byte);
    }
  }

  /** Another sequence begins: it ends a string, and drops a sequence that was not finished. */
  #interrupt() {
    if (this.#state === "osc" && !isOscQuery(latin(this.#held.slice(2)))) this.#pass(true);
    // Ended here and not by what follows, which may itself be dropped.
    if (this.#state === "string") {
      this.#emit(ESC);
      this.#emit(0x5c);
    }
    this.#held = [];
    this.#state = "ground";
  }

  /** @param {State} state @param {number[]} held */
  #begin(state, ...held) {
    this.#state = state;
    this.#held = held;
  }

  /** @param {boolean} isQuery */
  #finish(isQuery) {
    if (!isQuery) this.#emitHeld();
    this.#held = [];
    this.#state = "ground";
  }

  /** The rest of the string is drawn as it comes. @param {boolean} isOsc */
  #pass(isOsc) {
    this.#emitHeld();
    this.#state = "string";
    this.#isOsc = isOsc;
  }

  /** The rest of the string goes away. @param {boolean} isOsc */
  #swallow(isOsc) {
    this.#held = [];
    this.#state = "swallow";
    this.#isOsc = isOsc;
  }

  /** @param {State} next */
  #limit(next = "ground") {
    if (this.#held.length < MAX_HELD) return;
    this.#held = [];
    this.#state = next;
    this.#isOsc = false;
  }

  #emitHeld() {
    for (const byte of this.#held) this.#emit(byte);
    this.#held = [];
  }

  /** @param {number} byte */
  #emit(byte) {
    this.#reserve(1);
    this.#out[this.#length] = byte;
    this.#length += 1;
  }

  /** @param {Uint8Array} bytes */
  #copy(bytes) {
    this.#reserve(bytes.length);
    this.#out.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** @param {number} more */
  #reserve(more) {
    if (this.#length + more <= this.#out.length) return;
    const wider = new Uint8Array(Math.max(this.#length * 2, this.#length + more + 64));
    wider.set(this.#out.subarray(0, this.#length));
    this.#out = wider;
  }
}

/**
 * Where from the ground state on the first sequence begins that may be a query, or that does not end here.
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {number} lead where the next 8-bit control may be
 */
function nextDoubt(bytes, from, lead) {
  for (let at = from; ; ) {
    const escape = indexOr(bytes, ESC, at, lead);
    if (escape >= lead) return lead;
    at = harmlessEnd(bytes, escape);
    if (at < 0) return escape;
  }
}

/** @param {Uint8Array} bytes @param {number} byte @param {number} from @param {number} otherwise */
function indexOr(bytes, byte, from, otherwise) {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? otherwise : at;
}

/** Final bytes of control sequences that ask for nothing, whatever stands before them: those that programs draw with. */
const HARMLESS = finals("@ABCDEFGHIJKLMPTXZ`abdefghlrs");
/** Those that ask for nothing without a prefix or an intermediate byte. */
const HARMLESS_PLAIN = finals("mSu");

/**
 * The end of the control sequence that begins here, when it is whole and surely none that asks; else -1.
 * @param {Uint8Array} bytes
 * @param {number} escape
 */
function harmlessEnd(bytes, escape) {
  if (bytes[escape + 1] !== 0x5b) return -1;
  let at = escape + 2;
  let plain = true;
  for (; at < bytes.length; at += 1) {
    const byte = /** @type {number} */ (bytes[at]);
    if (byte < 0x20 || byte > 0x7e) return -1;
    if (byte >= 0x40) return HARMLESS[byte] === 1 || (plain && HARMLESS_PLAIN[byte] === 1) ? at + 1 : -1;
    if (byte < 0x30 || byte > 0x3b) plain = false;
  }
  return -1;
}

/** @param {string} letters */
function finals(letters) {
  const table = new Uint8Array(128);
  for (const letter of letters) table[letter.charCodeAt(0)] = 1;
  return table;
}

/** @param {number[]} bytes */
function latin(bytes) {
  return String.fromCharCode(...bytes);
}

/** @param {string} body what stands after `CSI` */
function isCsiQuery(body) {
  const match = /^([<=>?]?)([\d;:]*)([ -/]*)(.)$/s.exec(body);
  if (!match) return false;
  const [, prefix = "", parameters = "", intermediates = "", final = ""] = match;
  switch (intermediates + final) {
    case "c": // DA1, DA2, DA3
      return true;
    case "n": // DSR and CPR; with `>` it switches key modifiers off
      return prefix !== ">";
    case "$p": // DECRQM
    case "$w": // DECRQPSR
    case "*y": // DECRQCRA
    case "$u": // DECRQTSR
    case "&u": // DECRQUPSS
    case "+x": // DECRQPKFM
      return true;
    case "x": // DECREQTPARM
      return prefix === "";
    case "q": // XTVERSION; without `>` it sets the cursor's style or LEDs
      return prefix === ">";
    case "u": // the kitty keyboard's state; without `?` it restores the cursor
    case "m": // XTQMODKEYS; without `?` it is colour
    case "S": // XTSMGRAPHICS; without `?` it scrolls
      return prefix === "?";
    case "t": // reports of window and title; the others move things
      return prefix === "" && [11, 13, 14, 15, 16, 18, 19, 20, 21].includes(Number.parseInt(parameters, 10));
    default:
      return false;
  }
}

/** Colours (4, 5, 10 to 19, 21) and the clipboard (52). */
const ASKED = /^0*(?:4|5|1\d|21|52);/;

/** @param {string} body what stands between `OSC` and its end */
function isOscQuery(body) {
  if (!ASKED.test(body)) return false;
  return body.split(";").slice(1).some((field) => field === "?" || field.endsWith("=?"));
}

/** Whether the beginning of a long OSC may still turn out to be a query. @param {string} body */
function mayBecomeQuery(body) {
  if (!ASKED.test(body)) return false;
  // Text for the clipboard is long; a question is one character.
  return !/^0*52;[^;]*;[^?]/.test(body);
}

/** DECRQSS and XTGETTCAP. @param {string} header what stands between `DCS` and its data */
function isDcsQuery(header) {
  return /^[\d;]*[$+]q$/.test(header);
}
