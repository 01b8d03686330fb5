// How an answer looks and what is wrong with a picture, in words for whoever stands in front of the page. Used by the page
// of `infer-cli serve` and by the one of `web-demo`.

export const number = n => n.toLocaleString("en");
export const percent = p => (p * 100).toFixed(p >= 0.9995 || p < 0.1 ? 1 : 0) + " %";

export function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// One photo on a page. It is there at once, so that many photos show that they are waiting; the answer follows.
export class PhotoCard {
  blank = element("div", undefined, "blank");
  box = element("div");

  constructor(file) {
    this.file = file;
    this.article = element("article");
    const name = element("h2", file.name);
    name.title = file.name;
    this.box.append(name, element("p", "Waiting …", "soft"));
    this.article.append(this.blank, this.box);
  }

  looking() {
    this.box.lastChild.textContent = "Looking …";
  }
}

// One line to whoever stands in front of the page. The line is never hidden, only empty: screen readers announce what
// changes in it, and pass over what comes into being together with its text.
export function say(text) {
  document.getElementById("notice").textContent = text;
}

// What is wrong with the picture itself; nothing where the reason is another, its size say.
export function pictureProblem(code) {
  switch (code) {
    case "image.unknown-format": return "This is not a picture that can be read here.";
    case "image.unsupported-format": return "This kind of picture cannot be read here. Save it as JPEG or PNG and try again.";
    case "image.empty": return "The file is empty.";
    case "image.no-pixels":
    case "image.damaged":
    case "image.decoder-failed": return "The file is damaged. Copy or download it again.";
    case "image.truncated": return "A part of the file is missing. Copy or download it again.";
  }
  return undefined;
}

// Appends the best class and a list of the likeliest, which is open where the photo is the only one.
export function appendAnswer(box, answer, isAlone) {
  // The everyday word where the model knows one, else its best class.
  const best = answer.answer || answer.predictions[0];
  const isUnsure = answer.answer ? !answer.answer.sure : answer.sure === false;
  if (isUnsure) box.append(element("p", "Not sure. Perhaps:", "doubt"));
  const line = element("p", best.label + " ", "best");
  line.append(element("span", percent(best.probability)));
  box.append(line);
  if (answer.damaged) box.append(element("p", "The picture is damaged, so the answer may be wrong.", "doubt"));
  if (answer.preview) box.append(element("p", "From the preview inside the camera's raw file.", "aside"));
  const list = element("ol");
  for (const each of answer.predictions) {
    const item = element("li");
    const track = element("div", undefined, "track");
    const filled = element("i");
    filled.style.width = each.probability * 100 + "%";
    track.append(filled);
    track.setAttribute("aria-hidden", "true");
    item.append(element("span", each.label), element("span", percent(each.probability)), track);
    list.append(item);
  }
  const details = element("details");
  details.open = isAlone;
  details.append(element("summary", "Five likeliest"), list);
  box.append(details);
}
