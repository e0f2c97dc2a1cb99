// What the page says about the session: the status in the bar, the card over the terminal, the line at its end, and
// questions.

import { STAGES, elapsed } from "./closes.mjs";
import { amount } from "./gaps.mjs";

/**
 * @typedef {{ kind: "connecting" }
 *   | { kind: "starting", stage: string, since: number }
 *   | { kind: "connected" }
 *   | { kind: "reconnecting", why: string }
 *   | { kind: "unreachable", since: number }
 *   | { kind: "ended", reason: string, exitCode: number | null, detail: string }
 *   | { kind: "stopped", title: string, text: string, button?: "take-over" | "reconnect" }} Status
 */

/** Who answers sooner has not read what is asked. */
const MISTAKEN_MILLIS = 400;

const BUTTONS = { "take-over": "Take over here", reconnect: "Connect again" };

export class StatusView {
  #status = /** @type {Status} */ ({ kind: "connecting" });
  #onButton;
  /** The stages that this session has passed, each with its time. @type {{ stage: string, millis: number }[]} */
  #passed = [];
  #hasOutput = false;
  #viewers = 1;

  /** @param {() => void} onButton */
  constructor(onButton) {
    this.#onButton = onButton;
    element("card-button").addEventListener("click", () => this.#onButton());
    setInterval(() => this.#render(), 1000);
    this.#render();
  }

  get status() {
    return this.#status;
  }

  /** @param {Status} status */
  show(status) {
    const before = this.#status;
    if (before.kind === "starting" && (status.kind !== "starting" || status.stage !== before.stage)) {
      this.#passed.push({ stage: before.stage, millis: Date.now() - before.since });
    }
    this.#status = status;
    this.#render();
  }

  /** There is something to see in the terminal: the card no longer covers it. */
  hasOutput() {
    if (this.#hasOutput) return;
    this.#hasOutput = true;
    this.#render();
  }

  /** @param {number} count */
  viewers(count) {
    this.#viewers = count;
    const view = element("viewers");
    view.hidden = count < 2;
    view.textContent = `${count} watching`;
  }

  /** @param {{ rows: number, cols: number } | null} size the session's, where it is not this window's */
  boxed(size) {
    const view = element("boxed");
    view.hidden = size === null;
    const whose = this.#viewers > 1 ? ", another window’s size" : "";
    if (size !== null) view.textContent = `${size.cols} × ${size.rows}${whose}`;
  }

  /** @param {number} bytes of what was typed or pasted, that wait for the program to take what came before them */
  pasting(bytes) {
    const view = element("pasting");
    view.hidden = bytes === 0;
    view.textContent = `Pasting… ${amount(bytes)} left, Ctrl+C stops`;
  }

  /** @param {import("./gaps.mjs").Gaps} gaps */
  gaps(gaps) {
    const view = element("gaps-open");
    view.hidden = gaps.count === 0;
    setText("gaps-open", `${amount(gaps.bytes)} skipped`);
  }

  /**
   * Asks, and returns at once.
   * @param {string} question
   * @param {string} yes
   * @param {() => void} onYes
   * @param {() => void} onNo
   */
  ask(question, yes, onYes, onNo = () => {}) {
    const toast = element("toast");
    element("toast-text").textContent = question;
    const button = element("toast-yes");
    button.textContent = yes;
    const since = performance.now();
    const answered = (/** @type {() => void} */ then) => () => {
      // Aimed at the question before.
      if (performance.now() - since < MISTAKEN_MILLIS) return;
      toast.hidden = true;
      then();
    };
    button.onclick = answered(onYes);
    element("toast-no").onclick = answered(onNo);
    toast.hidden = false;
  }

  #render() {
    const status = this.#status;
    document.documentElement.dataset["status"] = status.kind;
    setText("status-text", statusText(status));
    this.#renderCard(status);
    const end = element("end");
    end.hidden = status.kind !== "ended";
    if (status.kind === "ended") {
      end.dataset["good"] = String(status.reason === "exit" && status.exitCode === 0);
      setText("end", status.detail);
    }
  }

  /** @param {Status} status */
  #renderCard(status) {
    const card = element("card");
    const waiting = !this.#hasOutput && (status.kind === "connecting" || status.kind === "starting");
    card.hidden = status.kind !== "stopped" && !waiting;
    if (card.hidden) return;
    const button = element("card-button");
    button.hidden = status.kind !== "stopped" || status.button === undefined;
    if (status.kind === "stopped") {
      setText("card-title", status.title);
      setText("card-text", status.text);
      if (status.button !== undefined) setText("card-button", BUTTONS[status.button]);
      element("card-stages").replaceChildren();
    } else {
      setText("card-title", "Starting your session");
      setText("card-text", "This page shows the terminal as soon as there is output.");
      this.#renderStages(status);
    }
  }

  /** @param {Status} status */
  #renderStages(status) {
    const rows = this.#passed.map(({ stage, millis }) => row("done", stageName(stage), elapsed(millis)));
    if (status.kind === "starting") rows.push(row("now", stageName(status.stage), elapsed(Date.now() - status.since)));
    else rows.push(row("now", "Connecting", ""));
    element("card-stages").replaceChildren(...rows);
  }
}

/** @param {Status} status */
export function statusText(status) {
  switch (status.kind) {
    case "connecting":
      return "Connecting…";
    case "starting":
      return `${stageName(status.stage)}… ${elapsed(Date.now() - status.since)}`;
    case "connected":
      return "Connected";
    case "reconnecting":
      return `Reconnecting… ${status.why}`;
    case "unreachable":
      return `The session cannot be reached… ${elapsed(Date.now() - status.since)}`;
    case "ended":
      return status.exitCode === null ? "Ended" : `Ended, exit code ${status.exitCode}`;
    case "stopped":
      return "Disconnected";
  }
}

/** @param {string} stage */
function stageName(stage) {
  return STAGES[stage] ?? stage;
}

/** @param {string} state @param {string} name @param {string} time */
function row(state, name, time) {
  const item = document.createElement("li");
  item.className = state;
  const label = document.createElement("span");
  label.textContent = name;
  const clock = document.createElement("time");
  clock.textContent = time;
  item.append(label, clock);
  return item;
}

/** Leaves the text alone when it is the same: a screen reader would say it again. @param {string} id @param {string} text */
function setText(id, text) {
  const view = element(id);
  if (view.textContent !== text) view.textContent = text;
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}
