// The answers of infer-cli, and how the page's are held against them.
"use strict";
const { execFileSync } = require("node:child_process");
const path = require("node:path");

// Integer networks give the same bits everywhere. What is left is `exp` in the last softmax, which two math libraries
// round differently.
const TOLERANCE = 1e-6;

// Name of a photo -> infer-cli's answer.
exports.fromCli = (program, model, photos) => {
  const lines = execFileSync(program, [...photos, "--model", model, "--json", "--topk", "5", "--abstain", "0.4"],
    { encoding: "utf8", maxBuffer: 1 << 28 });
  const answers = lines.trim().split("\n").map(line => JSON.parse(line));
  return new Map(answers.map(answer => [path.basename(answer.path), answer]));
};

// What is wrong with an answer; nothing where it is infer-cli's.
exports.difference = (ours, theirs) => {
  if (ours.predictions.length !== theirs.predictions.length) return "another number of classes";
  for (const [at, mine] of ours.predictions.entries()) {
    const other = theirs.predictions[at];
    if (mine.index !== other.index || mine.label !== other.label) {
      return `place ${at} is ${mine.label}, not ${other.label}`;
    }
    const apart = Math.abs(mine.probability - other.probability);
    if (!(apart <= TOLERANCE)) return `${mine.label}: ${mine.probability}, not ${other.probability}`;
  }
  if (ours.sure !== theirs.sure) return "sure in one place only";
  const [mine, other] = [ours.answer, theirs.answer];
  if (mine.label !== other.label || mine.sure !== other.sure) return `everyday word ${mine.label}, not ${other.label}`;
  return "";
};
