//! A run is a folder: `run.toml`, `events.jsonl`, `checkpoints/`, `model.safetensors`.

mod follow;
mod log;
mod reading;
mod record;
mod thinning;
mod word;

pub use follow::Follower;
pub use reading::{Unread, read_events};
pub use record::{DataRecord, Report, RunRecord};
pub use word::shell_word;

use crate::control::{Control, Phase};
use crate::data::DataPair;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::event::Sink;
use crate::file::{checkpoint, durable, safetensors};
use crate::network::Network;
use crate::plan::Plan;
use crate::samples::Samples;
use crate::settings::Settings;
use crate::trainer::Trainer;
use log::EventLog;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// The name of the model in a run's folder.
pub const MODEL: &str = "model.safetensors";

/// The name of the file of events in a run's folder.
pub const EVENTS: &str = "events.jsonl";

/// The name of the folder of checkpoints in a run's folder.
pub const CHECKPOINTS: &str = "checkpoints";

/// What a run is called: the name of its folder, however it is reached.
pub fn name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    whole.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

/// A training run and its folder.
pub struct Run {
    folder: PathBuf,
    record: RunRecord,
    trainer: Trainer,
    test: Samples,
    log: EventLog,
    started: Instant,
    /// Held as long as the run is, so that no other process trains into the same folder.
    _lock: File,
}

impl Run {
    /// A new run in `folder`, which must not hold one already.
    pub fn create(
        folder: &Path,
        settings: Settings,
        data: DataPair,
        device: Device,
        plan: Box<dyn Plan>,
    ) -> Result<Run> {
        let started = Instant::now();
        let checkpoints = Some(folder.join(CHECKPOINTS));
        let record = RunRecord::new(settings.clone(), &data, &device, plan.name());
        let mut trainer =
            Trainer::new(settings, device, plan, Samples::new(data.train)?, checkpoints)?;
        trainer.set_origin(record.data.sha256.clone());
        let lock = lock(folder, &BEGINNING)?;
        let kept = folder.join(CHECKPOINTS);
        let has_checkpoints = kept.is_dir() && checkpoint::newest_step(&kept)?.is_some();
        let is_left = |name: &str| folder.join(name).exists();
        if is_left(RunRecord::FILE) || is_left(MODEL) || has_checkpoints {
            let reason = "it already holds a run, or what is left of one".to_string();
            let hint = "name another with --out, or go on with --resume".to_string();
            return Err(Error::Run { path: folder.to_path_buf(), reason, hint });
        }
        record.write(folder)?;
        let (log, test) = (EventLog::create(folder)?, Samples::new(data.test)?);
        Ok(Run { folder: folder.to_path_buf(), record, trainer, test, log, started, _lock: lock })
    }

    /// The run in `folder`, from its newest checkpoint on, or from its beginning if it has none.
    /// Also returns what the user should be told.
    ///
    /// `record` is what [`RunRecord::read`] found there. Its epochs and steps may have been raised;
    /// nothing else may have changed, and the data have to be the same.
    pub fn resume(
        folder: &Path,
        record: RunRecord,
        data: DataPair,
        device: Device,
        plan: Box<dyn Plan>,
    ) -> Result<(Run, Vec<String>)> {
        let started = Instant::now();
        record.check_data(folder, &data)?;
        let lock = lock(folder, &RESUMING)?;
        let checkpoints = folder.join(CHECKPOINTS);
        let samples = Samples::new(data.train)?;
        let settings = record.settings.clone();
        let mut trainer = Trainer::new(settings, device, plan, samples, Some(checkpoints.clone()))?;
        trainer.set_origin(record.data.sha256.clone());
        durable::remove_leftovers(folder)?;
        let mut notes = Vec::new();
        let (begun, now) = (&record.glassbox, env!("CARGO_PKG_VERSION"));
        if begun != now {
            notes.push(format!("begun with Glassbox {begun}, this is {now}: the bits may differ"));
        }
        let mut kept = EventLog::kept(folder);
        let (mut step, mut skipped) = (None, Vec::new());
        if checkpoints.is_dir() {
            kept = kept.max(checkpoint::newest_step(&checkpoints)?.unwrap_or(0));
            (step, skipped) = trainer.resume(&checkpoints)?;
        }
        notes.extend(skipped.into_iter().map(|why| format!("passed over {why}")));
        if let Some(step) = step {
            notes.push(format!("resumed at step {step}"));
        } else if folder.join(MODEL).exists() {
            let reason = "the run has a model and no checkpoint to go on from".to_string();
            let hint = "begin again with another --out; the model is untouched".to_string();
            return Err(Error::Run { path: folder.to_path_buf(), reason, hint });
        } else if kept > 0 {
            notes.push(format!("the checkpoint of step {kept} is gone: from the beginning"));
        } else {
            notes.push("no checkpoint yet: from the beginning".to_string());
        }
        check_not_over(folder, kept, &trainer)?;
        let log = EventLog::resume(folder, trainer.progress().step)?;
        let folder = folder.to_path_buf();
        record.write(&folder)?;
        let test = Samples::new(data.test)?;
        Ok((Run { folder, record, trainer, test, log, started, _lock: lock }, notes))
    }

    /// Looks inside steps now and then, with a doctor, from now on: see [`Trainer::look_inside`].
    pub fn look_inside(&mut self) {
        self.trainer.look_inside();
    }

    /// Heeds what is wished for there, from now on.
    pub fn set_control(&mut self, control: Control) {
        self.trainer.set_control(control);
    }

    /// Trains to the end, or until `stop` is set; writes the model; judges it on the test samples.
    pub fn train(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Report> {
        let trained = self.train_and_judge(sink, stop);
        // Whoever looks at the run now finds its model.
        self.trainer.tell(Phase::Over);
        trained.map_err(|error| match (error, self.trainer.saved()) {
            (Error::Cuda(error @ glassbox_cuda::Error::DeviceLost { .. }), Some(step)) => {
                Error::LostInRun { error: Box::new(error), folder: self.folder.clone(), step }
            }
            (error, _) => error,
        })
    }

    fn train_and_judge(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Report> {
        let mut both = (&mut self.log, sink);
        let ending = self.trainer.run_on(&mut both, stop)?;
        let path = self.folder.join(MODEL);
        save_model(&path, self.trainer.network(), &self.record.data.name)?;

        let found = self.trainer.judge(&self.test)?;
        let device = self.trainer.device().clone();
        let progress = self.trainer.progress();
        let interval = found.confusion.accuracy_interval();
        let learned = progress.learned();
        Ok(Report {
            dataset: self.record.data.name.clone(),
            network: self.trainer.network().to_string(),
            seed: self.trainer.settings().seed,
            device: device.name().to_string(),
            plan: self.trainer.plan().to_string(),
            threads: device.threads(),
            simd: device.simd().to_string(),
            epochs: progress.epoch,
            steps: progress.step,
            images: progress.images,
            seconds_training: progress.seconds,
            seconds_total: self.started.elapsed().as_secs_f64(),
            epoch_seconds: progress.history.iter().map(|epoch| epoch.seconds).collect(),
            train_loss: learned.map(|(loss, _)| loss),
            train_accuracy: learned.and_then(|(_, accuracy)| accuracy),
            validation_accuracy: progress.best.as_ref().and_then(|best| best.accuracy),
            test_loss: found.loss,
            test_accuracy: found.accuracy,
            test_interval: [interval.low, interval.high],
            test_samples: self.test.len(),
            model_sha256: self.trainer.network().sha256(),
            ending,
            run: self.folder.display().to_string(),
            model: path.display().to_string(),
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// What `run.toml` says.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }
}

/// Writes a network into a file, with what a reader has to know: its text, and what it learned from.
pub fn save_model(path: &Path, network: &Network, dataset: &str) -> Result<()> {
    let entries = [
        ("network", network.to_string()),
        ("dataset", dataset.to_string()),
        ("inputs", "pixels divided by 255".to_string()),
    ];
    let metadata: BTreeMap<_, _> = entries.map(|(key, value)| (key.to_string(), value)).into();
    Ok(safetensors::write(path, &network.state(), &metadata)?)
}

/// The network of a model file, or of the run in a folder. `text` names it where the file does not.
pub fn load_model(path: &Path, text: Option<&str>) -> Result<Network> {
    let path = if path.is_dir() { path.join(MODEL) } else { path.to_path_buf() };
    let file = safetensors::read(&path)?;
    let Some(text) = text.or(file.metadata.get("network").map(String::as_str)) else {
        let reason = "the file does not say which network its parameters belong to".to_string();
        let hint = "name it, as in --model 784-128-relu-10".to_string();
        return Err(Error::Run { path, reason, hint });
    };
    let mut network = Network::new(text, crate::init::Init::Zero, 0)?;
    network.load_state(&file.arrays).map_err(|error| match error {
        Error::Parameters { network, expected, found, .. } => {
            Error::Parameters { path: Some(path.clone()), network, expected, found }
        }
        other => other,
    })?;
    if let Some(name) = network.first_not_finite() {
        let reason = format!("its parameter {name} holds infinities or NaN");
        let hint = "training diverged; train again with a smaller rate".to_string();
        return Err(Error::Run { path, reason, hint });
    }
    Ok(network)
}

/// An error if a run is asked to end before where it was, `step`: what it came to would be lost.
fn check_not_over(folder: &Path, step: u64, trainer: &Trainer) -> Result<()> {
    let end = trainer.settings().max_steps.unwrap_or(u64::MAX).min(trainer.steps());
    if step <= end {
        return Ok(());
    }
    let reason = format!("it has already made {step} steps, and is asked to end after {end}");
    let hint = "give larger --max-steps or --epochs, or leave them out".to_string();
    Err(Error::Run { path: folder.to_path_buf(), reason, hint })
}

/// What to do where a folder cannot be had.
struct Hints {
    cannot_write: &'static str,
    in_use: &'static str,
}

const BEGINNING: Hints = Hints {
    cannot_write: "choose a folder that can be written with --out",
    in_use: "wait for it, or name another folder with --out",
};

const RESUMING: Hints = Hints {
    cannot_write: "make the folder writable, or resume a copy of it elsewhere",
    in_use: "wait for it, or stop it",
};

/// The folder, made if need be, and locked.
fn lock(folder: &Path, hints: &Hints) -> Result<File> {
    let path = folder.join("run.lock");
    let fail = |reason: String, hint: &str| Error::Run {
        path: path.clone(),
        reason,
        hint: hint.to_string(),
    };
    let writable = hints.cannot_write;
    if folder.exists() && !folder.is_dir() {
        let (path, reason) = (folder.to_path_buf(), "it is no folder, a run is one".to_string());
        return Err(Error::Run { path, reason, hint: writable.to_string() });
    }
    fs::create_dir_all(folder).map_err(|error| fail(error.to_string(), writable))?;
    let file = File::create(&path).map_err(|error| fail(error.to_string(), writable))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let reason = "another process trains in this folder".to_string();
            Err(fail(reason, hints.in_use))
        }
        // Some network file systems cannot lock; training there is still fine.
        Err(TryLockError::Error(_)) => Ok(file),
    }
}
