//! Pictures: drawn when somebody looks, kept, and drawn anew at most twice a second and in at most a hundredth of the time.

mod draw;

pub(crate) use draw::{Ask, Options, Subject};

use crate::feed::lock;
use crate::models::Why;
use crate::shared::Shared;
use draw::draw;
use std::collections::HashMap;
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
    /// If there is something newer to be drawn: how long to wait for it.
    pub stale: Option<Duration>,
}

/// When something may be drawn anew.
struct Budget {
    next: Option<Instant>,
    count: u64,
}

/// How long this thread has had a processor, if the system tells: where trainings hold all of them, a drawing takes
/// longer than its work.
fn busy() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// No picture is drawn anew sooner than that.
const PERIOD: Duration = Duration::from_millis(500);

/// While this process trains, drawing anew takes at most one part in so many of the time.
const SHARE: u32 = 100;

/// The most pictures that are kept.
const MOST: usize = 64;

impl Pictures {
    pub fn new() -> Pictures {
        let turn = Budget { next: None, count: 0 };
        Pictures { kept: Mutex::default(), turn: Mutex::new(turn) }
    }

    /// The picture that is asked for, as new as may be. It may take its time: not for the server's thread.
    pub fn show(&self, shared: &Shared, ask: &Ask) -> Shown {
        let version = ask.version(shared);
        let is_training = shared.is_training();
        if let Some(shown) = self.kept(ask, version, is_training, None) {
            return shown;
        }
        let mut turn = lock(&self.turn);
        // While one waits for its turn, another may have drawn the same.
        if let Some(shown) = self.kept(ask, version, is_training, turn.next) {
            return shown;
        }
        let (begun, busy) = (Instant::now(), busy());
        let picture = draw(shared, ask);
        let now = Instant::now();
        let took = busy.zip(self::busy()).map_or(now - begun, |(before, after)| after - before);
        if is_training {
            turn.next = Some(turn.next.map_or(now, |next| next.max(now)) + took * SHARE);
        }
        turn.count += 1;
        let drawn = Arc::new(Drawn { picture, version, at: now, number: turn.count });
        let mut kept = lock(&self.kept);
        if kept.len() >= MOST && !kept.contains_key(ask) {
            let oldest = kept.iter().min_by_key(|(_, drawn)| drawn.at).map(|(ask, _)| ask.clone());
            oldest.map(|ask| kept.remove(&ask));
        }
        kept.insert(ask.clone(), Arc::clone(&drawn));
        Shown { drawn, stale: None }
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
        if drawn.version == version {
            return Some(Shown { drawn, stale: None });
        }
        // Nobody else needs the processors.
        if !is_training {
            return None;
        }
        let now = Instant::now();
        let due = (drawn.at + PERIOD).max(next.unwrap_or(now));
        let wait = due.saturating_duration_since(now);
        (!wait.is_zero()).then_some(Shown { drawn, stale: Some(wait) })
    }
}

impl Drawn {
    /// What stands for this picture, so that nobody is sent it twice.
    pub fn tag(&self) -> String {
        format!("\"{}\"", self.number)
    }
}
