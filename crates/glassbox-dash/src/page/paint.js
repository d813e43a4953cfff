// Colours and canvases: images of pixels, images of weights, units as a grid.

import { isDark } from "./theme.js";

/** @typedef {[number, number, number]} Colour */
/** @typedef {{paper: Colour, ink: Colour, diverging: Colour[]}} Theme */

/**
 * The colour at x, from −1 over 0 to 1, on a way of colours. What is no number gets the ink's.
 * @param {Theme} theme
 * @param {number} x
 * @returns {Colour}
 */
export function diverging(theme, x) {
  if (!Number.isFinite(x)) return theme.ink;
  const way = theme.diverging;
  const at = (Math.max(-1, Math.min(1, x)) + 1) / 2 * (way.length - 1);
  const index = Math.min(Math.floor(at), way.length - 2);
  return mix(way[index], way[index + 1], at - index);
}

/**
 * @param {Colour} from
 * @param {Colour} to
 * @param {number} share
 * @returns {Colour}
 */
export function mix(from, to, share) {
  return /** @type {Colour} */ (from.map((x, at) => Math.round(x + share * (to[at] - x))));
}

/** @param {Colour} colour */
export function css(colour) {
  return `rgb(${colour.join(" ")})`;
}

/**
 * The colours: of the style sheet, and of the pictures' scale from negative to positive.
 * @param {Element} element
 * @param {{light: Colour[], dark: Colour[]}} scales
 * @returns {Theme}
 */
export function themeOf(element, scales) {
  const style = getComputedStyle(element);
  const colour = (/** @type {string} */ name) => {
    const text = style.getPropertyValue(name).trim();
    return /** @type {Colour} */ ([1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
  };
  return { paper: colour("--paper"), ink: colour("--ink"), diverging: scales[isDark() ? "dark" : "light"] };
}

/**
 * Paints numbers row by row, one a pixel of the canvas, which CSS enlarges.
 * @param {HTMLCanvasElement} canvas
 * @param {[number, number]} shape rows and columns
 * @param {(at: number) => Colour} colour
 */
export function paintPixels(canvas, [rows, columns], colour) {
  [canvas.width, canvas.height] = [columns, rows];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(columns, rows);
  for (let at = 0; at < rows * columns; at += 1) {
    image.data.set([...colour(at), 255], 4 * at);
  }
  context.putImageData(image, 0, 0);
}

/**
 * The size that weights are shown against: all but one in two hundred are below.
 * @param {ArrayLike<number>} numbers
 */
export function reach(numbers) {
  const sizes = Float64Array.from(numbers, Math.abs).filter(Number.isFinite).sort();
  const at = Math.max(0, sizes.length - 1 - Math.floor(sizes.length / 200));
  return sizes[at] > 0 ? sizes[at] : (sizes.at(-1) || 1);
}

/**
 * Paints numbers from blue over nothing to orange, against their reach, and says what they are.
 * @param {HTMLCanvasElement} canvas
 * @param {[number, number]} shape rows and columns, of which the last may be empty at its end
 * @param {ArrayLike<number>} numbers
 * @param {Theme} theme
 * @param {string} label
 */
export function paintNumbers(canvas, shape, numbers, theme, label) {
  const most = reach(numbers);
  paintPixels(canvas, shape, (at) => diverging(theme, at < numbers.length ? numbers[at] / most : 0));
  canvas.setAttribute("aria-label", label);
}

/** Where units lie in a grid: so many columns of square cells. */
export class Grid {
  /**
   * @param {number} count
   * @param {number} width the room there is, in CSS pixels
   * @param {number} height
   */
  constructor(count, width, height) {
    this.count = count;
    // As many columns as make the largest cells that fit.
    const size = (/** @type {number} */ columns) => Math.min(width / columns, height / Math.ceil(count / columns));
    const choices = [8, 16, 32, 64].filter((columns) => columns <= count);
    this.columns = choices.sort((a, b) => size(b) - size(a))[0] ?? count;
    this.cell = Math.max(4, Math.min(26, Math.floor(size(this.columns))));
    this.rows = Math.ceil(count / this.columns);
    this.width = this.columns * this.cell;
    this.height = this.rows * this.cell;
  }

  /**
   * The left upper corner of a unit.
   * @param {number} unit
   * @returns {[number, number]}
   */
  at(unit) {
    return [(unit % this.columns) * this.cell, Math.floor(unit / this.columns) * this.cell];
  }

  /**
   * The unit at a point, or −1.
   * @param {number} x
   * @param {number} y
   */
  unit(x, y) {
    const [column, row] = [Math.floor(x / this.cell), Math.floor(y / this.cell)];
    const unit = row * this.columns + column;
    const isInside = column >= 0 && column < this.columns && row >= 0 && unit < this.count;
    return isInside ? unit : -1;
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(unit: number) => string} fill
   * @param {number} picked the unit with a frame, or −1
   * @param {[string, string]} frame inner and outer colour
   */
  paint(canvas, fill, picked, frame) {
    const scale = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(this.width * scale), Math.round(this.height * scale)];
    [canvas.style.width, canvas.style.height] = [`${this.width}px`, `${this.height}px`];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(scale, scale);
    const gap = this.cell >= 10 ? 2 : 1;
    for (let unit = 0; unit < this.count; unit += 1) {
      const [x, y] = this.at(unit);
      context.fillStyle = fill(unit);
      context.fillRect(x + gap / 2, y + gap / 2, this.cell - gap, this.cell - gap);
    }
    if (picked < 0) return;
    const [x, y] = this.at(picked);
    for (const [at, colour] of frame.entries()) {
      [context.strokeStyle, context.lineWidth] = [colour, at === 0 ? 4 : 2];
      context.strokeRect(x + 1, y + 1, this.cell - 2, this.cell - 2);
    }
  }
}
