// Work that is done one at a time.

/**
 * Does work when it is asked for, one at a time: whoever asks meanwhile gets it done once more, with what is newest.
 * @param {() => Promise<unknown>} work
 * @param {number} wait milliseconds before the first
 */
export function latest(work, wait) {
  let [isAsked, isBusy] = [false, false];
  const run = async () => {
    try {
      while (isAsked) {
        isAsked = false;
        await work();
      }
    } finally {
      isBusy = false;
    }
  };
  return (soon = wait) => {
    isAsked = true;
    if (isBusy) return;
    isBusy = true;
    setTimeout(run, soon);
  };
}
