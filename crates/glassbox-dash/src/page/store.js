// What the page knows: all runs in short, those looked at in full, how the machine is doing, and whether anybody is there.

import { open } from "./stream.js";

export const store = {
  /** Runs in short, by id. */
  runs: new Map(),
  /** Runs in full, by id. */
  full: new Map(),
  host: null,
  version: "",
  /** `starting`, `here`, `lost`, `over` or `refused`. */
  link: "starting",
};

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

/** Asks the server. Nothing, if it does not answer or has nothing. */
export async function ask(path, options) {
  try {
    const answer = await fetch(path, options);
    if (answer.status === 403) link("refused");
    return answer;
  } catch {
    return null;
  }
}

function link(state) {
  if (store.link === "over" || store.link === state) return;
  store.link = state;
  tell();
}

/** Reads all runs, and those in full that are looked at. */
async function load() {
  const answer = await ask("api/runs");
  if (!answer?.ok) return null;
  const { id, version, runs } = await answer.json();
  store.version = version;
  runs.forEach((run) => store.runs.set(run.id, run));
  await Promise.all([...store.full.keys()].map(read));
  link("here");
  tell(runs.map((run) => run.id));
  return id;
}

/** Reads a run in full, and keeps it up to date from now on. */
export async function read(id) {
  const answer = await ask(`api/runs/${encodeURIComponent(id)}`);
  if (!answer?.ok) return;
  const run = await answer.json();
  store.full.set(id, run);
  store.runs.set(id, run);
  tell([id]);
}

function take({ events, runs }) {
  runs.forEach((run) => store.runs.set(run.id, run));
  for (const event of events) {
    const full = store.full.get(event.run);
    if (!full) continue;
    if (event.event === "started") read(event.run);
    else if (event.event === "epoch") full.epochs.push(event);
    else if (event.event === "warning" || event.event === "control") full.notable.push(event);
    else if (event.event === "inside") full.has_insides = true;
  }
  tell(runs.map((run) => run.id));
}

let isLoading = false;

async function catchUp() {
  if (isLoading) return;
  isLoading = true;
  await load();
  isLoading = false;
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
  found: () => link("here"),
  lost: () => link("lost"),
  gap: catchUp,
  reset: catchUp,
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
