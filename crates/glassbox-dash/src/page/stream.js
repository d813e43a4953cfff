// The stream of events, one for all tabs: browsers open six connections to a server, and a stream holds one for ever.
//
// The tab that holds a lock has the stream and passes on what it hears; when it is hidden or closed, another that is
// seen takes over. Without locks (a page that is not from this machine) every tab that is seen has its own.

const NAME = `glassbox ${location.host}${location.pathname}`;
const SILENCE = 15_000;
const channel = new BroadcastChannel(NAME);

/** Which process counted a place in the stream, `life.number`. */
export function lifeOf(place) {
  return place.split(".")[0];
}

/** Whether a place in the stream comes after another: it does if there is no other, or if another process counted it. */
export function isAfter(place, other) {
  if (!other || lifeOf(place) !== lifeOf(other)) return true;
  return Number(place.split(".")[1]) > Number(other.split(".")[1]);
}

/** Opens it. `hear(kind, data)` hears batches, readings of the host, and `lost`, `found`, `gap`, `end`, `refused`. */
export function open(hear) {
  let last = null;
  let source = null;
  let letGo = null;
  let waiting = null;
  let heard = 0;
  let isOver = false;

  function take(kind, data) {
    if (kind === "batch") {
      const before = last ?? `${lifeOf(data.id)}.0`;
      // What another tab had before is not new, and what begins after our last leaves a gap.
      if (!isAfter(data.id, before)) return;
      last = data.id;
      if (isAfter(data.from, before)) hear("gap");
    }
    if (kind === "reset") last = null;
    if (kind === "end") isOver = true;
    hear(kind, data);
  }

  function pass(kind, data) {
    heard = Date.now();
    take(kind, data);
    channel.postMessage([kind, data]);
  }

  function connect() {
    source = new EventSource(last ? `api/events?after=${encodeURIComponent(last)}` : "api/events");
    heard = Date.now();
    source.onopen = () => pass("found");
    source.onerror = () => lost(source);
    for (const kind of ["batch", "host", "reset"]) {
      source.addEventListener(kind, (event) => pass(kind, JSON.parse(event.data)));
    }
    source.addEventListener("end", () => {
      source.close();
      pass("end");
    });
  }

  async function lost(which) {
    if (isOver || which !== source) return;
    pass("lost");
    // A browser tries again by itself, unless the server answered with a refusal.
    if (which.readyState !== EventSource.CLOSED) return;
    const answer = await fetch("api/runs").catch(() => null);
    if (answer?.status === 403) return pass("refused");
    setTimeout(() => which === source && !isOver && connect(), 2000);
  }

  function lead() {
    if (isOver || document.hidden || source) return;
    if (!navigator.locks) return connect();
    // A tab that is shown and hidden and shown again waits once, not twice.
    waiting?.abort();
    waiting = new AbortController();
    navigator.locks.request(NAME, { signal: waiting.signal }, () => {
      if (isOver || document.hidden || source) return;
      connect();
      return new Promise((resolve) => (letGo = resolve));
    }).catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
  }

  function rest() {
    waiting?.abort();
    source?.close();
    source = null;
    letGo?.();
    letGo = null;
  }

  channel.onmessage = ({ data: [kind, data] }) => take(kind, data);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return rest();
    // Others may have heard what we have not.
    hear("gap");
    lead();
  });
  window.addEventListener("pagehide", rest);
  window.addEventListener("pageshow", (event) => event.persisted && lead());
  setInterval(() => {
    if (source && !isOver && Date.now() - heard > SILENCE) {
      source.close();
      connect();
    }
  }, SILENCE / 3);

  return {
    /** Goes on after `id`, which the server gave with what was fetched. */
    start(id) {
      if (!last) last = id;
      lead();
    },
  };
}
