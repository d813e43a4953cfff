//! A training that is controlled from outside: unused, a control changes nothing; paused, no step is made and no time
//! burned; a step is one step; another learning rate is part of the run, also of one that is resumed.

mod ward;

use glassbox::{
    Change, Control, Ending, Event, Network, Rule, Settings, Sink, Trainer, control::Phase,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ward::{plain, some_digits};

fn settings() -> Settings {
    Settings {
        epochs: 3,
        optimizer: Rule::named("adam").unwrap(),
        lr: 1e-3,
        schedule: "cosine".parse().unwrap(),
        ..plain()
    }
}

/// A trainer of 25 steps an epoch, 75 in all.
fn trainer(folder: Option<&Path>, control: &Control) -> Trainer {
    let device = glassbox::Device::cpu(Some(1)).unwrap();
    let samples = some_digits(800);
    let (plan, _) = glassbox::PlanName::Auto.choose_for(&samples, &settings(), &device).unwrap();
    let folder = folder.map(Path::to_path_buf);
    let mut trainer = Trainer::new(settings(), device, plan, samples, folder).unwrap();
    trainer.set_control(control.clone());
    trainer
}

/// Does something after a step, and keeps what it hears.
struct At<'a> {
    step: u64,
    then: Box<dyn FnMut() + 'a>,
    steps: Vec<u64>,
    changes: Vec<(u64, Change)>,
    watched: usize,
}

impl<'a> At<'a> {
    fn new(step: u64, then: impl FnMut() + 'a) -> At<'a> {
        At { step, then: Box::new(then), steps: Vec::new(), changes: Vec::new(), watched: 0 }
    }
}

impl Sink for At<'_> {
    fn event(&mut self, event: &Event) -> glassbox::Result<()> {
        match event {
            Event::Step { step, .. } => {
                self.steps.push(*step);
                if *step == self.step {
                    (self.then)();
                }
            }
            Event::Control { step, change } => self.changes.push((*step, *change)),
            _ => {}
        }
        Ok(())
    }

    fn watch(&mut self, _: &Network) {
        self.watched += 1;
    }
}

fn whole(control: &Control) -> String {
    let mut trainer = trainer(None, control);
    assert_eq!(trainer.run(&mut (), &AtomicBool::new(false)).unwrap(), Ending::Complete);
    trainer.network().sha256()
}

/// Waits until the training is in this phase.
fn until(control: &Control, phase: Phase) -> u64 {
    let begun = Instant::now();
    while control.state().phase != phase {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}, no {phase:?}", control.state());
        std::thread::sleep(Duration::from_millis(2));
    }
    control.state().step
}

#[test]
fn pauses_and_single_steps_change_no_bit() {
    let control = Control::new();
    assert_eq!(control.state().phase, Phase::Waiting);
    let expected = whole(&control);
    assert_eq!(control.state().phase, Phase::Over);

    let control = Control::new();
    control.pause();
    let viewer = control.clone();
    let hand = std::thread::spawn(move || {
        for expected in [0, 1, 2, 3] {
            assert_eq!(until(&viewer, Phase::Paused), expected);
            viewer.step();
            // Asked for twice at once, two are made.
            while viewer.state().step == expected {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        viewer.step();
        viewer.step();
        while until(&viewer, Phase::Paused) < 6 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(120));
        assert_eq!(viewer.state().step, 6, "and no other");
        viewer.resume();
    });
    let mut heard = At::new(0, || ());
    let mut trainer = trainer(None, &control);
    trainer.run(&mut heard, &AtomicBool::new(false)).unwrap();
    hand.join().unwrap();
    assert_eq!(trainer.network().sha256(), expected);
    assert_eq!(heard.changes, [(0, Change::Paused), (6, Change::Resumed)]);
    assert!(heard.watched >= 7, "paused, the network is shown: {}", heard.watched);
}

#[test]
fn a_paused_training_heeds_its_stop_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    for is_signal in [true, false] {
        let control = Control::new();
        let (viewer, flag) = (control.clone(), stop.clone());
        let hand = std::thread::spawn(move || {
            until(&viewer, Phase::Paused);
            match is_signal {
                true => flag.store(true, Ordering::Relaxed),
                false => viewer.stop(),
            }
        });
        let mut trainer = trainer(Some(folder.path()), &control);
        trainer.resume(folder.path()).unwrap();
        control.step();
        assert_eq!(trainer.run(&mut (), &stop).unwrap(), Ending::Interrupted);
        hand.join().unwrap();
        stop.store(false, Ordering::Relaxed);
    }
    let mut trainer = trainer(Some(folder.path()), &Control::new());
    assert_eq!(trainer.resume(folder.path()).unwrap().0, Some(2), "a step each");
    trainer.run(&mut (), &stop).unwrap();
    assert_eq!(trainer.network().sha256(), whole(&Control::new()));
}

#[test]
fn another_learning_rate_is_part_of_the_run() {
    let control = Control::new();
    assert!(control.set_rate_factor(f32::NAN).is_err() && control.set_rate_factor(0.0).is_err());
    assert!(
        control.set_rate_factor(f32::INFINITY).is_err() && control.set_rate_factor(-1.0).is_err()
    );

    // Halved from step 30 on, quartered from 40 on: single steps say exactly when.
    let run = |folder: Option<&Path>, end: Option<u64>| {
        let control = Control::new();
        let viewer = control.clone();
        let mut trainer = trainer(folder, &control);
        if let Some(folder) = folder {
            trainer.resume(folder).unwrap();
        }
        let first = trainer.progress().step;
        control.pause();
        let hand = std::thread::spawn(move || {
            for step in first..45 {
                while until(&viewer, Phase::Paused) < step {}
                if step == 30 || step == 40 {
                    viewer.set_rate_factor(if step == 30 { 0.5 } else { 0.25 }).unwrap();
                }
                if end == Some(step) {
                    return viewer.stop();
                }
                viewer.step();
            }
            while until(&viewer, Phase::Paused) < 45 {}
            viewer.resume();
        });
        let mut heard = At::new(0, || ());
        trainer.run(&mut heard, &AtomicBool::new(false)).unwrap();
        hand.join().unwrap();
        (trainer.network().sha256(), heard.changes, trainer.progress().rates.clone())
    };
    let (expected, changes, rates) = run(None, None);
    assert_ne!(expected, whole(&Control::new()));
    let at: Vec<_> = rates.iter().map(|change| (change.step, change.factor)).collect();
    assert_eq!(at, [(30, 0.5), (40, 0.25)]);
    assert!(changes.contains(&(30, Change::Rate { factor: 0.5 })), "{changes:?}");

    let folder = tempfile::tempdir().unwrap();
    run(Some(folder.path()), Some(35));
    let (resumed, _, rates) = run(Some(folder.path()), None);
    assert_eq!(resumed, expected);
    assert_eq!(rates.len(), 2);
}

#[test]
fn a_change_of_the_rate_survives_a_kill() {
    // At full speed from the first step on, without a kill.
    let changed = || {
        let control = Control::new();
        control.set_rate_factor(0.125).unwrap();
        control
    };
    let expected = whole(&changed());
    let folder = tempfile::tempdir().unwrap();
    let control = changed();
    let mut before = trainer(Some(folder.path()), &control);
    // An error in a listener ends the run as a kill would: nothing is written after it.
    struct Fails;
    impl Sink for Fails {
        fn event(&mut self, event: &Event) -> glassbox::Result<()> {
            match event {
                Event::Step { step: 3, .. } => Err(glassbox::Error::Setting {
                    setting: "test",
                    value: String::new(),
                    reason: "killed".to_string(),
                    hint: String::new(),
                }),
                _ => Ok(()),
            }
        }
    }
    assert!(before.run(&mut Fails, &AtomicBool::new(false)).is_err());
    let control = Control::new();
    let mut after = trainer(Some(folder.path()), &control);
    after.resume(folder.path()).unwrap();
    assert_eq!(after.progress().rate_factor(after.progress().step), 0.125);
    after.run(&mut (), &AtomicBool::new(false)).unwrap();
    assert_eq!(control.state().factor, 0.125);
    assert_eq!(after.network().sha256(), expected);
    assert_ne!(expected, whole(&Control::new()));
}

#[test]
fn single_steps_beyond_a_hundred_are_refused() {
    let control = Control::new();
    let taken = (0..103).filter(|_| control.step()).count();
    assert_eq!(taken, 100);
    control.resume();
    assert!(control.step(), "there is room again");
}

#[test]
fn a_factor_that_was_too_large_is_named() {
    let control = Control::new();
    assert!(control.set_rate_factor(1001.0).is_err());
    control.set_rate_factor(1e3).unwrap();
    let device = glassbox::Device::cpu(Some(1)).unwrap();
    let (samples, settings) = (some_digits(800), Settings { lr: 1e30, ..plain() });
    let (plan, _) = glassbox::PlanName::Auto.choose_for(&samples, &settings, &device).unwrap();
    let mut trainer = Trainer::new(settings, device, plan, samples, None).unwrap();
    trainer.set_control(control);
    let error = trainer.run(&mut (), &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(
        error.contains("multiplied by 1000: try a factor of 100, or"),
        "there is no checkpoint to go on from: {error}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_paused_training_sleeps() {
    let control = Control::new();
    control.pause();
    let viewer = control.clone();
    let hand = std::thread::spawn(move || {
        until(&viewer, Phase::Paused);
        std::thread::sleep(Duration::from_millis(1000));
        viewer.stop();
    });
    let mut trainer = trainer(None, &control);
    let ticks = || {
        // User and system time of this thread, in hundredths of a second.
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    trainer.run(&mut (), &AtomicBool::new(false)).unwrap();
    hand.join().unwrap();
    assert!(ticks() - before < 20, "{} ms of a second", 10 * (ticks() - before));
}
