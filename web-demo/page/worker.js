// A worker with a module of its own: bytes of a file in, an answer and a small picture out. One question at a time.
"use strict";

let wasm;

// Puts bytes where the module reads them. Its memory may move whenever it grows, so every view is made anew.
function hand(bytes) {
  const at = wasm.reserve(bytes.byteLength);
  new Uint8Array(wasm.memory.buffer, at, bytes.byteLength).set(new Uint8Array(bytes));
}

function reply() {
  const text = new Uint8Array(wasm.memory.buffer, wasm.reply(), wasm.reply_len());
  return JSON.parse(new TextDecoder().decode(text));
}

// The reply's picture as a file, so that a thousand of them do not stay decoded in memory.
async function picture(type) {
  const [width, height] = [wasm.picture_width(), wasm.picture_height()];
  if (!width) return null;
  const pixels = new Uint8ClampedArray(wasm.memory.buffer, wasm.picture(), 4 * width * height);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
  return canvas.convertToBlob({ type, quality: 0.85 });
}

const work = {
  async open({ module, model }) {
    wasm = (await WebAssembly.instantiate(module, {})).exports;
    hand(model);
    const opened = wasm.open();
    return { opened: opened === 1, told: reply() };
  },
  async classify({ file, side }) {
    const bytes = await file.arrayBuffer();
    const began = performance.now();
    hand(bytes);
    wasm.classify(5, side);
    const millis = performance.now() - began;
    return { answer: reply(), picture: await picture("image/jpeg"), millis };
  },
  async explain({ file, index }) {
    hand(await file.arrayBuffer());
    wasm.explain(index);
    return { answer: reply(), picture: await picture("image/jpeg") };
  },
};

onmessage = async ({ data }) => {
  try {
    const result = await work[data.task](data);
    postMessage({ ...result, memory: wasm.memory.buffer.byteLength });
  } catch (error) {
    // The file can no longer be read; everything else is a module that has stopped for good.
    const unreadable = error instanceof DOMException && error.name.startsWith("Not");
    postMessage({ failed: unreadable ? "unreadable" : "stopped", why: String(error) });
  }
};
