//! What happened in a run, as its events tell: gathered live, or read from a file that is not trusted.

use glassbox::{Ending, EpochRecord, Event, LayerInside};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
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
    /// How many more steps, and looks, have to come before one is kept: long runs are thinned.
    strides: [Stride; 2],
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

/// The most steps and looks that are kept, and the first of them, which stay.
const MOST: [usize; 2] = [40_000, 600];
const FIRST: [usize; 2] = [100, 20];

/// The most epochs that are kept: more are hardly seen apart.
const MOST_EPOCHS: usize = 100_000;

/// The longest line, and the most of a file, that is read.
const LONGEST_LINE: u64 = 4 << 20;
const LARGEST_FILE: u64 = 1 << 30;

/// A file of events, as far as it could be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What happened.
    pub history: History,
    /// What a reader should be told: damaged lines, a file that is too large.
    pub note: Option<String>,
}

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
            Event::Epoch(epoch) if self.epochs.len() < MOST_EPOCHS => self.epochs.push(*epoch),
            Event::Finished { ending, .. } => self.ending = Some(*ending),
            _ => {}
        }
    }

    /// The events in a file, one a line. Lines that are none are passed over, and counted in the note.
    pub fn read(path: &Path, name: &str) -> std::io::Result<Reading> {
        let file = std::fs::File::open(path)?;
        let is_whole = file.metadata()?.len() <= LARGEST_FILE;
        let mut reader = BufReader::new(file.take(LARGEST_FILE));
        let (mut history, mut damaged, mut line) = (History::new(name), 0u64, Vec::new());
        while next_line(&mut reader, &mut line)? {
            match event(&line) {
                Some(event) => history.push(&event),
                None => damaged += u64::from(!line.trim_ascii().is_empty()),
            }
        }
        let mut notes = Vec::new();
        if damaged > 0 {
            notes.push(format!("{damaged} damaged lines are passed over"));
        }
        if !is_whole {
            notes.push(format!("only its first {} MiB are read", LARGEST_FILE >> 20));
        }
        let note = (!notes.is_empty()).then(|| notes.join(", "));
        Ok(Reading { history, note })
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

/// Reads a line into `line`, or nothing of one that is too long; whether there was any.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    if reader.take(LONGEST_LINE).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    while line.len() as u64 >= LONGEST_LINE && line.last() != Some(&b'\n') {
        // It is damaged; what is left of it is read and thrown away.
        let mut rest = Vec::new();
        if reader.take(LONGEST_LINE).read_until(b'\n', &mut rest)? == 0 {
            break;
        }
        if rest.last() == Some(&b'\n') {
            *line = b"too long".to_vec();
        }
    }
    Ok(true)
}

/// The event of a line, if it is one. JSON has no NaN: where a number is missing, it was none.
fn event(line: &[u8]) -> Option<Event> {
    if let Ok(event) = serde_json::from_slice(line) {
        return sound(event);
    }
    let value: Value = serde_json::from_slice(line).ok()?;
    let number = |key: &str| value.get(key).map(|x| x.as_f64().unwrap_or(f64::NAN));
    let step = value.get("step")?.as_u64()?;
    let epoch = u32::try_from(value.get("epoch")?.as_u64()?).ok()?;
    match value.get("event")?.as_str()? {
        "step" => Some(Event::Step {
            step,
            epoch,
            loss: number("loss")?,
            epoch_loss: number("epoch_loss")?,
            epoch_accuracy: number("epoch_accuracy"),
            rate: number("rate")? as f32,
            seconds: number("seconds")?,
        }),
        "epoch" => Some(Event::Epoch(EpochRecord {
            epoch,
            step,
            train_loss: number("train_loss")?,
            train_accuracy: number("train_accuracy"),
            validation_loss: number("validation_loss").filter(|x| !x.is_nan()),
            validation_accuracy: number("validation_accuracy").filter(|x| !x.is_nan()),
            seconds: number("seconds")?,
        })),
        _ => None,
    }
}

/// The event, unless it holds more than a trainer says: a picture has no room for a million layers.
fn sound(event: Event) -> Option<Event> {
    let Event::Inside { layers, .. } = &event else { return Some(event) };
    let is_sound = layers.len() <= 256 && layers.iter().all(|layer| layer.parameters.len() <= 16);
    is_sound.then_some(event)
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
        let path = folder.path().join("events.jsonl");
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
        std::fs::write(&path, bytes).unwrap();
        let Reading { history, note } = History::read(&path, "run").unwrap();
        assert_eq!(history.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(history.steps[1].loss.is_nan());
        assert_eq!(note.as_deref(), Some("8 damaged lines are passed over"));
    }

    #[test]
    fn long_runs_are_thinned_and_keep_their_beginning() {
        let mut history = History::new("long");
        (1..=300_000).for_each(|at| history.push(&step(at)));
        let kept: Vec<u64> = history.steps.iter().map(|step| step.step).collect();
        assert!((10_000..=40_000).contains(&kept.len()), "{}", kept.len());
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
