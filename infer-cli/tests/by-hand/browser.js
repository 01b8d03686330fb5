// Opens `infer-cli serve` in a real browser, gives it a photo through the file chooser, one by dropping and a broken
// one, folders with and without photos, checks the bars and the error line, and takes screenshots to look at. By hand,
// because it needs a browser.
//
//   npm install playwright-core        (in any folder; NODE_PATH names its node_modules)
//   node infer-cli/tests/by-hand/browser.js target/release/infer-cli photo.jpg other.jpg shots/
"use strict";
const { chromium } = require("playwright-core");
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { folders } = require("../../../web-demo/check/folders.js");

const [program, photo, other, shots] = process.argv.slice(2);
if (!shots) throw new Error("expected: browser.js INFER-CLI PHOTO PHOTO FOLDER-FOR-SCREENSHOTS");

function expect(what, holds) {
  if (!holds) throw new Error("expected " + what);
  console.log("ok: " + what);
}

async function main() {
  fs.mkdirSync(shots, { recursive: true });
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "browser-"));
  const service = spawn(program, ["serve", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const address = await new Promise((resolve, reject) => {
    service.stdout.on("data", text => {
      const found = /http:\S+/.exec(text);
      if (found) resolve(found[0]);
    });
    service.on("exit", code => reject(new Error("the service ended with " + code)));
  });
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1000, height: 900 },
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  try {
    const page = context.pages()[0] || await context.newPage();
    const complaints = [];
    page.on("console", message => { if (message.type() === "error") complaints.push(message.text()); });
    page.on("pageerror", error => complaints.push(error.message));
    await page.goto(address);
    await page.waitForFunction(() => document.getElementById("model").textContent.includes("Knows"));
    await page.screenshot({ path: path.join(shots, "empty.png") });

    await page.setInputFiles("#files", photo);
    await page.waitForSelector("article ol");
    expect("five bars", (await page.locator("article li").count()) === 5);
    const widths = await page.locator("article .track i").evaluateAll(bars => bars.map(bar => bar.offsetWidth));
    expect("bars that fall in width: " + widths, widths.every((width, at) => at === 0 || width <= widths[at - 1]));
    expect("a first bar that shows", widths[0] > 0);
    const first = await page.locator("article .best").first().textContent();
    console.log("first answer: " + first);
    await page.screenshot({ path: path.join(shots, "answer.png") });

    // A phone: the bars of the one answer are as wide as its card.
    await page.setViewportSize({ width: 390, height: 844 });
    const [card, bar] = await page.evaluate(() => ["#answers.one article", "#answers.one .track"].map(
      part => document.querySelector(part).clientWidth));
    expect("wide bars on a phone: " + bar + " of " + card, bar > 0.8 * card);
    await page.screenshot({ path: path.join(shots, "phone.png") });
    await page.setViewportSize({ width: 1000, height: 900 });

    // Dropping: the browser's own event with files in it.
    const dropped = await page.evaluateHandle(([name, bytes]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name));
      data.items.add(new File(["not an image"], "broken.jpg"));
      return data;
    }, [path.basename(other), fs.readFileSync(other).toString("base64")]);
    await page.dispatchEvent("#drop", "dragover", { dataTransfer: dropped });
    await page.dispatchEvent("#drop", "drop", { dataTransfer: dropped });
    await page.waitForSelector("article .error");
    expect("three cards", (await page.locator("article").count()) === 3);
    await page.waitForFunction(() => document.querySelectorAll("article ol").length === 2);
    console.log("ok: two answers beside the error");
    const line = await page.locator("article .error").textContent();
    expect("an error that says what is wrong: " + line, line.includes("not a picture"));
    await page.screenshot({ path: path.join(shots, "three.png") });

    await page.emulateMedia({ colorScheme: "dark" });
    await page.setViewportSize({ width: 400, height: 900 });
    await page.screenshot({ path: path.join(shots, "narrow-dark.png") });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    expect("no scrolling sideways on a narrow screen", !wide);

    await page.click("#clear");
    await folders(page, photo, expect);
    await page.dispatchEvent("#tree", "cancel");
    await page.screenshot({ path: path.join(shots, "notice.png") });

    // A thousand photos: counted, and canceled on request.
    await page.evaluate(async () => {
      const canvas = document.createElement("canvas");
      canvas.width = 800;
      canvas.height = 600;
      canvas.getContext("2d").fillRect(0, 0, 400, 600);
      const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/jpeg"));
      const data = new DataTransfer();
      for (let at = 0; at < 1000; at++) data.items.add(new File([blob], `photo${at}.jpg`));
      const input = document.getElementById("files");
      input.files = data.files;
      input.dispatchEvent(new Event("change"));
    });
    await page.waitForFunction(() => / of 1,000/.test(document.getElementById("count").textContent));
    await page.click("#cancel");
    await page.waitForFunction(() => document.getElementById("count").textContent === "1,000 photos");
    const canceled = await page.locator("article", { hasText: "Canceled." }).count();
    expect("canceled photos: " + canceled, canceled > 0);

    // A refused upload is a failed request in the console; anything else there is the page's fault.
    const faults = complaints.filter(text => !text.includes("422"));
    expect("no complaint in the console: " + faults.join("; "), faults.length === 0);
  } finally {
    await context.close();
    service.kill("SIGINT");
    fs.rmSync(profile, { recursive: true, force: true });
  }
  const code = await new Promise(resolve => service.exitCode === null ? service.on("exit", resolve) : resolve(service.exitCode));
  expect("the service ends on Ctrl-C", code === 0 || code === 130);
}

main().catch(error => { console.error(String(error)); process.exit(1); });
