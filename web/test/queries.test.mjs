import assert from "node:assert/strict";
import test from "node:test";
import { QueryStripper } from "../src/queries.mjs";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** @param {string[]} parts */
function strip(...parts) {
  const stripper = new QueryStripper();
  return parts.map((part) => decoder.decode(stripper.push(encoder.encode(part)))).join("");
}

const QUERIES = [
  "\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[>0;1c", "\x1b[=c", "\x1bZ",
  "\x1b[5n", "\x1b[6n", "\x1b[?6n", "\x1b[?996n",
  "\x1b[?2026$p", "\x1b[4$p", "\x1b[>q", "\x1b[>0q", "\x1b[x", "\x1b[?u", "\x1b[?4m", "\x1b[?1;1S",
  "\x1b[14t", "\x1b[18t", "\x1b[21t", "\x1b[1$w",
  "\x1bP$qm\x1b\\", "\x1bP+q544e\x1b\\",
  "\x1b]10;?\x07", "\x1b]11;?\x1b\\", "\x1b]12;?\x07", "\x1b]4;1;?\x07", "\x1b]4;1;?;2;?\x1b\\", "\x1b]52;c;?\x07",
  "\x1b[6\x7fn", "\x1b\x7f[6n", "\x1b]010;?\x07", "\x1b]10;\x01?\x07",
  "\u009bc", "\u009b6n", "\u009d11;?\u009c", "\u0090$qm\u009c", "\u009a",
];

const HARMLESS = [
  "plain", "häßlich 漢字 🙂 ©®£ \u00a0", "\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H", "\x1b[?25l\x1b[?1049h", "\x1b[!p", "\x1b[2 q",
  "\x1b[>4;2m", "\x1b[>4n", "\x1b[s\x1b[u", "\x1b[>1u", "\x1b[8;24;80t", "\x1b[22;0t", "\x1b[3S", "\x1b(B\x1b)0", "\x1b([", "\x1b7\x1b8",
  "\x1b]0;what?\x07", "\x1b]2;title\x1b\\", "\x1b]8;;https://x.org/?q=?\x07link\x1b]8;;\x07", "\x1b]52;c;aGk=\x07", "\x1b]11;#fff\x07",
  "\x1bPq#0;2;0;0;0\x1b\\", "\x1b_Gi=1;AAAA\x1b\\", "\r\n\t\b\x07",
];

test("queries go away, alone and between text", () => {
  for (const query of QUERIES) {
    const rest = strip(`a${query}b`).replaceAll("\x1b\\", ""); // A lone string terminator draws nothing.
    assert.equal(rest, "ab", JSON.stringify(query));
  }
});

test("everything else is drawn as it is", () => {
  for (const text of HARMLESS) {
    assert.equal(strip(`a${text}b`).replaceAll("\x1b\\", ""), `a${text}b`.replaceAll("\x1b\\", ""), JSON.stringify(text));
  }
});

test("a cut anywhere, and at every byte, changes nothing", () => {
  const bytes = encoder.encode(QUERIES.concat(HARMLESS).sort().join("·"));
  const whole = decoder.decode(new QueryStripper().push(bytes));
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const stripper = new QueryStripper();
    const parts = [stripper.push(bytes.subarray(0, cut)).slice(), stripper.push(bytes.subarray(cut)).slice()];
    assert.equal(Buffer.concat(parts).toString(), whole, `cut at ${cut}`);
  }
  const stripper = new QueryStripper();
  const single = Array.from(bytes, (byte) => stripper.push(Uint8Array.of(byte)).slice());
  assert.equal(Buffer.concat(single).toString(), whole);
});

test("controls inside a query are carried out, and CAN gives it up", () => {
  assert.equal(strip("\x1b[6\nn"), "\n");
  assert.equal(strip("\x1b[6\x18n"), "\x18n");
});

test("a query inside a string ends the string", () => {
  assert.equal(strip("\x1b]0;title\x1b[6nx"), "\x1b]0;title\x1b\\x");
  assert.equal(strip("\x1bPq#0\x1b[6nx"), "\x1bPq#0\x1b\\x");
});

test("long strings pass, long queries do not", () => {
  const clipboard = `\x1b]52;c;${"A".repeat(100_000)}\x07`;
  assert.equal(strip(clipboard), clipboard);
  assert.equal(strip(`\x1b]4${";1;?".repeat(5_000)}\x07x`), "x");
  assert.equal(strip(`\x1b]52;${"c".repeat(5_000)};?\x07x`), "x");
  assert.equal(strip(`\x1b[${"0".repeat(5_000)}cx`), "x");
  const colours = `\x1b[${Array(200).fill("38;2;255;255;255").join(";")}mx`;
  assert.equal(strip(colours), colours);
});

test("bytes that are no UTF-8 survive", () => {
  const stripper = new QueryStripper();
  const bytes = Uint8Array.of(0xff, 0xc2, 0xc2, 0x41, 0x9b, 0x36, 0xe2, 0x82, 0xac);
  assert.deepEqual(Array.from(stripper.push(bytes)), Array.from(bytes));
});
