// The ways for photos to come in: chosen, taken with the camera, dropped, pasted, a folder. Hands them on as files, and
// says where there are none. Used by the page of `infer-cli serve` and by the one of `web-demo`.
import { number, say } from "./show.js";

const byId = id => document.getElementById(id);
const byName = (a, b) =>
  (a.webkitRelativePath || a.name).localeCompare(b.webkitRelativePath || b.name, "en", { numeric: true });
const isHidden = name => name.startsWith(".");
// "1 other file was", "2 other files were".
const counted = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;

// Calls `add(files)` for photos that come. `extensions` are the file endings of pictures.
export function listen(extensions, add) {
  const looksLikePicture = name => {
    const extension = /\.([^.]+)$/.exec(name);
    return !isHidden(name) && (!extension || extensions.includes(extension[1].toLowerCase()));
  };
  const addFiles = files => {
    if (!files.length) return;
    say("");
    add(files);
  };
  const addFolder = (files, unreadable = 0) => {
    const pictures = files.filter(file => looksLikePicture(file.name)).sort(byName);
    const others = files.length - pictures.length;
    const words = [];
    if (!pictures.length) words.push("There are no pictures in that folder.");
    else if (others) words.push(counted(others, "other file was", "other files were") + " passed over: no pictures.");
    if (unreadable) words.push(counted(unreadable, "file or folder", "files or folders") + " in it cannot be read.");
    say(words.join(" "));
    if (pictures.length) add(pictures);
  };

  byId("choose").addEventListener("click", () => byId("files").click());
  byId("camera").addEventListener("click", () => byId("shot").click());
  byId("folder").addEventListener("click", () => byId("tree").click());
  // A chosen folder comes with what lies in its hidden folders, a dropped one is walked through below.
  const isInHiddenFolder = file => file.webkitRelativePath.split("/").slice(1, -1).some(isHidden);
  const addTree = files => addFolder(files.filter(file => !isInHiddenFolder(file)));
  for (const [id, take] of [["files", addFiles], ["shot", addFiles], ["tree", addTree]]) {
    byId(id).addEventListener("change", event => {
      take([...event.target.files]);
      event.target.value = "";
    });
  }
  // An empty folder changes nothing in the input, so that browsers tell of it as of a dialog that was closed.
  byId("tree").addEventListener("cancel", () => say("No folder with pictures was chosen."));
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
    takeDrop(event.dataTransfer, addFiles, addFolder);
  });
  addEventListener("paste", event => {
    const files = [...event.clipboardData.files];
    if (files.length) addFiles(files);
    else say("There is no picture in the clipboard. Copy a picture or a file, then paste it here.");
  });
}

async function takeDrop(transfer, addFiles, addFolder) {
  const entries = [...transfer.items].filter(item => item.kind === "file")
    .map(item => item.webkitGetAsEntry && item.webkitGetAsEntry());
  const plain = [...transfer.files];
  if (!entries.length && !plain.length) {
    say("That was a link or text and no file. Save the picture first, then drop the file here.");
    return;
  }
  if (!entries.some(entry => entry && entry.isDirectory)) {
    addFiles(plain);
    return;
  }
  say("Looking through the folder …");
  const found = { files: [], unreadable: 0 };
  for (const entry of entries) if (entry) await collect(entry, found);
  addFolder(found.files, found.unreadable);
}

// The files of a dropped folder, and of the folders in it that are not hidden.
async function collect(entry, found) {
  try {
    if (entry.isFile) {
      found.files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const inside of some) if (inside.isFile || !isHidden(inside.name)) await collect(inside, found);
    }
  } catch {
    found.unreadable++;
  }
}
