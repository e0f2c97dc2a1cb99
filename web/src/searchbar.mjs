// The search bar over the terminal.

/** @typedef {import("../vendor/addon-search.mjs").SearchAddon} SearchAddon */

const COLOURS = {
  matchBackground: "#7a6420",
  matchOverviewRuler: "#c9a227",
  activeMatchBackground: "#c96f27",
  activeMatchColorOverviewRuler: "#ff9d4d",
};

export class SearchBar {
  #search;
  #bar;
  #input;
  #count;
  #back;

  /**
   * @param {SearchAddon} search
   * @param {() => void} back gives the keyboard back to the terminal
   */
  constructor(search, back) {
    this.#search = search;
    this.#back = back;
    this.#bar = element("search");
    this.#input = /** @type {HTMLInputElement} */ (element("search-input"));
    this.#count = element("search-count");
    element("search-open").addEventListener("click", () => this.open());
    element("search-close").addEventListener("click", () => this.close());
    element("search-next").addEventListener("click", () => this.#next());
    element("search-previous").addEventListener("click", () => this.#previous());
    this.#input.addEventListener("input", () => this.#find());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    search.onDidChangeResults(({ resultIndex, resultCount }) => this.#show(resultIndex, resultCount));
  }

  open() {
    this.#bar.hidden = false;
    this.#input.focus();
    this.#input.select();
  }

  close() {
    this.#bar.hidden = true;
    this.#search.clearDecorations();
    this.#back();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.shiftKey) this.#previous();
    else if (event.key === "Enter") this.#next();
  }

  #find() {
    if (this.#input.value === "") {
      this.#search.clearDecorations();
      this.#count.textContent = "";
    } else {
      this.#search.findNext(this.#input.value, { decorations: COLOURS, incremental: true });
    }
  }

  #next() {
    this.#search.findNext(this.#input.value, { decorations: COLOURS });
  }

  #previous() {
    this.#search.findPrevious(this.#input.value, { decorations: COLOURS });
  }

  /** @param {number} index @param {number} count */
  #show(index, count) {
    if (count === 0) this.#count.textContent = this.#input.value === "" ? "" : "None";
    else this.#count.textContent = index < 0 ? `${count}` : `${index + 1} of ${count}`;
  }
}

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}
