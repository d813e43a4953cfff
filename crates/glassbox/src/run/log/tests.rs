//! What is written of a run: every number comes back, and a long run stays a small file.

use super::EventLog;
use crate::event::{Change, Ending, EpochRecord, Event, Sink};
use crate::inside::{LayerInside, ParameterInside, Spread};
use crate::run::{EVENTS, Unread, read_events};
use crate::telemetry::GpuReading;
use std::collections::HashSet;
use std::mem::discriminant;
use std::path::Path;

/// The events in a folder.
fn read(folder: &Path) -> (Vec<Event>, Unread) {
    let mut events = Vec::new();
    let unread = read_events(folder, &mut |event| events.push(event.clone())).unwrap();
    (events, unread)
}

fn text(folder: &Path) -> String {
    std::fs::read_to_string(folder.join(EVENTS)).unwrap()
}

/// As they were: NaN is no number that equals itself, but its text is always the same.
fn words<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<String> {
    events.into_iter().map(|event| format!("{event:?}")).collect()
}

fn step(step: u64, loss: f64) -> Event {
    let (epoch_loss, seconds) = (loss, 1e-4 * step as f64);
    Event::Step { step, epoch: 1, loss, epoch_loss, epoch_accuracy: Some(0.5), rate: 0.1, seconds }
}

fn epoch(epoch: u32, step: u64, x: f64) -> Event {
    Event::Epoch(EpochRecord {
        epoch,
        step,
        train_loss: x,
        train_accuracy: Some(x),
        validation_loss: Some(x),
        validation_accuracy: None,
        seconds: x,
    })
}

/// One of each kind, with this number wherever there may be one.
fn one_of_each(x: f64) -> Vec<Event> {
    let spread = Spread {
        range: [x as f32, 0.1],
        mean: x as f32,
        deviation: x as f32,
        norm: x,
        not_finite: 1,
        bins: vec![0, 1],
    };
    let (value, gradient, name) = (spread.clone(), spread.clone(), "weight".to_string());
    let layer = LayerInside {
        index: 0,
        layer: "dense".to_string(),
        output: spread.clone(),
        gradient: spread,
        stuck: Some([1, 2]),
        parameters: vec![ParameterInside { name, value, gradient, update_ratio: Some(x) }],
    };
    let [code, what, cause, cure] = ["NaN", "Infinity", "", "null"].map(str::to_string);
    vec![
        Event::Started {
            network: "4-2".to_string(),
            parameters: 10,
            samples: 20,
            steps_per_epoch: 5,
            steps: 5,
            epochs: 1,
            step: 0,
            untrained: Some([x, 0.7]),
        },
        Event::Step {
            step: 1,
            epoch: 1,
            loss: x,
            epoch_loss: x,
            epoch_accuracy: Some(x),
            rate: x as f32,
            seconds: x,
        },
        Event::Inside { step: 2, layers: vec![layer] },
        epoch(1, 5, x),
        Event::System {
            step: 5,
            gpu: GpuReading { power_watts: Some(x), ..GpuReading::default() },
        },
        Event::Warning { step: 5, code, what, cause, cure },
        Event::Control { step: 5, change: Change::Rate { factor: x as f32 } },
        Event::Checkpoint { step: 5, path: "step-5".to_string() },
        Event::Finished { step: 5, ending: Ending::Complete },
    ]
}

/// The kinds that there are. A new one does not compile before it is counted, and written above.
fn kinds() -> usize {
    let count = |event: Event| match event {
        Event::Started { .. } | Event::Step { .. } | Event::Inside { .. } | Event::Epoch(_) => 9,
        Event::System { .. } | Event::Warning { .. } | Event::Checkpoint { .. } => 9,
        Event::Finished { .. } | Event::Control { .. } => 9,
    };
    count(epoch(1, 1, 0.0))
}

#[test]
fn every_number_comes_back_from_every_event_also_after_a_resume() {
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, -0.0, 5e-324, f64::MAX, 1.0 / 3.0] {
        let folder = tempfile::tempdir().unwrap();
        let mut log = EventLog::create(folder.path()).unwrap();
        let events = one_of_each(x);
        assert_eq!(events.iter().map(discriminant).collect::<HashSet<_>>().len(), kinds());
        events.iter().for_each(|event| log.event(event).unwrap());
        let (found, unread) = read(folder.path());
        assert_eq!((words(&found), unread), (words(&events), Unread::default()), "{x}");
        // JSON that others can read, and no null where there is a number.
        for line in text(folder.path()).lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        let before = text(folder.path());
        assert_eq!(before.matches("null").count(), 1 + 6 + 1, "{before}");
        drop(log);
        EventLog::resume(folder.path(), 5).unwrap();
        let kept = before.split_inclusive('\n').take(8).collect::<String>();
        assert_eq!(text(folder.path()), kept, "{x}");
    }
}

#[test]
fn steps_without_a_number_outlive_a_resume_also_those_of_older_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = EventLog::create(folder.path()).unwrap();
    let losses = [2.0, f64::INFINITY, f64::NAN, 1.0];
    (1..).zip(losses).for_each(|(at, loss)| log.event(&step(at, loss)).unwrap());
    drop(log);
    let new = text(folder.path());
    assert!(new.contains(r#""loss":"Infinity""#) && new.contains(r#""loss":"NaN""#), "{new}");
    let old = new.replace("\"Infinity\"", "null").replace("\"NaN\"", "null");
    for (text, second) in [(new, f64::INFINITY), (old, f64::NAN)] {
        std::fs::write(folder.path().join(EVENTS), text).unwrap();
        let mut log = EventLog::resume(folder.path(), 3).unwrap();
        log.event(&step(4, 0.5)).unwrap();
        drop(log);
        let expected = [step(1, 2.0), step(2, second), step(3, f64::NAN), step(4, 0.5)];
        assert_eq!(words(&read(folder.path()).0), words(&expected));
    }
}

/// What the trainer says of a step of a long run, of a hundred steps an epoch, on a GPU.
fn happens(at: u64) -> Vec<Event> {
    let mut events = Vec::new();
    if at <= 100 || at.is_multiple_of(10) {
        events.push(step(at, 1.0 / at as f64));
    }
    if at.is_multiple_of(50) {
        events.push(Event::System { step: at, gpu: GpuReading::default() });
    }
    if at.is_multiple_of(100) {
        events.push(epoch((at / 100) as u32, at, 0.5));
        events.push(Event::Checkpoint { step: at, path: format!("checkpoints/step-{at}") });
    }
    if at == 1_234_567 {
        let [code, what, cause, cure] = ["a", "b", "c", "d"].map(str::to_string);
        events.push(Event::Warning { step: at, code, what, cause, cure });
    }
    events
}

fn tell(log: &mut EventLog, steps: std::ops::RangeInclusive<u64>) {
    steps.flat_map(happens).for_each(|event| log.event(&event).unwrap());
}

#[test]
fn a_long_run_is_a_small_file_with_its_first_steps_and_its_newest() {
    const END: u64 = 1_999_980;
    let folder = tempfile::tempdir().unwrap();
    let mut log = EventLog::create(folder.path()).unwrap();
    tell(&mut log, 1..=END);
    log.event(&Event::Finished { step: END, ending: Ending::Interrupted }).unwrap();
    drop(log);
    assert!(text(folder.path()).len() < 16 << 20, "{}", text(folder.path()).len());
    let (events, _) = read(folder.path());
    let of =
        |take: &dyn Fn(&Event) -> Option<u64>| events.iter().filter_map(take).collect::<Vec<_>>();
    let steps = of(&|event| if let Event::Step { step, .. } = event { Some(*step) } else { None });
    assert!(steps[..100].iter().copied().eq(1..=100) && steps.contains(&50_000));
    assert!(steps.is_sorted() && steps.last() == Some(&END) && steps.contains(&1_234_560));
    // Nowhere is there a larger gap than a two thousandth of what came before.
    assert!(steps.windows(2).all(|pair| pair[1] - pair[0] <= 10 + pair[0] / 2000));
    let epochs = of(&|event| if let Event::Epoch(epoch) = event { Some(epoch.step) } else { None });
    assert!(epochs[..10_000].iter().copied().eq((1..=10_000).map(|epoch| 100 * epoch)));
    assert_eq!(epochs.last(), Some(&1_999_900));
    let kept =
        of(&|event| if let Event::Checkpoint { step, .. } = event { Some(*step) } else { None });
    assert!(epochs == kept && EventLog::kept(folder.path()) == END);
    let read = of(&|event| if let Event::System { step, .. } = event { Some(*step) } else { None });
    assert!(read[..1000].iter().copied().eq((1..=1000).map(|at| 50 * at)) && read.len() < 20_000);
}

#[test]
fn a_run_that_was_killed_and_resumed_writes_what_any_other_does() {
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut log = EventLog::create(whole.path()).unwrap();
    tell(&mut log, 1..=1_300_000);
    drop(log);
    let mut log = EventLog::create(parts.path()).unwrap();
    let mut at = 0;
    for (killed, checkpoint) in [(60_010, 60_000), (1_250_030, 1_234_600), (1_290_000, 1_284_500)] {
        tell(&mut log, at + 1..=killed);
        drop(log);
        (log, at) = (EventLog::resume(parts.path(), checkpoint).unwrap(), checkpoint);
    }
    tell(&mut log, at + 1..=1_300_000);
    drop(log);
    let (whole, parts) = (text(whole.path()), text(parts.path()));
    let differs = whole.lines().zip(parts.lines()).find(|(a, b)| a != b);
    assert!(whole == parts, "{differs:?}");
}
