//! How far a run is: everything that a checkpoint holds, and how it is written and read.

use super::Trainer;
use crate::error::{Error, Result};
use crate::event::{EpochRecord, Event, Sink, number};
use crate::file::{Checkpoint, NamedArray, checkpoint};
use crate::network::{from_array, to_array};
use crate::plan::StepResult;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Checkpoints that are kept: the newest, and one more in case the newest is lost.
const KEEP: usize = 2;

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u32,
    /// Steps done, in all.
    pub step: u64,
    /// Samples learned from, again and again.
    pub images: u64,
    /// Steps done in this epoch.
    pub epoch_steps: u64,
    /// Training time so far, in seconds.
    pub seconds: f64,
    /// Training time of this epoch so far, in seconds.
    pub epoch_seconds: f64,
    /// The epochs done, in numbers.
    pub history: Vec<EpochRecord>,
    /// Sums over this epoch's samples so far.
    loss_sum: f64,
    correct: u64,
    samples: u64,
    /// The best epoch so far, if there is validation.
    pub best: Option<Best>,
    /// Where somebody changed the learning rate on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateChange>,
}

/// A change of the learning rate, which was not in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateChange {
    /// The steps made before.
    pub step: u64,
    /// What the schedule's rates are multiplied by since then.
    pub factor: f32,
}

/// What a checkpoint says beside its arrays.
#[derive(Serialize, Deserialize)]
struct Saved {
    settings: Settings,
    data: Vec<String>,
    progress: Progress,
}

/// The best epoch of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// Its accuracy on the validation samples, of a classifier.
    #[serde(with = "number", default)]
    pub accuracy: Option<f64>,
    /// Its mean loss on them.
    #[serde(with = "number", default)]
    pub loss: f64,
    /// The parameters at its end.
    #[serde(skip)]
    pub(super) parameters: Vec<NamedArray>,
}

impl Progress {
    /// The mean loss and the accuracy of the last epoch, or of the first as far as it went; before the
    /// first step there are none.
    pub(crate) fn learned(&self) -> Option<(f64, Option<f64>)> {
        match self.history.last() {
            Some(epoch) => Some((epoch.train_loss, epoch.train_accuracy)),
            None => (self.samples > 0).then(|| (self.mean_loss(), Some(self.accuracy()))),
        }
    }

    /// The mean loss of this epoch so far.
    pub fn mean_loss(&self) -> f64 {
        self.loss_sum / self.samples.max(1) as f64
    }

    /// The accuracy of this epoch so far.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples.max(1) as f64
    }

    /// Adds a step.
    pub(super) fn count(&mut self, loss_sum: f64, result: StepResult, seconds: f64) {
        self.step += 1;
        self.epoch_steps += 1;
        self.images += u64::from(result.count);
        self.seconds += seconds;
        self.epoch_seconds += seconds;
        self.loss_sum += loss_sum;
        self.correct += u64::from(result.correct);
        self.samples += u64::from(result.count);
    }

    /// Begins the next epoch.
    pub(super) fn end_epoch(&mut self, record: EpochRecord) {
        self.history.push(record);
        self.epoch += 1;
        (self.epoch_steps, self.epoch_seconds) = (0, 0.0);
        (self.loss_sum, self.correct, self.samples) = (0.0, 0, 0);
    }
}

/// The prefix of the best epoch's parameters in a checkpoint.
const BEST: &str = "best.";

impl Trainer {
    /// Writes a checkpoint, if there is a folder.
    pub(super) fn checkpoint(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.check_finite()?;
        let Some(folder) = &self.folder else { return Ok(()) };
        let step = self.progress.step;
        let checkpoint = Checkpoint::new(self.arrays(), &self.on_disk())?;
        let path = checkpoint::save(folder, step, &checkpoint)?;
        checkpoint::prune(folder, KEEP)?;
        self.saved = Some(step);
        sink.event(&Event::Checkpoint { step, path: path.display().to_string() })
    }

    /// Goes on from the newest sound checkpoint of a folder. Returns its step, unless there is none,
    /// and what had to be passed over.
    pub fn resume(&mut self, folder: &Path) -> Result<(Option<u64>, Vec<String>)> {
        let latest = checkpoint::latest(folder)?;
        let skipped = latest.skipped.iter();
        let skipped: Vec<_> =
            skipped.map(|(path, why)| format!("{}: {why}", path.display())).collect();
        // To begin again is the user's choice: it would overwrite what the run had come to.
        if latest.found.is_none() && !skipped.is_empty() {
            return Err(Error::Run {
                path: folder.to_path_buf(),
                reason: format!("no checkpoint is sound: {}", skipped.join("; ")),
                hint: "restore one from a copy, or begin again with another --out".to_string(),
            });
        }
        if let Some(found) = latest.found {
            let saved: Saved = found.checkpoint.state(&found.path)?;
            self.check_settings(&saved.settings, &found.path)?;
            self.check_data(&saved.data, &found.path)?;
            self.progress = saved.progress;
            self.saved = Some(found.step);
            self.restore(&found.checkpoint.arrays).map_err(|error| match error {
                Error::Parameters { network, expected, found: other, .. } => {
                    Error::Parameters { path: Some(found.path), network, expected, found: other }
                }
                other => other,
            })?;
        }
        Ok((self.saved, skipped))
    }

    /// An error unless a checkpoint was written under these settings: its numbers mean nothing under
    /// others. How long the run may go on is no part of them, unless the schedule depends on it.
    fn check_settings(&self, saved: &Settings, path: &Path) -> Result<()> {
        let lasting = |settings: &Settings| {
            let mut settings = Settings { max_steps: None, ..settings.clone() };
            if !settings.schedule_depends_on_epochs() {
                settings.epochs = 0;
            }
            settings
        };
        let (expected, found) = (lasting(&self.settings), lasting(saved));
        if expected == found {
            return Ok(());
        }
        Err(Error::Run {
            path: path.to_path_buf(),
            reason: format!(
                "the checkpoint is of other settings: run.toml says {expected:?}, it says {found:?}"
            ),
            hint: "is it another run's, or was run.toml edited?".to_string(),
        })
    }

    /// An error unless a checkpoint was written with these samples.
    fn check_data(&self, saved: &[String], path: &Path) -> Result<()> {
        if self.origin == saved {
            return Ok(());
        }
        let (expected, found) = (self.origin.join(" "), saved.join(" "));
        Err(Error::Run {
            path: path.to_path_buf(),
            reason: format!("the checkpoint is of other data: expected {expected}, found {found}"),
            hint: "is it another run's?".to_string(),
        })
    }

    /// The settings, the data, and the progress without what the arrays hold.
    fn on_disk(&self) -> Saved {
        let mut progress = self.progress.clone();
        if let Some(best) = &mut progress.best {
            best.parameters.clear();
        }
        Saved { settings: self.settings.clone(), data: self.origin.clone(), progress }
    }

    /// The parameters, the optimizer's memory under PyTorch's names, and the best parameters.
    fn arrays(&self) -> Vec<NamedArray> {
        let mut arrays = self.network.state();
        let names = self.optimizer.rule().memory();
        for ((parameter, _), memory) in self.network.parameters().zip(self.optimizer.memory()) {
            for (name, tensor) in names.iter().zip(memory) {
                arrays.push(to_array(format!("{parameter}.{name}"), tensor));
            }
        }
        for best in self.progress.best.iter().flat_map(|best| &best.parameters) {
            let name = format!("{BEST}{}", best.name);
            arrays.push(NamedArray { name, ..best.clone() });
        }
        arrays
    }

    /// The reverse of [`arrays`](Trainer::arrays).
    fn restore(&mut self, arrays: &[NamedArray]) -> Result<()> {
        let named = |name: &str| arrays.iter().find(|array| array.name == name);
        let parameters: Vec<_> = self.network.parameters().map(|(name, _)| name).collect();
        let current = parameters.iter().filter_map(|name| named(name)).cloned();
        self.network.load_state(&current.collect::<Vec<_>>())?;
        if let Some(best) = &mut self.progress.best {
            let saved = parameters.iter().filter_map(|name| {
                named(&format!("{BEST}{name}"))
                    .map(|array| NamedArray { name: name.clone(), ..array.clone() })
            });
            best.parameters = saved.collect();
        }
        let names = self.optimizer.rule().memory();
        let memory = self.optimizer.restore(self.progress.step);
        for (parameter, memory) in parameters.iter().zip(memory) {
            for (name, tensor) in names.iter().zip(memory) {
                let name = format!("{parameter}.{name}");
                let array = named(&name).map(from_array).transpose()?;
                match array.filter(|array| array.shape() == tensor.shape()) {
                    Some(array) => *tensor = array,
                    None => {
                        return Err(self
                            .network
                            .other_parameters(name, "none like it".to_string()));
                    }
                }
            }
        }
        Ok(())
    }
}
