// The panels of a run, each under its own address. A panel is `{ id, title, make(context) }`; what it makes has an
// `element`, an `update(run, ids)` when something has changed, and a `remove()`. A new one is a module and a line here.

import { h, say } from "./dom.js";
import { picturesOf } from "./gallery.js";
import { address, place } from "./place.js";
import { settings } from "./settings.js";
import { comparison } from "./comparison.js";
import { network } from "./network.js";
import { step } from "./step.js";

const PANELS = [
  { id: "overview", title: "Curves", make: () => stack(picturesOf(["curves", "rate", "throughput"]), comparison()) },
  { id: "inside", title: "Inside", make: () => picturesOf(["flow", "weights", "activations", "gradients", "stuck"]) },
  { id: "learned", title: "Learned", make: () => picturesOf(["first-layer", "classes", "dead", "image", "confusion", "errors"]) },
  { id: "network", title: "Network", make: network },
  { id: "step", title: "Open step", make: step },
  { id: "settings", title: "Settings", make: settings },
];

function stack(...parts) {
  return {
    element: h("div", {}, parts.map((part) => part.element)),
    update: (run, ids) => parts.forEach((part) => part.update(run, ids)),
    remove: () => parts.forEach((part) => part.remove()),
  };
}

/** The panels, with an `update(run, ids)`. */
export function panels() {
  const links = PANELS.map(({ id, title }) => [id, h("a", { "data-tab": id }, title)]);
  const body = h("div", { class: "panel" });
  const element = h("section", { "aria-label": "Pictures and settings" },
    h("nav", { class: "tabs", "aria-label": "Panels" }, links.map(([, link]) => link)), body);
  let shown = null;
  let key = "";

  function update(run, ids) {
    const { tab } = place();
    const panel = PANELS.find(({ id }) => id === tab) ?? PANELS[0];
    for (const [id, link] of links) {
      link.href = address({ tab: id });
      if (id === panel.id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (key !== `${panel.id} ${run.id}`) {
      key = `${panel.id} ${run.id}`;
      shown?.remove();
      shown = panel.make(run);
      body.replaceChildren(shown.element);
      reveal(element.querySelector("nav"), links.find(([id]) => id === panel.id)[1]);
    }
    shown.update(run, ids);
  }
  return { element, update };
}

/** Moves a row of links, which a phone does not show whole, so far that one is seen. */
function reveal(nav, link) {
  const [row, box] = [nav.getBoundingClientRect(), link.getBoundingClientRect()];
  nav.scrollLeft += Math.max(0, box.right - row.right) + Math.min(0, box.left - row.left);
}
