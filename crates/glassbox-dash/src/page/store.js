// What the page knows: all runs in short, those looked at in full, how the machine is doing, and whether anybody is there.
//
// A reading says up to which place in the stream it knows all, and so does a batch of the stream. Of two the later counts,
// in whichever order they arrive: what a reading holds already is not taken from the stream again, and a reading that the
// stream has overtaken on its way here takes nothing back.

import { latest } from "./latest.js";
import { isAfter, lifeOf, open } from "./stream.js";

export const store = {
  /** Runs in short, by id. */
  runs: new Map(),
  /** Runs in full, by id. */
  full: new Map(),
  host: null,
  /** How many runs are not in the list, as there are too many. */
  leftOut: 0,
  /** `starting`, `here`, `lost`, `over` or `refused`. */
  link: "starting",
};

/** Events after which a run in full is another. */
const NOTABLE = new Set(["started", "warning", "control"]);

/** Milliseconds between an event and the reading that it asks for: events often come together. */
const SOON = 100;

const listeners = new Set();
let isDue = false;

/** Calls back, at most once a frame, when something has changed: `listener(ids)`, those of runs that have. */
export function onStore(listener) {
  listeners.add(listener);
}

let changed = new Set();

function tell(ids = []) {
  ids.forEach((id) => changed.add(id));
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const ids = changed;
    changed = new Set();
    for (const listener of listeners) listener(ids);
  });
}

/** Asks the server. Nothing, if it does not answer; whoever has said goodbye answers no more. */
export async function ask(path, options) {
  if (store.link === "over") return null;
  try {
    const answer = await fetch(path, options);
    if (answer.status === 403) link("refused");
    return answer;
  } catch {
    return null;
  }
}

/** Why there is no answer, or none that is of use. */
export const [SILENT, REFUSED] = ["The dashboard does not answer. Trying again …", "The dashboard refused to answer."];
const OVER = "The dashboard has ended.";

/** Why nobody answers. */
export const silence = () => (store.link === "over" ? OVER : SILENT);

/**
 * What the server answers, as JSON, or the reason why there is nothing.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<[any, string]>}
 */
export async function reply(path, options) {
  const answer = await ask(path, options);
  if (!answer) return [null, silence()];
  const found = await answer.json().catch(() => ({}));
  if (answer.ok && !("why" in found)) return [found, ""];
  return [null, found.why ?? REFUSED];
}

function link(state) {
  if (store.link === "over" || store.link === state) return;
  store.link = state;
  tell();
}

/** Up to which place in the stream each run in short is known, and which process counts the places. */
const known = new Map();
let life = "";

/** Another process counts from the start: nothing that is known can be compared with what it says. */
function follow(place) {
  if (lifeOf(place) === life) return;
  forget();
  life = lifeOf(place);
}

function forget() {
  known.clear();
  store.full.clear();
  life = "";
}

/** Takes a run in short from a reading. */
function learn(run, place) {
  if (known.has(run.id) && isAfter(known.get(run.id), place)) return;
  known.set(run.id, place);
  store.runs.set(run.id, run);
}

let isBehind = true;

/** Reads all runs, and those in full that are looked at. Returns the place in the stream; nothing if nobody answers. */
async function load() {
  isBehind = true;
  const answer = await ask("api/runs");
  const found = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!found) return null;
  follow(found.id);
  isBehind = false;
  store.leftOut = found.left_out;
  found.runs.forEach((run) => learn(run, found.id));
  drop(new Set(found.runs.map((run) => run.id)), found.id);
  looked.forEach((id) => read(id, 0));
  link("here");
  tell(found.runs.map((run) => run.id));
  return found.id;
}

/** Runs that a reading up to a place does not tell of are gone; those that came after are not. */
function drop(there, place) {
  for (const id of store.runs.keys()) {
    if (there.has(id) || (known.has(id) && isAfter(known.get(id), place))) continue;
    [store.runs, store.full, known].forEach((map) => map.delete(id));
    [looked, unread].forEach((set) => set.delete(id));
  }
}

const catchUp = latest(load, 0);

/** Runs that are kept in full; those of them that could not be read yet; how to read each. */
const looked = new Set();
const unread = new Set();
const readings = new Map();

/** Reads a run in full, and keeps it up to date from now on. */
export function read(id, wait = 0) {
  looked.add(id);
  unread.add(id);
  if (!readings.has(id)) readings.set(id, latest(() => readOne(id), 0));
  readings.get(id)(wait);
}

async function readOne(id) {
  const answer = await ask(`api/runs/${encodeURIComponent(id)}`);
  const run = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!run) return;
  follow(run.stream);
  unread.delete(id);
  store.full.set(id, run);
  learn(run, run.stream);
  tell([id]);
}

function take({ id: place, events, runs }) {
  follow(place);
  const fresh = runs.filter((run) => !known.has(run.id) || isAfter(place, known.get(run.id)));
  fresh.forEach((run) => learn(run, place));
  for (const id of new Set(events.filter(({ event }) => NOTABLE.has(event)).map(({ run }) => run))) {
    // A reading that begins now holds the event; one that is under way may not, and is made once more.
    if (looked.has(id) && isAfter(place, store.full.get(id)?.stream)) read(id, SOON);
  }
  // A new run, or another glance at one.
  if (events.some(({ event, run }) => event === "run" && !store.runs.has(run))) catchUp(SOON);
  tell(runs.map((run) => run.id));
}

const hearing = {
  batch: (data) => {
    link("here");
    take(data);
  },
  host: (data) => {
    store.host = data;
    tell();
  },
  found: () => {
    link("here");
    if (isBehind) catchUp();
    else unread.forEach((id) => read(id));
  },
  lost: () => link("lost"),
  gap: () => catchUp(),
  reset: () => {
    forget();
    catchUp();
  },
  refused: () => link("refused"),
  end: () => link("over"),
};

/** Begins. Where the server is not there yet, tries again. */
export async function begin() {
  const stream = open((kind, data) => hearing[kind]?.(data));
  for (;;) {
    const id = await load();
    if (id) return stream.start(id);
    if (store.link === "refused") return;
    link("lost");
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}
