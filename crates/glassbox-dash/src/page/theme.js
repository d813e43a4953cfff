// Light and dark: as the system has it, or as somebody chose.

import { say } from "./dom.js";

const KEY = "glassbox-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();
const NAMES = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

/** Storage may be forbidden, and then the choice lasts as long as the page. */
let chosen = "auto";
try {
  chosen = localStorage.getItem(KEY) ?? "auto";
} catch { /* as said */ }
if (!(chosen in NAMES)) chosen = "auto";

export function isDark() {
  return chosen === "auto" ? dark.matches : chosen === "dark";
}

/** Calls back when it changes, until what it returns is called. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function apply() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  for (const listener of listeners) listener();
}

/** Lets a button go through the choices. */
export function mount(button) {
  const show = () => say(button, NAMES[chosen]);
  button.addEventListener("click", () => {
    const names = Object.keys(NAMES);
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    try {
      localStorage.setItem(KEY, chosen);
    } catch { /* as said */ }
    show();
    apply();
  });
  show();
  apply();
}

dark.addEventListener("change", apply);
