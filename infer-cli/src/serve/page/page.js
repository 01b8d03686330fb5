// The page's script: takes photos, sends them two at a time, and shows the answers. Photos stay files on the visitor's
// disk: of each, only a small thumbnail is kept in memory.
import { listen } from "./input.js";
import { Queue } from "./queue.js";
import { PhotoCard, appendAnswer, element, number, pictureProblem, say } from "./show.js";

const byId = id => document.getElementById(id);

// Photos under way at once. The service decodes one while it classifies the other.
const LANES = 2;
// Longest side of a thumbnail in pixels; a single photo is shown larger.
const THUMBNAIL = 160, LARGE = 640;

const NO_SERVICE = "The service does not answer. Is it still running?";

let model;

const megabytes = bytes => number(Math.floor(bytes / 1048576)) + " MB";

// What went wrong, in words for whoever stands in front of the page.
function words(answer, status) {
  const problem = pictureProblem(answer.code);
  if (problem) return problem;
  switch (answer.code) {
    case "image.too-many-pixels":
    case "image.side-too-long":
    case "image.too-much-memory":
    case "image.file-too-large": return "The picture is too large for this service. Make it smaller and try again.";
  }
  if (status === 413) return tooLarge();
  if (status === 503) return "The service is busy. Try again in a moment.";
  if (status === 408 || status === 504) return "That took too long. Try again.";
  return "This photo could not be classified.";
}

const tooLarge = () => `The file is larger than ${megabytes(model.max_upload_bytes)}, the most this service takes.`;

// A photo whose answer the service gives; of its picture a thumbnail is shown.
class Card extends PhotoCard {
  #url = null;

  canceled() {
    this.show({ text: "Canceled.", quiet: true });
  }

  show({ answer, text, quiet }, isAlone) {
    this.box.lastChild.remove();
    if (text) this.box.append(element("p", text, quiet ? "soft" : "error"));
    else appendAnswer(this.box, answer, isAlone);
  }

  // A small picture of the file, so that a thousand photos do not stay decoded in memory.
  async thumbnail(side) {
    try {
      const whole = await createImageBitmap(this.file);
      const scale = Math.min(1, side / Math.max(whole.width, whole.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(whole.width * scale));
      canvas.height = Math.max(1, Math.round(whole.height * scale));
      canvas.getContext("2d").drawImage(whole, 0, 0, canvas.width, canvas.height);
      whole.close();
      const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/jpeg", 0.8));
      canvas.width = canvas.height = 0;
      if (!blob || !this.article.isConnected) return;
      const picture = element("img");
      picture.alt = "";
      this.#url = picture.src = URL.createObjectURL(blob);
      this.blank.replaceWith(picture);
    } catch {
      this.blank.remove(); // a format that this browser does not show
    }
  }

  remove() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.article.remove();
  }
}

// Asks the service, and again when it is busy.
async function ask(file, signal) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    return { text: "This file can no longer be read. Was it moved, or is it a folder?" };
  }
  if (file.size > model.max_upload_bytes) return { text: tooLarge() };
  const address = `api/classify?abstain=${model.sure_from}&name=${encodeURIComponent(file.name)}`;
  for (let attempt = 0; ; attempt++) {
    let reply, answer;
    try {
      reply = await fetch(address, { method: "POST", body: file, signal });
      answer = await reply.json();
    } catch {
      if (signal.aborted) return { text: "Canceled.", quiet: true };
      const isAlive = await fetch("healthz").then(reply => reply.ok, () => false);
      return { text: isAlive ? "The photo could not be sent. Was the file changed meanwhile?" : NO_SERVICE };
    }
    if (reply.status === 503 && attempt < 5) {
      const seconds = Number(reply.headers.get("Retry-After")) || 1;
      await new Promise(resolve => setTimeout(resolve, seconds * 1000 * (attempt + 1)));
      continue;
    }
    return answer.error ? { text: words(answer, reply.status) } : { answer };
  }
}

async function look(card, isAlone, signal) {
  const [result] = await Promise.all([ask(card.file, signal), card.thumbnail(isAlone ? LARGE : THUMBNAIL)]);
  return isAlone => card.show(result, isAlone);
}

async function open() {
  try {
    model = await (await fetch("api/model")).json();
  } catch {
    say(NO_SERVICE);
    return;
  }
  byId("model").textContent = `Knows ${number(model.classes)} kinds of things. Photos are sent to ` +
    `${location.hostname} and nowhere else; none is kept.`;
  // Not before the model is known: which files of a folder are pictures, it says.
  const queue = new Queue(file => new Card(file), look, LANES);
  listen(model.extensions, files => queue.add(files));
  byId("drop").hidden = false;
}

open();
