// One photo on the page: waiting, then answered, then explained if somebody asks why.
import { failure, percent, problem } from "./words.js";

export function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

export class Card {
  #blank = element("div", undefined, "blank");
  #box = element("div");
  #picture = null;
  #urls = [];

  constructor(file) {
    this.file = file;
    this.article = element("article");
    const name = element("h2", file.name);
    name.title = file.name;
    this.#box.append(name, element("p", "Waiting …", "soft"));
    this.article.append(this.#blank, this.#box);
  }

  looking() {
    this.#box.lastChild.textContent = "Looking …";
  }

  canceled() {
    this.#box.lastChild.textContent = failure("canceled");
  }

  // What came of it. `why(index)` asks for the heat map of a class: a picture, or nothing.
  show({ answer, picture, failed }, isAlone, why) {
    this.#box.lastChild.remove();
    if (failed || answer.error) {
      this.#blank.remove();
      const text = failed ? failure(failed) : problem(answer.code);
      this.#box.append(element("p", text, failed === "canceled" ? "soft" : "error"));
      return;
    }
    this.#picture = element("img");
    this.#picture.alt = "";
    this.#picture.src = this.#url(picture);
    this.#blank.replaceWith(this.#picture);
    this.#answer(answer, isAlone);
    this.#box.append(this.#whyButton(answer.predictions[0], why));
  }

  #answer(answer, isAlone) {
    // The everyday word where the model knows one, else its best class.
    const best = answer.answer || answer.predictions[0];
    const isSure = answer.answer ? answer.answer.sure : answer.sure;
    if (!isSure) this.#box.append(element("p", "Not sure. Perhaps:", "doubt"));
    const line = element("p", best.label + " ", "best");
    line.append(element("span", percent(best.probability)));
    this.#box.append(line);
    if (answer.damaged) {
      this.#box.append(element("p", "The picture is damaged, so the answer may be wrong.", "doubt"));
    }
    const list = element("ol");
    for (const each of answer.predictions) {
      const item = element("li");
      const track = element("div", undefined, "track");
      const filled = element("i");
      filled.style.width = each.probability * 100 + "%";
      track.append(filled);
      track.setAttribute("aria-hidden", "true");
      item.append(element("span", each.label), element("span", percent(each.probability)), track);
      list.append(item);
    }
    const details = element("details");
    details.open = isAlone;
    details.append(element("summary", "Five likeliest"), list);
    this.#box.append(details);
  }

  #whyButton(best, why) {
    const button = element("button", "Why?", "why");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.title = `Shows what speaks for ${best.label}`;
    const plain = this.#picture.src;
    let heat = null;
    button.addEventListener("click", async () => {
      if (button.getAttribute("aria-pressed") === "true") {
        this.#lay(button, plain, false, "");
        return;
      }
      if (!heat) {
        button.disabled = true;
        const found = await why(best.index);
        button.disabled = false;
        button.focus();
        if (!found || !this.article.isConnected) return;
        heat = this.#url(found);
      }
      this.#lay(button, heat, true, `What speaks for ${best.label} is bright, the rest is dark`);
    });
    return button;
  }

  #lay(button, source, isHeat, words) {
    button.setAttribute("aria-pressed", String(isHeat));
    this.#picture.src = source;
    this.#picture.alt = words;
    this.#picture.classList.toggle("heat", isHeat);
  }

  #url(blob) {
    const url = URL.createObjectURL(blob);
    this.#urls.push(url);
    return url;
  }

  remove() {
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
    this.article.remove();
  }
}
