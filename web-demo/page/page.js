// The page's script: loads the module and the model, takes photos, shares them out to workers, and shows the answers.
// No photo leaves this page, and the page's policy lets it ask nobody but its own host.
import { Card } from "./card.js";
import { listen } from "./input.js";
import "./module.js";
import { Pool } from "./pool.js";
import { Queue } from "./queue.js";
import { number, say } from "./show.js";

const byId = id => document.getElementById(id);

// Longest side of a photo on the page in pixels; a single one is shown larger.
const THUMBNAIL = 160, LARGE = 640;

let pool = null;

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
  const queue = new Queue(file => new Card(file), look, pool.size);
  listen(pool.told.extensions, files => queue.add(files));
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

async function look(card, isAlone, signal) {
  const side = isAlone ? LARGE : THUMBNAIL;
  const result = await pool.ask({ task: "classify", file: card.file, side }, signal);
  return isAlone => card.show(result, isAlone, index => explain(card, index));
}

async function explain(card, index) {
  const { answer, picture, failed } = await pool.ask({ task: "explain", file: card.file, index });
  if (failed || answer.error) {
    say("It could not be found out why.");
    return null;
  }
  return picture;
}

open();
