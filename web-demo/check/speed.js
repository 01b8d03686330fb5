// Called by `web-demo/speed`: how long the page's modules take for a photo, and the same code on the machine itself,
// in turns. One worker, one photo at a time; what the page draws is not counted.
"use strict";
const { chromium } = require("playwright-core");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { BROWSER, serve } = require("./host.js");

const [program, folder, rounds] = process.argv.slice(2);
const home = path.resolve(__dirname, "../..");
const dist = path.join(home, "web-demo/dist");
const model = path.join(dist, "model.onnx");
// The side of a card's picture, in pixels: as in `examples/speed.rs`.
const SIDE = 160;
const MODULES = ["classifier-relaxed.wasm", "classifier.wasm"];

const photos = fs.readdirSync(folder, { recursive: true }).filter(name => /\.(jpe?g|png|webp)$/i.test(name)).sort()
  .map(name => path.join(folder, name));
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

// In the page: a worker as the pool starts one.
async function start(name) {
  const [module, model] = await Promise.all([
    WebAssembly.compileStreaming(fetch(name).then(reply =>
      new Response(reply.body, { headers: { "Content-Type": "application/wasm" } }))),
    fetch("model.onnx").then(reply => reply.arrayBuffer()),
  ]);
  const worker = new Worker("worker.js");
  const ask = question => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
    worker.postMessage(question);
  });
  const { opened, told } = await ask({ task: "open", module, model });
  if (!opened) throw new Error(told.error);
  (window.workers ??= {})[name] = ask;
}

// In the page: the milliseconds of one photo.
async function classify([name, base64, side]) {
  const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
  const { answer, millis, why } = await workers[name]({ task: "classify", file: new Blob([bytes]), side });
  if (!answer || answer.error) throw new Error(why || answer.error);
  return millis;
}

async function main() {
  const host = await serve(dist);
  const browser = await chromium.launch(BROWSER);
  try {
    const page = await browser.newPage();
    await page.goto(host.address);
    const files = photos.map(photo => fs.readFileSync(photo).toString("base64"));
    // Name of a side -> for each photo the milliseconds of each round.
    const times = Object.fromEntries([...MODULES, "native"].map(name => [name, photos.map(() => [])]));
    for (const name of MODULES) await page.evaluate(start, name);
    for (let round = 0; round < Number(rounds); round++) {
      for (const name of MODULES) {
        for (const [at, file] of files.entries()) times[name][at].push(await page.evaluate(classify, [name, file, SIDE]));
      }
      const lines = execFileSync(program, [model, ...photos], { encoding: "utf8" }).trim().split("\n");
      for (const [at, line] of lines.entries()) times.native[at].push(Number(line));
      console.log(`round ${round + 1}: ` + Object.entries(times)
        .map(([name, all]) => `${name} ${median(all.map(one => one[round])).toFixed(1)} ms`).join(", "));
    }
    console.log(`${photos.length} photos, medians over photos of the medians of ${rounds} rounds:`);
    const native = median(times.native.map(median));
    for (const [name, all] of Object.entries(times)) {
      const middle = median(all.map(median));
      console.log(`  ${name}: ${middle.toFixed(1)} ms, ${(middle / native).toFixed(2)} of native`);
    }
  } finally {
    await browser.close();
    await host.close();
  }
}

main().catch(error => { console.error(String(error.stack || error)); process.exit(1); });
