//! Whole runs of training steps on the device: data, weights and the optimizer's memory stay there, and a step
//! is part of a graph.
//!
//! Two ways of taking a step give the same bits, those of the definition. [`Way::Layered`] goes operation by operation
//! and takes every network; [`Way::Fused`] takes networks with one hidden layer and few outputs in two kernels. In both, what
//! changes from step to step (the images, the rate, the place in the run) lies in device memory, so a step is
//! recorded once and replayed.

mod fused;
mod layered;
mod session;

pub use session::Session;

use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::inputs::Inputs;
use crate::ops::{Activation, AdamStep, area};

/// One layer of a network, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// x·W + b, to so many features.
    Dense {
        /// Output features.
        outputs: usize,
    },
    /// A function of each element.
    Activation(Activation),
    /// Leaves out each element with probability p.
    Dropout {
        /// The probability, below 1.
        p: f32,
    },
    /// e^x / Σ e^x of each row.
    Softmax,
    /// Its logarithm.
    LogSoftmax,
}

/// Features after these parts, of so many before them.
pub(crate) fn width(inputs: usize, parts: &[Part]) -> usize {
    parts.iter().fold(inputs, |width, part| match part {
        Part::Dense { outputs } => *outputs,
        _ => width,
    })
}

/// How steps are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Operation by operation.
    Layered,
    /// In two kernels.
    Fused,
}

/// Which optimizer, with its numbers for one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// w −= lr · g
    Sgd {
        /// The learning rate.
        lr: f32,
    },
    /// v = μ v + g;  w −= lr · v
    Momentum {
        /// The learning rate.
        lr: f32,
        /// How much of the velocity is kept.
        mu: f32,
    },
    /// v = μ v + g;  w −= lr · (g + μ v)
    Nesterov {
        /// The learning rate.
        lr: f32,
        /// How much of the velocity is kept.
        mu: f32,
    },
    /// Adam or AdamW.
    Adam(AdamStep),
}

/// What one step does with its gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Weight decay that is added to the gradient.
    pub decay: f32,
}

/// How steps of a network of these parts are carried out on images of bytes, unless someone asks for the other way. On
/// numbers they always go [layered](Way::Layered): the fused kernels read bytes.
pub fn way(parts: &[Part]) -> Way {
    if fused::takes(parts) { Way::Fused } else { Way::Layered }
}

/// Words of a rule in `state.cuh`.
const RULE_WORDS: usize = 8;

impl Rule {
    /// The rule as `state.cuh` has it.
    fn words(&self) -> [u32; RULE_WORDS] {
        let (kind, numbers) = match self.optimizer {
            Optimizer::Sgd { lr } => (0, [lr, 0.0, 0.0, 0.0, 0.0, 0.0]),
            Optimizer::Momentum { lr, mu } => (1, [lr, mu, 0.0, 0.0, 0.0, 0.0]),
            Optimizer::Nesterov { lr, mu } => (2, [lr, mu, 0.0, 0.0, 0.0, 0.0]),
            Optimizer::Adam(s) => {
                let AdamStep { beta1, beta2, epsilon, step_size, sqrt_correction, keep } = s;
                (3, [beta1, beta2, epsilon, step_size, sqrt_correction, keep])
            }
        };
        let mut words = [kind, self.decay.to_bits(), 0, 0, 0, 0, 0, 0];
        words[2..].copy_from_slice(&numbers.map(f32::to_bits));
        words
    }

    /// How many arrays it remembers for each parameter.
    fn memories(&self) -> usize {
        match self.optimizer {
            Optimizer::Sgd { .. } => 0,
            Optimizer::Momentum { .. } | Optimizer::Nesterov { .. } => 1,
            Optimizer::Adam(_) => 2,
        }
    }
}

/// Rows of inputs and their classes, in device memory.
pub struct Data {
    features: Features,
    /// A place for each row that there is room for.
    labels: Buffer<u32>,
    /// How many rows there are.
    len: usize,
    inputs: usize,
    classes: usize,
}

/// What a network is given.
enum Features {
    /// Images, whose bytes are divided by 255.
    Bytes(Buffer<u8>),
    /// Numbers, which are taken as they are.
    Numbers(Buffer<f32>),
}

impl Data {
    /// Copies images of `inputs` bytes and their classes to the device.
    ///
    /// # Panics
    /// If there are not as many labels as images, or an image has no byte.
    pub fn new(engine: &Engine, pixels: &[u8], labels: &[u32], inputs: usize) -> Result<Data> {
        assert!(inputs > 0 && pixels.len() == area(labels.len(), inputs), "images and labels");
        Data::of(engine, Features::Bytes(engine.upload(pixels)?), labels, inputs)
    }

    /// The same with `inputs` numbers a row, which are taken as they are.
    ///
    /// # Panics
    /// If there are not as many labels as rows, or a row has no number.
    pub fn from_numbers(
        engine: &Engine,
        numbers: &[f32],
        labels: &[u32],
        inputs: usize,
    ) -> Result<Data> {
        assert!(inputs > 0 && numbers.len() == area(labels.len(), inputs), "rows and labels");
        Data::of(engine, Features::Numbers(engine.upload(numbers)?), labels, inputs)
    }

    fn of(engine: &Engine, features: Features, labels: &[u32], inputs: usize) -> Result<Data> {
        let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
        let len = labels.len();
        Ok(Data { features, labels: engine.upload(labels)?, len, inputs, classes })
    }

    /// Room for batches of at most `batch` rows of numbers, which [`Session::set_batch`] fills. At first there is none.
    ///
    /// # Panics
    /// If one of the sizes is 0.
    pub fn room(engine: &Engine, batch: usize, inputs: usize, classes: usize) -> Result<Data> {
        assert!(
            batch > 0 && inputs > 0 && classes > 0,
            "room for {batch} of {inputs} to {classes}"
        );
        let features = Features::Numbers(engine.buffer(area(batch, inputs))?);
        Ok(Data { features, labels: engine.buffer(batch)?, len: 0, inputs, classes })
    }

    /// Puts these rows in the place of all that are there. If that fails, there is none.
    fn set(&mut self, rows: Inputs, labels: &[u32]) -> Result<()> {
        let Features::Numbers(numbers) = &mut self.features else { panic!("images stay") };
        assert!(labels.len() <= self.labels.len(), "more rows than there is room for");
        assert_eq!(rows.len(), area(labels.len(), self.inputs), "rows and labels");
        let is_known = |&label: &u32| (label as usize) < self.classes;
        assert!(labels.iter().all(is_known), "a label is out of range");
        self.len = 0;
        numbers.write_inputs(rows)?;
        self.labels.write_first(labels)?;
        self.len = labels.len();
        Ok(())
    }

    /// How many rows there is room for.
    fn places(&self) -> usize {
        self.labels.len()
    }

    /// The images, which is what the fused way takes.
    fn pixels(&self) -> &Buffer<u8> {
        match &self.features {
            Features::Bytes(pixels) => pixels,
            Features::Numbers(_) => unreachable!("numbers are trained on layered"),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Steps to take, with softmax and cross-entropy as the loss.
pub struct Steps<'a> {
    /// The images to take, in order; the last batch may be smaller than the others.
    pub order: &'a [u32],
    /// What each step does with its gradients.
    pub rules: &'a [Rule],
    /// The seed of dropout.
    pub seed: u64,
    /// The first of them, counted from 0 over the whole run: dropout depends on it.
    pub first: u32,
}

/// What a step saw, before it changed the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The loss of the batch.
    pub loss: f32,
    /// Images that were classified rightly.
    pub correct: u32,
    /// Images.
    pub count: u32,
}
