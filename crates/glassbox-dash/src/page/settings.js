// What a run was made of, as run.toml says, and what somebody changed on the way.

import { fill, h } from "./dom.js";
import { number, whole } from "./format.js";
import { store } from "./store.js";

/** A record as rows of a name and a text; what is inside of something is `outer.inner`. */
export function flat(value, prefix = "") {
  if (value == null) return [];
  if (Array.isArray(value)) return [[prefix, value.join(", ")]];
  if (typeof value !== "object") return [[prefix, typeof value === "number" ? short(value) : String(value)]];
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, prefix ? `${prefix}.${name}` : name));
}

/** Settings are 32-bit floats, and in JSON have more digits than were given. */
function short(x) {
  return Number.isInteger(x) ? String(x) : String(Number(x.toPrecision(7)));
}

/** The panel. */
export function settings() {
  const element = h("div", { class: "settings card" });
  return { element, remove() {}, update(run) {
    const full = store.full.get(run.id);
    const changes = (full?.notable ?? []).filter((event) => event.event === "control");
    const { folder, record } = full ?? {};
    fill(element, JSON.stringify([run.id, folder, record, changes, run.facts.parameters]), () => {
      if (!full) return h("p", { class: "why" }, "One moment …");
      if (!record) return h("p", { class: "why" }, `${folder} has no run.toml that can be read.`);
      const { settings, data, ...rest } = record;
      return [
        table("Settings", flat(settings)), table("Data", flat(data)),
        table("Begun with", [["folder", folder], ...flat(rest), ["parameters", whole(run.facts.parameters)]]),
        changes.length ? table("Changed on the way", changes.map(change)) : null,
      ];
    });
  } };
}

function table(title, rows) {
  return h("table", {}, h("caption", {}, title),
    h("tbody", {}, rows.map(([name, text]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text)))));
}

function change({ step, change }) {
  const what = change.rate ? `from the next step on, the learning rate is ${number(change.rate.factor)} of the schedule's` : change;
  return [`step ${whole(step)}`, what];
}
