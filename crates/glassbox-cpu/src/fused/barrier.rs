//! Where the threads of a step meet.

use crate::fast::pool::Abandoned;
use std::panic::panic_any;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// How many times a waiting thread looks before it lets others run: about 0.2 ms, longer than any
/// phase of a small network's step is out of balance.
const SPINS: u32 = 4000;

/// A meeting of a fixed number of threads, again and again.
pub(super) struct Barrier {
    threads: u32,
    arrived: Line<AtomicU32>,
    round: Line<AtomicU32>,
    is_broken: AtomicBool,
    spins: u32,
}

/// A value with a cache line of its own, so that those who look do not hinder those who arrive.
#[repr(align(128))]
struct Line<T>(T);

impl Barrier {
    pub(super) fn new(threads: usize) -> Barrier {
        // Asked for once: the answer may be in a file.
        static CORES: OnceLock<usize> = OnceLock::new();
        let cores = *CORES.get_or_init(|| thread::available_parallelism().map_or(1, |n| n.get()));
        Barrier {
            threads: threads as u32,
            arrived: Line(AtomicU32::new(0)),
            round: Line(AtomicU32::new(0)),
            is_broken: AtomicBool::new(false),
            // Without a core for each, the thread that is waited for may be waiting for a core.
            spins: if threads <= cores { SPINS } else { 0 },
        }
    }

    /// Returns when all threads are here.
    ///
    /// # Panics
    /// If one of them never comes because it panicked.
    pub(super) fn wait(&self) {
        let round = self.round.0.load(Ordering::Acquire);
        if self.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.0.store(0, Ordering::Relaxed);
            self.round.0.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut looks = 0;
        while self.round.0.load(Ordering::Acquire) == round {
            if self.is_broken.load(Ordering::Relaxed) {
                panic_any(Abandoned);
            }
            if looks < self.spins {
                looks += 1;
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }

    /// Frees the others if the thread that holds it panics.
    pub(super) fn guard(&self) -> Guard<'_> {
        Guard(self)
    }
}

pub(super) struct Guard<'a>(&'a Barrier);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.is_broken.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn no_thread_is_a_round_ahead() {
        for threads in [1, 2, 3, 7] {
            let (barrier, count) = (Barrier::new(threads), AtomicU32::new(0));
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for round in 0..200 {
                            assert_eq!(count.load(Ordering::SeqCst) / threads as u32, round);
                            barrier.wait();
                            count.fetch_add(1, Ordering::SeqCst);
                            barrier.wait();
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn a_panic_frees_the_others() {
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            let other = scope.spawn(|| catch_unwind(AssertUnwindSafe(|| barrier.wait())));
            let panics = || {
                let _guard = barrier.guard();
                panic!("here");
            };
            assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
            assert!(other.join().unwrap().is_err());
        });
    }
}
