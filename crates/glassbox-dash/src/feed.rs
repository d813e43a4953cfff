//! Where a trainer leaves what happens: a bounded heap, emptied by the server when it has time. The trainer never waits.

use glassbox::file::NamedArray;
use glassbox::{Event, Network, Result, Sink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The listener of a training that a dashboard shows.
pub struct Feed(pub(crate) Arc<Inbox>);

/// What has happened and was not fetched yet.
#[derive(Default)]
pub(crate) struct Inbox {
    events: Mutex<Vec<Event>>,
    is_network_wanted: AtomicBool,
    network: Mutex<Option<Arc<Snapshot>>>,
}

/// The parameters of a network at a moment of its training.
pub(crate) struct Snapshot {
    /// How many there were before.
    pub number: u64,
    /// The text of the network.
    pub network: String,
    pub parameters: Vec<NamedArray>,
}

/// The most events that wait: where the server gets no time, most steps go, and all else stays.
const MOST: usize = 8192;

/// A network with more parameters than this is looked at in its checkpoints: it is not copied while it trains.
const MOST_PARAMETERS: usize = 4 << 20;

impl Sink for Feed {
    fn event(&mut self, event: &Event) -> Result<()> {
        self.0.push(event.clone());
        Ok(())
    }

    fn watch(&mut self, network: &Network) {
        let count: usize = network.parameters().map(|(_, p)| p.value.len()).sum();
        // Whoever has asked once is taken to look on: a page asks again only when it has heard of a step, and at a pause
        // its network was shown by then.
        if count <= MOST_PARAMETERS && self.0.is_network_wanted.load(Ordering::Relaxed) {
            let (network, parameters) = (network.to_string(), network.state());
            let mut kept = lock(&self.0.network);
            let number = kept.as_ref().map_or(0, |kept| kept.number) + 1;
            *kept = Some(Arc::new(Snapshot { number, network, parameters }));
        }
    }
}

impl Inbox {
    fn push(&self, event: Event) {
        let mut events = lock(&self.events);
        if events.len() >= MOST {
            thin(&mut events);
        }
        events.push(event);
    }

    /// Fetches what has happened into `into`, which is empty; its memory is used again.
    pub fn fetch(&self, into: &mut Vec<Event>) {
        std::mem::swap(&mut *lock(&self.events), into);
    }

    /// Asks for copies of the network whenever it is shown: at the end of an epoch, or at a pause.
    pub fn want_network(&self) {
        self.is_network_wanted.store(true, Ordering::Relaxed);
    }

    /// The newest copy of the network.
    pub fn network(&self) -> Option<Arc<Snapshot>> {
        lock(&self.network).clone()
    }
}

/// Halves what waits: every second of what comes often goes, and the oldest half if that was not enough.
fn thin(events: &mut Vec<Event>) {
    let mut count = 0u32;
    events.retain(|event| {
        let is_frequent =
            matches!(event, Event::Step { .. } | Event::Inside { .. } | Event::System { .. });
        count += u32::from(is_frequent);
        !is_frequent || count.is_multiple_of(2)
    });
    if events.len() > 3 * MOST / 4 {
        events.drain(..events.len() - MOST / 2);
    }
}

/// What is locked here is whole also where somebody panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox::Change;

    fn step(step: u64) -> Event {
        let (loss, epoch_loss, epoch_accuracy) = (1.0, 1.0, None);
        Event::Step { step, epoch: 1, loss, epoch_loss, epoch_accuracy, rate: 0.1, seconds: 1.0 }
    }

    #[test]
    fn a_network_is_copied_only_if_somebody_looks() {
        let inbox = Arc::new(Inbox::default());
        let mut feed = Feed(Arc::clone(&inbox));
        let network = Network::new("3-2", glassbox::Init::Zero, 0).unwrap();
        feed.watch(&network);
        assert!(inbox.network().is_none());
        inbox.want_network();
        for number in 1..=3 {
            feed.watch(&network);
            assert_eq!(inbox.network().unwrap().number, number);
        }
    }

    #[test]
    fn what_nobody_fetches_stays_bounded_and_keeps_what_is_rare() {
        let inbox = Arc::new(Inbox::default());
        let mut feed = Feed(Arc::clone(&inbox));
        for at in 0..100_000 {
            feed.event(&step(at)).unwrap();
            if at % 10_000 == 0 {
                let change = Change::Paused;
                feed.event(&Event::Control { step: at, change }).unwrap();
            }
        }
        let mut found = Vec::new();
        inbox.fetch(&mut found);
        assert!(found.len() <= MOST, "{}", found.len());
        let rare = found.iter().filter(|event| matches!(event, Event::Control { .. })).count();
        assert_eq!(rare, 10);
        assert_eq!(found.last(), Some(&step(99_999)));
        // Also where nothing is frequent.
        for at in 0..100_000 {
            feed.event(&Event::Control { step: at, change: Change::Resumed }).unwrap();
        }
        found.clear();
        inbox.fetch(&mut found);
        assert!(found.len() <= MOST, "{}", found.len());
    }
}
