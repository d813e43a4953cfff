//! Pictures: drawn when somebody looks, kept, and while this process trains drawn anew at most once a second each, and all of
//! them in at most a hundredth of the time.

mod draw;

pub(crate) use draw::{Ask, Options};

use crate::feed::lock;
use crate::models::Why;
use crate::shared::Shared;
use draw::draw;
use glassbox_plot::Picture;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Pictures that were drawn.
pub(crate) struct Pictures {
    kept: Mutex<HashMap<Ask, Arc<Drawn>>>,
    /// One is drawn at a time: processors are the training's.
    turn: Mutex<Budget>,
}

/// A picture, or why there is none.
pub(crate) struct Drawn {
    pub picture: Result<String, Why>,
    /// Its version, as its maker counts.
    version: u64,
    at: Instant,
    number: u64,
}

/// A picture for a viewer.
pub(crate) struct Shown {
    pub drawn: Arc<Drawn>,
    /// Whether there is something newer to be drawn.
    pub is_stale: bool,
    /// For so long nothing newer is drawn.
    pub wait: Duration,
}

/// When something may be drawn anew.
struct Budget {
    next: Option<Instant>,
    count: u64,
    /// Of which runs which kinds have had their first picture.
    free: HashSet<Kind>,
}

/// A kind of picture of some runs, in whatever order.
#[derive(PartialEq, Eq, Hash)]
struct Kind(Picture, Vec<String>);

impl Kind {
    fn of(ask: &Ask) -> Kind {
        let mut runs = ask.runs.clone();
        runs.sort();
        Kind(ask.subject, runs)
    }
}

/// How long this thread has had a processor, if the system tells: where trainings hold all of them, a drawing takes
/// longer than its work.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn busy() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn busy() -> Option<Duration> {
    None
}

/// While this process trains, no picture is drawn anew sooner than that.
const PERIOD: Duration = Duration::from_secs(1);

/// While this process trains, drawing anew takes at most one part in so many of the time.
const SHARE: u32 = 100;

/// So much of the time in which nothing was drawn is made up for: several pictures may be drawn at once.
const CREDIT: Duration = Duration::from_secs(1);

/// What could not be drawn is tried again after so long, if somebody asks.
const RETRY: Duration = Duration::from_secs(2);

/// What cannot be drawn yet is known after so long; what takes longer has had its time.
const SOON: Duration = Duration::from_millis(5);

/// The most pictures that are kept.
const MOST: usize = 64;

/// So many first pictures are drawn at once.
const MOST_FREE: usize = 1000;

const WAITS: &str = "This picture waits until the training leaves time to draw it.";

impl Pictures {
    pub fn new() -> Pictures {
        let turn = Budget { next: None, count: 0, free: HashSet::new() };
        Pictures { kept: Mutex::default(), turn: Mutex::new(turn) }
    }

    /// The picture that was drawn last, where it is known that there is nothing newer or that it is not yet time for it.
    pub fn at_hand(&self, shared: &Shared, ask: &Ask) -> Option<Shown> {
        self.kept(ask, ask.version(shared)?, shared.is_training(), None)
    }

    /// The picture that is asked for, as new as may be. It may take its time: not for the server's thread.
    pub fn show(&self, shared: &Shared, ask: &Ask) -> Shown {
        self.show_with(ask, ask.read_version(shared), shared.is_training(), || draw(shared, ask))
    }

    fn show_with(
        &self,
        ask: &Ask,
        version: u64,
        is_training: bool,
        draw: impl FnOnce() -> Result<String, Why>,
    ) -> Shown {
        let mut turn = lock(&self.turn);
        // While one waits for its turn, another may have drawn the same.
        let next = turn.next.filter(|_| !turn.is_first(ask));
        if let Some(shown) = self.kept(ask, version, is_training, next) {
            return shown;
        }
        if is_training && let Some(shown) = self.instead(ask, &turn) {
            return shown;
        }
        let (picture, took) = turn.charge(is_training, draw);
        let wait = if is_training { PERIOD } else { Duration::ZERO };
        turn.count += 1;
        // Where there was nothing to be drawn yet, which is found out soon, the first one is still to come.
        if (picture.is_ok() || took > SOON) && turn.free.len() < MOST_FREE {
            turn.free.insert(Kind::of(ask));
        }
        let drawn = Arc::new(Drawn { picture, version, at: Instant::now(), number: turn.count });
        let mut kept = lock(&self.kept);
        if kept.len() >= MOST && !kept.contains_key(ask) {
            let oldest = kept.iter().min_by_key(|(_, drawn)| drawn.at).map(|(ask, _)| ask.clone());
            oldest.map(|ask| kept.remove(&ask));
        }
        kept.insert(ask.clone(), Arc::clone(&drawn));
        Shown { drawn, is_stale: false, wait }
    }

    /// Does other work at once, while no picture is drawn; those that come next wait for so much longer.
    pub fn charge<T>(&self, is_training: bool, work: impl FnOnce() -> T) -> T {
        lock(&self.turn).charge(is_training, work).0
    }

    /// What is shown where there is no time to draw: the same with another look, if there is any. The first picture of a
    /// kind of a run is drawn at once.
    fn instead(&self, ask: &Ask, turn: &Budget) -> Option<Shown> {
        let wait = turn.next?.saturating_duration_since(Instant::now());
        if wait.is_zero() || turn.is_first(ask) {
            return None;
        }
        let kept = lock(&self.kept);
        let like = kept.iter().filter(|(other, _)| ask.is_like(other)).map(|(_, drawn)| drawn);
        let drawn = like.max_by_key(|drawn| drawn.number).cloned().unwrap_or_else(|| {
            let (picture, at) = (Err(WAITS.to_string()), Instant::now());
            Arc::new(Drawn { picture, version: 0, at, number: 0 })
        });
        Some(Shown { drawn, is_stale: true, wait })
    }

    /// The picture that was drawn last, if there is nothing newer or it is not yet time for it. `next` is when there is
    /// time for another; before its turn, nobody knows.
    fn kept(
        &self,
        ask: &Ask,
        version: u64,
        is_training: bool,
        next: Option<Instant>,
    ) -> Option<Shown> {
        let drawn = Arc::clone(lock(&self.kept).get(ask)?);
        // Why there was none may no longer be so: data were put where they are looked for.
        let is_final = drawn.picture.is_ok() || drawn.at.elapsed() < RETRY;
        let is_stale = drawn.version != version || !is_final;
        // While nobody trains, nobody else needs the processors.
        let wait = match is_training {
            true => next.map_or(drawn.at + PERIOD, |next| next.max(drawn.at + PERIOD)),
            false => drawn.at,
        };
        let wait = wait.saturating_duration_since(Instant::now());
        (!is_stale || !wait.is_zero()).then_some(Shown { drawn, is_stale, wait })
    }
}

impl Budget {
    /// Whether it would be the first picture of its kind of these runs, which is drawn at once.
    fn is_first(&self, ask: &Ask) -> bool {
        self.free.len() < MOST_FREE && !self.free.contains(&Kind::of(ask))
    }

    /// Works, and puts off what comes next by so much that the share is kept. Also says how long it took.
    fn charge<T>(&mut self, is_training: bool, work: impl FnOnce() -> T) -> (T, Duration) {
        let (begun, busy) = (Instant::now(), busy());
        let found = work();
        let now = Instant::now();
        let took = busy.zip(self::busy()).map_or(now - begun, |(before, after)| after - before);
        if is_training {
            let credit = now.checked_sub(CREDIT).unwrap_or(now);
            self.next = Some(self.next.map_or(credit, |next| next.max(credit)) + took * SHARE);
        }
        (found, took)
    }
}

impl Drawn {
    /// What stands for this picture, so that nobody is sent it twice.
    pub fn tag(&self) -> String {
        format!("\"{}\"", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    fn ask(subject: &str, smooth: u32) -> Ask {
        let text =
            format!("{{\"width\": {}, \"smooth\": {}}}", 600 + smooth, f64::from(smooth) / 100.0);
        let subject = subject.parse().unwrap();
        Ask::new(subject, vec!["run".to_string()], &serde_json::from_str(&text).unwrap())
    }

    /// Works as the budget counts it, however busy the machine is.
    fn work(long: Duration) {
        let (begun, before) = (Instant::now(), busy());
        let worked = || busy().zip(before).map_or(begun.elapsed(), |(now, then)| now - then);
        while worked() < long {}
    }

    #[test]
    fn several_are_drawn_at_once_and_short_drawings_count() {
        let (pictures, begun) = (Pictures::new(), Instant::now());
        let mut count = 0;
        for look in 0..20 {
            pictures.show_with(&ask("curves", 5 * look), 1, true, || {
                count += 1;
                work(Duration::from_millis(1));
                Ok(String::new())
            });
        }
        // A second that was not used yet, and what passed meanwhile, give time for so many; one more may be begun.
        let room = (CREDIT + begun.elapsed()).as_millis() / u128::from(SHARE);
        assert!((5..=room as usize + 1).contains(&count), "{count} of {room}");
    }

    #[test]
    fn other_looks_of_a_picture_are_within_the_budget() {
        let pictures = Pictures::new();
        let mut count = 0;
        let mut show = |ask: &Ask, version: u64, is_training: bool| {
            pictures.show_with(ask, version, is_training, || {
                count += 1;
                // A hundred times as long it is not repeated.
                work(Duration::from_millis(60));
                Ok(count.to_string())
            })
        };
        let first = show(&ask("curves", 0), 1, true);
        assert_eq!((first.drawn.picture.clone(), first.is_stale), (Ok("1".to_string()), false));
        assert_eq!(first.wait, PERIOD);
        for smooth in 0..95 {
            let shown = show(&ask("curves", smooth), 1 + u64::from(smooth), true);
            assert_eq!(shown.drawn.picture, Ok("1".to_string()), "{smooth}");
        }
        let shown = show(&ask("curves", 90), 9, true);
        assert!(shown.is_stale && shown.wait > PERIOD, "{:?}", shown.wait);
        // What could not be drawn yet is drawn as soon as it can, though there was time for nothing else.
        let errors = ask("errors", 0);
        let why = || Err("There is no network yet.".to_string());
        assert!(pictures.show_with(&errors, 1, true, why).drawn.picture.is_err());
        sleep(PERIOD);
        assert_eq!(show(&errors, 2, true).drawn.picture, Ok("2".to_string()));
        sleep(PERIOD);
        assert_eq!(show(&errors, 3, true).drawn.picture, Ok("2".to_string()));
        // Nor is why there is none for ever so, though nothing of the run has changed.
        assert!(pictures.show_with(&ask("image", 0), 1, true, why).drawn.picture.is_err());
        sleep(RETRY);
        assert_eq!(show(&ask("image", 0), 1, true).drawn.picture, Ok("3".to_string()));
        // Another kind is drawn once at once, and everything where nobody trains.
        assert_eq!(show(&ask("rate", 0), 1, true).drawn.picture, Ok("4".to_string()));
        assert_eq!(show(&ask("rate", 50), 1, true).drawn.picture, Ok("4".to_string()));
        assert_eq!(show(&ask("rate", 50), 1, false).drawn.picture, Ok("5".to_string()));
        // Looks that hardly differ are one.
        assert!(ask("curves", 50) == ask("curves", 51) && ask("curves", 50) != ask("curves", 55));
    }
}
