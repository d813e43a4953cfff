// What the doctor found: what was seen, where it comes from, what to change.

import { fill, h } from "./dom.js";
import { whole } from "./format.js";
import { store } from "./store.js";

/** The warnings, with an `update(run)`. What somebody has opened stays open when there are more. */
export function warnings() {
  const element = h("section", { class: "warnings", "aria-label": "Warnings", "aria-live": "polite" });
  const shown = new Map();
  let of = "";
  return { element, update(run) {
    if (run.id !== of) shown.clear();
    of = run.id;
    const all = (store.full.get(run.id)?.notable ?? []).filter((event) => event.event === "warning").reverse();
    element.hidden = all.length === 0;
    const keys = all.map((event) => JSON.stringify(event));
    fill(element, `${run.id} ${keys.join()}`, () => keys.map((key, at) => {
      if (!shown.has(key)) shown.set(key, one(all[at], at));
      return shown.get(key);
    }));
  } };
}

function one({ step, code, what, cause, cure }, index) {
  return h("details", { open: index === 0 },
    h("summary", {}, h("span", { class: "mark", "aria-hidden": "true" }, "▲"), ` ${code} `,
      h("span", { class: "at" }, step === 0 ? "before the first step" : `step ${whole(step)}`)),
    h("p", {}, what),
    h("dl", {}, h("dt", {}, "cause"), h("dd", {}, cause), h("dt", {}, "cure"), h("dd", {}, cure)));
}
