// Runs a test program that was built for wasm32-wasip1, as cargo's runner:
//
//   CARGO_TARGET_WASM32_WASIP1_RUNNER="node web-demo/check/wasi.js" RUSTFLAGS="-C target-feature=+simd128" \
//     cargo test --release --target wasm32-wasip1 -p kernels
"use strict";
process.removeAllListeners("warning");
const { WASI } = require("node:wasi");
const fs = require("node:fs");

const [program, ...rest] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [program, ...rest], env: process.env, preopens: { "/": "/" } });
const module_ = new WebAssembly.Module(fs.readFileSync(program));
process.exitCode = wasi.start(new WebAssembly.Instance(module_, wasi.getImportObject()));
