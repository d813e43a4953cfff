// The page: the list of runs, and the run that is looked at.

import { fill, h, say } from "./dom.js";
import { head } from "./head.js";
import { panels } from "./panels.js";
import { address, onPlace, place } from "./place.js";
import * as runs from "./runs.js";
import { begin, onStore, read, store } from "./store.js";
import * as theme from "./theme.js";
import { tiles } from "./tiles.js";
import { warnings } from "./warnings.js";

const main = document.querySelector("#main");
const link = document.querySelector("#link-state");
const LINKS = {
  starting: ["…", "connecting"],
  here: ["●", "connected"],
  lost: ["○", "reconnecting"],
  over: ["◌", "process ended"],
  refused: ["✕", "key refused"],
};

const parts = [head(), warnings(), tiles(), panels()];
const run = h("div", { class: "run" }, parts.map((part) => part.element));
const none = h("div", { class: "empty card" });
let wanted = "";

function update(ids) {
  const [sign, word] = LINKS[store.link];
  link.dataset.state = store.link;
  say(link, `${sign} ${word}`);
  // An address that names no run, or one that is gone, shows the newest.
  if (!store.runs.has(place().run) && store.runs.size > 0) {
    history.replaceState(null, "", address({ run: runs.first() }));
  }
  runs.update();
  const current = store.runs.get(place().run);
  run.hidden = !current;
  none.hidden = Boolean(current);
  if (!current) return fill(none, store.link, nothing);
  document.title = `${current.name} · Glassbox`;
  if (wanted !== current.id) {
    wanted = current.id;
    if (!store.full.has(current.id)) read(current.id);
  }
  parts.forEach((part) => part.update(current, ids));
}

/** What to do where there is no run. */
function nothing() {
  if (store.link === "starting") return h("p", {}, "One moment …");
  if (store.link === "refused") {
    return [h("h2", {}, "This page has no key"), h("p", {}, "Open the link that glassbox printed in its terminal; after a new start there is a new one.")];
  }
  if (store.link === "lost") return [h("h2", {}, "Nobody answers"), h("p", {}, "The dashboard may have ended. Trying again …")];
  return [h("h2", {}, "No run yet"), h("p", {}, "Runs appear here by themselves. To begin one:"),
    h("pre", {}, h("code", {}, "glassbox train --dashboard"))];
}

main.querySelector(".late").remove();
main.append(run, none);
runs.mount(document.querySelector("#runs"));
theme.mount(document.querySelector("#theme"));
onStore(update);
onPlace(() => update(new Set()));
update(new Set());
begin();
