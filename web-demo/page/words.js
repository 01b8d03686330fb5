// What the page says, in words for whoever stands in front of it.

import { pictureProblem } from "./show.js";

export function problem(code) {
  switch (code) {
    case "image.too-many-pixels":
    case "image.side-too-long":
    case "image.too-much-memory":
    case "image.file-too-large": return "The picture is too large for this page. Make it smaller and try again.";
  }
  return pictureProblem(code) || "This photo could not be classified.";
}

// Why a worker gave no answer at all.
export function failure(kind) {
  switch (kind) {
    case "canceled": return "Canceled.";
    case "unreadable": return "This file can no longer be read. Was it moved, or is it a folder?";
  }
  return "The picture is damaged, or too large for this device's memory.";
}
