//! `glassbox diagnose`: what a run suffers from, why, and what to change.

use crate::Failure;
use crate::args::Diagnose;
use crate::eval::data_of;
use crate::output::{note, say};
use glassbox::data::DataPair;
use glassbox::run::read_events;
use glassbox::{Doctor, Event, RunRecord, Samples};
use serde_json::json;
use std::sync::Arc;

pub fn run(arguments: Diagnose) -> Result<(), Failure> {
    let record = RunRecord::read(&arguments.run)?;
    let data = find_data(&arguments, &record)?;
    let (samples, test) = match data {
        Some(data) => (Some(Arc::new(Samples::new(data.train)?)), Some(Samples::new(data.test)?)),
        None => (None, None),
    };
    let mut doctor = Doctor::new(&record.settings, samples.clone());
    if let Some(test) = &test {
        doctor.compare(test, "test");
    }
    doctor.check_labels();
    let (mut steps, mut epochs, mut looks) = (0, 0, 0u64);
    let unread = read_events(&arguments.run, &mut |event| {
        match event {
            Event::Step { step, .. } => steps = *step,
            Event::Epoch(record) => epochs = record.epoch,
            Event::Inside { .. } => looks += 1,
            _ => {}
        }
        doctor.hear(event);
    })?;
    unread.note().iter().for_each(note);
    if steps == 0 && doctor.findings().is_empty() {
        let run = arguments.run.display();
        let message = format!(
            "{run}: its events tell of no step, so nobody knows whether it is healthy (hint: train it, or let it go on \
             with --resume)"
        );
        return Err(Failure::Other(message));
    }
    let checked = json!({
        "training_samples": samples.map_or(0, |samples| samples.len()),
        "test_samples": test.map_or(0, |samples| samples.len()),
        "steps": steps,
        "epochs": epochs,
        "looks_inside": looks,
        "damaged_lines": unread.damaged_lines,
    });
    if arguments.json {
        say(json!({ "findings": doctor.findings(), "checked": checked }));
    } else {
        let count = |name: &str| &checked[name];
        doctor.findings().iter().for_each(|finding| say(format!("{finding}\n")));
        let healthy =
            if doctor.findings().is_empty() { "healthy: nothing was found in" } else { "checked" };
        say(format!(
            "{healthy} {steps} steps, {epochs} epochs, {looks} looks inside, {} training and {} test samples",
            count("training_samples"),
            count("test_samples"),
        ));
        if looks == 0 {
            note(
                "layers were not looked into (hint: `glassbox train --inside` does, in 1 part of 200 of the time)",
            );
        }
    }
    if doctor.findings().is_empty() { Ok(()) } else { Err(Failure::Told(1)) }
}

/// The data of the run, if they are at hand and still the same.
fn find_data(arguments: &Diagnose, record: &RunRecord) -> Result<Option<DataPair>, Failure> {
    let Diagnose { run, data, data_dir, .. } = arguments;
    match data_of(run, record, data.as_deref(), data_dir.as_deref()) {
        Ok(data) => Ok(Some(data)),
        Err(error) if data.is_some() => Err(error.into()),
        Err(error) => {
            note(format!("the data could not be looked at: {error}"));
            Ok(None)
        }
    }
}
