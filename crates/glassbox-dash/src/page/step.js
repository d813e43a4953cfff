// The open step: a number of a training step, its formula, its terms, the running sum, the truth.

import { h, say } from "./dom.js";
import { figure } from "./format.js";
import { latest } from "./latest.js";
import { isRunning, stamp } from "./network.js";
import { go, place } from "./place.js";
import { reply } from "./store.js";

/** @typedef {{factors: [string, number][], product: number, sum: number, is_skipped: boolean}} Term */
/** @typedef {{what: string, formula: string, terms: Term[], value: number, truth: number, difference: number | null,
 *   first: number, batch: number, images: string, is_test: boolean, reduction: string}} Opened */

/** The most terms in the table. */
const MOST = 1000;

/** What is opened where the address names nothing. */
const USUAL = "dL/dW2[17,3]";

/** The panel. */
export function step() {
  const view = new StepView();
  return { element: view.element, update: (run) => view.update(run), remove: () => view.remove() };
}

class StepView {
  constructor() {
    // Of the address what is asked for, and of what network.
    [this.run, this.at, this.stamp] = ["", "", ""];
    this.open = latest(() => this.read(), 0);
    this.what = h("input", { id: "what", type: "text", spellcheck: "false", autocapitalize: "off", autocomplete: "off", required: true, maxlength: 60 });
    this.first = h("input", { type: "number", min: 0, required: true });
    this.batch = h("input", { type: "number", min: 1, max: 2048, placeholder: "a batch" });
    this.images = h("select", {}, h("option", { value: "" }, "training"), h("option", { value: "test" }, "test"));
    const label = (/** @type {string} */ text, /** @type {Node} */ input) => h("label", {}, h("span", {}, text), input);
    this.form = h("form", { class: "step-form", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); this.wish(); } },
      label("Number", this.what), label("Images", this.images), label("from", this.first), label("how many", this.batch),
      h("button", { class: "primary" }, "Open"));
    const example = (/** @type {string} */ what, /** @type {string} */ meaning) => h(
      "button", { type: "button", class: "small formula", title: meaning, onclick: () => { this.what.value = what; this.wish(); } }, what);
    this.examples = h("p", { class: "row" }, "For example ",
      example(USUAL, "the gradient of a weight"), example("dL/db1[5]", "the gradient of a bias"),
      example("z2[0,7]", "an output before its activation"), example("a1[0,17]", "an activation"),
      example("dL/da1[0,17]", "the gradient of an activation"));
    this.why = h("p", { class: "note", role: "status" }, "One moment …");
    this.title = h("h3", { class: "formula" });
    this.about = h("p", { class: "note" });
    this.values = h("table", { class: "sum" });
    this.curve = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.curve.setAttribute("class", "running");
    this.figure = h("figure", {}, this.curve, h("figcaption", { class: "note" }, "the sum so far, term by term"));
    this.head = h("p", { class: "note" });
    this.terms = h("table", { class: "figures terms" });
    this.body = h("div", { class: "step-body", hidden: true }, this.title, this.about,
      h("div", { class: "step-values" }, this.values, this.figure), this.head,
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Terms" }, this.terms));
    this.element = h("section", { class: "card panel-card step", "aria-label": "Open step" },
      h("p", { class: "note" }, "Any number of a training step, with everything that it is made of. W and b are weights and biases, z is what a "
        + "dense layer says, a what the next one hears of it, dL/d… the gradient of the loss."),
      this.form, this.examples, this.why, this.body);
  }

  remove() {
    this.open.stop();
    this.run = "";
  }

  /** The run may have another network, and the address may name another number. */
  update(run) {
    const { what, first, batch, set } = place();
    const at = JSON.stringify([run.id, what, first, batch, set]);
    const isNewer = stamp(run) !== this.stamp;
    if (at === this.at && !isNewer) return;
    const isAsked = at !== this.at || !isRunning(run);
    [this.run, this.at, this.stamp] = [run.id, at, stamp(run)];
    const isTyping = this.form.contains(document.activeElement) && this.what.value !== "";
    if (!isTyping) this.fill(place());
    if (isAsked) this.open();
    else this.open.later();
  }

  /** @param {{what: string, first: string, batch: string, set: string}} at */
  fill({ what, first, batch, set }) {
    [this.what.value, this.first.value, this.batch.value, this.images.value] = [what || USUAL, first, batch, set];
  }

  /** What stands in the form is to be opened. */
  wish() {
    if (!this.form.reportValidity()) return;
    const first = String(Number(this.first.value));
    go({ what: this.what.value.trim(), first, batch: this.batch.value, set: this.images.value });
    // The same number once more, if somebody asks for it.
    this.open();
  }

  async read() {
    const { run } = this;
    const { what, first, batch, set } = place();
    const query = new URLSearchParams({ what: what || USUAL, first, test: set ? "1" : "0" });
    if (batch) query.set("batch", batch);
    const [opened, why] = await reply(`api/runs/${encodeURIComponent(run)}/network/step?${query}`);
    if (run !== this.run) return;
    say(this.why, why);
    [this.why.hidden, this.body.hidden] = [!why, !opened];
    if (!opened) return;
    this.show(opened);
    // Where nobody named one, it is as many as a step of the training has.
    if (!batch) this.batch.placeholder = String(opened.batch);
  }

  /** @param {Opened} opened */
  show(opened) {
    this.title.textContent = `${opened.what} = ${opened.formula}`;
    const last = opened.first + opened.batch - 1;
    const [which, losses] = [opened.is_test ? "test" : "training", opened.reduction === "mean" ? "the mean" : "the sum"];
    this.about.textContent = `The network as it is now, on ${opened.batch === 1 ? `${which} image ${last}` : `${which} images ${opened.first} to ${last}`} `
      + `of ${opened.images}; L is ${losses} of their losses.`;
    this.showValues(opened);
    this.showTerms(opened.terms);
  }

  /** @param {Opened} opened */
  showValues({ value, truth, difference }) {
    const row = (/** @type {string} */ name, /** @type {string} */ text, note = "") =>
      h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text), h("td", { class: "note" }, note));
    const off = (/** @type {number} */ x) => `off by ${figure(Math.abs(x - truth), 2)}`;
    this.values.replaceChildren(
      row("f32, as it trains", figure(value, 9), off(value)),
      row("f64, the truth", figure(truth, 15)),
      ...(difference === null ? [] : [row("finite difference", figure(difference, 15), off(difference))]),
    );
  }

  /** @param {Term[]} terms */
  showTerms(terms) {
    const skipped = terms.filter((term) => term.is_skipped).length;
    const isSum = terms.length > 1 && terms.some((term) => term.sum !== terms[0].sum || term.is_skipped);
    const count = Math.max(...terms.map((term) => term.factors.length), 1);
    this.head.textContent = !isSum ? "" : `${terms.length} terms, added in this order, each rounded once with the sum`
      + `${skipped > 0 ? `; ${skipped} have a zero and are left out` : ""}${terms.length > MOST ? `; the first ${MOST} are shown` : ""}.`;
    const factor = (/** @type {[string, number] | undefined} */ pair) => (pair
      ? [h("td", { class: "name" }, pair[0]), h("td", {}, figure(pair[1], 7))] : [h("td"), h("td")]);
    const rows = terms.slice(0, MOST).flatMap((term) => (isSum
      ? [h("tr", { class: term.is_skipped ? "is-skipped" : "" },
        ...Array.from({ length: count }, (_, at) => factor(term.factors[at])).flat(),
        h("td", {}, term.is_skipped ? "left out" : figure(term.product, 7)), h("td", {}, figure(term.sum, 7)))]
      : term.factors.map((pair) => h("tr", {}, ...factor(pair)))));
    const names = isSum ? [...Array.from({ length: count }, (_, at) => ["factor", ""]).flat(), "product", "sum so far, f32"] : ["from", ""];
    this.terms.replaceChildren(
      h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col", class: name === "factor" || name === "from" ? "name" : "" }, name)))),
      h("tbody", {}, ...rows));
    this.paintCurve(isSum ? terms.map((term) => term.sum) : []);
  }

  /**
   * The running sum as a curve.
   * @param {number[]} sums
   */
  paintCurve(sums) {
    const finite = [0, ...sums].map((x) => (Number.isFinite(x) ? x : 0));
    this.figure.hidden = sums.length < 3;
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    const y = (/** @type {number} */ x) => 76 - 68 * (x - low) / (high - low || 1);
    const points = finite.map((x, at) => `${(4 + 232 * at / (finite.length - 1)).toFixed(1)},${y(x).toFixed(1)}`);
    const shape = (/** @type {string} */ name, /** @type {Record<string, string | number>} */ attributes) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", name);
      Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, String(value)));
      return node;
    };
    this.curve.setAttribute("viewBox", "0 0 240 80");
    this.curve.setAttribute("role", "img");
    this.curve.setAttribute("aria-label", `The sum so far, from 0 to ${figure(sums.at(-1) ?? 0)}`);
    this.curve.replaceChildren(
      shape("line", { x1: 4, x2: 236, y1: y(0), y2: y(0), class: "zero" }),
      shape("polyline", { points: points.join(" "), class: "sum-line" }));
  }
}
