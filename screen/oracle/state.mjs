// What a terminal of xterm.js holds, and where two of them differ.
//
// `serialize()` shows the screens and the modes that xterm.js lets out. What it does not show (the pending wrap, wrapped
// rows, tab stops, the saved cursors, charsets, protected cells, links) is read from the terminal's inside: versions are
// pinned, and a field that goes away makes the tests of the oracle itself fail.

const WIDTH_SHIFT = 22;
const COMBINED = 0x200000;
const HAS_EXTENDED = 0x10000000;
const UNDERLINE = 0x10000000;
const STYLE_SHIFT = 26;

/** Text that can be shown without being obeyed. */
const shown = (text) => JSON.stringify(text).slice(1, -1).replace(/[^\x20-\x7e]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

/** Every difference between two terminals, as `[what, a, b]`; none where they are equal. */
export function differences(a, b, serialized) {
  const found = [];
  const compare = (what, left, right) => left === right || found.push([what, `${left}`, `${right}`]);
  const [left, right] = [facts(a), facts(b)];
  for (const name of Object.keys(left)) compare(name, left[name], right[name]);
  const [linkA, linkB] = [a, b].map(({ core }) => link(core, core._inputHandler._curAttrData.extended));
  if (!sameLink(linkA, linkB)) compare("open link", linkA, linkB);
  for (const which of ["normal", "alt"]) screens(which, a, b, compare);
  if (serialized && found.length === 0) {
    forgetHiddenCursor(a.core.buffers, b.core.buffers);
    compare("serialize", a.serialized(), b.serialized());
  }
  return found;
}

/**
 * Named exclusion: the cursor of a hidden buffer. `serialize()` prints it, but nobody ever sees it: a buffer that is shown
 * takes over the cursor of the other one.
 */
function forgetHiddenCursor(a, b) {
  const name = a.active === a.alt ? "normal" : "alt";
  [b[name].x, b[name].y] = [a[name].x, a[name].y];
}

/**
 * Named exclusions: states of xterm.js that programs come to, but no sequence leads to from elsewhere.
 *
 * - Attributes as only a restored cursor leaves them: it brings the flags "underlined" and "has more attributes", but
 *   neither the underline's style nor the link, which stay what they were. A charset that is none of the four designated
 *   ones comes from there alone, too. Both can be had again from the same saved cursor only, and this one is the other
 *   screen's or was overwritten; or a wrap is pending, which takes a character printed in other attributes.
 * - A cursor outside the margins in origin mode, which comes from a screen with other margins.
 * - A saved cursor two columns behind the last one, where only a combining character without a base gets.
 * - The second half of a wide character whose first half an insertion took. It shows nothing and has no width, and
 *   whatever is printed before it takes it away.
 */
export function isOutOfReach(core) {
  const buffer = core.buffers.active;
  const current = core._inputHandler._curAttrData;
  const { glevel, charset: used, _charsets: sets } = core._charsetService;
  const [isRestored, isForeign] = [!isRegular(current), charset(used) !== charset(sets[glevel])];
  if ((isRestored || isForeign) && buffer.x >= core.cols) return true;
  if (isRestored && !hasFlagsOf(current, buffer.savedCurAttrData)) return true;
  if (isForeign && charset(used) !== charset(buffer.savedCharset)) return true;
  if (core.coreService.decPrivateModes.origin && (buffer.y < buffer.scrollTop || buffer.y > buffer.scrollBottom)) return true;
  return [core.buffers.normal, core.buffers.alt].some((one) => one.savedX > core.cols || hasLostHalf(one, core.rows));
}

function hasLostHalf(buffer, rows) {
  for (let y = 0; y < rows && buffer.lines.length > 0; y++) {
    const line = buffer.lines.get(buffer.ybase + y);
    for (let x = 0; x < line.length; x++) {
      const isHalf = line.getWidth(x) === 0 && !line.hasContent(x);
      if (isHalf && (x === 0 || line.getWidth(x - 1) !== 2)) return true;
    }
  }
  return false;
}

function isRegular({ fg, bg, extended }) {
  const style = (extended._ext >> STYLE_SHIFT) & 7;
  return !!(fg & UNDERLINE) === (style !== 0) && !!(bg & HAS_EXTENDED) === (style !== 0 || extended.urlId !== 0);
}

function hasFlagsOf(current, saved) {
  return ((current.fg ^ saved.fg) & UNDERLINE) === 0 && ((current.bg ^ saved.bg) & HAS_EXTENDED) === 0;
}

/** Everything but the cells. */
function facts({ core, colours }) {
  const { coreService, coreMouseService, optionsService, buffers, _inputHandler: handler } = core;
  const { decPrivateModes: modes } = coreService;
  const facts = {
    size: `${core.cols}x${core.rows}`,
    buffer: buffers.active === buffers.alt ? "alt" : "normal",
    "insert mode": coreService.modes.insertMode,
    "newline mode": optionsService.rawOptions.convertEol,
    "cursor hidden": coreService.isCursorHidden,
    "cursor blink": `${optionsService.rawOptions.cursorBlink} ${modes.cursorBlink}`,
    "cursor style": modes.cursorStyle,
    mouse: `${coreMouseService.activeProtocol} ${coreMouseService.activeEncoding}`,
    attributes: attributes(handler._curAttrData),
    charsets: charsets(core._charsetService),
    title: shown(handler._windowTitle),
    colours: [...colours].sort(([a], [b]) => a - b).join(" "),
    "can be repeated": handler._parser.precedingJoinState,
    parser: handler._parser.currentState,
  };
  for (const name of Object.keys(modes)) facts[name] ??= modes[name];
  facts.cursorStyle = facts.cursorBlink = undefined;
  for (const which of ["normal", "alt"]) for (const [name, value] of Object.entries(place(core, buffers[which]))) facts[`${which} ${name}`] = value;
  return facts;
}

/** The cursors, margins and tab stops of one buffer. */
function place(core, buffer) {
  const active = core.buffers.active === buffer;
  return {
    // A hidden buffer takes its cursor from the other one when it is shown.
    cursor: active ? `${buffer.x},${buffer.y}` : "",
    // A saved row that scrolled out is the first one: rows of the scrollback are never restored.
    saved: `${buffer.savedX},${Math.max(buffer.savedY - buffer.ybase, 0)}`,
    "saved attributes": `${buffer.savedCurAttrData.fg},${buffer.savedCurAttrData.bg}`,
    "saved charset": charset(buffer.savedCharset),
    margins: `${buffer.scrollTop},${buffer.scrollBottom}`,
    // One that was set behind the last column is never reached.
    tabs: Object.keys(buffer.tabs).filter((column) => column < core.cols).join(),
  };
}

/** Its letters name it: the charsets have no names of their own. */
const charset = (set) => (set === undefined ? "" : Object.values(set).join(""));

function charsets(service) {
  const sets = [0, 1, 2, 3].map((level) => charset(service._charsets[level]));
  return `${service.glevel} ${charset(service.charset)} of ${sets.join("|")}`;
}

function attributes(data) {
  return `${data.fg} ${data.bg} ${underline(data.extended)}`;
}

/** Underline style and colour. */
const underline = (ext) => `${ext.underlineStyle} ${ext.underlineColor & 0x3ffffff}`;

/** The link that a cell belongs to; null is one that xterm.js forgot. */
function link(core, { urlId }) {
  if (urlId === 0) return "";
  const found = core._oscLinkService._dataByLinkId.get(urlId);
  return found ? `${found.data.id ?? ""} ${found.data.uri}` : null;
}

/**
 * Named exclusion: xterm.js forgets an open link when all rows that show it are erased, and which rows those are depends
 * on the scrollback.
 */
const sameLink = (a, b) => a === b || a === null || b === null;

function screens(which, a, b, compare) {
  const [left, right] = [a.core.buffers[which], b.core.buffers[which]];
  // The alternate buffer has no rows until it is shown.
  if (left.lines.length === 0 && right.lines.length === 0) return;
  for (let y = 0; y < a.core.rows; y++) {
    const lines = [left.lines.get(left.ybase + y), right.lines.get(right.ybase + y)];
    if (sameLine(a.core, lines[0], b.core, lines[1])) continue;
    compare(`${which} row ${y}`, row(a.core, lines[0]), row(b.core, lines[1]));
  }
}

function sameLine(coreA, a, coreB, b) {
  if (a === undefined || b === undefined || a.length !== b.length || a.isWrapped !== b.isWrapped) return false;
  for (let i = 0, cell = 0; i < a.length; i++, cell += 3) {
    const [x, y] = [a._data, b._data];
    if (x[cell + 1] !== y[cell + 1] || x[cell + 2] !== y[cell + 2]) return false;
    if ((x[cell] & COMBINED) !== (y[cell] & COMBINED) || x[cell] >> WIDTH_SHIFT !== y[cell] >> WIDTH_SHIFT) return false;
    if (x[cell] & COMBINED ? a._combined[i] !== b._combined[i] : x[cell] !== y[cell]) return false;
    if (x[cell + 2] & HAS_EXTENDED && !sameExtended(coreA, a._extendedAttrs[i], coreB, b._extendedAttrs[i])) return false;
  }
  return true;
}

const sameExtended = (coreA, a, coreB, b) => underline(a) === underline(b) && sameLink(link(coreA, a), link(coreB, b));

/** A row as runs of equal attributes, for people to read. */
function row(core, line) {
  if (line === undefined) return "no row";
  let [text, last] = [line.isWrapped ? "wrapped " : "", ""];
  for (let i = 0; i < line.length; i++) {
    const [content, fg, bg] = line._data.slice(i * 3, i * 3 + 3);
    const style = `${fg.toString(16)}/${bg.toString(16)}${bg & HAS_EXTENDED ? `/${underline(line._extendedAttrs[i])} ${link(core, line._extendedAttrs[i])}` : ""}`;
    if (style !== last) text += `{${style}}`;
    last = style;
    text += cell(content, line._combined[i]);
  }
  return text.replace(/\.{9,}/g, (dots) => `.x${dots.length}`);
}

/** `.` is an empty cell, `<` the second half of a wide one. */
function cell(content, combined) {
  const width = content >> WIDTH_SHIFT;
  const text = content & COMBINED ? combined : (content & 0x1fffff) === 0 ? "" : String.fromCodePoint(content & 0x1fffff);
  const plain = text === "" ? (width === 0 ? "<" : ".") : shown(text);
  return text !== "" && width === 0 ? `(0:${plain})` : plain;
}
