// The judge of podling-screen: feeds two terminals of xterm.js, without a browser, and says where they differ.
//
// One case a line on stdin, one answer a line on stdout, both JSON.
// A case: {cols, rows, steps: [{to: "A" | "B" | "AB", write: base64} | {to, resize: [cols, rows]} | {to: "B", keyframe: base64} | {compare: name, serialized: bool}]}
// An answer: {differences: [[name, what, a, b]], answers: {A: text, B: text}, grown, excluded, thrown}. The first comparison that
// fails ends a case, and so does a state that is `excluded`. `grown` says by how many rows keyframes moved the scrollback of B; `thrown` is xterm.js's own mistake.

import { createInterface } from "node:readline";
import headless from "@xterm/headless";
import serialize from "@xterm/addon-serialize";
import unicode from "@xterm/addon-unicode11";
import { differences, isOutOfReach } from "./state.mjs";

// More than a case ever fills: at the limit xterm.js keeps a saved cursor by another rule.
const SCROLLBACK = 2_000;

// Of xterm.js's `ColorRequestType`.
const [SET, RESTORE] = [1, 2];

class Subject {
  answers = "";
  /** Those that differ from the theme. @type {Map<number, string>} */
  colours = new Map();
  held = Buffer.alloc(0);

  constructor({ cols, rows }) {
    // The options of the page that change what bytes do.
    this.term = new headless.Terminal({ allowProposedApi: true, cols, rows, cursorBlink: true, scrollback: SCROLLBACK, logLevel: "off" });
    this.serializer = new serialize.SerializeAddon();
    this.term.loadAddon(this.serializer);
    this.term.loadAddon(new unicode.Unicode11Addon());
    this.term.unicode.activeVersion = "11";
    this.term.onData((text) => (this.answers += text));
    this.core = this.term._core;
    this.core._inputHandler.onColor((events) => events.forEach((event) => this.colour(event)));
  }

  /** The terminal asks its window to change colours; what they are, it does not know. */
  colour({ type, index, color }) {
    if (type === SET) this.colours.set(index, color.join());
    else if (type === RESTORE) index === undefined ? this.forgetPalette() : this.colours.delete(index);
  }

  forgetPalette() {
    for (let index = 0; index < 256; index++) this.colours.delete(index);
  }

  write(base64) {
    const bytes = Buffer.concat([this.held, Buffer.from(base64, "base64")]);
    const whole = bytes.length - unfinished(bytes);
    this.held = bytes.subarray(whole);
    this.core.writeSync(bytes.subarray(0, whole));
  }

  resize([cols, rows]) {
    this.term.resize(cols, rows);
  }

  serialized() {
    return this.serializer.serialize({ scrollback: 0 });
  }
}

/**
 * How many bytes at the end begin a character that goes on in the next write. They are held back until then, because
 * xterm.js loses a character cut behind a byte 0x80: E2 80 | A6 is no ellipsis to it.
 * @param {Uint8Array} bytes
 */
function unfinished(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf8 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

function run(one) {
  const subjects = { A: new Subject(one), B: new Subject(one) };
  const answer = { differences: [], grown: 0, excluded: false };
  try {
    for (const step of one.steps) {
      take(step, subjects, answer);
      if (answer.differences.length > 0 || answer.excluded) break;
    }
  } catch (error) {
    answer.thrown = `${error.stack}`;
  }
  answer.answers = { A: subjects.A.answers, B: subjects.B.answers };
  for (const subject of Object.values(subjects)) subject.term.dispose();
  return answer;
}

function take(step, subjects, answer) {
  if (step.compare !== undefined) {
    answer.differences = differences(subjects.A, subjects.B, step.serialized).map((found) => [step.compare, ...found]);
    return;
  }
  if (step.keyframe !== undefined && isOutOfReach(subjects.A.core)) {
    answer.excluded = true;
    return;
  }
  for (const name of step.to) {
    const subject = subjects[name];
    if (step.resize !== undefined) subject.resize(step.resize);
    else if (step.keyframe !== undefined) answer.grown += keyframe(subject, step.keyframe);
    else subject.write(step.write);
  }
  if (step.keyframe !== undefined) forgetFirstWrap(subjects);
}

/** Feeds a keyframe; says how far it moved the scrollback. */
function keyframe(subject, base64) {
  const before = subject.core.buffers.normal.ybase;
  subject.write(base64);
  return subject.core.buffers.normal.ybase - before;
}

/**
 * Named exclusion: whether the first row of the screen goes on from the scrollback. A keyframe leaves the scrollback
 * alone, so the row above is another one in B, and joining the two would be wrong.
 */
function forgetFirstWrap({ A, B }) {
  for (const { core } of [A, B]) {
    const { normal } = core.buffers;
    normal.lines.get(normal.ybase).isWrapped = false;
  }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(`${JSON.stringify(run(JSON.parse(line)))}\n`);
}
