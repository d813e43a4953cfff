// Several runs beside each other: what they came to, and which settings set them apart.

import { fill, h } from "./dom.js";
import { duration, number, percent, whole } from "./format.js";
import { address, place, together } from "./place.js";
import { flat } from "./settings.js";
import { read, store } from "./store.js";

const asked = new Set();

/** The table, which is there when there is something to compare. */
export function comparison() {
  const element = h("div", { class: "card comparison" });
  return { element, remove() {}, update() {
    const runs = together().map((id) => store.runs.get(id)).filter(Boolean);
    element.hidden = runs.length < 2;
    if (element.hidden) return;
    for (const { id } of runs) {
      if (store.full.has(id) || asked.has(id)) continue;
      asked.add(id);
      read(id);
    }
    fill(element, JSON.stringify(runs.map((run) => [run.id, run.facts.step, run.facts.ending, store.full.has(run.id)])), () => table(runs));
  } };
}

function table(runs) {
  const settings = new Map(runs.map(({ id }) => [id, new Map(flat(store.full.get(id)?.record?.settings))]));
  const names = [...new Set([...settings.values()].flatMap((map) => [...map.keys()]))];
  const apart = names.filter((name) => new Set(runs.map(({ id }) => settings.get(id).get(name))).size > 1);
  const columns = [
    ...apart.map((name) => [name, ({ id }) => settings.get(id).get(name) ?? "–"]),
    ["step", ({ facts }) => whole(facts.step)],
    ["training loss", ({ facts }) => number(facts.last_epoch?.train_loss)],
    ["training", ({ facts }) => percent(facts.last_epoch?.train_accuracy)],
    ["best validation", ({ facts }) => percent(facts.best_validation)],
    ["images/s", ({ facts }) => whole(facts.images_per_second)],
    ["trained", ({ facts }) => duration(facts.seconds)],
  ];
  const { run: current } = place();
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Comparison" }, h("table", {},
    h("caption", {}, `${runs.length} runs compared`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "run"), columns.map(([name]) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, runs.map((run) => h("tr", { class: run.id === current ? "current" : "" },
      h("th", { scope: "row" }, h("a", { href: address({ run: run.id, with: together().filter((id) => id !== run.id).join(",") }) }, run.name)),
      columns.map(([, of]) => h("td", {}, of(run))))))));
}
