// The page's script: takes photos, sends them two at a time, and shows the answers. Photos stay files on the visitor's
// disk: of each, only a small thumbnail is kept in memory.
import { listen } from "./input.js";
import { appendAnswer, element, number, pictureProblem } from "./show.js";

const byId = id => document.getElementById(id);
const drop = byId("drop"), answers = byId("answers"), bar = byId("bar"), notice = byId("notice");

// Photos under way at once. The service decodes one while it classifies the other.
const LANES = 2;
// Longest side of a thumbnail in pixels; a single photo is shown larger.
const THUMBNAIL = 160, LARGE = 640;

let model = { sure_from: 0.4, max_upload_bytes: 0, extensions: [] };
let queue = [], running = 0, done = 0, total = 0, stop = new AbortController();

function say(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

const megabytes = bytes => number(Math.floor(bytes / 1048576)) + " MB";

fetch("api/model").then(reply => reply.json()).then(told => {
  model = told;
  byId("model").textContent = `Knows ${number(told.classes)} kinds of things. Photos are sent to ` +
    `${location.hostname} and nowhere else; none is kept.`;
}).catch(() => say("The service does not answer. Is it still running?"));

// What went wrong, in words for whoever stands in front of the page.
function words(answer, status) {
  const problem = pictureProblem(answer.code);
  if (problem) return problem;
  switch (answer.code) {
    case "image.too-many-pixels":
    case "image.side-too-long":
    case "image.too-much-memory": return "The picture is too large for this service. Make it smaller and try again.";
    case "image.file-too-large": return tooLarge();
  }
  if (status === 413) return tooLarge();
  if (status === 503) return "The service is busy. Try again in a moment.";
  if (status === 408 || status === 504) return "That took too long. Try again.";
  return "This photo could not be classified.";
}

const tooLarge = () => `The file is larger than ${megabytes(model.max_upload_bytes)}, the most this service takes.`;

// A card at once, so that many photos show that they are waiting; the answers follow.
function card(file) {
  const article = element("article");
  const blank = element("div", undefined, "blank");
  const box = element("div");
  const name = element("h2", file.name);
  name.title = file.name;
  box.append(name, element("p", "Waiting …", "soft"));
  article.append(blank, box);
  return { file, article, box, blank, url: null };
}

// A small picture of the file, so that a thousand photos do not stay decoded in memory.
async function thumbnail(one) {
  try {
    const side = total === 1 ? LARGE : THUMBNAIL;
    const whole = await createImageBitmap(one.file);
    const scale = Math.min(1, side / Math.max(whole.width, whole.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(whole.width * scale));
    canvas.height = Math.max(1, Math.round(whole.height * scale));
    canvas.getContext("2d").drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/jpeg", 0.8));
    canvas.width = canvas.height = 0;
    if (!blob || !one.article.isConnected) return;
    const picture = element("img");
    picture.alt = "";
    one.url = picture.src = URL.createObjectURL(blob);
    one.blank.replaceWith(picture);
  } catch {
    one.blank.remove(); // a format that this browser does not show
  }
}

// Asks the service, and again when it is busy.
async function ask(one) {
  try {
    await one.file.slice(0, 1).arrayBuffer();
  } catch {
    return { text: "This file can no longer be read. Was it moved, or is it a folder?" };
  }
  if (model.max_upload_bytes && one.file.size > model.max_upload_bytes) return { text: tooLarge() };
  const address = `api/classify?topk=5&abstain=${model.sure_from}&name=${encodeURIComponent(one.file.name)}`;
  for (let attempt = 0; ; attempt++) {
    let reply, answer;
    try {
      reply = await fetch(address, { method: "POST", body: one.file, signal: stop.signal });
      answer = await reply.json();
    } catch (error) {
      if (stop.signal.aborted) return { text: "Canceled.", quiet: true };
      const alive = await fetch("healthz").then(reply => reply.ok, () => false);
      return { text: alive ? "The photo could not be sent. Was the file changed meanwhile?"
                           : "The service does not answer. Is it still running?" };
    }
    if (reply.status === 503 && attempt < 5) {
      const seconds = Number(reply.headers.get("Retry-After")) || 1;
      await new Promise(resolve => setTimeout(resolve, seconds * 1000 * (attempt + 1)));
      continue;
    }
    return answer.error ? { text: words(answer, reply.status) } : { answer };
  }
}

function show(one, { answer, text, quiet }) {
  one.box.lastChild.remove();
  if (text) {
    one.box.append(element("p", text, quiet ? "soft" : "error"));
    return;
  }
  appendAnswer(one.box, answer, total === 1);
}

async function lane() {
  running++;
  while (queue.length) {
    const one = queue.shift();
    one.box.lastChild.textContent = "Looking …";
    const [result] = await Promise.all([ask(one), thumbnail(one)]);
    // Removed meanwhile: it no longer counts.
    if (!one.article.isConnected) continue;
    show(one, result);
    done++;
    count();
  }
  running--;
  count();
}

function count() {
  bar.hidden = total === 0;
  byId("progress").max = total || 1;
  byId("progress").value = done;
  byId("progress").hidden = byId("cancel").hidden = done === total;
  byId("count").textContent = done === total ? `${number(total)} ${total === 1 ? "photo" : "photos"}`
                                             : `${number(done)} of ${number(total)}`;
}

let cards = [];
function add(files, passedOver = 0) {
  const others = passedOver ? `${number(passedOver)} other ${passedOver === 1 ? "file was" : "files were"} passed over: no pictures.` : "";
  if (!files.length) {
    say(passedOver ? "There are no pictures in that folder." : "");
    return;
  }
  say(others);
  if (stop.signal.aborted) stop = new AbortController();
  const added = files.map(card);
  cards.push(...added);
  total += added.length;
  answers.classList.toggle("one", total === 1);
  answers.append(...added.map(one => one.article));
  queue.push(...added);
  if (total > added.length) added[0].article.scrollIntoView({ block: "nearest" });
  count();
  while (running < LANES && running < queue.length + running && queue.length) lane();
}

byId("cancel").addEventListener("click", () => {
  stop.abort();
  for (const one of queue.splice(0)) {
    show(one, { text: "Canceled.", quiet: true });
    done++;
  }
  count();
});

byId("clear").addEventListener("click", () => {
  stop.abort();
  queue = [];
  for (const one of cards) if (one.url) URL.revokeObjectURL(one.url);
  cards = [];
  answers.replaceChildren();
  done = total = 0;
  stop = new AbortController();
  say("");
  count();
});

listen(() => model.extensions, add, say);
drop.hidden = false;
