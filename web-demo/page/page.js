// The page's script: loads the module and the model, takes photos, shares them out to workers, and shows the answers.
// No photo leaves this page, and the page's policy lets it ask nobody but its own host.
import { Card } from "./card.js";
import { listen } from "./input.js";
import "./module.js";
import { Pool } from "./pool.js";
import { number } from "./show.js";

const byId = id => document.getElementById(id);
const answers = byId("answers"), bar = byId("bar"), notice = byId("notice");

// Longest side of a photo on the page in pixels; a single one is shown larger.
const THUMBNAIL = 160, LARGE = 640;

let pool = null;
let cards = [], queue = [];
let running = 0, done = 0, total = 0, stop = new AbortController();

function say(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

// The module, whatever type the host says it has.
async function loadModule() {
  const reply = await loaded(MODULE);
  try {
    return await WebAssembly.compileStreaming(reply.clone());
  } catch {
    return WebAssembly.compile(await reply.arrayBuffer());
  }
}

async function loadModel() {
  const reply = await loaded("model.onnx");
  const length = Number(reply.headers.get("Content-Length"));
  const reader = reply.body.getReader();
  const parts = [];
  let bytes = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.length;
    if (length) byId("loading").value = Math.min(1, bytes / length);
  }
  return new Blob(parts).arrayBuffer();
}

async function loaded(name) {
  const reply = await fetch(name);
  if (!reply.ok) throw new Error(`${name}: ${reply.status}`);
  return reply;
}

async function open() {
  let module, model;
  try {
    [module, model] = await Promise.all([loadModule(), loadModel()]);
  } catch (error) {
    const isOld = error instanceof WebAssembly.CompileError;
    closed(isOld ? "This browser is too old for the page: it lacks WebAssembly's vectors. Update it and try again."
                 : "The page could not be loaded. Check the connection, then load it again.", error);
    return;
  }
  try {
    pool = await Pool.open(module, model);
  } catch (error) {
    closed("The model could not be opened. Load the page again.", error);
    return;
  }
  byId("loading").hidden = true;
  byId("model").textContent = `Knows ${number(pool.told.classes)} kinds of things. ` +
    "Photos stay in this tab; none is sent anywhere.";
  listen(() => pool.told.extensions, add, say);
  byId("drop").hidden = false;
  performance.mark("ready");
  keepForOffline();
}

function closed(text, error) {
  byId("loading").hidden = true;
  byId("model").textContent = text;
  byId("model").className = "error";
  console.warn(error);
}

// After the page is of use, so that its own files come from the browser's cache a second time.
async function keepForOffline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    document.documentElement.dataset.offline = "ready";
    byId("model").textContent += " The page works without a connection from now on.";
  } catch (error) {
    // Private windows and full disks: the page works, but not offline.
    console.warn(error);
  }
}

async function lane() {
  running++;
  while (queue.length) {
    const card = queue.shift();
    card.looking();
    const side = total === 1 ? LARGE : THUMBNAIL;
    const signal = stop.signal;
    const result = await pool.ask({ task: "classify", file: card.file, side }, signal);
    // Removed meanwhile: it no longer counts.
    if (!card.article.isConnected) continue;
    card.show(result, total === 1, index => explain(card, index));
    done++;
    count();
  }
  running--;
  count();
}

async function explain(card, index) {
  const { answer, picture, failed } = await pool.ask({ task: "explain", file: card.file, index });
  if (failed || answer.error) {
    say("It could not be found out why.");
    return null;
  }
  return picture;
}

function count() {
  bar.hidden = total === 0;
  byId("progress").max = total || 1;
  byId("progress").value = done;
  byId("progress").hidden = byId("cancel").hidden = done === total;
  byId("count").textContent = done === total ? `${number(total)} ${total === 1 ? "photo" : "photos"}`
                                             : `${number(done)} of ${number(total)}`;
}

function add(files, passedOver = 0) {
  const others = passedOver
    ? `${number(passedOver)} other ${passedOver === 1 ? "file was" : "files were"} passed over: no pictures.` : "";
  if (!files.length) {
    say(passedOver ? "There are no pictures in that folder." : "");
    return;
  }
  say(others);
  if (stop.signal.aborted) stop = new AbortController();
  const added = files.map(file => new Card(file));
  cards.push(...added);
  total += added.length;
  answers.classList.toggle("one", total === 1);
  answers.append(...added.map(card => card.article));
  queue.push(...added);
  if (total > added.length) added[0].article.scrollIntoView({ block: "nearest" });
  count();
  for (let free = Math.min(pool.size - running, queue.length); free > 0; free--) lane();
}

byId("cancel").addEventListener("click", () => {
  stop.abort();
  for (const card of queue.splice(0)) {
    card.canceled();
    done++;
  }
  count();
});

byId("clear").addEventListener("click", () => {
  stop.abort();
  queue = [];
  for (const card of cards.splice(0)) card.remove();
  done = total = 0;
  stop = new AbortController();
  say("");
  count();
  byId("choose").focus();
});

open();
