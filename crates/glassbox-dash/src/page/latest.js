// Work that is done one at a time.

/** What nobody asked for takes at most one part in so many of the time: the processors are the training's. */
const SHARE = 50;

/**
 * Does work when it is asked for, one at a time: whoever asks meanwhile gets it done once more, with what is newest.
 * `took()` says how long it took the last time, `later(more)` asks for it when it is time for what is merely newer, and
 * after `stop()` none begins any more.
 * @param {() => Promise<unknown>} work
 * @param {number} wait milliseconds before it
 */
export function latest(work, wait) {
  let [timer, due, isBusy, took, isOver] = [0, Infinity, false, 0, false];
  const wake = () => {
    clearTimeout(timer);
    if (isOver) return;
    timer = setTimeout(run, Math.max(0, due - performance.now()));
  };
  const run = async () => {
    [due, isBusy] = [Infinity, true];
    const begun = performance.now();
    try {
      await work();
    } finally {
      [took, isBusy] = [performance.now() - begun, false];
      if (due < Infinity) wake();
    }
  };
  const ask = (soon = wait) => {
    due = Math.min(due, performance.now() + soon);
    if (!isBusy) wake();
  };
  return Object.assign(ask, {
    took: () => took,
    later: (more = 0) => ask(Math.max(wait, SHARE * (took + more))),
    stop: () => {
      isOver = true;
      clearTimeout(timer);
    },
  });
}
