// Runs a folder of `export-onnx --to transformers-js=DIR` by transformers.js in Node, without a network.
//
//   npm install --ignore-scripts @huggingface/transformers
//   node transformers_js.mjs DIR PHOTO [EXPECTED.json]
//
// EXPECTED.json is what `infer-cli PHOTO --model DIR/onnx/model.onnx --json --topk 5` says. Its best class has to be the
// pipeline's, in float32 and, where it is there, in int8. transformers.js resizes by another library than Pillow, so scores
// are shown and not compared; what the network answers to one tensor is compared in transformers_js.py.

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(path.join(process.cwd(), 'x.js'));
const { AutoModelForImageClassification, Tensor, env, pipeline } = require('@huggingface/transformers');

const [folder, photo, expected] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(path.resolve(folder)) + path.sep;
const name = path.basename(path.resolve(folder));
const version = (what) => JSON.parse(fs.readFileSync(path.join(process.cwd(), 'node_modules', what, 'package.json'))).version;
console.log(`node ${process.version}, transformers.js ${version('@huggingface/transformers')}, onnxruntime-node ${version('onnxruntime-node')}`);

let failed = false;
const best = expected && JSON.parse(fs.readFileSync(expected)).predictions[0].label;
for (const [dtype, file] of [['fp32', 'model.onnx'], ['q8', 'model_quantized.onnx']]) {
  if (!fs.existsSync(path.join(folder, 'onnx', file))) continue;
  const classify = await pipeline('image-classification', name, { dtype });
  const answers = await classify(photo, { top_k: 3 });
  const right = !best || answers[0].label === best;
  failed ||= !right;
  const shown = answers.map(({ label, score }) => `${label} ${(100 * score).toFixed(1)} %`).join(', ');
  console.log(`${right ? 'ok  ' : 'FAIL'} ${dtype}: ${shown}`);
}

// The answer to a tensor that every program can make: element i is sin(i).
const model = await AutoModelForImageClassification.from_pretrained(name, { dtype: 'fp32' });
const { crop_size } = JSON.parse(fs.readFileSync(path.join(folder, 'preprocessor_config.json')));
const shape = [1, 3, crop_size.height, crop_size.width];
const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i));
const { logits } = await model({ pixel_values: new Tensor('float32', data, shape) });
fs.writeFileSync(path.join(process.cwd(), 'logits.json'), JSON.stringify(Array.from(logits.data)));
console.log(`logits of sin(i) written to logits.json: ${logits.data.length}`);
process.exit(failed ? 1 : 0);
