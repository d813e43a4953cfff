// The network drawn layer by layer: the image, units as grids of colours, probabilities, and a unit's connections.

import { h, say } from "./dom.js";
import { figure, probability } from "./format.js";
import { Grid, css, diverging, mix, paintPixels } from "./paint.js";

/** @typedef {import("./paint.js").Theme} Theme */
/** @typedef {{index: number, layer: string, units: number, is_dense: boolean, is_activation: boolean}} Layer */
/** @typedef {{index: number, outputs: number[]}} Outputs */
/** @typedef {{layer: number, unit: number}} Place */

/** Widths of the image and of the probabilities together, between layers, and of a layer at least; its height at most. */
const [ENDS, GAP, LEAST, TALL] = [496, 56, 100, 440];

/** The most units of a layer that are drawn, and the most classes that have a bar. */
const MOST_UNITS = 1024;
const MOST_BARS = 20;

/** So many rows of units are a page. */
const PAGE = 4;

/** How many connections of a unit are drawn: to the layer before, and to the one after; fewer where they cross texts. */
const WIRES = { wide: [28, 10], stacked: [14, 5] };

/**
 * Which layers are drawn: of those from one dense layer to the next, the last. What comes last is the outputs.
 * @param {Layer[]} layers
 */
export function stages(layers) {
  const ends = layers.filter((_, at) => at + 1 === layers.length || layers[at + 1].is_dense);
  return { hidden: ends.slice(0, -1), output: /** @type {Layer} */ (ends.at(-1)) };
}

/** A hidden layer. */
class Stage {
  /**
   * @param {Layer} layer
   * @param {(place: Place) => void} onPick
   */
  constructor(layer, onPick) {
    [this.layer, this.onPick] = [layer, onPick];
    this.count = Math.min(layer.units, MOST_UNITS);
    /** @type {number[]} */
    this.outputs = [];
    this.picked = -1;
    /** @type {[number, number]} the room there is for its units */
    this.room = [340, TALL];
    this.grid = new Grid(this.count, ...this.room);
    this.canvas = h("canvas", { class: "units", tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuemax": this.count - 1 });
    this.canvas.setAttribute("aria-label", `Units of layer ${layer.index}, ${layer.layer}: pick one with the arrow keys, Home, End, Page Up and Page Down; Escape lets go`);
    this.scale = h("p", { class: "note scale" });
    this.told = h("p", { class: "note told" });
    this.facts = h("span", { class: "note" });
    const cut = layer.units > MOST_UNITS ? `, the first ${MOST_UNITS} are drawn` : "";
    this.element = h(
      "div", { class: "stage hidden-stage" },
      h("h3", {}, `Layer ${layer.index}, ${layer.layer}`),
      h("p", { class: "note" }, `${layer.units} units${cut}, `, this.facts), this.canvas, this.scale, this.told);
    this.listen();
  }

  listen() {
    const unit = (/** @type {PointerEvent | MouseEvent} */ event) => {
      const box = this.canvas.getBoundingClientRect();
      return this.grid.unit(event.clientX - box.left, event.clientY - box.top);
    };
    this.canvas.addEventListener("click", (event) => {
      if (unit(event) >= 0) this.onPick({ layer: this.layer.index, unit: unit(event) });
    });
    this.canvas.addEventListener("pointermove", (event) => this.tell(unit(event)));
    this.canvas.addEventListener("pointerleave", () => this.tell(-1));
    this.canvas.addEventListener("keydown", (event) => {
      const next = this.after(event.key);
      if (next === null || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const isLetGo = event.key === "Escape";
      // To pick what is picked is to let go of it.
      if (next >= 0 && next < this.count && (next !== this.picked || isLetGo)) this.onPick({ layer: this.layer.index, unit: next });
    });
  }

  /**
   * The unit that a key leads to, which may be none; null for other keys.
   * @param {string} key
   */
  after(key) {
    const { picked, count, grid: { columns } } = this;
    if (key === "Escape") return picked < 0 ? null : picked;
    if (key === "Home") return 0;
    if (key === "End") return count - 1;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns,
      PageDown: PAGE * columns, PageUp: -PAGE * columns }[key];
    if (step === undefined) return null;
    if (picked < 0) return 0;
    const isPage = key.startsWith("Page");
    return isPage ? Math.max(0, Math.min(count - 1, picked + step)) : picked + step;
  }

  /** @param {number} unit */
  tell(unit) {
    const at = unit >= 0 ? unit : this.picked;
    this.told.textContent = at >= 0 && at < this.outputs.length ? `unit ${at}: ${figure(this.outputs[at], 5)}` : "Pick a unit";
  }

  /**
   * @param {number[]} outputs
   * @param {number} picked
   * @param {Theme} theme
   */
  show(outputs, picked, theme) {
    [this.outputs, this.picked] = [outputs, picked];
    this.grid = new Grid(this.count, ...this.room);
    const sizes = outputs.map(Math.abs).filter(Number.isFinite);
    const most = Math.max(0, ...sizes) || 1;
    const least = Math.min(0, ...outputs.filter(Number.isFinite));
    this.grid.paint(this.canvas, (unit) => css(diverging(theme, outputs[unit] / most)), picked, [css(theme.paper), css(theme.ink)]);
    this.facts.textContent = `${outputs.filter((x) => x > 0).length} say more than 0`;
    this.scale.replaceChildren(h("span", {}, figure(least < 0 ? -most : 0, 3)),
      h("canvas", { class: least < 0 ? "ramp" : "ramp half" }), h("span", {}, figure(most, 3)));
    const ramp = /** @type {HTMLCanvasElement} */ (this.scale.children[1]);
    paintPixels(ramp, [1, 64], (at) => diverging(theme, least < 0 ? at / 31.5 - 1 : at / 63));
    this.canvas.setAttribute("aria-valuenow", String(Math.max(0, picked)));
    this.canvas.setAttribute("aria-valuetext", picked < 0 ? "no unit" : `unit ${picked}, ${figure(outputs[picked], 4)}`);
    this.tell(-1);
  }

  /**
   * The middle of a unit on the screen.
   * @param {number} unit
   */
  middle(unit) {
    const [box, [x, y]] = [this.canvas.getBoundingClientRect(), this.grid.at(unit)];
    return [box.left + x + this.grid.cell / 2, box.top + y + this.grid.cell / 2];
  }
}

export class Flow {
  /**
   * @param {{layers: Layer[], shape: [number, number]}} anatomy
   * @param {Node} chooser where an image is chosen or drawn
   * @param {(place: Place) => void} onPick a unit is picked
   * @param {(output: number) => void} onOutput a class is picked
   */
  constructor({ layers, shape }, chooser, onPick, onOutput) {
    const { hidden, output } = stages(layers);
    [this.shape, this.output, this.onOutput] = [shape, output, onOutput];
    this.stages = hidden.map((layer) => new Stage(layer, onPick));
    this.image = h("canvas", { class: "pixels input", role: "img", "aria-label": "What the network sees" });
    this.caption = h("p", { class: "note" });
    this.bars = h("ol", { class: "bars" });
    this.verdict = h("p", { class: "verdict", role: "status" });
    this.wires = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.wires.setAttribute("class", "wires");
    this.wires.setAttribute("aria-hidden", "true");
    this.echo = h("p", { class: "echo", "aria-hidden": "true" });
    this.element = h("div", { class: hidden.length > 0 ? "flow" : "flow is-direct" },
      h("div", { class: "stage input-stage" }, chooser, this.echo,
        h("h3", {}, "Input"), h("p", { class: "note" }, `${shape[0]} × ${shape[1]} pixels`), this.image, this.caption),
      this.stages.map((stage) => stage.element),
      h("div", { class: "stage output-stage" }, h("h3", {}, "Output"), this.verdict, this.bars), this.wires);
  }

  /**
   * @param {any} looked an image on its way
   * @param {Place | null} picked
   * @param {string} caption of the image
   * @param {Theme} theme
   */
  show(looked, picked, caption, theme) {
    this.lay();
    paintPixels(this.image, this.shape, (at) => mix(theme.paper, theme.ink, looked.pixels[at] / 255));
    this.image.setAttribute("aria-label", `What the network gets: ${caption}`);
    say(this.caption, caption);
    for (const stage of this.stages) {
      const outputs = looked.layers[stage.layer.index].outputs;
      stage.show(outputs, picked?.layer === stage.layer.index ? picked.unit : -1, theme);
    }
    this.showBars(looked, looked.template?.output ?? -1);
  }

  /** Side by side where there is room, else one below the other. */
  lay() {
    const room = this.element.clientWidth;
    const [fixed, gap, count] = [ENDS, GAP, this.stages.length];
    const each = count > 0 ? (room - fixed - gap * (count + 1)) / count : room;
    const isStacked = room < fixed + gap || each < LEAST;
    this.element.classList.toggle("is-stacked", isStacked);
    for (const stage of this.stages) {
      stage.room = isStacked ? [Math.min(room, 384), 240] : [Math.min(each, 416), TALL];
    }
  }

  /**
   * @param {{layers: Outputs[], probabilities: number[], answer: number | null, label: number | null}} looked
   * @param {number} shown
   */
  showBars({ layers, probabilities, answer, label }, shown) {
    const logits = layers[this.output.index].outputs;
    const classes = probabilities.map((_, at) => at);
    const best = probabilities.length > MOST_BARS
      ? classes.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, MOST_BARS) : classes;
    const focused = document.activeElement?.closest(".bars button")?.getAttribute("data-class");
    this.bars.replaceChildren(...best.map((at) => {
      const bar = h("span", { class: "bar" });
      bar.style.width = `${Math.max(0, Math.min(100, 100 * (probabilities[at] || 0)))}%`;
      const kind = [at === answer ? "is-answer" : "", at === label ? "is-label" : ""].join(" ").trim();
      const button = h(
        "button", { type: "button", class: kind, "data-class": at, "aria-pressed": String(at === shown), title: `Show the template of class ${at}`, onclick: () => this.onOutput(at) },
        h("b", {}, String(at)), h("span", { class: "track" }, bar),
        h("span", { class: "share" }, probability(probabilities[at])),
        h("span", { class: "logit" }, figure(logits[at], 3)));
      return h("li", {}, button);
    }));
    if (focused) this.bars.querySelector(`[data-class="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    this.verdict.replaceChildren(...this.words(answer, label, probabilities));
    say(this.echo, this.verdict.textContent ?? "");
    this.verdict.classList.toggle("is-wrong", label !== null && answer !== label);
  }

  /**
   * @param {number | null} answer
   * @param {number | null} label
   * @param {number[]} probabilities
   */
  words(answer, label, probabilities) {
    if (answer === null) return ["No answer: the outputs are not finite."];
    const said = [h("b", {}, `It reads ${answer}`), `, with ${probability(probabilities[answer])}.`];
    if (label === null) return said;
    return [...said, label === answer ? " Right." : ` Wrong: it is a ${label}.`];
  }

  /**
   * Draws the strongest connections of a unit.
   * @param {{layer: number, weights: number[], outgoing: number[], unit: number} | null} unit
   * @param {{pixels: number[], layers: Outputs[]}} looked
   * @param {Theme} theme
   */
  wire(unit, looked, theme) {
    this.wires.replaceChildren();
    const at = unit ? this.stages.findIndex((stage) => stage.layer.index === unit.layer) : -1;
    if (!unit || at < 0) return;
    const [stage, before, after] = [this.stages[at], this.stages[at - 1], this.stages[at + 1]];
    const box = this.element.getBoundingClientRect();
    this.isAcross = !this.element.classList.contains("is-stacked");
    this.wires.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
    const heard = before ? looked.layers[before.layer.index].outputs : looked.pixels.map((pixel) => pixel / 255);
    const own = stage.outputs[unit.unit];
    const [heardCount, sentCount] = this.isAcross ? WIRES.wide : WIRES.stacked;
    // What flows where something flows; the weights where nothing does.
    const flows = unit.weights.map((weight, from) => ({ size: weight * heard[from], place: from }));
    const sends = unit.outgoing.map((weight, to) => ({ size: weight * (own || 1), place: to }));
    const to = stage.middle(unit.unit);
    const from = (/** @type {number} */ place) => (before ? before.middle(place) : this.pixel(place));
    const target = (/** @type {number} */ place) => (after ? after.middle(place) : this.row(place));
    this.lines(flows, heardCount, (place) => [from(place), to], box, theme, false);
    this.lines(sends, sentCount, (place) => [to, target(place)], box, theme, own === 0);
  }

  /**
   * @param {{size: number, place: number}[]} all
   * @param {number} count
   * @param {(place: number) => (number[] | null)[]} ends
   * @param {DOMRect} box
   * @param {Theme} theme
   * @param {boolean} isSilent
   */
  lines(all, count, ends, box, theme, isSilent) {
    const strongest = all.filter(({ size }) => size !== 0 && Number.isFinite(size))
      .sort((a, b) => Math.abs(b.size) - Math.abs(a.size)).slice(0, count);
    const most = Math.abs(strongest[0]?.size ?? 1);
    for (const { size, place } of strongest.reverse()) {
      const [from, to] = ends(place);
      if (!from || !to) continue;
      const [x1, y1, x2, y2] = [from[0] - box.left, from[1] - box.top, to[0] - box.left, to[1] - box.top];
      const [dx, dy] = this.isAcross ? [(x2 - x1) / 2, 0] : [0, (y2 - y1) / 2];
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", `M${x1} ${y1}C${x1 + dx} ${y1 + dy} ${x2 - dx} ${y2 - dy} ${x2} ${y2}`);
      path.setAttribute("stroke", css(diverging(theme, size < 0 ? -0.66 : 0.66)));
      path.setAttribute("stroke-width", (0.6 + 2.8 * Math.abs(size) / most).toFixed(2));
      if (isSilent) path.setAttribute("stroke-dasharray", "3 4");
      this.wires.append(path);
    }
  }

  /**
   * The middle of an input's pixel on the screen.
   * @param {number} place
   */
  pixel(place) {
    const [box, [rows, columns]] = [this.image.getBoundingClientRect(), this.shape];
    const [row, column] = [Math.floor(place / columns), place % columns];
    return [box.left + (column + 0.5) * box.width / columns, box.top + (row + 0.5) * box.height / rows];
  }

  /**
   * Where an output's bar begins, if it has one.
   * @param {number} output
   */
  row(output) {
    const button = this.bars.querySelector(`[data-class="${output}"]`);
    const box = button?.getBoundingClientRect();
    return box ? [box.left, box.top + box.height / 2] : null;
  }
}
