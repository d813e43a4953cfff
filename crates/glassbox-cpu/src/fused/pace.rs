//! How many threads take the next steps.
//!
//! Threads that meet twice a step need each other. Where others want the same cores, a meeting lasts
//! until the system has let each thread run, milliseconds in a step of some ten microseconds, and one
//! thread alone can be ten times as fast as two. Where there are more cores than work, fewer threads
//! are faster as well. Which number is best cannot be told from here, and no bit depends on it: so
//! another is tried, for a moment, twice, with the usual one in between, and the faster stays.

use std::time::Duration;

/// Who says how many threads take the next steps.
pub(super) trait Choice: Sync {
    /// How many.
    fn threads(&self) -> usize;

    /// Whether there is something to decide after so many images more, in so much time.
    fn is_due(&self, images: usize, time: Duration) -> bool;

    /// Counts images that were learned from with that number of threads, and decides what is due.
    fn add(&mut self, images: usize, time: Duration);
}

/// How long images are counted before anything is decided.
const WINDOW: Duration = Duration::from_millis(40);
/// How long another number of threads is tried, unless it is seen to be slower sooner.
const TRIAL: Duration = Duration::from_millis(8);
/// After a trial that was worth nothing, the next waits [`BACKOFF`] times as long as that one did, as
/// far as that is not longer than this.
const LONG: Duration = Duration::from_secs(4);
const BACKOFF: u32 = 16;
/// And so many times as long as what the trial cost, as far as that is not longer than this: a machine
/// that slept costs nothing.
const SHARE: u32 = 100;
const LONGEST: Duration = Duration::from_secs(60);
/// Fewer threads have to be so much faster. More only have to be faster: small gains that are given
/// up would add up.
const FASTER: f64 = 0.9;
/// So much slower, and a trial is over.
const SLOWER: f64 = 1.25;
/// So much slower than before, and fewer threads are tried when a small part of the wait is over.
const TROUBLE: f64 = 1.5;

/// What is known about the threads of an engine, for one shape of networks.
pub(crate) struct Pace {
    /// The widths of the network.
    shape: Vec<usize>,
    most: usize,
    usual: usize,
    phase: Phase,
    /// Of this phase.
    images: usize,
    time: Duration,
    /// Seconds an image in the best window with the usual threads.
    best: f64,
    /// Since the last trial, and until the next.
    since: Duration,
    wait: Duration,
    tries_fewer: bool,
    /// How often the usual number is halved to try fewer: once more after each try that was worth
    /// nothing, since where there are far too many, half of them are too many as well.
    halvings: u32,
}

#[derive(Clone, Copy)]
enum Phase {
    Usual,
    First(Trial),
    /// With the usual number of threads again: something may have disturbed them before.
    Between(Trial),
    Second(Trial),
}

#[derive(Clone, Copy)]
struct Trial {
    threads: usize,
    /// Seconds an image with the usual number.
    before: f64,
}

impl Pace {
    /// All of `most` threads, at first.
    pub(crate) fn new(most: usize) -> Pace {
        Pace {
            shape: Vec::new(),
            most,
            usual: most,
            phase: Phase::Usual,
            images: 0,
            time: Duration::ZERO,
            best: f64::INFINITY,
            since: Duration::ZERO,
            wait: WINDOW,
            tries_fewer: true,
            halvings: 1,
        }
    }

    /// Forgets what it knows unless it is about networks of this shape.
    pub(super) fn set_shape(&mut self, shape: Vec<usize>) {
        if self.shape != shape {
            *self = Pace { shape, ..Pace::new(self.most) };
        }
    }

    /// What follows a window with the usual threads, with so many seconds an image.
    fn after_window(&mut self, each: f64) -> Phase {
        let is_slow = self.usual > 1 && each > TROUBLE * self.best;
        let is_trouble = is_slow && BACKOFF * self.since >= self.wait;
        self.best = self.best.min(each);
        if !is_trouble && self.since < self.wait {
            return Phase::Usual;
        }
        self.tries_fewer = match self.usual {
            1 => false,
            usual => self.tries_fewer || is_trouble || usual == self.most,
        };
        let threads = match self.tries_fewer {
            true => self.usual.div_ceil(1 << self.halvings),
            false => self.most.min(2 * self.usual),
        };
        Phase::First(Trial { threads, before: each })
    }

    /// What follows a trial that was worth it, or was not and took so much longer.
    fn after_trial(&mut self, trial: Trial, is_worth_it: bool, cost: Duration) -> Phase {
        self.since = Duration::ZERO;
        if is_worth_it {
            (self.usual, self.wait, self.best) = (trial.threads, WINDOW, f64::INFINITY);
            self.halvings = 1;
        } else {
            // What was trouble with the usual threads is how it is now.
            self.best = trial.before;
            let longer = LONG.min(BACKOFF * self.wait).max(SHARE * cost.min(LONGEST));
            self.wait = longer.min(LONGEST);
            if trial.threads < self.usual {
                self.halvings = if trial.threads == 1 { 1 } else { self.halvings + 1 };
            }
            self.tries_fewer = !self.tries_fewer;
        }
        Phase::Usual
    }
}

impl Choice for Pace {
    fn threads(&self) -> usize {
        match self.phase {
            Phase::Usual | Phase::Between(_) => self.usual,
            Phase::First(trial) | Phase::Second(trial) => trial.threads,
        }
    }

    fn is_due(&self, images: usize, time: Duration) -> bool {
        let (images, time) = (self.images + images, self.time + time);
        match self.phase {
            _ if self.most == 1 || images == 0 => false,
            Phase::Usual => time >= WINDOW,
            Phase::Between(_) => time >= TRIAL,
            Phase::First(Trial { before, .. }) | Phase::Second(Trial { before, .. }) => {
                time >= TRIAL || time.as_secs_f64() > SLOWER * before * images as f64
            }
        }
    }

    fn add(&mut self, images: usize, time: Duration) {
        let is_due = self.is_due(images, time);
        self.images += images;
        self.time += time;
        self.since += time;
        if !is_due {
            return;
        }
        let (images, time) = (self.images as f64, self.time);
        (self.images, self.time) = (0, Duration::ZERO);
        let each = time.as_secs_f64() / images;
        let cost =
            |trial: Trial| time.saturating_sub(Duration::from_secs_f64(images * trial.before));
        let is_better = |trial: Trial| {
            let enough = if trial.threads < self.usual { FASTER } else { 1.0 };
            each < enough * trial.before
        };
        self.phase = match self.phase {
            Phase::Usual => self.after_window(each),
            Phase::First(trial) if is_better(trial) => Phase::Between(trial),
            Phase::Between(trial) => Phase::Second(Trial { before: each, ..trial }),
            Phase::First(trial) => self.after_trial(trial, false, cost(trial)),
            Phase::Second(trial) => self.after_trial(trial, is_better(trial), cost(trial)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A training on a machine.
    struct Run {
        pace: Pace,
        time: Duration,
        /// Steps, by the number of threads.
        steps: Vec<usize>,
    }

    const LONG_TIME: Duration = Duration::from_secs(60);

    impl Run {
        fn new(most: usize) -> Run {
            Run { pace: Pace::new(most), time: Duration::ZERO, steps: vec![0; most + 1] }
        }

        /// Goes on for a time, in calls of at most 1000 steps of 64 images, on a machine where a step of so many threads
        /// takes so many microseconds, the first of a call 150 more. It looks as [`super::super::work`] does.
        fn go_on(&mut self, most: Duration, mut step: impl FnMut(usize, Duration) -> f64) {
            let end = self.time + most;
            self.steps.fill(0);
            while self.time < end {
                let threads = self.pace.threads();
                let (mut taken, mut time, mut next) = (0, Duration::ZERO, 1);
                let mut wake = 150.0;
                loop {
                    let took = 1e-6 * (step(threads, self.time) + wake);
                    self.time += Duration::from_secs_f64(took);
                    self.steps[threads] += 1;
                    // The first step of a call is not counted, unless it's the only one.
                    if wake == 0.0 {
                        taken += 1;
                        time += Duration::from_secs_f64(took);
                    }
                    wake = 0.0;
                    if taken >= next {
                        if self.pace.is_due(64 * taken, time) || taken >= 1000 {
                            break;
                        }
                        next = taken + if took > 1e-3 { 1 } else { 8 };
                    }
                }
                self.pace.add(64 * taken, time);
            }
        }

        /// The share of the steps that were taken with so many threads.
        fn share(&self, threads: usize) -> f64 {
            self.steps[threads] as f64 / self.steps.iter().sum::<usize>() as f64
        }
    }

    /// A step that takes longer by so many milliseconds once in so many.
    fn hiccups(every: u64, long: f64) -> impl FnMut(Duration) -> f64 {
        let mut last = 0;
        move |time| {
            let now = time.as_millis() as u64 / every;
            let is_new = now > last;
            last = now;
            if is_new { 1e3 * long } else { 0.0 }
        }
    }

    #[test]
    fn where_all_threads_are_fastest_others_are_hardly_tried() {
        for most in [2, 3, 8, 16] {
            let mut run = Run::new(most);
            run.go_on(Duration::from_millis(300), |threads, _| 320.0 / threads as f64);
            assert!(run.share(most) > 0.98, "{most}: {:?}", run.steps);
            run.go_on(LONG_TIME, |threads, _| 320.0 / threads as f64);
            assert!(run.share(most) > 0.999, "{most}: {:?}", run.steps);
        }
    }

    #[test]
    fn finds_the_number_that_is_fastest() {
        // What meetings cost grows with those who meet.
        let step = |threads: usize, _| 100.0 / threads as f64 + 10.0 * (threads - 1) as f64;
        let mut run = Run::new(64);
        run.go_on(Duration::from_millis(800), step);
        run.go_on(LONG_TIME, step);
        assert!(run.share(4) > 0.99, "{:?}", run.steps);
        let mut run = Run::new(16);
        run.go_on(LONG_TIME, |threads, _| 10.0 * threads as f64);
        assert!(run.share(1) > 0.99, "{:?}", run.steps);
        // With half of far too many it is as slow.
        let step = |threads: usize, _| if threads > 8 { 5000.0 } else { 20.0 * threads as f64 };
        let mut run = Run::new(64);
        run.go_on(Duration::from_secs(4), step);
        run.go_on(LONG_TIME, step);
        assert!(run.share(1) > 0.99, "{:?}", run.steps);
    }

    #[test]
    fn leaves_threads_that_wait_for_cores_and_comes_back() {
        for (one, two) in [(40.0, 20.0), (14.0, 10.0)] {
            let mut run = Run::new(2);
            let free = |threads: usize, _| if threads == 2 { two } else { one };
            // Others want the cores: a step of two threads lasts until both had a turn.
            let busy = |threads: usize, _| if threads == 2 { 3000.0 } else { 4.0 * one };
            run.go_on(LONG_TIME, free);
            run.go_on(Duration::from_millis(500), busy);
            run.go_on(LONG_TIME, busy);
            assert!(run.share(1) > 0.999, "{:?}", run.steps);
            run.go_on(Duration::from_secs(8), free);
            run.go_on(LONG_TIME, free);
            assert!(run.share(2) > 0.99, "{:?}", run.steps);
        }
    }

    #[test]
    fn what_disturbs_for_a_moment_changes_little() {
        for (most, gain) in [(2, 1.08), (2, 1.8), (16, 1.08), (16, 1.5)] {
            for (every, long) in [(300, 10.0), (300, 30.0), (1000, 30.0), (70, 5.0)] {
                let mut run = Run::new(most);
                let mut hiccup = hiccups(every, long);
                let step = |threads: usize| 40.0 * f64::powf(gain, -(threads as f64).log2());
                run.go_on(LONG_TIME, |threads, time| step(threads) + hiccup(time));
                let taken =
                    |(threads, count): (usize, &usize)| step(threads.max(1)) * *count as f64;
                let all: f64 = run.steps.iter().enumerate().map(taken).sum();
                let least = step(most) * run.steps.iter().sum::<usize>() as f64;
                assert!(all < 1.03 * least, "{most} {gain} {every} {long}: {:?}", run.steps);
            }
        }
    }

    #[test]
    fn where_all_became_slower_no_trial_follows_another() {
        let mut run = Run::new(2);
        run.go_on(LONG_TIME, |threads, _| 40.0 / threads as f64);
        run.go_on(LONG_TIME, |threads, _| 120.0 / threads as f64);
        assert!(run.share(2) > 0.999, "{:?}", run.steps);
    }

    #[test]
    fn trials_of_long_steps_are_rare() {
        // Longer than a window, and so few in the time that a trial takes a good part of it.
        let mut run = Run::new(4);
        run.go_on(4 * LONG_TIME, |threads, _| 200_000.0 / threads as f64);
        assert!(run.steps[2] * 40 < run.steps[4], "{:?}", run.steps);
    }

    #[test]
    fn a_machine_that_slept_in_a_trial_tries_again() {
        let mut pace = Pace::new(2);
        pace.add(1000, WINDOW);
        assert_eq!(pace.threads(), 1);
        pace.add(1000, Duration::from_secs(100_000));
        assert_eq!((pace.threads(), pace.wait), (2, LONGEST));
    }

    #[test]
    fn one_thread_is_never_asked_to_be_fewer() {
        let mut run = Run::new(1);
        run.go_on(Duration::from_secs(1), |_, _| 20.0);
        assert_eq!(run.pace.threads(), 1);
    }

    #[test]
    fn another_shape_begins_anew() {
        let mut run = Run::new(8);
        run.pace.set_shape(vec![784, 10]);
        run.go_on(LONG_TIME, |threads, _| 10.0 * threads as f64);
        run.pace.set_shape(vec![784, 10]);
        assert!(run.pace.threads() < 8);
        run.pace.set_shape(vec![784, 128, 10]);
        assert_eq!(run.pace.threads(), 8);
    }
}
