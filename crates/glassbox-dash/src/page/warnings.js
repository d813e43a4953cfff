// What the doctor found: what was seen, where it comes from, what to change.

import { fill, h } from "./dom.js";
import { whole } from "./format.js";
import { store } from "./store.js";

/** The warnings, with an `update(run)`. */
export function warnings() {
  const element = h("section", { class: "warnings", "aria-label": "Warnings", "aria-live": "polite" });
  return { element, update(run) {
    const all = (store.full.get(run.id)?.notable ?? []).filter((event) => event.event === "warning");
    element.hidden = all.length === 0;
    fill(element, `${run.id} ${all.length}`, () => [...all].reverse().map(one));
  } };
}

function one({ step, code, what, cause, cure }, index) {
  return h("details", { open: index === 0 },
    h("summary", {}, h("span", { class: "mark", "aria-hidden": "true" }, "▲"), ` ${code} `,
      h("span", { class: "at" }, step === 0 ? "before the first step" : `step ${whole(step)}`)),
    h("p", {}, what),
    h("dl", {}, h("dt", {}, "cause"), h("dd", {}, cause), h("dt", {}, "cure"), h("dd", {}, cure)));
}
