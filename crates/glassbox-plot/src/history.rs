//! What happened in a run, as its events tell: gathered live, or read from its folder.

use glassbox::run::{Unread, read_events};
use glassbox::{Ending, EpochRecord, Event, LayerInside, Result};
use std::path::Path;

/// What happened in a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What the run is called.
    pub name: String,
    /// The network and the data, once the run has started.
    pub start: Option<Start>,
    /// Steps that were reported.
    pub steps: Vec<StepRecord>,
    /// Epochs.
    pub epochs: Vec<EpochRecord>,
    /// Steps that were looked into, with their layers.
    pub insides: Vec<(u64, Vec<LayerInside>)>,
    /// Why it ended, if it did.
    pub ending: Option<Ending>,
    /// How many more steps, looks and epochs have to come before one is kept: long runs are thinned.
    strides: [Stride; 3],
}

/// How a run began.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The text of the network.
    pub network: String,
    /// Training samples.
    pub samples: usize,
    /// Steps an epoch.
    pub steps_per_epoch: u64,
    /// The mean loss before the first step.
    pub untrained_loss: Option<f64>,
}

/// A step that was reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRecord {
    /// The steps made so far.
    pub step: u64,
    /// The mean loss of the batch.
    pub loss: f64,
    /// The learning rate.
    pub rate: f64,
    /// Training time of the run so far, in seconds.
    pub seconds: f64,
}

/// Which of many are kept.
#[derive(Clone, Copy, Debug)]
struct Stride {
    every: u64,
    seen: u64,
}

impl Default for Stride {
    fn default() -> Stride {
        Stride { every: 1, seen: 0 }
    }
}

/// The most steps, looks and epochs that are kept, and the first of them, which stay.
const MOST: [usize; 3] = [16_000, 600, 16_000];
const FIRST: [usize; 3] = [100, 20, 100];

impl History {
    /// A run of that name of which nothing is known yet.
    pub fn new(name: &str) -> History {
        History { name: name.to_string(), ..History::default() }
    }

    /// Hears an event. What happened after the step that a resumed run goes on from is forgotten.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Started { network, samples, steps_per_epoch, step, untrained, .. } => {
                self.forget_after(*step);
                self.start = Some(Start {
                    network: network.clone(),
                    samples: *samples,
                    steps_per_epoch: *steps_per_epoch,
                    untrained_loss: untrained.map(|[loss, _]| loss),
                });
            }
            Event::Step { step, loss, rate, seconds, .. } => {
                let (step, loss, rate) = (*step, *loss, f64::from(*rate));
                let record = StepRecord { step, loss, rate, seconds: *seconds };
                self.strides[0].keep(&mut self.steps, record, 0);
            }
            Event::Inside { step, layers } => {
                let inside = (*step, layers.clone());
                self.strides[1].keep(&mut self.insides, inside, 1);
            }
            Event::Epoch(epoch) => self.strides[2].keep(&mut self.epochs, *epoch, 2),
            Event::Finished { ending, .. } => self.ending = Some(*ending),
            _ => {}
        }
    }

    /// What the events in a run's folder tell, and what of them could not be read.
    ///
    /// # Errors
    /// If there are none, or they cannot be read.
    pub fn read(folder: &Path, name: &str) -> Result<(History, Unread)> {
        let mut history = History::new(name);
        let unread = read_events(folder, &mut |event| history.push(event))?;
        Ok((history, unread))
    }

    /// Steps an epoch, as far as it is known.
    pub(crate) fn steps_per_epoch(&self) -> Option<u64> {
        self.start.as_ref().map(|start| start.steps_per_epoch).filter(|&steps| steps > 0)
    }

    fn forget_after(&mut self, step: u64) {
        self.steps.retain(|record| record.step <= step);
        self.epochs.retain(|record| record.step <= step);
        self.insides.retain(|(at, _)| *at <= step);
        self.ending = None;
    }
}

impl Stride {
    /// Keeps one more, unless it is passed over; where there are too many, every second one goes.
    fn keep<T>(&mut self, kept: &mut Vec<T>, one: T, kind: usize) {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.every) {
            return;
        }
        if kept.len() >= MOST[kind] {
            self.every *= 2;
            let mut index = 0;
            kept.retain(|_| {
                index += 1;
                index <= FIRST[kind] || index % 2 == 0
            });
        }
        kept.push(one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> Event {
        let (loss, epoch_loss, epoch_accuracy) = (1.0, 1.0, None);
        Event::Step { step, epoch: 1, loss, epoch_loss, epoch_accuracy, rate: 0.1, seconds: 1.0 }
    }

    #[test]
    fn a_file_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = serde_json::to_string(&step(1)).unwrap();
        text.push_str(
            "\n{\"event\":\"step\",\"step\":2,\"epoch\":1,\"loss\":null,\"epoch_loss\":null,",
        );
        text.push_str(
            "\"epoch_accuracy\":0.5,\"rate\":0.1,\"seconds\":0.2}\n\nnonsense\n{}\n[1]\n\"\\\n",
        );
        text.push_str(&"x".repeat(9 << 20));
        text.push('\n');
        text.push_str(&"[".repeat(1 << 20));
        text.push('\n');
        text.push_str(&serde_json::to_string(&step(3)).unwrap());
        let mut bytes = text.into_bytes();
        bytes.extend(b"\n\xff\xfe\n{\"event\":\"step\",\"st");
        std::fs::write(folder.path().join("events.jsonl"), bytes).unwrap();
        let (history, unread) = History::read(folder.path(), "run").unwrap();
        assert_eq!(history.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(history.steps[1].loss.is_nan());
        assert_eq!(unread.note().unwrap(), "events.jsonl: 8 damaged lines are passed over");
    }

    #[test]
    fn long_runs_are_thinned_and_keep_their_beginning() {
        let mut history = History::new("long");
        (1..=300_000).for_each(|at| history.push(&step(at)));
        let kept: Vec<u64> = history.steps.iter().map(|step| step.step).collect();
        assert!((8_000..=16_000).contains(&kept.len()), "{}", kept.len());
        assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(kept[..100].iter().copied().eq(1..=100) && kept[kept.len() - 1] > 299_900);
        // It is resumed from an earlier step.
        let started = r#"{"event":"started","network":"4-2","parameters":10,"samples":100,
            "steps_per_epoch":10,"steps":20,"epochs":2,"step":50,"untrained":[1.0,2.0]}"#;
        history.push(&serde_json::from_str(started).unwrap());
        assert_eq!(history.steps.len(), 50);
        assert_eq!(history.start.unwrap().untrained_loss, Some(1.0));
    }
}
