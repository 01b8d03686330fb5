// One photo on the page: waiting, then answered, then explained if somebody asks why.
import { PhotoCard, appendAnswer, element } from "./show.js";
import { failure, problem } from "./words.js";

export class Card extends PhotoCard {
  #picture = null;
  #urls = [];

  canceled() {
    this.box.lastChild.textContent = failure("canceled");
  }

  // What came of it. `why(index)` asks for the heat map of a class: a picture, or nothing.
  show({ answer, picture, failed }, isAlone, why) {
    this.box.lastChild.remove();
    if (failed || answer.error) {
      this.blank.remove();
      const text = failed ? failure(failed) : problem(answer.code);
      this.box.append(element("p", text, failed === "canceled" ? "soft" : "error"));
      return;
    }
    this.#picture = element("img");
    this.#picture.alt = "";
    this.#picture.src = this.#url(picture);
    this.blank.replaceWith(this.#picture);
    appendAnswer(this.box, answer, isAlone);
    this.box.append(this.#whyButton(answer.predictions[0], why));
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
