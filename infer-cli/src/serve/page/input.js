// The ways for photos to come in: chosen, taken with the camera, dropped, pasted, a folder. Hands them on as files. Used
// by the page of `infer-cli serve` and by the one of `web-demo`.

const byId = id => document.getElementById(id);
const byName = (a, b) =>
  (a.webkitRelativePath || a.name).localeCompare(b.webkitRelativePath || b.name, "en", { numeric: true });

// Calls `add(files, passedOver)` for every photo that comes, `say(text)` where nothing does. `extensions()` gives the file
// endings of pictures that are known now.
export function listen(extensions, add, say) {
  const looksLikePicture = name => {
    const extension = /\.([^.]+)$/.exec(name);
    return !name.startsWith(".") && (!extension || extensions().includes(extension[1].toLowerCase()));
  };
  const addFolder = files => {
    const pictures = files.filter(file => looksLikePicture(file.name)).sort(byName);
    add(pictures, files.length - pictures.length);
  };

  byId("choose").addEventListener("click", () => byId("files").click());
  byId("camera").addEventListener("click", () => byId("shot").click());
  byId("folder").addEventListener("click", () => byId("tree").click());
  for (const [id, take] of [["files", add], ["shot", add], ["tree", addFolder]]) {
    byId(id).addEventListener("change", event => {
      take([...event.target.files]);
      event.target.value = "";
    });
  }
  for (const name of ["dragenter", "dragover"]) {
    addEventListener(name, event => {
      event.preventDefault();
      byId("drop").classList.add("over");
    });
  }
  addEventListener("dragleave", event => {
    if (!event.relatedTarget) byId("drop").classList.remove("over");
  });
  addEventListener("drop", event => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    takeDrop(event.dataTransfer, add, addFolder, say);
  });
  addEventListener("paste", event => {
    const files = [...event.clipboardData.files];
    if (files.length) add(files);
    else say("There is no picture in the clipboard. Copy a picture or a file, then paste it here.");
  });
}

async function takeDrop(transfer, add, addFolder, say) {
  const entries = [...transfer.items].filter(item => item.kind === "file")
    .map(item => item.webkitGetAsEntry && item.webkitGetAsEntry());
  const plain = [...transfer.files];
  if (!entries.length && !plain.length) {
    say("That was a link or text and no file. Save the picture first, then drop the file here.");
    return;
  }
  if (!entries.some(entry => entry && entry.isDirectory)) {
    add(plain);
    return;
  }
  say("Looking through the folder …");
  const files = [];
  try {
    for (const entry of entries) if (entry) files.push(...await filesOf(entry));
  } catch {
    say("That folder cannot be read.");
    return;
  }
  addFolder(files);
}

// The files of a dropped folder, and of the folders in it.
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  const files = [];
  for (const inside of found) files.push(...await filesOf(inside));
  return files;
}
