//! The trainer: epochs of steps, with validation, checkpoints, and events for whoever listens.

mod doctor;
mod heed;
mod progress;
mod watch;

pub use progress::{Best, Progress, RateChange};

use crate::control::{Control, Phase};
use crate::device::Device;
use crate::diagnose::{Attended, Doctor, Finding};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, check_widths, evaluate, mean_squared_error};
use crate::event::{Ending, EpochRecord, Event, Sink};
use crate::inside::Looks;
use crate::layers::Moment;
use crate::loss::{Loss, Reduction};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::plan::{Plan, StepResult, Steps};
use crate::samples::{Answers, Samples};
use crate::settings::Settings;
use crate::telemetry::Telemetry;
use glassbox_cpu::reference::philox::{Philox, Purpose};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use watch::Watch;

/// A plan gets as many steps at a time as take about this long, so that a stop is heeded soon.
const PATIENCE: Duration = Duration::from_millis(40);

/// The first steps are all reported, later ones now and then: files stay small.
const FIRST_STEPS: u64 = 100;
const NOW_AND_THEN: u64 = 10;

/// A training run in progress.
pub struct Trainer {
    settings: Settings,
    device: Device,
    plan: Box<dyn Plan>,
    training: Arc<Samples>,
    validation: Option<Samples>,
    network: Network,
    optimizer: Optimizer,
    progress: Progress,
    /// Where checkpoints go.
    folder: Option<PathBuf>,
    /// What the samples are, for checkpoints: the SHA-256 of their files.
    origin: Vec<String>,
    /// The step of the newest sound checkpoint.
    saved: Option<u64>,
    /// How many steps the plan gets at a time.
    at_once: u64,
    /// The GPU that computes, if one does.
    telemetry: Option<Telemetry>,
    /// Which steps are looked into, if any.
    looks: Option<Looks>,
    /// Hears what happens, if steps are looked into.
    doctor: Option<Box<Doctor>>,
    watch: Watch,
    /// What somebody outside wishes for.
    control: Control,
    is_paused: bool,
}

impl Trainer {
    /// A run at its beginning. Without a folder, nothing is written.
    pub fn new(
        settings: Settings,
        device: Device,
        plan: Box<dyn Plan>,
        samples: impl Into<Arc<Samples>>,
        folder: Option<PathBuf>,
    ) -> Result<Trainer> {
        settings.check()?;
        let network = Network::new(&settings.model, settings.init, settings.seed)?;
        Trainer::of(network, settings, device, plan, samples, folder)
    }

    /// A run that begins with the parameters of `network`, whose text `settings.model` then is.
    pub fn of(
        network: Network,
        mut settings: Settings,
        device: Device,
        plan: Box<dyn Plan>,
        samples: impl Into<Arc<Samples>>,
        folder: Option<PathBuf>,
    ) -> Result<Trainer> {
        settings.model = network.to_string();
        settings.check()?;
        let samples = samples.into();
        check_widths(&network, &samples)?;
        let (training, validation) = match settings.validation {
            0.0 => (samples, None),
            share => {
                let (training, validation) = samples.split(share, settings.seed);
                (Arc::new(training), Some(validation))
            }
        };
        if training.is_empty() {
            return Err(Error::Setting {
                setting: "--data",
                value: "this set".to_string(),
                reason: "no sample is left to train on".to_string(),
                hint: "take a larger set, or a smaller --validation".to_string(),
            });
        }
        if validation.as_ref().is_some_and(Samples::is_empty) {
            return Err(Error::Setting {
                setting: "--validation",
                value: settings.validation.to_string(),
                reason: format!("of {} samples none is held out", training.len()),
                hint: "take a larger share, or a larger set".to_string(),
            });
        }
        let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &network);
        let telemetry = device.telemetry()?;
        let progress = Progress::default();
        Ok(Trainer {
            settings,
            device,
            plan,
            training,
            validation,
            network,
            optimizer,
            progress,
            folder,
            origin: Vec::new(),
            saved: None,
            at_once: 1,
            telemetry,
            looks: None,
            doctor: None,
            watch: Watch::default(),
            control: Control::new(),
            is_paused: false,
        })
    }

    /// Says what the samples are. A checkpoint is resumed from only with the same ones.
    pub fn set_origin(&mut self, sha256: Vec<String>) {
        self.origin = sha256;
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network, to be used.
    pub fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The name of the plan.
    pub fn plan(&self) -> &'static str {
        self.plan.name()
    }

    /// How far the run is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The step of the newest sound checkpoint, if there is one.
    pub fn saved(&self) -> Option<u64> {
        self.saved
    }

    /// Steps an epoch; the last may have fewer samples.
    pub fn steps_per_epoch(&self) -> u64 {
        self.training.len().div_ceil(self.settings.batch) as u64
    }

    /// Steps that the epochs have.
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch() * u64::from(self.settings.epochs)
    }

    /// Trains to the end, or until `stop` is set: then the step at hand is finished and a
    /// checkpoint written.
    pub fn run(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Ending> {
        let ending = self.run_on(sink, stop);
        self.tell(Phase::Over);
        ending
    }

    /// Trains to the end, after which something is still done before the run is over.
    pub(crate) fn run_on(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Ending> {
        let mut doctor = self.doctor.take();
        let sink = &mut Attended { doctor: doctor.as_deref_mut(), sink };
        let ending = self.run_to_end(sink, stop);
        let finding = ending.as_ref().err().and_then(Finding::of_error);
        let told = finding.map_or(Ok(()), |finding| sink.event(&finding.into()));
        self.doctor = doctor;
        ending.and_then(|ending| told.map(|()| ending))
    }

    fn run_to_end(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Ending> {
        self.start(sink)?;
        let ending = loop {
            if let Some(ending) = self.ending(stop) {
                break ending;
            }
            self.epoch(sink, stop)?;
        };
        // Also where no step follows: whoever goes on later does so with it.
        self.heed_rate(sink)?;
        self.check_finite()?;
        // At the beginning there is none to go on from, at the end of an epoch there is.
        if self.progress.epoch_steps > 0 || self.progress.step == 0 {
            self.checkpoint(sink)?;
        }
        if ending != Ending::Interrupted {
            self.take_best()?;
        }
        sink.watch(&self.network);
        sink.event(&Event::Finished { step: self.progress.step, ending })?;
        Ok(ending)
    }

    /// Says what is about to happen; before the first step, also how bad the network is.
    fn start(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let is_new = self.progress.step == 0;
        // What values a network that knows nothing should say, nobody knows.
        let untrained = if is_new && self.is_classifier() { Some(self.untrained()?) } else { None };
        let parameters = self.network.parameters().map(|(_, p)| p.value.len()).sum();
        sink.event(&Event::Started {
            network: self.network.to_string(),
            parameters,
            samples: self.training.len(),
            steps_per_epoch: self.steps_per_epoch(),
            steps: self.settings.max_steps.unwrap_or(u64::MAX).min(self.steps()),
            epochs: self.settings.epochs,
            step: self.progress.step,
            untrained,
        })
    }

    /// Whether the answers are classes.
    fn is_classifier(&self) -> bool {
        self.training.labels().is_some()
    }

    /// The loss of the network as it is, on up to a thousand samples, and that of one that knows
    /// nothing.
    fn untrained(&mut self) -> Result<[f64; 2]> {
        let some = self.training.first(1000);
        let found = evaluate(&mut self.network, &self.device, &some)?;
        Ok([found.loss, Loss::untrained(self.network.output_width())])
    }

    /// Why the run is over, if it is.
    fn ending(&self, stop: &AtomicBool) -> Option<Ending> {
        let progress = &self.progress;
        let has_waited = |patience| {
            progress
                .best
                .as_ref()
                .is_some_and(|best| progress.epoch >= best.epoch.saturating_add(patience))
        };
        if progress.epoch >= self.settings.epochs {
            Some(Ending::Complete)
        } else if self.settings.max_steps.is_some_and(|most| progress.step >= most) {
            Some(Ending::MaxSteps)
        } else if progress.epoch_steps == 0 && self.settings.patience.is_some_and(has_waited) {
            Some(Ending::EarlyStop)
        } else {
            let is_stopped = stop.load(Ordering::Relaxed) || self.control.is_stopped();
            is_stopped.then_some(Ending::Interrupted)
        }
    }

    /// The rest of an epoch, up to the reasons to end.
    fn epoch(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<()> {
        let order = self.order(self.progress.epoch);
        while self.progress.epoch_steps < self.steps_per_epoch() {
            let Some(count) = self.heed(sink, stop)? else { return Ok(()) };
            let (start, left) =
                (Instant::now(), self.steps_per_epoch() - self.progress.epoch_steps);
            self.steps_at_once(&order, count, sink)?;
            let took = start.elapsed();
            sink.idle(&self.network);
            // The rest of an epoch takes less, and says nothing; nor does a single step that somebody asked for.
            if count < self.at_once {
                continue;
            }
            if took < PATIENCE / 2 && self.at_once < left {
                self.at_once *= 2;
            } else if took > PATIENCE {
                self.at_once = self.at_once.div_ceil(2);
            }
        }
        self.end_epoch(sink)
    }

    /// The order of the samples in an epoch.
    fn order(&self, epoch: u32) -> Vec<u32> {
        let stream = Philox::new(self.settings.seed, Purpose::Shuffle, epoch, 0);
        stream.permutation(self.training.len() as u32)
    }

    /// The rate of a step, counted from 0.
    fn rate(&self, step: u64) -> f32 {
        let rate = self.settings.schedule.rate(self.settings.lr, step, self.steps());
        rate * self.progress.rate_factor(step)
    }

    /// Up to `count` steps in one call of the plan.
    fn steps_at_once(&mut self, order: &[u32], count: u64, sink: &mut dyn Sink) -> Result<()> {
        let first = self.progress.step;
        if !self.watch.keep(&self.network, &self.optimizer, first) {
            self.check_finite()?;
        }
        let most = self.settings.max_steps.unwrap_or(u64::MAX) - first;
        let mut count = count.min(most).min(self.steps_per_epoch() - self.progress.epoch_steps);
        let look = self.looks.as_ref().map(|looks| looks.next(first, self.progress.seconds));
        let is_look = look == Some(first + 1);
        // The step that is looked into begins a call.
        count = count.min(match look {
            Some(look) if !is_look => look - 1 - first,
            _ => count,
        });
        let rates: Vec<f32> = (first..first + count).map(|step| self.rate(step)).collect();
        let begin = self.progress.epoch_steps as usize * self.settings.batch;
        let end = order.len().min(begin + count as usize * self.settings.batch);
        let steps = Steps {
            device: &self.device,
            loss: self.settings.loss(),
            samples: &self.training,
            order: &order[begin..end],
            batch: self.settings.batch,
            rates: &rates,
            clip: self.settings.clip,
            moment: Moment { seed: self.settings.seed, step: first as u32 },
        };
        if let (Some(looks), true) = (&mut self.looks, is_look) {
            let one = &steps.order[..steps.order.len().min(steps.batch)];
            let steps = Steps { order: one, rates: &rates[..1], ..steps };
            let begun = Instant::now();
            let layers = looks.look(&self.network, &self.optimizer, &steps)?;
            sink.event(&Event::Inside { step: first + 1, layers })?;
            looks.charge(begun.elapsed(), self.progress.seconds);
        }
        let start = Instant::now();
        let results = self.plan.run(&mut self.network, &mut self.optimizer, &steps);
        let results = results.map_err(|error| match error {
            Error::Refused { what, .. } if self.settings.clip.is_some() => {
                self.diverged(what.to_string(), first + count)
            }
            error => error,
        })?;
        let seconds = start.elapsed().as_secs_f64() / results.len().max(1) as f64;
        for (result, rate) in results.into_iter().zip(rates) {
            self.record(result, rate, seconds, sink)?;
        }
        self.tell_system(sink)
    }

    /// Counts a step, and reports it if it is its turn.
    fn record(
        &mut self,
        result: StepResult,
        rate: f32,
        seconds: f64,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let is_classifier = self.is_classifier();
        let sum = match self.settings.reduction {
            Reduction::Mean => result.loss * f64::from(result.count),
            Reduction::Sum => result.loss,
        };
        let progress = &mut self.progress;
        progress.count(sum, result, seconds);
        let step = progress.step;
        let is_sound = result.loss.is_finite();
        // The step that ends a run is told of, whichever it is.
        if step <= FIRST_STEPS || step.is_multiple_of(NOW_AND_THEN) || !is_sound || self.is_paused {
            sink.event(&Event::Step {
                step,
                epoch: progress.epoch + 1,
                loss: sum / f64::from(result.count),
                epoch_loss: progress.mean_loss(),
                epoch_accuracy: is_classifier.then(|| progress.accuracy()),
                rate,
                seconds: progress.seconds,
            })?;
        }
        if is_sound {
            return Ok(());
        }
        Err(self.diverged(format!("the loss became {}", result.loss), self.progress.step))
    }

    /// How well the network does on samples that it has not seen.
    pub fn judge(&mut self, test: &Samples) -> Result<Evaluation> {
        let found = evaluate(&mut self.network, &self.device, test)?;
        if found.loss.is_finite() {
            return Ok(found);
        }
        let what = format!("the loss on the test samples is {}", found.loss);
        let hint = "try a learning rate ten times smaller".to_string();
        Err(Error::Diverged { what, step: self.progress.step, hint })
    }

    /// A network that is not finite is no result, and nothing to go on from.
    pub(super) fn check_finite(&self) -> Result<()> {
        match self.network.first_not_finite() {
            Some(name) => {
                let what = format!("the parameter {name} is not finite");
                // The step after may be the first to make something of it.
                Err(self.diverged(what, self.progress.step + 1))
            }
            None => Ok(()),
        }
    }

    /// Validation, the record of the epoch, a checkpoint.
    fn end_epoch(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let (mut validation_loss, mut validation_accuracy) = (None, None);
        if let Some(samples) = &self.validation {
            let (network, device) = (&mut self.network, &self.device);
            if let Answers::Values { .. } = samples.answers {
                validation_loss = Some(mean_squared_error(network, device, samples)?);
            } else {
                let found = evaluate(network, device, samples)?;
                (validation_loss, validation_accuracy) = (Some(found.loss), Some(found.accuracy));
            }
        }
        let is_classifier = self.is_classifier();
        let progress = &mut self.progress;
        let record = EpochRecord {
            epoch: progress.epoch + 1,
            step: progress.step,
            train_loss: progress.mean_loss(),
            train_accuracy: is_classifier.then(|| progress.accuracy()),
            validation_loss,
            validation_accuracy,
            seconds: progress.epoch_seconds,
        };
        progress.end_epoch(record);
        if let Some(loss) = validation_loss {
            let accuracy = validation_accuracy;
            let is_better = |best: &Best| match (accuracy, best.accuracy) {
                (Some(accuracy), Some(best)) => accuracy > best,
                _ => loss < best.loss,
            };
            if progress.best.as_ref().is_none_or(is_better) {
                let parameters = self.network.state();
                progress.best = Some(Best { epoch: record.epoch, accuracy, loss, parameters });
            }
        }
        sink.watch(&self.network);
        sink.event(&Event::Epoch(record))?;
        self.checkpoint(sink)
    }

    /// With validation, the network of the best epoch is the result.
    fn take_best(&mut self) -> Result<()> {
        match &self.progress.best {
            Some(best) => self.network.load_state(&best.parameters),
            None => Ok(()),
        }
    }
}
