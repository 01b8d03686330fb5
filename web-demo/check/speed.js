// Called by `web-demo/speed`: how long the page's module takes for a photo, and the same code on the machine itself, in
// turns. One worker, one photo at a time; what the page draws is not counted.
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

const photos = fs.readdirSync(folder, { recursive: true }).filter(name => /\.(jpe?g|png|webp)$/i.test(name)).sort()
  .map(name => path.join(folder, name));
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

// In the page: a worker as the pool starts one.
async function start() {
  await import("./module.js");
  const [module, model] = await Promise.all([
    WebAssembly.compileStreaming(fetch(MODULE).then(reply =>
      new Response(reply.body, { headers: { "Content-Type": "application/wasm" } }))),
    fetch("model.onnx").then(reply => reply.arrayBuffer()),
  ]);
  window.speed = new Worker("worker.js");
  window.asked = question => new Promise((resolve, reject) => {
    speed.onmessage = ({ data }) => resolve(data);
    speed.onerror = reject;
    speed.postMessage(question);
  });
  const { opened, told } = await asked({ task: "open", module, model });
  if (!opened) throw new Error(told.error);
  return told.kernels;
}

// In the page: the milliseconds of one photo.
async function classify([base64, side]) {
  const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
  const { answer, millis, why } = await asked({ task: "classify", file: new Blob([bytes]), side });
  if (!answer || answer.error) throw new Error(why || answer.error);
  return millis;
}

async function main() {
  const host = await serve(dist);
  const browser = await chromium.launch(BROWSER);
  try {
    const page = await browser.newPage();
    await page.goto(host.address);
    const kernels = await page.evaluate(start);
    const files = photos.map(photo => fs.readFileSync(photo).toString("base64"));
    const inPage = photos.map(() => []);
    const native = photos.map(() => []);
    for (let round = 0; round < Number(rounds); round++) {
      for (const [at, file] of files.entries()) inPage[at].push(await page.evaluate(classify, [file, SIDE]));
      const lines = execFileSync(program, [model, ...photos], { encoding: "utf8" }).trim().split("\n");
      for (const [at, line] of lines.entries()) native[at].push(Number(line));
      const figure = all => median(all.map(one => one[round])).toFixed(1);
      console.log(`round ${round + 1}: page ${figure(inPage)} ms, native ${figure(native)} ms`);
    }
    const [ours, theirs] = [inPage, native].map(all => median(all.map(median)));
    console.log(`${photos.length} photos, page (${kernels}): ${ours.toFixed(1)} ms, native: ${theirs.toFixed(1)} ms, ` +
      `page / native: ${(ours / theirs).toFixed(2)} (medians over photos of the medians of ${rounds} rounds)`);
  } finally {
    await browser.close();
    await host.close();
  }
}

main().catch(error => { console.error(String(error.stack || error)); process.exit(1); });
