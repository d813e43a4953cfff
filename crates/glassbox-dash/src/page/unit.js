// One unit of the network: the weights it listens with, what it makes of this image, and who listens to it.

import { h } from "./dom.js";
import { figure } from "./format.js";
import { css, diverging, paintNumbers, reach } from "./paint.js";

/** @typedef {import("./paint.js").Theme} Theme */
/** @typedef {{version: number, layer: number, unit: number, dense: number | null, number: number, weights: number[], bias: number | null,
 *   listener: number | null, outgoing: number[]}} Unit */

export class UnitView {
  /** @param {(what: string) => void} onOpen a number's step is to be opened */
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.weights = h("canvas", { class: "pixels", role: "img" });
    this.products = h("canvas", { class: "pixels", role: "img" });
    this.caption = h("figcaption", {}, "weights: orange for, blue against");
    this.title = h("h3", {}, "Unit");
    this.figures = h("table", { class: "sum" });
    this.listeners = h("ol", { class: "listeners" });
    this.heard = h("p", { class: "note" });
    this.steps = h("p", { class: "row" });
    this.none = h("p", { class: "note" }, "Pick a unit: its strongest connections are drawn, and its weights shown here.");
    this.images = h("div", { class: "pair" },
      h("figure", {}, this.weights, this.caption),
      h("figure", {}, this.products, h("figcaption", {}, "weights × input")));
    this.body = h("div", { class: "unit-body" }, this.images,
      h("div", { class: "unit-figures" }, this.figures, this.heard, this.listeners, this.steps));
    this.element = h("section", { class: "card panel-card unit", "aria-label": "Picked unit" }, this.title, this.none, this.body);
  }

  /**
   * @param {Unit | null} unit
   * @param {{version: number, pixels: number[], layers: {outputs: number[]}[]}} looked
   * @param {{shape: [number, number], layers: {layer: string}[]}} anatomy
   * @param {Theme} theme
   */
  show(unit, looked, anatomy, theme) {
    [this.none.hidden, this.body.hidden] = [unit !== null, unit === null];
    this.title.textContent = unit ? `Unit ${unit.unit} of layer ${unit.layer}, ${anatomy.layers[unit.layer].layer}` : "Unit";
    if (!unit) return;
    // The first dense layer hears the image, another the units before it.
    const isFirst = !unit.dense;
    const inputs = isFirst ? looked.pixels.map((pixel) => pixel / 255) : looked.layers[unit.dense - 1].outputs;
    const columns = Math.min(inputs.length > 256 ? 32 : 16, inputs.length);
    const shape = /** @type {[number, number]} */ (isFirst ? anatomy.shape : [Math.ceil(inputs.length / columns), columns]);
    const [outputs, raw] = [unit.layer, unit.dense ?? unit.layer].map((layer) => looked.layers[layer].outputs);
    const products = unit.weights.map((weight, at) => weight * inputs[at]);
    const said = `of unit ${unit.unit}: orange speaks for it, blue against it`;
    paintNumbers(this.weights, shape, unit.weights, theme, `The weights ${said}`);
    paintNumbers(this.products, shape, products, theme, `The weights times the inputs ${said}`);
    this.images.hidden = unit.weights.length === 0;
    // A network that has learned meanwhile says other things: they would not add up.
    if (unit.version === looked.version) this.showFigures(unit, products, raw, outputs);
    else this.figures.replaceChildren();
    this.showListeners(unit, outputs[unit.unit], theme);
    this.showSteps(unit);
  }

  /**
   * @param {Unit} unit
   * @param {number[]} products
   * @param {number[]} raw
   * @param {number[]} outputs
   */
  showFigures(unit, products, raw, outputs) {
    const row = (/** @type {string} */ label, /** @type {number | null} */ x, kind = "") =>
      h("tr", { class: kind }, h("th", { scope: "row" }, label), h("td", {}, figure(x, 6)));
    const { dense, layer, bias } = unit;
    const sum = products.reduce((total, x) => total + x, 0);
    this.figures.replaceChildren(
      ...(dense === null ? [] : [
        row("weights · input", sum), row("+ bias", bias), row(`= z${unit.number}`, raw[unit.unit], "total"),
      ]),
      ...(dense === layer ? [] : [row(dense === null ? "output" : `a${unit.number}, its output`, outputs[unit.unit], "total")]),
    );
  }

  /**
   * @param {Unit} unit
   * @param {number} output
   * @param {Theme} theme
   */
  showListeners(unit, output, theme) {
    const most = reach(unit.outgoing);
    const strongest = unit.outgoing.map((weight, to) => ({ weight, to }))
      .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, 10);
    this.heard.textContent = unit.listener === null ? "" : `Who listens to it, with which weight${output === 0 ? "; now it is silent" : ""}:`;
    this.listeners.replaceChildren(...strongest.sort((a, b) => a.to - b.to).map(({ weight, to }) => {
      const bar = h("span", { class: "bar" });
      bar.style.width = `${Math.max(1, Math.min(1, Math.abs(weight) / most) * 48)}px`;
      bar.style.background = css(diverging(theme, weight < 0 ? -0.72 : 0.72));
      return h("li", {}, h("b", {}, String(to)), bar, h("span", {}, figure(weight, 3)));
    }));
  }

  /** @param {Unit} unit */
  showSteps(unit) {
    const step = (/** @type {string} */ what) =>
      h("button", { type: "button", class: "formula", onclick: () => this.onOpen(what) }, what);
    const { number: dense, unit: at } = unit;
    this.steps.replaceChildren(...(unit.dense === null ? [] : [
      "Open: ", step(`z${dense}[0,${at}]`), step(`dL/db${dense}[${at}]`),
      unit.listener === null ? null : step(`dL/dW${dense + 1}[${at},0]`),
    ].filter((node) => node !== null)));
  }
}
