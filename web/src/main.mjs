// The terminal page: takes the token from the address, connects, and brings connection, screen and status together.

import { Acks } from "./acks.mjs";
import { tickWhileHidden } from "./background.mjs";
import { Connection } from "./connection.mjs";
import { Fetching } from "./fetching.mjs";
import * as frames from "./frames.mjs";
import { People } from "./people.mjs";
import { redeem } from "./sharing.mjs";
import { GapPanel } from "./gappanel.mjs";
import { Gaps } from "./gaps.mjs";
import { Keys } from "./keys.mjs";
import { Screen, copySelection } from "./screen.mjs";
import { SearchBar } from "./searchbar.mjs";
import { readStored } from "./stored.mjs";
import { StatusView } from "./status.mjs";
import { STAGES } from "./closes.mjs";
import { preferredTheme, rememberTheme } from "./themes.mjs";
import { Typing } from "./typing.mjs";
import { cleanTitle, preview } from "./words.mjs";

const uid = location.pathname.split("/")[2] ?? "";
const token = new URLSearchParams(location.search).get("token");
const share = new URLSearchParams(location.hash.slice(1)).get("share");
// The token must not stay where others can read it: the address bar, the history, a screenshot.
if (location.search !== "" || location.hash !== "") history.replaceState(null, "", location.pathname);

tickWhileHidden(/** @type {import("./background.mjs").Scope} */ (/** @type {unknown} */ (window)));

let theme = preferredTheme();
let stage = /** @type {{ name: string, since: number } | null} */ (null);
let attached = false;
let greeted = false;

const keys = new Keys(uid, token);
const status = new StatusView(() => void (keys.best() === null ? begin() : connection.again()));
const gaps = new Gaps();
const acks = new Acks((offset) => void connection.send(frames.ack(offset)));
const typing = new Typing((bytes) => void connection.send(frames.input(bytes)), (left) => status.pasting(left));
const fetching = new Fetching((from, to) => connection.send(frames.fetch(from, to)));
const screen = new Screen(element("terminal"), {
  onInput: (bytes) => void (people.types ? typing.type(bytes, Date.now()) : people.nudge()),
  onDrawn: (offset) => acks.drawn(offset),
  onFit: claimSize,
  onBoxed: (size) => status.boxed(status.status.kind === "ended" ? null : size),
  onGap: (gap) => panel.open(gap),
  onTitle: (title) => void (document.title = cleanTitle(title) ? `${cleanTitle(title)} · Podling` : "Podling"),
  onBell: flash,
  onCopyAsked: (text) => {
    const question = `The program wants to put ${text.length} characters on your clipboard: “${preview(text)}”`;
    status.ask(question, "Copy", () => copySelection(text));
  },
}, theme);
const connection = new Connection(uid, keys, {
  onFrame: receive,
  onAdmitted: () => typing.opened(Date.now()),
  onRestart: () => {
    screen.reset(() => acks.reset());
    screen.note("— older output is no longer kept —");
  },
  onClose: closed,
});
const panel = new GapPanel(gaps, askForOutput, () => theme, () => screen.term.cols, () => screen.term.focus());
const people = new People({
  send: (frame) => void connection.send(frame),
  ask: (question, yes, onYes, onNo) => status.ask(question, yes, onYes, onNo),
  onDone: () => screen.term.focus(),
});
const search = new SearchBar(screen.search, () => screen.term.focus());

/** For tests, and for who wants to look. */
Object.assign(window, { podling: { term: screen.term, uid, get state() { return status.status; } } });

/** @param {frames.ServerFrame} frame */
function receive(frame) {
  switch (frame.type) {
    case "resume":
      acks.begin();
      gaps.begin();
      fetching.begin();
      return greet();
    case "stage":
      // The others count from the moment at which they begin here.
      stage = { name: frame.stage, since: Date.now() - (frame.stage === "unreachable" ? frame.elapsedMillis : 0) };
      return showProgress();
    case "resized":
      attached = true;
      // The session has a place and can be reached; what else it is busy with, it says itself.
      if (stage?.name === "unreachable" || stage?.name === "scheduling") stage = null;
      screen.resize(frame.size);
      return showProgress();
    case "output":
      screen.write(frame.bytes, frame.offset, frame.replay);
      return status.hasOutput();
    case "snapshot":
      screen.replace(frame, gaps.snapshot());
      status.gaps(gaps);
      return status.hasOutput();
    case "skipped":
      return gaps.skipped(frame.from, frame.to);
    case "input-taken":
      return typing.taken(frame.total);
    case "fetched":
      return fetching.fetched(frame.offset, frame.bytes);
    case "viewers":
      return status.viewers(frame.count);
    case "lease":
      return people.show(frame.roll);
    case "mark":
      return screen.note(`— ${frame.text} —`);
    case "exit":
      return ended(frame);
    case "error":
      return; // The close that follows decides.
  }
}

function showProgress() {
  if (status.status.kind === "ended") return;
  if (stage?.name === "unreachable") status.show({ kind: "unreachable", since: stage.since });
  else if (stage !== null && stage.name in STAGES) status.show({ kind: "starting", stage: stage.name, since: stage.since });
  else if (attached) {
    connection.settled();
    status.show({ kind: "connected" });
  }
}

/** @param {frames.ServerFrame & { type: "exit" }} exit */
function ended({ reason, exitCode, detail }) {
  screen.end();
  status.hasOutput();
  status.viewers(0);
  people.end();
  status.show({ kind: "ended", reason, exitCode, detail });
  status.boxed(null);
}

/** @param {import("./closes.mjs").Next} next */
function closed(next) {
  attached = false;
  typing.closed(Date.now());
  fetching.lost();
  if (status.status.kind === "ended") return;
  if (next.action === "retry") status.show({ kind: "reconnecting", why: next.why });
  else if (next.action === "stop") status.show({ kind: "stopped", title: next.title, text: next.text, ...(next.button && { button: next.button }) });
  else status.show({ kind: "ended", reason: "", exitCode: null, detail: "The session ended." });
}

/**
 * Asks for output that was skipped: the session, or once it has ended, its stored log.
 * @type {import("./skipped.mjs").Ask}
 */
function askForOutput(from, to, onPiece) {
  if (status.status.kind === "ended") return readStored(uid, keys, from, to, onPiece);
  return fetching.ask(from, to, onPiece);
}

/** Asks for the size of this window. The server gives it to who typed or took focus last. @param {frames.Size} fit */
function claimSize(fit) {
  if (status.status.kind === "ended") return;
  if (!connection.admitted) screen.resize(fit); // Nobody's size yet: look right from the start.
  else connection.send(frames.resize(fit));
}

/** Opening a page is focus; coming back by itself is not. */
function greet() {
  if (!greeted || document.hasFocus()) takeFocus();
  greeted = true;
}

function takeFocus() {
  const fit = screen.fitting();
  if (document.visibilityState !== "visible" || fit === null) return;
  connection.send(frames.focus());
  connection.send(frames.resize(fit));
}

function flash() {
  const bell = element("terminal");
  bell.classList.remove("bell");
  requestAnimationFrame(() => bell.classList.add("bell"));
}

function applyTheme() {
  document.documentElement.dataset["theme"] = theme;
  screen.theme = theme;
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

element("theme").addEventListener("click", () => {
  theme = theme === "dark" ? "light" : "dark";
  rememberTheme(theme);
  applyTheme();
  screen.term.focus();
});
screen.term.attachCustomKeyEventHandler((event) => {
  if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return true;
  if (event.code === "KeyF") search.open();
  else if (event.code === "KeyC") copySelection(screen.term.getSelection());
  else return true;
  event.preventDefault();
  return false;
});
element("gaps-open").addEventListener("click", () => panel.open(gaps.count));
addEventListener("focus", takeFocus);
addEventListener("visibilitychange", takeFocus);

applyTheme();
screen.term.focus();
void begin();

/** Connects with the key that this tab has, or with what a share link is good for. */
async function begin() {
  if (keys.best() !== null) return connection.open();
  if (share === null) {
    return status.show({
      kind: "stopped",
      title: "This address has no key",
      text: "Open the session by the link that you were given. It works once; this tab then keeps the key until it is closed.",
    });
  }
  status.show({ kind: "connecting" });
  const redeemed = await redeem(share);
  if ("token" in redeemed) {
    keys.add(redeemed.token);
    return connection.open();
  }
  const { title, text, again } = redeemed;
  status.show({ kind: "stopped", title, text, ...(again && { button: "reconnect" }) });
}
