// What the page says, in words for whoever stands in front of it.

export const number = n => n.toLocaleString("en");
export const percent = p => (p * 100).toFixed(p >= 0.9995 || p < 0.1 ? 1 : 0) + " %";

export function problem(code) {
  switch (code) {
    case "image.unknown-format": return "This is not a picture that can be read here.";
    case "image.unsupported-format": return "This kind of picture cannot be read here. Save it as JPEG or PNG and try again.";
    case "image.empty": return "The file is empty.";
    case "image.no-pixels":
    case "image.damaged":
    case "image.decoder-failed": return "The file is damaged. Copy or download it again.";
    case "image.truncated": return "A part of the file is missing. Copy or download it again.";
    case "image.too-many-pixels":
    case "image.side-too-long":
    case "image.too-much-memory":
    case "image.file-too-large": return "The picture is too large for this page. Make it smaller and try again.";
  }
  return "This photo could not be classified.";
}

// Why a worker gave no answer at all.
export function failure(kind) {
  switch (kind) {
    case "canceled": return "Canceled.";
    case "unreadable": return "This file can no longer be read. Was it moved, or is it a folder?";
  }
  return "The picture is damaged, or too large for this device's memory.";
}
