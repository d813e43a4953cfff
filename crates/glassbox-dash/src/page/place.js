// Where in the page somebody is, kept in its address: a link shows another the same, and a reload loses nothing.

const DEFAULTS = { run: "", tab: "overview", with: "", smooth: "0.6", log: "0", row: "0",
  class: "", mistakes: "", from: "", ink: "", output: "", unit: "", what: "", first: "0", batch: "", set: "" };
const listeners = new Set();

/** What the address says, with defaults where it does not. */
export function place() {
  const said = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, usual]) => [name, said.get(name) ?? usual]));
}

/** The address after a change, for links. */
export function address(change) {
  const next = { ...place(), ...change };
  const said = Object.entries(next).filter(([name, value]) => value !== DEFAULTS[name]);
  return `#${new URLSearchParams(said)}`;
}

/** Goes there. A small change of a picture is no step back in the browser's history. */
export function go(change, isSmall = false) {
  const next = address(change);
  if (next === location.hash || (next === "#" && location.hash === "")) return;
  history[isSmall ? "replaceState" : "pushState"](null, "", next);
  tell();
}

/** Calls back when somebody goes elsewhere. */
export function onPlace(listener) {
  listeners.add(listener);
}

/** The runs to be shown together, the first of which is the one looked at. */
export function together() {
  const { run, with: others } = place();
  return [run, ...others.split(",").filter((id) => id && id !== run)];
}

function tell() {
  for (const listener of listeners) listener();
}

window.addEventListener("hashchange", tell);
window.addEventListener("popstate", tell);
