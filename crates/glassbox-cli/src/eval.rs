//! `glassbox eval`.

use crate::Failure;
use crate::args::Eval;
use crate::output::{note, say};
use crate::train::load_options;
use glassbox::data::{DataName, DataPair, load};
use glassbox::{Device, Error, RunRecord, Samples, evaluate};
use serde_json::json;
use std::path::Path;

pub fn run(arguments: Eval) -> Result<(), Failure> {
    let (device, _) = Device::choose(arguments.device.device, arguments.device.threads)?;
    let mut network = glassbox::run::load_model(&arguments.model, arguments.network.as_deref())?;
    let directory = arguments.data_dir.as_deref();
    let data = data_for(&arguments.model, arguments.data.as_deref(), directory)?;
    let name = data.test.name.clone();
    let samples = Samples::new(data.test)?;
    let found = evaluate(&mut network, &device, &samples)?;
    if !found.loss.is_finite() {
        let loss = found.loss;
        note(format!(
            "warning: the loss is {loss}: the model holds infinities or NaN, or makes them"
        ));
    }
    let interval = found.confusion.accuracy_interval();
    let (low, high) = (interval.low, interval.high);
    let scores = found.confusion.macro_scores();
    if arguments.json {
        say(json!({
            "dataset": name,
            "network": network.to_string(),
            "device": device.name(),
            "test_loss": found.loss,
            "test_accuracy": found.accuracy,
            "test_interval": [low, high],
            "test_samples": samples.len(),
            "model_sha256": network.sha256(),
            "macro_precision": scores.precision,
            "macro_recall": scores.recall,
            "macro_f1": scores.f1,
            "confusion": found.confusion,
        }));
        return Ok(());
    }
    say(format!(
        "{network} on {} test images of {name}\naccuracy  {:.2} % (95 % confidence {:.2} % to {:.2} %)\nloss      {:.4}\n\n{}",
        samples.len(),
        100.0 * found.accuracy,
        100.0 * low,
        100.0 * high,
        found.loss,
        found.confusion,
    ));
    Ok(())
}

/// The data of a run, if they are at hand and still the same; `asked` says where they are now.
pub fn data_of(
    folder: &Path,
    record: &RunRecord,
    asked: Option<&str>,
    directory: Option<&Path>,
) -> Result<DataPair, Error> {
    let data = load(asked.unwrap_or(record.data.place()), &load_options(directory, false))?;
    record.check_data(folder, &data)?;
    Ok(data)
}

/// The data that were asked for, or else what the run or model was trained on.
pub fn data_for(
    model: &Path,
    asked: Option<&str>,
    directory: Option<&Path>,
) -> Result<DataPair, Failure> {
    let is_run = asked.is_none() && model.is_dir();
    let record = is_run.then(|| RunRecord::read(model)).transpose()?;
    let name = match &record {
        Some(record) => record.data.place().to_string(),
        None => data_name(asked, model)?,
    };
    let data = load(&name, &load_options(directory, asked.is_some()))?;
    if record.is_some_and(|record| record.check_data(model, &data).is_err()) {
        note(format!(
            "warning: {} holds other data than those that the run was trained on (hint: --data-dir says where they lie)",
            data.source
        ));
    }
    Ok(data)
}

fn data_name(asked: Option<&str>, model: &Path) -> Result<String, Failure> {
    let trained_on = || -> Option<String> {
        let file = glassbox::file::safetensors::read(model).ok()?;
        // A file may come from anyone, and is not to choose a folder of this machine.
        let is_known = |name: &&String| *name == "digits" || DataName::parse(name).is_some();
        file.metadata.get("dataset").filter(is_known).cloned()
    };
    asked.map(str::to_string).or_else(trained_on).ok_or_else(|| {
        let message =
            "the file does not say what it was trained on (hint: name it, as in --data mnist)";
        Failure::Usage(message.to_string())
    })
}
