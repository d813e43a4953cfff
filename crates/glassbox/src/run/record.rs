//! What a run was made of (`run.toml`), and what came out of it (the report).

use super::reading::open;
use crate::data::{DataName, DataPair};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::event::Ending;
use crate::file::durable;
use crate::file::seal::hex;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;

/// What a run was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// The version of Glassbox.
    pub glassbox: String,
    /// The device it was begun on. Results do not depend on it.
    pub device: String,
    /// Its instruction set.
    pub simd: String,
    /// Its threads.
    pub threads: usize,
    /// The plan it was begun with. Results do not depend on it.
    pub plan: String,
    /// The data.
    pub data: DataRecord,
    /// The settings.
    pub settings: Settings,
}

/// The data of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// The name of the set, or of its folder.
    pub name: String,
    /// Where it was found.
    pub source: String,
    /// SHA-256 of the four files, unpacked: training images and labels, test images and labels.
    pub sha256: Vec<String>,
}

/// What stands before the SHA-256 of all that comes before it.
const SEAL: &str = "# sha256 ";

impl RunRecord {
    /// Its name in a run's folder.
    pub const FILE: &str = "run.toml";

    /// The record of a run that begins.
    pub fn new(settings: Settings, data: &DataPair, device: &Device, plan: &str) -> RunRecord {
        RunRecord {
            glassbox: env!("CARGO_PKG_VERSION").to_string(),
            device: device.name().to_string(),
            simd: device.simd().to_string(),
            threads: device.threads(),
            plan: plan.to_string(),
            data: DataRecord::new(data),
            settings,
        }
    }

    /// The record in a run's folder.
    pub fn read(folder: &Path) -> Result<RunRecord> {
        let path = folder.join(RunRecord::FILE);
        let fail = |reason: String| {
            let hint = "name the folder of a run, as `glassbox train` prints it".to_string();
            Error::Run { path: path.clone(), reason, hint }
        };
        let text = open(&path).and_then(io::read_to_string);
        let text = text.map_err(|error| fail(error.to_string()))?;
        let record = toml::from_str(&text).map_err(|error| fail(error.to_string()))?;
        let (sealed, seal) = text.rsplit_once(SEAL).unwrap_or((&text, ""));
        let found = hex(Sha256::new_with_prefix(sealed));
        if seal.strip_suffix('\n') == Some(&found) {
            return Ok(record);
        }
        let seal = if seal.is_empty() { "none" } else { seal.trim_end() };
        let reason = format!("expected SHA-256 {found} as its last line, found {seal}");
        let hint = "it was damaged or edited; what may change, such as --epochs, is a flag beside --resume; \
                    restore it from a copy, or begin again with another --out";
        Err(Error::Run { path: path.clone(), reason, hint: hint.to_string() })
    }

    /// Writes the record into a run's folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut value = toml::Value::try_from(self).expect("settings are plain values");
        shorten(&mut value);
        let text = toml::to_string(&value).expect("settings are plain values");
        let text = format!(
            "# What this run is made of. Its last line seals it: what may change is said by flags beside --resume.\n{text}"
        );
        let sealed = format!("{text}{SEAL}{}\n", hex(Sha256::new_with_prefix(&text)));
        Ok(durable::write(&folder.join(RunRecord::FILE), sealed.as_bytes())?)
    }

    /// An error unless these are the data that the run began with.
    pub fn check_data(&self, folder: &Path, data: &DataPair) -> Result<()> {
        let found = DataRecord::new(data);
        if found.sha256 == self.data.sha256 {
            return Ok(());
        }
        let (ours, theirs) = (self.data.sha256.join(" "), found.sha256.join(" "));
        let reason = format!(
            "it began with {} (SHA-256 {ours}), these data are {} (SHA-256 {theirs})",
            self.data.name, found.name
        );
        let hint = "resume with the same data, or start a new run".to_string();
        Err(Error::Run { path: folder.to_path_buf(), reason, hint })
    }
}

impl DataRecord {
    /// What [`load`](crate::data::load) takes to find the data again: a name, or the folder.
    pub fn place(&self) -> &str {
        let is_named = self.name == "digits" || DataName::parse(&self.name).is_some();
        if is_named { &self.name } else { &self.source }
    }

    fn new(data: &DataPair) -> DataRecord {
        DataRecord {
            name: data.train.name.clone(),
            source: data.source.clone(),
            sha256: data.files.iter().map(|file| file.sha256.clone()).collect(),
        }
    }
}

/// Writes numbers that are `f32` as briefly as an `f32` can be: 0.1, not 0.10000000149011612.
fn shorten(value: &mut toml::Value) {
    match value {
        toml::Value::Float(x) if f64::from(*x as f32) == *x => {
            *x = (*x as f32).to_string().parse().expect("a number's text is a number");
        }
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| shorten(value)),
        toml::Value::Array(array) => array.iter_mut().for_each(shorten),
        _ => {}
    }
}

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The name of the data set.
    pub dataset: String,
    /// The text of the network.
    pub network: String,
    /// The seed.
    pub seed: u64,
    /// The device.
    pub device: String,
    /// The plan.
    pub plan: String,
    /// Threads.
    pub threads: usize,
    /// The instruction set.
    pub simd: String,
    /// Epochs done.
    pub epochs: u32,
    /// Steps done.
    pub steps: u64,
    /// Samples learned from, again and again.
    pub images: u64,
    /// Time in training steps, in seconds, over all parts of a resumed run.
    pub seconds_training: f64,
    /// Time from the loaded data to the judged model, in seconds, of this part of the run.
    pub seconds_total: f64,
    /// Time in the training steps of each epoch, in seconds.
    pub epoch_seconds: Vec<f64>,
    /// The mean loss of the last epoch on the training samples, each before it was learned from;
    /// none if the run was stopped before its first step.
    pub train_loss: Option<f64>,
    /// The accuracy of the last epoch on the training samples, each before it was learned from; none
    /// if the run was stopped before its first step.
    pub train_accuracy: Option<f64>,
    /// The accuracy of the best epoch, which the model is of, on the validation samples, if any.
    pub validation_accuracy: Option<f64>,
    /// The mean loss on the test samples.
    pub test_loss: f64,
    /// The accuracy on the test samples.
    pub test_accuracy: f64,
    /// Its 95 % confidence interval (Wilson).
    pub test_interval: [f64; 2],
    /// How many test samples there were.
    pub test_samples: usize,
    /// SHA-256 of the parameters' bytes in order.
    pub model_sha256: String,
    /// Why the run ended.
    pub ending: Ending,
    /// The run's folder.
    pub run: String,
    /// The model's file.
    pub model: String,
}
