// The head of a run: what it is, how far it is, and what can be done with it.

import { h, say } from "./dom.js";
import { duration, number, shellWord, whole } from "./format.js";
import { state } from "./runs.js";
import { SILENT, reply, store } from "./store.js";

/** The head, with an `update(run)`. */
export function head() {
  const name = h("h2");
  const sign = h("span", { class: "sign" });
  const what = h("span", { class: "what" });
  const bar = h("progress", { max: 1, "aria-label": "Steps made" });
  const far = h("p", { class: "far" });
  const controls = buttons();
  const element = h("section", { class: "head card", "aria-label": "The run" },
    h("div", { class: "title" }, name, sign, what), bar, far, controls.element);

  function update(run) {
    const { facts } = run;
    const { kind, sign: mark, word } = state(run);
    say(name, run.name);
    sign.className = `sign ${kind}`;
    say(sign, `${mark} ${word}`);
    say(what, [facts.network, run.data && `on ${run.data}`, run.device && `by ${run.device}`].filter(Boolean).join(" "));
    bar.value = facts.steps ? facts.step / facts.steps : 0;
    say(far, distance(facts, kind));
    controls.update(run);
  }
  return { element, update };
}

function distance(facts, kind) {
  if (!facts.steps) return "No step has been made yet.";
  const parts = [`step ${whole(facts.step)} of ${whole(facts.steps)}`];
  if (facts.epochs) parts.push(`epoch ${whole(Math.min(facts.epochs, Math.max(1, facts.epoch)))} of ${whole(facts.epochs)}`);
  if (kind === "live" && facts.seconds_left != null) parts.push(`about ${duration(facts.seconds_left)} of training left`);
  return parts.join(" · ");
}

const ENDED = "The process that trained this run has ended. What is shown is what it last said.";
const REFUSED = "The key of this page is no longer valid. Open the link that glassbox printed last.";
const ELSEWHERE = "Only the dashboard of its own training can pause a run: glassbox train --dashboard.";

function buttons() {
  let run = null;
  const said = h("p", { class: "said", role: "status" });
  /** Sends a wish to a run, and says what became of it while that run is still looked at. */
  async function wish(body, to = run) {
    const [, why] = await reply(`api/runs/${encodeURIComponent(to.id)}/control`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (to.id === run.id) say(said, why);
  }
  const pause = h("button", { type: "button", class: "primary", "data-do": "pause",
    onclick: () => wish({ do: isPaused(run) ? "resume" : "pause" }) });
  const step = h("button", { type: "button", "data-do": "step", title: "Makes exactly one step, and pauses",
    onclick: () => wish({ do: "step" }) }, "One step");
  const stop = h("button", { type: "button", "data-do": "stop", class: "danger", onclick: ask }, "Stop …");
  const stopping = question("Stop the training", "Keep training", "Stop", "really-stop");
  /** The answer is about the run that was looked at when it was asked, whichever is looked at by then. */
  function ask() {
    const asked = run;
    stopping.ask(`Stop the training of ${asked.name}? A checkpoint is kept, and it can go on later:`,
      `glassbox train --resume ${folder(asked)}`, () => wish({ do: "stop" }, asked));
  }
  const raising = question("A far larger learning rate", "Keep the rate", "Set it", "really-set");
  const rate = learningRate((factor, before) => {
    const asked = run;
    const set = () => wish({ do: "rate", factor }, asked);
    if (factor <= Math.max(FAR, before)) return set();
    rate.show();
    raising.ask(`${number(factor)} times the schedule's learning rate? Most trainings run into NaN then. A checkpoint \
of now is kept until the second epoch from now ends; from it the run goes on as if nothing had been:`, `glassbox train --resume ${folder(asked)} --rate-factor 1`, set);
  });
  const row = h("div", { class: "controls", role: "group", "aria-label": "Control" }, pause, step, stop, rate.element);
  const note = h("p", { class: "note" });
  const element = h("div", {}, row, said, note, stopping.element, raising.element);

  function update(next) {
    if (next.id !== run?.id) say(said, "");
    run = next;
    const phase = run.facts.control?.phase;
    const isOn = phase && phase !== "over" && store.link !== "over" && store.link !== "refused";
    row.hidden = !isOn;
    say(pause, isPaused(run) ? "Go on" : "Pause");
    [pause, step, stop].forEach((button) => (button.disabled = phase === "stopping" || store.link === "lost"));
    rate.update(run);
    rate.element.inert = pause.disabled;
    const why = reason(run, isOn);
    note.hidden = !why;
    say(note, why);
  }
  return { element, update };
}

/** A question about what is not easily undone, with an `ask(words, line, then)`: a line to be pasted, and what a yes does. */
function question(label, no, yes, key) {
  const [words, line] = [h("p"), h("code")];
  let then = () => {};
  const element = h("dialog", { "aria-label": label }, words, h("pre", {}, line),
    h("form", { method: "dialog" },
      h("button", { class: "quiet", autofocus: true }, no),
      h("button", { class: "danger", "data-do": key, onclick: () => then() }, yes)));
  return { element, ask(text, pasted, what) {
    say(words, text);
    say(line, pasted);
    then = what;
    element.showModal();
  } };
}

/** The folder of a run, as a word of a line to be pasted. */
function folder({ id }) {
  const known = store.full.get(id)?.folder;
  return known == null ? "RUN" : shellWord(known);
}

/** Why there is nothing to press, if there is nothing. */
function reason(run, isOn) {
  if (store.link === "refused") return REFUSED;
  if (store.link === "lost") return SILENT;
  if (store.link === "over") return `${ENDED} To look again: glassbox dashboard ${folder(run)}`;
  return isOn || run.live || run.facts.ending ? "" : ELSEWHERE;
}

function isPaused(run) {
  return ["paused", "pausing"].includes(run.facts.control?.phase);
}

/** A factor of the learning rate beyond which it is asked whether that is meant. */
const FAR = 10;

/** The learning rate: what it is, and what the schedule's is multiplied by. `set(factor, before)` is for the next steps. */
function learningRate(set) {
  // No <output>: it would be read aloud at every step.
  const now = h("span", { class: "now" });
  const input = h("input", { type: "number", id: "factor", min: "0.001", max: "1000", step: "any", value: "1" });
  let factor = 1;
  const times = (by, text, label) =>
    h("button", { type: "button", class: "small", "aria-label": label, onclick: () => set(factor * by, factor) }, text);
  const form = h("form", { class: "rate", onsubmit: (event) => {
    event.preventDefault();
    // What is being typed is not overwritten; what was typed is.
    input.blur();
    if (input.value) set(Number(input.value), factor);
  } },
    h("span", { class: "label" }, "learning rate ", now), times(0.5, "÷ 2", "Halve the learning rate"),
    times(2, "× 2", "Double the learning rate"),
    h("label", { for: "factor" }, "schedule × "), input, h("button", { class: "small" }, "Set"));
  /** What was typed and not set is taken back. */
  const show = () => (input.value = String(Number(factor.toPrecision(6))));
  return {
    element: form,
    show,
    update({ facts }) {
      const then = facts.next_factor == null ? "" : `, then schedule × ${number(facts.next_factor)}`;
      say(now, number(facts.rate) + then);
      const next = facts.control?.factor ?? 1;
      const isNew = next !== factor;
      factor = next;
      if (isNew && document.activeElement !== input) show();
    },
  };
}
