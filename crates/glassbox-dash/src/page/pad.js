// A pad to draw a digit on, with mouse, pen or finger. What is drawn can be written as a short text, for an address.

import { h } from "./dom.js";

/** The side of the bitmap that is sent. */
export const SIDE = 140;

/** Points lie on a grid of so many places a side: three letters in a text hold one. */
const PLACES = 512;

/** The width of the pen, as a share of the side: fitted into 20 pixels, strokes come to MNIST's two or three. */
const PEN = 0.08;

/** Points nearer to the one before than this, in places, say nothing. */
const NEAR = 6;

/** The most points of a drawing: its text is to fit into an address. */
const MOST = 900;

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** @typedef {[number, number]} Point */

/**
 * Strokes as text: three letters a point, a dot between strokes.
 * @param {Point[][]} strokes
 */
export function write(strokes) {
  const letters = (/** @type {Point} */ [x, y]) => {
    const word = x * PLACES + y;
    return LETTERS[word >> 12] + LETTERS[(word >> 6) & 63] + LETTERS[word & 63];
  };
  return strokes.map((stroke) => stroke.map(letters).join("")).join(".");
}

/**
 * The strokes that a text stands for; none if it is no such text.
 * @param {string} text
 * @returns {Point[][]}
 */
export function read(text) {
  if (!/^(?:[\w-]{3})+(?:\.(?:[\w-]{3})+)*$/.test(text) || text.length > 4 * MOST) return [];
  const point = (/** @type {string} */ letters) => {
    const word = [...letters].reduce((sum, letter) => 64 * sum + LETTERS.indexOf(letter), 0);
    return /** @type {Point} */ ([Math.floor(word / PLACES), word % PLACES]);
  };
  return text.split(".").map((stroke) => (stroke.match(/.{3}/g) ?? []).map(point));
}

export class Pad {
  /**
   * @param {() => void} onInk something was drawn, or the pad was cleared
   * @param {() => void} onDone a stroke has ended, or the pad was cleared
   */
  constructor(onInk, onDone) {
    /** @type {Point[][]} */
    this.strokes = [];
    [this.onInk, this.onDone] = [onInk, onDone];
    this.bitmap = document.createElement("canvas");
    [this.bitmap.width, this.bitmap.height] = [SIDE, SIDE];
    this.canvas = h("canvas", {
      class: "pad", role: "img",
      "aria-label": "Drawing pad: draw a digit here with mouse, pen or finger. Without one of them, choose a test image instead.",
    });
    this.hint = h("p", { class: "pad-hint", "aria-hidden": "true" }, "Draw a digit here");
    this.undo = h("button", { type: "button", class: "small", "data-do": "undo", onclick: () => this.change(() => this.strokes.pop()) }, "Undo");
    this.clear = h("button", { type: "button", class: "small", "data-do": "clear", onclick: () => this.change(() => { this.strokes = []; }) }, "Clear");
    this.element = h(
      "div", { class: "pad-box" },
      h("div", { class: "pad-sheet" }, this.canvas, this.hint),
      h("div", { class: "row" }, this.undo, this.clear),
    );
    this.listen();
    this.paint();
  }

  get isEmpty() {
    return this.strokes.length === 0;
  }

  /**
   * Shows the drawing that a text stands for.
   * @param {string} text
   */
  load(text) {
    this.strokes = read(text);
    this.paint();
  }

  /** @param {() => void} how */
  change(how) {
    how();
    this.paint();
    this.onInk();
    this.onDone();
  }

  listen() {
    let pointer = -1;
    const point = (/** @type {PointerEvent} */ event) => {
      const box = this.canvas.getBoundingClientRect();
      const place = (/** @type {number} */ x, /** @type {number} */ side) =>
        Math.max(0, Math.min(PLACES - 1, Math.round(x / side * PLACES)));
      return /** @type {Point} */ ([
        place(event.clientX - box.left, box.width), place(event.clientY - box.top, box.height),
      ]);
    };
    const add = (/** @type {PointerEvent} */ event) => {
      const stroke = /** @type {Point[]} */ (this.strokes.at(-1));
      const [last, next] = [stroke.at(-1), point(event)];
      const isNear = last && Math.hypot(last[0] - next[0], last[1] - next[1]) < NEAR;
      const count = this.strokes.reduce((sum, one) => sum + one.length, 0);
      if (!isNear && count < MOST) stroke.push(next);
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      if (pointer >= 0 || event.button !== 0) return;
      pointer = event.pointerId;
      this.canvas.setPointerCapture(pointer);
      event.preventDefault();
      this.strokes.push([]);
      add(event);
      this.paint();
      this.onInk();
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== pointer) return;
      (event.getCoalescedEvents?.() ?? [event]).forEach(add);
      add(event);
      this.paint();
      this.onInk();
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId !== pointer) return;
      pointer = -1;
      // A press that the address has no room for leaves no stroke.
      this.strokes = this.strokes.filter((stroke) => stroke.length > 0);
      this.onInk();
      this.onDone();
    };
    this.canvas.addEventListener("pointerup", end);
    this.canvas.addEventListener("pointercancel", end);
  }

  /** Paints what is seen, in the colour of the text, and the bitmap. */
  paint() {
    const scale = window.devicePixelRatio || 1;
    const side = Math.round((this.canvas.clientWidth || 224) * scale);
    [this.canvas.width, this.canvas.height] = [side, side];
    this.stroke(this.canvas, getComputedStyle(this.canvas).color);
    this.stroke(this.bitmap, "#fff");
    this.hint.hidden = !this.isEmpty;
    [this.undo.disabled, this.clear.disabled] = [this.isEmpty, this.isEmpty];
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {string} colour
   */
  stroke(canvas, colour) {
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    const scale = canvas.width / PLACES;
    context.clearRect(0, 0, canvas.width, canvas.height);
    [context.strokeStyle, context.lineWidth] = [colour, PEN * canvas.width];
    [context.lineCap, context.lineJoin] = ["round", "round"];
    for (const stroke of this.strokes) {
      context.beginPath();
      const [first, ...rest] = stroke.map(([x, y]) => [(x + 0.5) * scale, (y + 0.5) * scale]);
      if (!first) continue;
      context.moveTo(first[0], first[1]);
      // A dot is a line to where it is.
      (rest.length > 0 ? rest : [first]).forEach(([x, y]) => context.lineTo(x, y));
      context.stroke();
    }
  }

  /** The ink, a byte a pixel: how much of it the pen covers. */
  ink() {
    const context = /** @type {CanvasRenderingContext2D} */ (this.bitmap.getContext("2d"));
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    return Uint8Array.from({ length: SIDE * SIDE }, (_, at) => data[4 * at + 3]);
  }
}
