//! How many threads take the next steps.
//!
//! Threads that meet twice a step need each other. Where others want the same cores, a meeting lasts
//! until the system has let each thread run, milliseconds in a step of some ten microseconds, and one
//! thread alone can be ten times as fast as two. Where there are more cores than work, fewer threads
//! are faster as well. Which number is best cannot be told from here, and no bit depends on it: so it
//! is tried, for a few steps at a time, and the faster stays.

use std::time::Duration;

/// How long steps are watched before anything is decided.
const WINDOW: Duration = Duration::from_millis(40);
/// How long another number of threads is tried, unless it is soon seen to be slower.
const TRIAL: Duration = Duration::from_millis(8);
/// How many steps of a trial show that.
const SOON: usize = 8;
/// After a trial that was worth nothing, the next waits [`BACKOFF`] times as long as that one did, as
/// far as that is not longer than this.
const LONGEST: Duration = Duration::from_secs(4);
const BACKOFF: u32 = 16;
/// And so many times as long as what it cost.
const SHARE: u32 = 100;
/// How much faster another number of threads has to be, and how much slower it soon seems to be.
const FASTER: f64 = 0.9;
const SLOWER: f64 = 1.25;
/// So much slower than before, and fewer threads are tried at once, or when a small part of the wait
/// is over.
const TROUBLE: f64 = 1.5;

/// What is known about the threads of an engine, for one shape of steps.
pub(crate) struct Pace {
    /// The widths of the network.
    shape: Vec<usize>,
    most: usize,
    threads: usize,
    /// Seconds a step before the trial that is under way, and with how many threads.
    before: Option<(f64, usize)>,
    /// Of the window or trial that is under way.
    steps: usize,
    time: Duration,
    /// Seconds a step of the best window with these threads.
    best: f64,
    /// Since the last trial, and until the next.
    since: Duration,
    wait: Duration,
    tries_fewer: bool,
    window: Duration,
    share: u32,
}

impl Pace {
    /// All of `most` threads, at first.
    pub(crate) fn new(most: usize) -> Pace {
        Pace {
            shape: Vec::new(),
            most,
            threads: most,
            before: None,
            steps: 0,
            time: Duration::ZERO,
            best: f64::INFINITY,
            since: Duration::ZERO,
            wait: WINDOW,
            tries_fewer: true,
            window: WINDOW,
            share: SHARE,
        }
    }

    /// Forgets what it knows unless it is about steps of this shape.
    pub(super) fn set_shape(&mut self, shape: Vec<usize>) {
        if self.shape != shape {
            *self = Pace { shape, ..Pace::new(self.most) };
        }
    }

    /// How many threads are to take the next steps.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Whether there is something to decide after so many steps more.
    pub(super) fn is_due(&self, steps: usize, time: Duration) -> bool {
        let (steps, time) = (self.steps + steps, self.time + time);
        match self.before {
            _ if self.most == 1 || steps == 0 => false,
            None => time >= self.window,
            Some((before, _)) => {
                let is_slower = time.as_secs_f64() > SLOWER * before * steps as f64;
                time >= TRIAL.min(self.window) || steps >= SOON && is_slower
            }
        }
    }

    /// Counts steps that were taken with [`threads`](Self::threads), and decides what is due.
    pub(super) fn add(&mut self, steps: usize, time: Duration) {
        let is_due = self.is_due(steps, time);
        self.steps += steps;
        self.time += time;
        self.since += time;
        if !is_due {
            return;
        }
        let (steps, time) = (self.steps, self.time);
        let each = time.as_secs_f64() / steps as f64;
        (self.steps, self.time) = (0, Duration::ZERO);
        match self.before.take() {
            Some((before, _)) if each < FASTER * before => {
                (self.best, self.since, self.wait) = (each, Duration::ZERO, WINDOW);
            }
            Some((before, threads)) => {
                // What was trouble with those threads is how it is now.
                (self.best, self.threads) = (before, threads);
                let cost = time.saturating_sub(Duration::from_secs_f64(before * steps as f64));
                self.wait = LONGEST.min(BACKOFF * self.wait).max(self.share * cost);
                self.since = Duration::ZERO;
                self.tries_fewer = !self.tries_fewer;
            }
            None => {
                let is_slow = self.threads > 1 && each > TROUBLE * self.best;
                let is_trouble = is_slow && BACKOFF * self.since >= self.wait;
                self.best = self.best.min(each);
                if is_trouble || self.since >= self.wait {
                    let can_have_more = self.threads < self.most;
                    self.tries_fewer |= is_trouble || !can_have_more;
                    self.tries_fewer &= self.threads > 1;
                    self.before = Some((each, self.threads));
                    self.threads = match self.tries_fewer {
                        true => self.threads.div_ceil(2),
                        false => self.most.min(2 * self.threads),
                    };
                }
            }
        }
    }

    /// One that decides at every opportunity.
    #[cfg(test)]
    pub(super) fn restless(most: usize) -> Pace {
        let none = Duration::ZERO;
        Pace { window: none, wait: none, share: 0, ..Pace::new(most) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A training on a machine where a step with so many threads takes so many microseconds.
    struct Run {
        pace: Pace,
        /// Time in all, and what it would have been with the best number of threads throughout.
        time: Duration,
        /// Steps, by the number of threads.
        steps: Vec<usize>,
    }

    impl Run {
        fn new(most: usize) -> Run {
            Run { pace: Pace::new(most), time: Duration::ZERO, steps: vec![0; most + 1] }
        }

        /// Goes on for a time, in calls of some steps.
        fn go_on(&mut self, most: Duration, mut step: impl FnMut(usize) -> f64) {
            let end = self.time + most;
            self.steps.fill(0);
            while self.time < end {
                let (mut steps, mut time) = (0, Duration::ZERO);
                while steps < 300 && !self.pace.is_due(steps, time) {
                    steps += 1;
                    time += Duration::from_secs_f64(1e-6 * step(self.pace.threads()));
                }
                self.steps[self.pace.threads()] += steps;
                self.time += time;
                self.pace.add(steps, time);
            }
        }

        /// The share of the steps that were taken with so many threads.
        fn share(&self, threads: usize) -> f64 {
            self.steps[threads] as f64 / self.steps.iter().sum::<usize>() as f64
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn where_all_threads_are_fastest_others_are_hardly_tried() {
        for most in [2, 3, 8, 16] {
            let mut run = Run::new(most);
            run.go_on(Duration::from_millis(300), |threads| 320.0 / threads as f64);
            assert!(run.share(most) > 0.99, "{most}: {:?}", run.steps);
            run.go_on(LONG, |threads| 320.0 / threads as f64);
            assert!(run.share(most) > 0.999, "{most}: {:?}", run.steps);
        }
    }

    #[test]
    fn finds_the_number_that_is_fastest() {
        // What meetings cost grows with those who meet.
        let step = |threads: usize| 100.0 / threads as f64 + 10.0 * (threads - 1) as f64;
        let mut run = Run::new(64);
        run.go_on(Duration::from_millis(500), step);
        run.go_on(LONG, step);
        assert!(run.share(4) > 0.99, "{:?}", run.steps);
        let mut run = Run::new(16);
        run.go_on(LONG, |threads| 10.0 * threads as f64);
        assert!(run.share(1) > 0.99, "{:?}", run.steps);
    }

    #[test]
    fn leaves_threads_that_wait_for_cores_and_comes_back() {
        let mut run = Run::new(2);
        let free = |threads: usize| 40.0 / threads as f64;
        // Others want the cores: a step of two threads lasts until both had a turn.
        let busy = |threads: usize| if threads == 2 { 3000.0 } else { 160.0 };
        run.go_on(LONG, free);
        run.go_on(Duration::from_millis(100), busy);
        run.go_on(LONG, busy);
        assert!(run.share(1) > 0.999, "{:?}", run.steps);
        run.go_on(2 * LONGEST, free);
        run.go_on(LONG, free);
        assert!(run.share(2) > 0.99, "{:?}", run.steps);
    }

    #[test]
    fn trials_of_long_steps_are_rare() {
        // Longer than a window, and so few in the time that a trial takes a good part of it.
        let mut run = Run::new(4);
        run.go_on(LONG, |threads| 200_000.0 / threads as f64);
        run.go_on(4 * LONG, |threads| 200_000.0 / threads as f64);
        let (tried, all) = (run.steps[2], run.steps.iter().sum::<usize>());
        assert!(tried * 80 < all, "{:?}", run.steps);
    }

    #[test]
    fn a_single_long_step_changes_little() {
        let mut run = Run::new(2);
        let mut count = 0;
        run.go_on(LONG, |threads| {
            count += 1;
            40.0 / threads as f64 + if count % 50_000 == 0 { 30_000.0 } else { 0.0 }
        });
        assert!(run.share(2) > 0.98, "{:?}", run.steps);
    }

    #[test]
    fn where_all_became_slower_no_trial_follows_another() {
        let mut run = Run::new(2);
        run.go_on(LONG, |threads| 40.0 / threads as f64);
        run.go_on(LONG, |threads| 120.0 / threads as f64);
        assert!(run.share(2) > 0.999, "{:?}", run.steps);
    }

    #[test]
    fn a_restless_one_changes_the_number_at_every_opportunity() {
        let mut pace = Pace::restless(5);
        for _ in 0..10 {
            let before = pace.threads();
            pace.add(4, Duration::from_micros(before as u64));
            assert_ne!(pace.threads(), before);
            pace.add(4, Duration::from_micros(100));
        }
    }

    #[test]
    fn one_thread_is_never_asked_to_be_fewer() {
        let mut run = Run::new(1);
        run.go_on(Duration::from_secs(1), |_| 20.0);
        assert_eq!(run.pace.threads(), 1);
    }

    #[test]
    fn another_shape_begins_anew() {
        let mut run = Run::new(8);
        run.pace.set_shape(vec![784, 10]);
        run.go_on(LONG, |threads| 10.0 * threads as f64);
        run.pace.set_shape(vec![784, 10]);
        assert!(run.pace.threads() < 8);
        run.pace.set_shape(vec![784, 128, 10]);
        assert_eq!(run.pace.threads(), 8);
    }
}
