// Pictures in a grid, with what can be chosen about them.

import { h } from "./dom.js";
import { Picture } from "./pictures.js";
import { go, place, together } from "./place.js";
import { store } from "./store.js";

/** Only these show several runs. */
const SEVERAL = ["curves", "rate", "throughput"];

/** What an address says of how a picture looks. */
function options(subject) {
  const { smooth, log, row } = place();
  if (subject === "image") return { row: String(Math.max(0, Math.floor(Number(row)) || 0)) };
  return SEVERAL.includes(subject) ? { smooth, log } : {};
}

/** What can be chosen, and before which picture. */
const CHOICES = { curves, image: row };

/** A panel of pictures. */
export function picturesOf(subjects) {
  const runs = (subject) => (SEVERAL.includes(subject) ? together() : [place().run]);
  const pictures = subjects.map((subject) => new Picture(subject, () => {
    const known = runs(subject).filter((id) => store.runs.has(id));
    return { runs: known, ...options(subject) };
  }));
  const choosers = new Map(subjects.filter((subject) => subject in CHOICES).map((subject) => [subject, CHOICES[subject]()]));
  const cell = (picture) => [choosers.get(picture.subject)?.element, picture.element];
  const element = h("div", { class: "gallery" }, pictures.flatMap(cell));
  let key = "";
  return {
    element,
    update(run, ids) {
      choosers.forEach((chooser) => chooser.update());
      // Another look is another picture.
      const next = JSON.stringify([place(), together()]);
      if (next !== key) pictures.forEach((picture) => picture.change());
      else pictures.forEach((picture) => picture.touch(ids));
      key = next;
    },
    remove: () => pictures.forEach((picture) => picture.remove()),
  };
}

function curves() {
  const smooth = h("input", { type: "range", id: "smooth", min: "0", max: "0.95", step: "0.05",
    oninput: () => go({ smooth: smooth.value }, true) });
  const log = h("input", { type: "checkbox", id: "log", onchange: () => go({ log: log.checked ? "1" : "0" }, true) });
  const element = h("div", { class: "choices" },
    h("label", { for: "smooth" }, "smoothing"), smooth, h("label", { for: "log" }, log, " logarithmic"));
  return { element, update() {
    const at = place();
    if (document.activeElement !== smooth) smooth.value = at.smooth;
    log.checked = at.log === "1";
  } };
}

function row() {
  const input = h("input", { type: "number", id: "row", min: "0", step: "1", onchange: () => go({ row: input.value || "0" }, true) });
  const element = h("div", { class: "choices" }, h("label", { for: "row" }, "test image "), input);
  return { element, update() {
    if (document.activeElement !== input) input.value = place().row;
  } };
}
