// Figures as the network's panels show them, the server's answers, and work that is done one at a time.

import { ask } from "./store.js";

/**
 * A number with so many significant digits; what is no number is said so.
 * @param {number | null | undefined} x
 * @param {number} [digits]
 */
export function number(x, digits = 4) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "not a number";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e-3 && size < 1e6 ? x.toPrecision(digits) : x.toExponential(Math.max(0, digits - 1));
  return minus(text.includes("e") ? text.replace("e+", "e") : text);
}

/**
 * A number with so many decimals.
 * @param {number | null | undefined} x
 * @param {number} decimals
 */
export function fixed(x, decimals) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "not a number";
  return minus(x.toFixed(decimals));
}

/** @param {string} text */
function minus(text) {
  return text.replaceAll("-", "−");
}

/** @param {number | null | undefined} share */
export function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  if (share > 0 && share < 5e-4) return "< 0.1 %";
  if (share < 1 && share >= 0.9995) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

/**
 * What the server answers, as JSON, or the reason why there is nothing.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<[any, string]>}
 */
export async function reply(path, options) {
  const answer = await ask(path, options);
  if (!answer) return [null, "The dashboard does not answer. Trying again …"];
  const found = await answer.json().catch(() => ({}));
  if (answer.ok && !("why" in found)) return [found, ""];
  return [null, found.why ?? "The dashboard refused to answer."];
}

/**
 * Does work when it is asked for, one at a time: whoever asks meanwhile gets it done once more, with what is newest.
 * @param {() => Promise<void>} work
 * @param {number} wait milliseconds before the first
 */
export function latest(work, wait) {
  let [isAsked, isBusy] = [false, false];
  const run = async () => {
    try {
      while (isAsked) {
        isAsked = false;
        await work();
      }
    } finally {
      isBusy = false;
    }
  };
  return (soon = wait) => {
    isAsked = true;
    if (isBusy) return;
    isBusy = true;
    setTimeout(run, soon);
  };
}
