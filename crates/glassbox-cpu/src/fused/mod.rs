//! Whole training steps of a multilayer perceptron in one call, with the bits of the same steps
//! taken operation by operation.
//!
//! What makes it fast, beside the loops:
//!
//! - Zeros among the inputs are found once a batch, as bits, and skipped in both directions.
//! - The gradient of the first layer's input is never computed, and no gradient of a weight is ever
//!   written to memory: it changes the weight while it is in registers.
//! - Weights lie as the loops read them, from the first step of a call to the last.
//! - Threads meet twice a step, however deep the network is. Each owns columns of the first layer:
//!   their outputs, gradients and updates. Between the meetings each takes some images through all
//!   other layers and back. After the second each changes some rows of the other layers' weights.
//!
//! Every element is still one chain in its order, see [`crate::reference::matmul`]: owners split
//! rows and columns, never a chain.

mod activate;
mod barrier;
mod dense;
mod head;
mod infer;
mod inputs;
mod room;
mod rule;
mod sparse;
mod work;

pub use infer::infer;
pub use rule::{Optimizer, Rule};

use crate::area;
use crate::fast::Engine;
use crate::fast::dispatch::Kernel;
use crate::fast::vector::Vector;
use crate::reference::{Activation, Reduction};
use inputs::Source;
use room::Room;
use std::ops::Range;
use std::sync::PoisonError;

/// The share of non-zeros among the inputs from which skipping the zeros costs more than it saves.
const DENSE: f64 = 0.6;

/// One layer: y = f(x·W + b).
pub struct Layer<'a> {
    /// Output features.
    pub outputs: usize,
    /// f, if it is not the identity.
    pub activation: Option<Activation>,
    /// W (i,o), then as many arrays of its size as the optimizer remembers.
    pub weight: Vec<&'a mut [f32]>,
    /// b (o), then as many arrays of its size as the optimizer remembers.
    pub bias: Vec<&'a mut [f32]>,
}

/// Steps to take, with softmax and cross-entropy as the loss.
pub struct Steps<'a> {
    /// Images of `inputs` bytes.
    pub pixels: &'a [u8],
    /// Bytes an image.
    pub inputs: usize,
    /// The class of each image.
    pub labels: &'a [u32],
    /// The images to take, in order; the last batch may be smaller than the others.
    pub order: &'a [u32],
    /// Images a step.
    pub batch: usize,
    /// How the losses of a batch become one number.
    pub reduction: Reduction,
    /// What each step does with its gradients.
    pub rules: &'a [Rule],
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

/// Takes the steps. Ends early after a step whose loss is not finite, before it changes anything.
///
/// # Panics
/// If a length is wrong, or an image or a label out of range.
pub fn train(engine: &Engine, steps: &Steps, layers: &mut [Layer]) -> Vec<Outcome> {
    check(steps, layers);
    if steps.rules.is_empty() {
        return Vec::new();
    }
    let mut room = Room::new(engine, steps, layers);
    room.load(layers);
    let work = room.work(engine, steps, layers);
    engine.pool.run(work.threads, &|thread| work.run(thread));
    let outcomes = work.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    room.store(layers);
    outcomes
}

fn check(steps: &Steps, layers: &[Layer]) {
    let images = steps.labels.len();
    assert_eq!(steps.pixels.len(), area(images, steps.inputs), "pixels");
    assert!(steps.order.iter().all(|&image| (image as usize) < images), "an image is out of range");
    assert!(steps.batch > 0 && steps.order.len().div_ceil(steps.batch) == steps.rules.len());
    let arrays = 1 + steps.rules.iter().map(|rule| rule.memories()).max().unwrap_or(0);
    let classes = check_layers(steps.inputs, layers, arrays);
    assert!(
        steps.labels.iter().all(|&label| (label as usize) < classes),
        "a label is out of range"
    );
    // Their numbers are compared as `f32`.
    assert!(classes <= 1 << 24, "too many classes");
}

/// Checks the lengths of at least `least` arrays of each parameter. Returns the outputs of the last.
fn check_layers(mut inputs: usize, layers: &[Layer], least: usize) -> usize {
    assert!(inputs > 0 && !layers.is_empty(), "a network without layers");
    for layer in layers {
        let outputs = layer.outputs;
        assert!(outputs > 0, "a layer without features");
        let is_fit = |count: usize| (least..=3).contains(&count);
        assert!(is_fit(layer.weight.len()) && is_fit(layer.bias.len()), "memory");
        assert!(layer.weight.iter().all(|array| array.len() == area(inputs, outputs)), "weight");
        assert!(layer.bias.iter().all(|array| array.len() == outputs), "bias");
        inputs = outputs;
    }
    inputs
}

/// The distance between rows of a matrix of `columns` columns: whole panels, and a little more, so
/// that the rows of a column do not fall into the same few places of the cache.
fn stride(columns: usize, width: usize) -> usize {
    columns.next_multiple_of(width) + 16
}

/// The share of `thread` in `count` things.
fn share(count: usize, threads: usize, thread: usize) -> Range<usize> {
    count * thread / threads..count * (thread + 1) / threads
}

/// The share of non-zeros among some images.
fn density(source: Source) -> f64 {
    let (images, width) = (source.order.len(), source.width);
    let count = |pixels: &[u8]| pixels.iter().filter(|&&pixel| pixel != 0).count();
    let found: usize = (0..images).map(|row| count(source.image(row))).sum();
    found as f64 / (images * width) as f64
}

/// How many lanes an instruction set has.
struct Lanes;

impl Kernel for Lanes {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> usize {
        V::LANES
    }
}
