//! What the server's parts share, and the clock that moves news from trainings to viewers.

use crate::feed::lock;
use crate::host::Host;
use crate::images::Images;
use crate::models::Models;
use crate::news::{News, Weight};
use crate::pictures::Pictures;
use crate::run::{Found, Run};
use crate::runs::Runs;
use crate::turns::Turns;
use glassbox::control::Phase;
use glassbox::{ControlState, Event};
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// What the server's parts share.
pub(crate) struct Shared {
    pub runs: Runs,
    pub news: Mutex<News>,
    pub pictures: Pictures,
    pub models: Models,
    pub images: Images,
    pub turns: Turns,
    /// How many viewers have a stream open.
    pub viewers: AtomicUsize,
    /// Rings when there are news.
    pub bell: watch::Sender<u64>,
    /// The newest reading of the machine, as JSON.
    pub host: watch::Sender<String>,
    /// Whether the last news have come.
    pub is_silent: watch::Sender<bool>,
}

/// Viewers hear at most so often.
const TICK: Duration = Duration::from_millis(250);

/// Folders, and how the machine is doing, are looked at so often while somebody watches.
const LOOK: Duration = Duration::from_secs(1);

/// So long a dashboard that is over still answers to whoever watches.
const FAREWELL: Duration = Duration::from_millis(800);

/// Of steps after the first hundred, so many a tick are passed on: no eye sees more.
const MOST_STEPS: usize = 8;
const FIRST_STEPS: u64 = 100;

/// What happened in a run.
#[derive(Serialize)]
struct Told<'a> {
    run: &'a str,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What<'a> {
    Event(&'a Event),
    /// A look inside is large, and shown in pictures.
    Inside {
        event: &'static str,
        step: u64,
    },
    /// There is this run, or it has come to something else.
    Run {
        event: &'static str,
    },
    Control {
        event: &'static str,
        control: ControlState,
    },
}

/// What one training did since the last tick.
struct Trained {
    index: usize,
    run: Arc<Run>,
    events: Vec<Event>,
    state: Option<ControlState>,
}

/// Moves news until the dashboard is over.
pub(crate) async fn clock(shared: Arc<Shared>, mut is_over: watch::Receiver<bool>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut trained, mut looked) = (Vec::new(), Instant::now());
    let host = Arc::new(Mutex::new(Host::new()));
    // The next reading compares with this one.
    lock(&host).read();
    let reading = Arc::new(Mutex::new(None));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = is_over.wait_for(|over| *over) => break,
        }
        shared.move_news(&mut trained);
        // Right after the news: both go to a viewer in one write.
        if let Some(reading) = lock(&reading).take() {
            shared.host.send_replace(reading);
        }
        let is_first = shared.host.borrow().is_empty();
        let is_due = looked.elapsed() >= LOOK || is_first;
        // Somebody may still be looking.
        if is_due
            && shared.viewers.load(Ordering::Relaxed) > 0
            && let Some(place) = shared.turns.looking.free()
        {
            looked = Instant::now();
            let (shared, host, reading) =
                (Arc::clone(&shared), Arc::clone(&host), Arc::clone(&reading));
            tokio::task::spawn_blocking(move || {
                let _place = place;
                shared.look();
                let found = lock(&host).read();
                *lock(&reading) = Some(serde_json::to_string(&found).unwrap_or_default());
            });
        }
    }
    // The last words of a training, and a moment for whoever watches to fetch its last pictures.
    for _ in 0..100 {
        if shared.move_news(&mut trained) {
            break;
        }
        sleep(TICK / 20).await;
    }
    if shared.viewers.load(Ordering::Relaxed) > 0 {
        sleep(FAREWELL).await;
    }
    shared.is_silent.send_replace(true);
}

impl Shared {
    /// From the trainings of this process to their stories and to viewers. Returns whether that is all.
    fn move_news(&self, trained: &mut Vec<Trained>) -> bool {
        for (index, run) in self.runs.live() {
            // The same folder may be trained in again.
            trained.retain(|one| one.index != index || Arc::ptr_eq(&one.run, &run));
            if !trained.iter().any(|one| one.index == index) {
                trained.push(Trained { index, run, events: Vec::new(), state: None });
            }
        }
        for one in trained.iter_mut() {
            // First what a story that was being looked at could not take the last time.
            for _ in 0..2 {
                if one.fetch() {
                    self.tell(one.index, &one.run, &one.events);
                    one.events.clear();
                }
            }
            one.tell_state(self);
        }
        trained.iter().all(|one| one.events.is_empty())
    }

    /// Looks for new runs, and for what was written to folders.
    pub fn look(&self) {
        self.runs.search();
        self.runs.all().iter().for_each(|run| self.look_at(run));
    }

    /// Looks for what was written to a run's folder, and tells viewers: whoever reads it is the only one who can.
    pub fn look_at(&self, run: &Run) {
        let Some(index) = self.runs.place(run) else { return };
        run.look(&mut |found| match found {
            Found::Events(events) => self.tell(index, run, events),
            Found::Run => {
                let json = json(&run.id, What::Run { event: "run" });
                lock(&self.news).add(index, json, Weight::Light);
                self.ring();
            }
        });
    }

    /// Adds to the news what viewers need to know of.
    fn tell(&self, index: usize, run: &Run, events: &[Event]) {
        let is_light =
            |event: &Event| matches!(event, Event::Step { step, .. } if *step > FIRST_STEPS);
        let light = events.iter().filter(|event| is_light(event)).count();
        let every = light.div_ceil(MOST_STEPS).max(1);
        let mut left = light;
        let mut news = lock(&self.news);
        for event in events {
            let mut weight = Weight::Heavy;
            if is_light(event) {
                left -= 1;
                weight = Weight::Light;
                // The newest is among those that stay.
                if !left.is_multiple_of(every) {
                    continue;
                }
            }
            let what = match event {
                Event::Inside { step, .. } => What::Inside { event: "inside", step: *step },
                event => What::Event(event),
            };
            if matches!(event, Event::Inside { .. } | Event::System { .. }) {
                weight = Weight::Light;
            }
            news.add(index, json(&run.id, what), weight);
        }
        drop(news);
        if !events.is_empty() {
            self.ring();
        }
    }

    /// Whether this process trains.
    pub fn is_training(&self) -> bool {
        let is_on = |run: &Run| {
            let phase = run.live.as_ref().map(|live| live.control.state().phase);
            phase.is_some_and(|phase| !matches!(phase, Phase::Over | Phase::Paused))
        };
        self.runs.live().iter().any(|(_, run)| is_on(run))
    }

    /// Wakes the viewers' streams.
    pub fn ring(&self) {
        self.bell.send_modify(|count| *count += 1);
    }
}

impl Trained {
    /// Fetches what happened, and tells the story. False if there is nothing, or if the story is being looked at.
    fn fetch(&mut self) -> bool {
        let live = self.run.live.as_ref().expect("it is trained here");
        if self.events.is_empty() {
            live.inbox.fetch(&mut self.events);
        }
        !self.events.is_empty() && self.run.hear(&self.events)
    }

    /// Says that the training pauses, or goes on: wishes show before the trainer has read them.
    fn tell_state(&mut self, shared: &Shared) {
        let control = self.run.live.as_ref().expect("it is trained here").control.state();
        let differs =
            |before: ControlState| (before.phase, before.factor) != (control.phase, control.factor);
        if self.state.is_none_or(differs) {
            self.state = Some(control);
            let what = What::Control { event: "state", control };
            lock(&shared.news).add(self.index, json(&self.run.id, what), Weight::Light);
            shared.ring();
        }
    }
}

fn json(run: &str, what: What) -> String {
    serde_json::to_string(&Told { run, what }).expect("events are plain values")
}
