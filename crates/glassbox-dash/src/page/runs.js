// The list of runs: which there are, what each does, and which are shown together.

import { fill, h, say } from "./dom.js";
import { ago, percent } from "./format.js";
import { address, go, place, together } from "./place.js";
import { store } from "./store.js";

/** What a run does: a sign, which says it without colours, and a word. */
export function state(run) {
  const phase = run.facts.control?.phase;
  if (phase && phase !== "over" && store.link === "over") return { kind: "stopped", sign: "◌", word: "its process has ended" };
  if (phase === "paused") return { kind: "paused", sign: "‖", word: "paused" };
  if (phase === "pausing") return { kind: "paused", sign: "‖", word: "pausing" };
  if (phase === "stopping") return { kind: "paused", sign: "■", word: "stopping" };
  if (phase === "waiting") return { kind: "live", sign: "●", word: "beginning" };
  if (phase === "running") return { kind: "live", sign: "●", word: "training" };
  const ending = run.facts.ending;
  if (ending === "interrupted") return { kind: "stopped", sign: "■", word: "stopped" };
  if (ending) return { kind: "done", sign: "✓", word: ending === "early-stop" ? "stopped early" : "done" };
  const isFresh = run.modified && Date.now() / 1000 - run.modified < 15;
  if (isFresh && !run.live) return { kind: "live", sign: "●", word: "training elsewhere" };
  // How it ended may have been said when nobody was heard any more.
  const over = store.link === "lost" ? "its process has ended" : "ended with an error";
  return { kind: "stopped", sign: "◌", word: phase === "over" ? over : "unfinished" };
}

/** Whether the server's process trains it, and does not rest. */
export const isTraining = ({ facts }) => !["paused", "over"].includes(facts.control?.phase ?? "over");

/** The best there is to say of how good a run is. */
function score({ facts }) {
  const accuracy = facts.best_validation ?? facts.last_epoch?.train_accuracy;
  if (accuracy == null) return "";
  return `${percent(accuracy)} ${facts.best_validation == null ? "training" : "validation"}`;
}

const rows = new Map();

function row(run) {
  const dot = h("span", { class: "dot" });
  const name = h("span", { class: "name" });
  const word = h("span", { class: "word" });
  const more = h("span", { class: "more" });
  const link = h("a", {}, dot, h("span", { class: "lines" }, name, word, more));
  const box = h("input", {
    type: "checkbox",
    title: "Show its curves beside those of the run looked at",
    onchange: () => compare(run.id, box.checked),
  });
  const element = h("li", {}, link, h("label", { class: "beside" }, box));
  return { element, dot, name, word, more, link, box };
}

function compare(id, isOn) {
  const others = together().slice(1).filter((other) => other !== id);
  go({ with: [...others, ...(isOn ? [id] : [])].join(",") });
}

/** Newest first; those that train before all. */
function sorted() {
  const key = (run) => (run.facts.control && run.facts.control.phase !== "over" ? Infinity : run.modified ?? 0);
  return [...store.runs.values()].sort((a, b) => key(b) - key(a) || a.name.localeCompare(b.name, undefined, { numeric: true }));
}

/** The run to look at if the address names none. */
export function first() {
  return sorted()[0]?.id ?? "";
}

const list = h("ul", { class: "runs" });
const summary = h("summary");
const hint = h("p", { class: "hint" }, "Tick runs to compare their curves.");

/** Puts the list into its place. */
export function mount(aside) {
  const isWide = matchMedia("(min-width: 900px)");
  const details = h("details", {}, summary, hint, list);
  const fit = () => (details.open = isWide.matches);
  isWide.addEventListener("change", fit);
  fit();
  aside.append(details);
  // On a phone the list is in the way of the run that was chosen.
  list.addEventListener("click", (event) => {
    if (event.target.closest("a") && !isWide.matches) details.open = false;
  });
}

export function update() {
  const runs = sorted();
  const current = place().run;
  const beside = together();
  hint.hidden = runs.length < 2;
  list.classList.toggle("alone", runs.length < 2);
  const count = runs.length === 1 ? "1 run" : `${runs.length} runs`;
  say(summary, store.leftOut ? `${count}, the newest of ${runs.length + store.leftOut}` : count);
  fill(list, runs.map((run) => run.id).join(), () => runs.map((run) => {
    if (!rows.has(run.id)) rows.set(run.id, row(run));
    return rows.get(run.id).element;
  }));
  for (const run of runs) {
    const { element, dot, name, word, more, link, box } = rows.get(run.id);
    const { kind, sign, word: does } = state(run);
    link.href = address({ run: run.id, with: beside.filter((id) => id !== run.id && id !== current).join(",") });
    if (run.id === current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    element.className = run.id === current ? "current" : "";
    dot.className = `dot ${kind}`;
    say(dot, sign);
    say(name, run.name);
    const when = run.modified && kind !== "live" ? ` · ${ago(run.modified)}` : "";
    say(word, `${does}${when}`);
    say(more, score(run));
    box.checked = beside.includes(run.id);
    box.disabled = run.id === current;
    box.setAttribute("aria-label", `Compare ${run.name}`);
  }
}
