// The photos on the page: which wait, how many are under way, and what stands in the bar above them. Used by the page
// of `infer-cli serve` and by the one of `web-demo`.
import { number, say } from "./show.js";

const byId = id => document.getElementById(id);
const answers = byId("answers");

export class Queue {
  #card;
  #look;
  #lanes;
  #cards = [];
  #waiting = [];
  #running = 0;
  #done = 0;
  #stop = new AbortController();

  // `card(file)` makes the card of a photo: it has an `article` and can be told `looking()`, `canceled()`, `remove()`.
  // `look(card, isAlone, signal)` finds out what is on the photo and resolves to a function that shows it; that is told
  // whether the photo is the only one. At most `lanes` photos are under way at once.
  constructor(card, look, lanes) {
    this.#card = card;
    this.#look = look;
    this.#lanes = lanes;
    byId("cancel").addEventListener("click", () => this.#cancel());
    byId("clear").addEventListener("click", () => this.#clear());
  }

  add(files) {
    const articles = document.createDocumentFragment();
    const hadSome = this.#cards.length > 0;
    let first;
    // One by one: a function cannot be given all files of a very large folder as arguments.
    for (const file of files) {
      const card = this.#card(file);
      first ||= card;
      this.#cards.push(card);
      this.#waiting.push(card);
      articles.append(card.article);
    }
    answers.classList.toggle("one", this.#isAlone);
    answers.append(articles);
    if (hadSome && first) first.article.scrollIntoView({ block: "nearest" });
    this.#count();
    for (let free = Math.min(this.#lanes - this.#running, this.#waiting.length); free > 0; free--) this.#lane();
  }

  get #isAlone() {
    return this.#cards.length === 1;
  }

  async #lane() {
    this.#running++;
    while (this.#waiting.length) {
      const card = this.#waiting.shift();
      card.looking();
      const show = await this.#look(card, this.#isAlone, this.#stop.signal);
      // Removed meanwhile: it no longer counts.
      if (!card.article.isConnected) continue;
      show(this.#isAlone);
      this.#done++;
      this.#count();
    }
    this.#running--;
  }

  #count() {
    const total = this.#cards.length, isDone = this.#done === total;
    byId("bar").hidden = total === 0;
    byId("progress").max = total || 1;
    byId("progress").value = this.#done;
    byId("progress").hidden = byId("cancel").hidden = isDone;
    byId("count").textContent = isDone ? `${number(total)} ${total === 1 ? "photo" : "photos"}`
                                       : `${number(this.#done)} of ${number(total)}`;
  }

  // Stops what is under way; photos that come later have a signal of their own.
  #abort() {
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  #cancel() {
    this.#abort();
    for (const card of this.#waiting.splice(0)) {
      card.canceled();
      this.#done++;
    }
    this.#count();
  }

  #clear() {
    this.#abort();
    this.#waiting = [];
    for (const card of this.#cards.splice(0)) card.remove();
    this.#done = 0;
    say("");
    this.#count();
    // The button that had the focus is gone.
    byId("choose").focus();
  }
}
