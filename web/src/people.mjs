// Who is attached, and who may type: the list behind the count of viewers, and what each may do about the input lease.

import { leaseWish } from "./frames.mjs";

/** @typedef {import("./frames.mjs").Person} Person */
/** @typedef {import("./frames.mjs").Roll} Roll */
/**
 * @typedef {object} Actions
 * @property {(frame: Uint8Array) => void} send
 * @property {(question: string, yes: string, onYes: () => void, onNo: () => void) => void} ask
 * @property {() => void} onDone the terminal is to have the focus again
 */

/** @param {Person} person */
export function nameOf({ name, owner, number }) {
  return name ?? (owner ? "Owner" : `Guest ${number}`);
}

/**
 * What this viewer is told about its own typing: null when there is nothing to say.
 * @param {Roll} roll
 * @returns {{ text: string, button: string | null, verb: "ask" | "give-up" | "take-back", types: boolean } | null}
 */
export function turnOf({ you, holder, people }) {
  const me = people.find(({ number }) => number === you);
  const held = people.find(({ number }) => number === holder);
  if (me?.readOnly) return { text: "Watching only", button: null, verb: "ask", types: false };
  if (held === undefined) return null;
  if (holder === you) return { text: "Only you can type", button: "Let everybody", verb: "give-up", types: true };
  const text = `${nameOf(held)} has the keyboard`;
  if (me?.owner) return { text, button: "Take it back", verb: "take-back", types: false };
  if (me?.asks) return { text: `${text}, you have asked`, button: "Never mind", verb: "give-up", types: false };
  return { text, button: "Ask for it", verb: "ask", types: false };
}

export class People {
  #actions;
  /** @type {Roll} */
  #roll = { you: 0, holder: null, people: [] };
  /** Those whose wish this page has put to its user. @type {Set<number>} */
  #asked = new Set();

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    element("viewers").addEventListener("click", () => this.#toggle(element("people").hidden));
    element("people-close").addEventListener("click", () => this.#toggle(false));
    element("people").addEventListener("keydown", (event) => event.key === "Escape" && this.#toggle(false));
    element("turn-button").addEventListener("click", () => {
      const turn = turnOf(this.#roll);
      if (turn !== null) this.#wish(turn.verb);
    });
  }

  /** Whether what this viewer types reaches the program. */
  get types() {
    return turnOf(this.#roll)?.types ?? true;
  }

  /** @param {Roll} roll */
  show(roll) {
    this.#roll = roll;
    this.#showTurn();
    element("people-list").replaceChildren(...roll.people.map((person) => this.#row(person)));
    this.#putWishes();
  }

  /** Nobody is attached any more. */
  end() {
    this.show({ you: 0, holder: null, people: [] });
    this.#toggle(false);
  }

  /** Somebody types in vain: shows why. */
  nudge() {
    const turn = element("turn");
    turn.classList.remove("nudge");
    requestAnimationFrame(() => turn.classList.add("nudge"));
  }

  #showTurn() {
    const turn = turnOf(this.#roll);
    element("turn").hidden = turn === null;
    if (turn === null) return;
    element("turn-text").textContent = turn.text;
    element("turn-button").hidden = turn.button === null;
    element("turn-button").textContent = turn.button;
  }

  /** The owner is asked about each wish once. */
  #putWishes() {
    const { people, you } = this.#roll;
    const asking = people.filter((person) => person.asks && person.number !== you);
    for (const number of this.#asked) if (!asking.some((person) => person.number === number)) this.#asked.delete(number);
    const next = asking.find(({ number }) => !this.#asked.has(number));
    if (!this.#isOwner() || next === undefined) return;
    this.#asked.add(next.number);
    const question = `${nameOf(next)} asks for the keyboard. You can take it back at any time.`;
    this.#actions.ask(question, "Hand over", () => this.#wish("grant", next.number), () => this.#wish("refuse", next.number));
  }

  #isOwner() {
    return this.#roll.people.some(({ number, owner }) => owner && number === this.#roll.you);
  }

  /** @param {Person} person */
  #row(person) {
    const { you, holder } = this.#roll;
    const row = document.createElement("li");
    const name = nameOf(person);
    row.append(part("i", name.slice(0, 1).toUpperCase()), part("b", name));
    const says = [
      person.number === you && "you",
      person.owner && person.name !== null && "owner",
      person.readOnly && "watching",
      person.number === holder && "has the keyboard",
      person.asks && "asks for the keyboard",
    ];
    row.append(part("small", says.filter(Boolean).join(", ")));
    if (this.#isOwner() && !person.readOnly && person.number !== holder) {
      const label = person.number === you ? "Only I type" : "Hand over";
      row.append(this.#button(label, person.number === you ? "ask" : "grant", person.number));
    } else if (person.number === holder && (this.#isOwner() || person.number === you)) {
      row.append(this.#button(person.number === you ? "Let everybody type" : "Take back", person.number === you ? "give-up" : "take-back", 0));
    }
    return row;
  }

  /** @param {string} label @param {import("./frames.mjs").LeaseVerb} verb @param {number} number */
  #button(label, verb, number) {
    const button = /** @type {HTMLButtonElement} */ (part("button", label));
    button.type = "button";
    button.addEventListener("click", () => this.#wish(verb, number));
    return button;
  }

  /** @param {import("./frames.mjs").LeaseVerb} verb */
  #wish(verb, number = 0) {
    this.#actions.send(leaseWish(verb, number));
    if (element("people").hidden) this.#actions.onDone();
  }

  /** @param {boolean} open */
  #toggle(open) {
    element("people").hidden = !open;
    element("viewers").setAttribute("aria-expanded", String(open));
    if (open) element("people-close").focus();
    else this.#actions.onDone();
  }
}

/** @param {string} tag @param {string} text */
function part(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}
