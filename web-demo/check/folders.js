// Folders as a visitor drops and chooses them, for the page of web-demo and for that of `infer-cli serve`.
"use strict";
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

// Drops real files and folders, as the system's own drag does: a page's own event cannot hold a folder.
async function drop(page, session, paths) {
  const { x, y, width, height } = await page.locator("#drop").boundingBox();
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: x + width / 2, y: y + height / 2, data });
  }
}

// `expect(what, holds)` complains where something does not hold. The page must be empty, and is so afterwards.
exports.folders = async (page, photo, expect) => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "folders-"));
  const put = (name, bytes) => {
    fs.mkdirSync(path.dirname(path.join(home, name)), { recursive: true });
    fs.writeFileSync(path.join(home, name), bytes);
  };
  fs.mkdirSync(path.join(home, "empty/inner"), { recursive: true });
  put("texts/one.txt", "no picture");
  put("mixed/one.txt", "no picture");
  put("mixed/inner/photo.jpg", fs.readFileSync(photo));
  put("mixed/.thumbnails/small.jpg", fs.readFileSync(photo));
  const session = await page.context().newCDPSession(page);
  // As a screen reader finds it: a line that is hidden while it is empty is not announced when it gets its text.
  const notice = page.getByRole("status").and(page.locator("#notice"));
  const said = text => page.waitForFunction(text => document.getElementById("notice").textContent === text, text)
    .then(() => expect("words for a folder: " + text, true));
  try {
    expect("a line that screen readers watch", await notice.count() === 1);
    expect("nothing in it to see", await notice.evaluate(line => line.offsetHeight === 0));
    for (const name of ["empty", "texts"]) {
      await drop(page, session, [path.join(home, name)]);
      await said("There are no pictures in that folder.");
      expect("no photo of it", await page.locator("article").count() === 0);
    }
    expect("the words to be seen", await notice.evaluate(line => line.offsetHeight > 20));
    await page.dispatchEvent("#tree", "cancel");
    await said("No folder with pictures was chosen.");
    await page.setInputFiles("#tree", path.join(home, "texts"));
    await said("There are no pictures in that folder.");
    for (const put of [() => drop(page, session, [path.join(home, "mixed")]),
                       () => page.setInputFiles("#tree", path.join(home, "mixed"))]) {
      await put();
      await page.waitForFunction(() => document.getElementById("count").textContent === "1 photo"
        && document.querySelector("article .best"));
      expect("the one photo that is not hidden", await page.locator("article h2").allTextContents().then(String) === "photo.jpg");
      const others = await notice.textContent();
      expect("others counted: " + others, others === "1 other file was passed over: no pictures.");
      await page.click("#clear");
      expect("no words afterwards", await notice.textContent() === "");
      expect("the focus on a button that is there", await page.evaluate(() => document.activeElement.id === "choose"));
    }
  } finally {
    fs.rmSync(home, { recursive: true, force: true });
    await session.detach();
  }
};
