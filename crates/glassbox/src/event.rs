//! Events: all that leaves the trainer.
//!
//! The trainer knows no listener. It emits events, and whoever wants to know implements [`Sink`]:
//! the run's folder, the live line, a dashboard. In a file they are one JSON object a line, in which numbers that are not
//! finite are the words "NaN", "Infinity" and "-Infinity".

pub(crate) mod number;

use crate::error::Result;
use crate::inside::LayerInside;
use crate::network::Network;
use crate::telemetry::GpuReading;
use serde::{Deserialize, Serialize};

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// Training begins, or goes on from a checkpoint.
    Started {
        /// The text of the network.
        network: String,
        /// Numbers that are learned.
        parameters: usize,
        /// Training samples.
        samples: usize,
        /// Steps an epoch.
        steps_per_epoch: u64,
        /// Steps in all, if nothing stops the run before.
        steps: u64,
        /// Epochs in all.
        epochs: u32,
        /// The step it goes on from; 0 at the beginning.
        step: u64,
        /// The mean loss before the first step, and what a network that knows nothing would have.
        #[serde(with = "number", default)]
        untrained: Option<[f64; 2]>,
    },
    /// A step was made.
    Step {
        /// The steps made so far.
        step: u64,
        /// The epoch, counted from 1.
        epoch: u32,
        /// The mean loss of the step's batch.
        #[serde(with = "number")]
        loss: f64,
        /// The mean loss of the epoch so far.
        #[serde(with = "number")]
        epoch_loss: f64,
        /// The accuracy on the epoch's samples so far, each before it was learned from; of a classifier.
        #[serde(with = "number", default)]
        epoch_accuracy: Option<f64>,
        /// The learning rate.
        #[serde(with = "number")]
        rate: f32,
        /// Training time of the run so far, in seconds.
        #[serde(with = "number")]
        seconds: f64,
    },
    /// What a step was like inside: now and then, if somebody asked for it.
    Inside {
        /// The step, counted from 1.
        step: u64,
        /// Its layers, in order.
        layers: Vec<LayerInside>,
    },
    /// An epoch ended.
    Epoch(EpochRecord),
    /// How the machine was doing: about once a second, on a GPU.
    System {
        /// The steps made so far.
        step: u64,
        /// The GPU.
        gpu: GpuReading,
    },
    /// The doctor found an illness, or the trainer a number that is not finite: see [`Finding`](crate::diagnose::Finding).
    Warning {
        /// The step at which it was found; 0 is before the first.
        step: u64,
        /// What it is: the code of a rule of the doctor.
        code: String,
        /// What was seen, in numbers.
        what: String,
        /// Where it comes from.
        cause: String,
        /// What to change.
        cure: String,
    },
    /// Somebody changed how training goes on: see [`Control`](crate::control::Control).
    Control {
        /// The steps made so far.
        step: u64,
        /// What was changed.
        change: Change,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// The steps made so far.
        step: u64,
        /// Its file.
        path: String,
    },
    /// The run ended.
    Finished {
        /// The steps made.
        step: u64,
        /// Why it ended.
        ending: Ending,
    },
}

/// An epoch in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// The steps made so far.
    pub step: u64,
    /// The mean loss on the training samples, each before it was learned from.
    #[serde(with = "number")]
    pub train_loss: f64,
    /// The accuracy on the training samples, each before it was learned from; of a classifier.
    #[serde(with = "number", default)]
    pub train_accuracy: Option<f64>,
    /// The mean loss on the validation samples, if there are any.
    #[serde(with = "number", default)]
    pub validation_loss: Option<f64>,
    /// The accuracy on the validation samples, if there are any; of a classifier.
    #[serde(with = "number", default)]
    pub validation_accuracy: Option<f64>,
    /// How long its steps took, in seconds.
    #[serde(with = "number")]
    pub seconds: f64,
}

/// What somebody changed about a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// No further step is made until somebody says so.
    Paused,
    /// Steps are made again.
    Resumed,
    /// The schedule's rates are multiplied by a factor, from the next step on.
    Rate {
        /// The factor.
        #[serde(with = "number")]
        factor: f32,
    },
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// All epochs were done.
    Complete,
    /// The number of steps asked for was done.
    MaxSteps,
    /// Validation has not become better for as many epochs as it was given.
    EarlyStop,
    /// Someone asked to stop.
    Interrupted,
}

/// A listener.
pub trait Sink {
    /// Hears an event. An error ends the run.
    fn event(&mut self, event: &Event) -> Result<()>;

    /// Comes between two calls of the plan, 40 ms apart or less unless a step takes longer: the moment for whoever has
    /// something else to look after, as an interpreter has its signals.
    fn idle(&mut self, _: &Network) {}

    /// Sees the network before it hears of the end of an epoch, of a pause, of a single step, or of the end of the run.
    fn watch(&mut self, _: &Network) {}
}

/// A listener that somebody else has.
impl<S: Sink + ?Sized> Sink for &mut S {
    fn event(&mut self, event: &Event) -> Result<()> {
        (**self).event(event)
    }

    fn idle(&mut self, network: &Network) {
        (**self).idle(network);
    }

    fn watch(&mut self, network: &Network) {
        (**self).watch(network);
    }
}

/// Two listeners.
impl<A: Sink, B: Sink> Sink for (A, B) {
    fn event(&mut self, event: &Event) -> Result<()> {
        self.0.event(event)?;
        self.1.event(event)
    }

    fn idle(&mut self, network: &Network) {
        self.0.idle(network);
        self.1.idle(network);
    }

    fn watch(&mut self, network: &Network) {
        self.0.watch(network);
        self.1.watch(network);
    }
}

/// No listener.
impl Sink for () {
    fn event(&mut self, _: &Event) -> Result<()> {
        Ok(())
    }
}
