// Called by `web-demo/test`: the page in headless Chromium, from the first visit to 200 photos without a connection.
"use strict";
const { chromium } = require("playwright-core");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { BROWSER, serve } = require("./host.js");
const { difference, fromCli } = require("./answers.js");
const { folders } = require("./folders.js");

const [program, ...rest] = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = rest.indexOf(name);
  return at < 0 ? otherwise : rest[at + 1];
};
const home = path.resolve(__dirname, "../..");
const photosFolder = option("--photos", path.join(home, "models/samples"));
const shots = option("--shots", fs.mkdtempSync(path.join(os.tmpdir(), "web-demo-shots-")));
const PHOTOS_IN_A_ROW = 200;

function expect(what, holds) {
  if (!holds) throw new Error("expected " + what);
  console.log("ok: " + what);
}

const isPhoto = name => /\.(jpe?g|png|webp|tiff?|bmp|gif)$/i.test(name);
const photos = fs.readdirSync(photosFolder, { recursive: true }).filter(isPhoto).sort()
  .map(name => path.join(photosFolder, name));

// Notes every answer that a worker of the page gives, with the name of the photo.
function record() {
  window.answered = [];
  const Plain = window.Worker;
  window.Worker = class extends Plain {
    postMessage(question) {
      this.asked = question.file && question.file.name;
      this.task = question.task;
      super.postMessage(question);
    }
    constructor(...all) {
      super(...all);
      this.addEventListener("message", ({ data }) => {
        const { answer, millis, memory, failed } = data;
        window.answered.push({ name: this.asked, task: this.task, answer, millis, memory, failed });
      });
    }
  };
}

const answers = page => page.evaluate(() => window.answered.splice(0).filter(one => one.task === "classify"));
const counted = (page, text) =>
  page.waitForFunction(text => document.getElementById("count").textContent === text, text, { timeout: 600000 });
const ready = page => page.waitForFunction(() => performance.getEntriesByName("ready").length > 0);
const median = values => values.sort((a, b) => a - b)[values.length >> 1];

function compare(found, expected, where) {
  const wrong = found.map(({ name, answer }) => [name, difference(answer, expected.get(name))]).filter(([, what]) => what);
  expect(`infer-cli's answers to ${found.length} photos ${where}: ` + JSON.stringify(wrong), wrong.length === 0 && found.length > 0);
}

async function firstVisit(page, address) {
  await page.goto(address);
  await ready(page);
  const millis = await page.evaluate(() => performance.getEntriesByName("ready")[0].startTime);
  console.log(`loaded: ${millis.toFixed(0)} ms`);
  await page.screenshot({ path: path.join(shots, "empty.png") });
  await page.setInputFiles("#files", photos[0]);
  await page.waitForSelector("article .best");
  const [first] = await answers(page);
  console.log(`first answer: ${first.millis.toFixed(0)} ms`);
  expect("five bars that fall in width", await page.locator("article .track i").evaluateAll(bars => bars.length === 5
    && bars[0].offsetWidth > 0 && bars.every((bar, at) => at === 0 || bar.offsetWidth <= bars[at - 1].offsetWidth)));
  await page.waitForFunction(() => document.documentElement.dataset.offline === "ready");
}

// A browser without relaxed SIMD takes the other module, and the answers are the same.
async function plainModule(host, expected) {
  const taken = () => [...new Set(host.requests.filter(name => name.endsWith(".wasm")))].join();
  expect("one module fetched and kept, with relaxed SIMD: " + taken(), taken() === "/classifier-relaxed.wasm");
  host.requests.length = 0;
  const browser = await chromium.launch(BROWSER);
  try {
    const page = await browser.newPage({ serviceWorkers: "block" });
    await page.addInitScript(record);
    await page.addInitScript(() => { WebAssembly.validate = () => false; });
    await page.goto(host.address);
    await ready(page);
    const some = photos.slice(0, 20);
    await page.setInputFiles("#files", some);
    await counted(page, `${some.length} photos`);
    compare(await answers(page), expected, "without relaxed SIMD");
    expect("the other module: " + taken(), taken() === "/classifier.wasm");
  } finally {
    await browser.close();
  }
}

async function heatMap(page) {
  const before = await page.locator("article > img").getAttribute("src");
  await page.locator("article .why").focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("article > img.heat");
  expect("a heat map in the photo's place", await page.locator("article > img").getAttribute("src") !== before);
  await page.waitForFunction(() => document.querySelector("article > img").naturalWidth === 224);
  await page.screenshot({ path: path.join(shots, "heat.png") });
  await page.keyboard.press("Enter");
  await page.waitForSelector("article > img:not(.heat)");
  expect("the photo again", await page.locator("article > img").getAttribute("src") === before);
  await page.click("#clear");
}

async function keyboard(page) {
  // "Remove all" has just been pressed.
  expect("the focus on the first button again", await page.evaluate(() => document.activeElement.id === "choose"));
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await chooser.setFiles(photos.slice(0, 2));
  await counted(page, "2 photos");
  const steps = [];
  for (let step = 0; step < 8; step++) {
    await page.keyboard.press("Tab");
    steps.push(await page.evaluate(() => document.activeElement.id || document.activeElement.tagName.toLowerCase()));
  }
  expect("everything within Tab's reach: " + steps, ["folder", "clear", "summary", "button"].every(one => steps.includes(one)));
  await page.click("#clear");
}

// Files as a drop or a paste brings them.
const transfer = (page, files) => page.evaluateHandle(files => {
  const data = new DataTransfer();
  for (const [name, bytes] of files) data.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name));
  return data;
}, files.map(([name, bytes]) => [name, bytes.toString("base64")]));

async function dropAndPaste(page) {
  const dropped = await transfer(page, [[path.basename(photos[0]), fs.readFileSync(photos[0])],
    ["broken.jpg", Buffer.from("not an image")], ["cut.jpg", fs.readFileSync(photos[0]).subarray(0, 300)],
    ["phone.heic", Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic")]]);
  await page.dispatchEvent("#drop", "dragover", { dataTransfer: dropped });
  await page.dispatchEvent("#drop", "drop", { dataTransfer: dropped });
  await counted(page, "4 photos");
  const errors = await page.locator("article .error").allTextContents();
  expect("words for each fault: " + JSON.stringify(errors), errors.length === 3 && errors[0].includes("not a picture")
    && errors[1].includes("missing") && errors[2].includes("cannot be read"));
  await page.screenshot({ path: path.join(shots, "four.png") });
  const pasted = await transfer(page, [["pasted.jpg", fs.readFileSync(photos[0])]]);
  await page.evaluate(data => dispatchEvent(new ClipboardEvent("paste", { clipboardData: data })), pasted);
  await counted(page, "5 photos");
  expect("an answer to a pasted photo", await page.locator("article", { hasText: "pasted.jpg" }).locator(".best").count() === 1);
  await page.click("#clear");
  await answers(page);
}

// The same photo read by the browser instead: if the comparison took it for ours, it would show nothing.
async function browserDecoded(page, expected) {
  const blue = await page.evaluateHandle(async bytes => {
    const blob = new Blob([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))]);
    const bitmap = await createImageBitmap(blob, { resizeWidth: 224, resizeHeight: 224 });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    const data = new DataTransfer();
    data.items.add(new File([await canvas.convertToBlob({ type: "image/png" })], "other.png"));
    return data;
  }, fs.readFileSync(photos[0]).toString("base64"));
  await page.evaluate(data => dispatchEvent(new ClipboardEvent("paste", { clipboardData: data })), blue);
  await counted(page, "1 photo");
  const [other] = await answers(page);
  const what = difference(other.answer, expected.get(path.basename(photos[0])));
  expect("other preprocessing to be told from ours: " + what, what !== "");
  await page.click("#clear");
}

async function manyPhotos(page, session, expected) {
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(metric => metric.name === "JSHeapUsedSize").value / 1048576;
  };
  await session.send("Performance.enable");
  const many = Array.from({ length: PHOTOS_IN_A_ROW }, (_, at) => photos[at % photos.length]);
  const seen = [];
  for (let round = 1; round <= 2; round++) {
    await page.setInputFiles("#files", many.slice((round - 1) * PHOTOS_IN_A_ROW / 2, round * PHOTOS_IN_A_ROW / 2));
    await counted(page, `${round * PHOTOS_IN_A_ROW / 2} photos`);
    const found = await answers(page);
    compare(found, expected, `in round ${round}`);
    seen.push({ memory: Math.max(...found.map(one => one.memory)) / 1048576, heap: await heap(),
      millis: median(found.map(one => one.millis)) });
  }
  const [half, whole] = seen;
  console.log(`next answers: ${whole.millis.toFixed(0)} ms (median)`);
  expect(`flat memory: modules ${half.memory.toFixed(0)}, then ${whole.memory.toFixed(0)} MiB; the page's heap ` +
    `${half.heap.toFixed(1)}, then ${whole.heap.toFixed(1)} MiB`,
    whole.memory <= 1.5 * half.memory && whole.heap - half.heap < 4);
  await page.screenshot({ path: path.join(shots, "many.png") });
  await page.click("#clear");
}

async function phone(page) {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setInputFiles("#files", photos[0]);
  await counted(page, "1 photo");
  expect("no scrolling sideways on a phone", await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.screenshot({ path: path.join(shots, "phone-dark.png") });
}

async function main() {
  expect(`photos in ${photosFolder}: ${photos.length}`, photos.length > 0);
  fs.mkdirSync(shots, { recursive: true });
  const expected = fromCli(program, path.join(home, "web-demo/dist/model.onnx"), photos);
  const host = await serve(path.join(home, "web-demo/dist"));
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "web-demo-"));
  const context = await chromium.launchPersistentContext(profile, {
    ...BROWSER,
    viewport: { width: 1000, height: 900 },
  });
  try {
    const page = context.pages()[0] || await context.newPage();
    const complaints = [];
    page.on("console", message => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
    page.on("pageerror", error => complaints.push(error.message));
    // From the start: playwright asks the browser for it and does not wait, so a chooser that opens soon after would be
    // the system's, which a headless browser never shows.
    page.on("filechooser", () => {});
    await page.addInitScript(record);
    await firstVisit(page, host.address);
    await plainModule(host, expected);
    await heatMap(page);
    await keyboard(page);
    await dropAndPaste(page);
    await folders(page, photos[0], expect);
    await answers(page);

    // No connection and no host from here on.
    await context.setOffline(true);
    await host.close();
    const asked = host.requests.length;
    await page.reload();
    await ready(page);
    const millis = await page.evaluate(() => performance.getEntriesByName("ready")[0].startTime);
    console.log(`loaded without a connection: ${millis.toFixed(0)} ms`);
    await browserDecoded(page, expected);
    await manyPhotos(page, await context.newCDPSession(page), expected);
    await phone(page);
    expect("no request after the connection was cut", host.requests.length === asked);
    expect("no complaint in the console: " + complaints.join("; "), complaints.length === 0);
    console.log("screenshots: " + shots);
  } finally {
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
}

main().catch(error => { console.error(String(error.stack || error)); process.exit(1); });
