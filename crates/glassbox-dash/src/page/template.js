// The linear template that an image met: template · image + constant, and that it is what the network says.

import { h } from "./dom.js";
import { figure, fixed } from "./format.js";
import { paintNumbers } from "./paint.js";

/** @typedef {import("./paint.js").Theme} Theme */
/** @typedef {{product: number, constant: number, sum: number, logit: number, logit_f64: number, bound: number,
 *   bound_f64: number}} Sum */
/** @typedef {{output: number, weights: number[], sums: Sum[], gates: {layer: number, open: number, units: number}[]}}
 *   Template */

export class TemplateView {
  /** @param {(output: number) => void} onPick another class is wished for */
  constructor(onPick) {
    this.onPick = onPick;
    this.weights = h("canvas", { class: "pixels", role: "img" });
    this.products = h("canvas", { class: "pixels", role: "img" });
    this.title = h("h3", {}, "Template");
    this.gates = h("p", { class: "note" });
    this.sum = h("table", { class: "sum" });
    this.all = h("table", { class: "figures" });
    this.none = h("p", { class: "note" });
    this.body = h(
      "div", { class: "template-body" },
      h("figure", {}, this.weights, h("figcaption", {}, "template: orange speaks for it, blue against")),
      h("figure", {}, this.products, h("figcaption", {}, "template × image")),
      h("div", { class: "template-sum" }, this.sum, this.gates),
    );
    this.rest = h("details", {}, h("summary", {}, "The sums of all classes"),
      h("div", { class: "scroll" }, this.all));
    this.element = h("section", { class: "card panel-card template", "aria-label": "Linear template" },
      this.title, this.none, this.body, this.rest);
  }

  /**
   * @param {{template: Template | null, no_template: string | null, pixels: number[]}} looked
   * @param {[number, number]} shape rows and columns of an input
   * @param {Theme} theme
   */
  show({ template, no_template: why, pixels }, shape, theme) {
    [this.body.hidden, this.rest.hidden, this.none.hidden] = [!template, !template, Boolean(template)];
    if (!template) {
      this.title.textContent = "Template";
      this.none.textContent = why ?? "";
      return;
    }
    const { output, weights } = template;
    this.title.textContent = `Template of class ${output}`;
    const products = weights.map((weight, at) => weight * pixels[at] / 255);
    const said = `of class ${output}: orange speaks for it, blue against it`;
    paintNumbers(this.weights, shape, weights, theme, `The template ${said}`);
    paintNumbers(this.products, shape, products, theme, `The template times the image ${said}`);
    this.showSum(template.sums[output]);
    const gates = template.gates.map(({ open, units }) => `${open} of ${units}`).join(", then ");
    this.gates.textContent = gates
      ? `This image passes ${gates} units. For it, the network is this one line; another image meets another.`
      : "This network has no activation, so every image meets this template.";
    this.showAll(template.sums, output);
  }

  /** @param {Sum} sum */
  showSum(sum) {
    const row = (/** @type {string} */ name, /** @type {string} */ value, note = "", kind = "") =>
      h("tr", { class: kind }, h("th", { scope: "row" }, name),
        h("td", {}, value), h("td", { class: "note" }, note));
    const off = (/** @type {number} */ logit, /** @type {number} */ bound) => {
      const apart = Math.abs(logit - sum.sum);
      const agrees = apart <= bound ? "agrees" : "DOES NOT AGREE";
      return `${agrees}: off by ${figure(apart, 2)}, rounding allows ${figure(bound, 2)}`;
    };
    this.sum.replaceChildren(
      row("template · image", fixed(sum.product, 9)),
      row("+ constant", fixed(sum.constant, 9)),
      row("= sum", fixed(sum.sum, 9), "", "total"),
      row("network, f32", fixed(sum.logit, 9), off(sum.logit, sum.bound)),
      row("network, f64", fixed(sum.logit_f64, 9), off(sum.logit_f64, sum.bound_f64)),
    );
  }

  /**
   * @param {Sum[]} sums
   * @param {number} output
   */
  showAll(sums, output) {
    const head = ["class", "template · image", "constant", "sum", "network, f32"]
      .map((name) => h("th", { scope: "col" }, name));
    const rows = sums.map((sum, at) => h(
      "tr", { class: at === output ? "is-picked" : "" },
      h("th", { scope: "row" }, h("button", { type: "button", onclick: () => this.onPick(at) }, String(at))),
      ...[sum.product, sum.constant, sum.sum, sum.logit].map((x) => h("td", {}, fixed(x, 5))),
    ));
    this.all.replaceChildren(h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
  }
}
