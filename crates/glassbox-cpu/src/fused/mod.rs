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
mod rule;
mod sparse;

pub use infer::infer;
pub use rule::{Optimizer, Rule};

use crate::area;
use crate::fast::Engine;
use crate::fast::dispatch::{Kernel, Simd};
use crate::fast::matmul::tile::COLUMNS;
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use crate::fast::vector::Vector;
use crate::reference::loss::reduce;
use crate::reference::{Activation, Reduction};
use activate::{Activate, activate, activate_backward, needs_before};
use barrier::Barrier;
use dense::{PanelParts, Panels, Product, UpdateBias};
use inputs::{Batch, FillBits, FillDense, Source};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

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
    assert!(steps.batch < 1 << 24 && !layers.is_empty(), "steps");
    let mut inputs = steps.inputs;
    for layer in layers {
        let outputs = layer.outputs;
        assert!(outputs > 0 && inputs > 0, "a layer without features");
        assert!(layer.weight.iter().all(|array| array.len() == area(inputs, outputs)), "weight");
        assert!(layer.bias.iter().all(|array| array.len() == outputs), "bias");
        assert_eq!(layer.weight.len(), layer.bias.len(), "memory");
        inputs = outputs;
    }
    assert!(steps.labels.iter().all(|&label| (label as usize) < inputs), "a label is out of range");
}

/// The memory of a call.
struct Room {
    threads: usize,
    simd: Simd,
    /// Dense inputs (b,stride), of this step and the next.
    inputs: [Numbers; 2],
    stride: usize,
    own: Vec<Mutex<Own>>,
    layers: Vec<LayerRoom>,
    is_sparse: bool,
    losses: Vec<f32>,
    right: Vec<u32>,
}

/// The memory of a layer.
struct LayerRoom {
    /// The weights and the optimizer's memory of them; nothing in a sparse first layer.
    arrays: [Panels; 3],
    /// The weights transposed, but for the first layer.
    turned: Panels,
    bias: [Numbers; 3],
    /// (b,stride): the activation's input, its output (of this step and the last), its gradient.
    before: Numbers,
    after: [Numbers; 2],
    delta: Numbers,
    stride: usize,
}

/// What a thread has for itself.
struct Own {
    batch: Batch,
    panels: Vec<sparse::Panel>,
    room: Numbers,
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

impl Room {
    fn new(engine: &Engine, steps: &Steps, layers: &[Layer]) -> Room {
        let (simd, threads) = (engine.simd(), engine.threads());
        let lanes = simd.run(Lanes);
        let width = COLUMNS * lanes;
        let capacity = steps.batch.min(steps.order.len());
        let first =
            Source { pixels: steps.pixels, width: steps.inputs, order: &steps.order[..capacity] };
        let is_sparse = density(first) < DENSE;
        let own = |thread| {
            let columns = if is_sparse { layers[0].outputs } else { 0 };
            let registers = share(columns.div_ceil(lanes), threads, thread);
            let memories = layers[0].weight.len() - 1;
            let panels = sparse::Panel::cut(registers, lanes, steps.inputs, memories, capacity);
            let batch = Batch::new(steps.inputs, if is_sparse { capacity } else { 0 });
            Mutex::new(Own { batch, panels, room: Numbers::default() })
        };
        let mut inputs = steps.inputs;
        let rooms = layers.iter().enumerate().map(|(index, layer)| {
            let outputs = layer.outputs;
            let stride = stride(outputs, width);
            let array = |which| {
                let is_used = which < layer.weight.len() && (index > 0 || !is_sparse);
                Panels::new(if is_used { inputs } else { 0 }, outputs, width)
            };
            let arrays = [array(0), array(1), array(2)];
            let turned = Panels::new(if index > 0 { outputs } else { 0 }, inputs, width);
            inputs = outputs;
            let matrix = |is_used| Numbers::zeros(if is_used { capacity * stride } else { 0 });
            LayerRoom {
                arrays,
                turned,
                bias: std::array::from_fn(|_| Numbers::zeros(stride)),
                before: matrix(needs_before(layer.activation)),
                after: [matrix(true), matrix(index == 0)],
                delta: matrix(true),
                stride,
            }
        });
        let rooms = rooms.collect();
        let stride = stride(steps.inputs, width);
        let inputs = || Numbers::zeros(if is_sparse { 0 } else { capacity * stride });
        Room {
            threads,
            simd,
            inputs: [inputs(), inputs()],
            stride,
            own: (0..threads).map(own).collect(),
            layers: rooms,
            is_sparse,
            losses: vec![0.0; capacity],
            right: vec![0; capacity],
        }
    }

    /// Takes weights and memories over from where the library keeps them.
    fn load(&mut self, layers: &[Layer]) {
        let columns = layers[0].outputs;
        for panel in self.own.iter_mut().flat_map(|own| &mut own.get_mut().unwrap().panels) {
            for (which, matrix) in layers[0].weight.iter().enumerate() {
                panel.load(which, matrix, columns);
            }
        }
        for (index, (room, layer)) in self.layers.iter_mut().zip(layers).enumerate() {
            if index > 0 || !self.is_sparse {
                let pairs = room.arrays.iter_mut().zip(&layer.weight);
                pairs.for_each(|(panels, matrix)| panels.load(matrix));
            }
            if index > 0 {
                let rows = 0..room.arrays[0].rows;
                // SAFETY: nothing else runs yet.
                unsafe { room.arrays[0].parts().transpose(room.turned.parts(), rows) };
            }
            for (bias, from) in room.bias.iter_mut().zip(&layer.bias) {
                bias[..from.len()].copy_from_slice(from);
            }
        }
    }

    /// Gives them back.
    fn store(&mut self, layers: &mut [Layer]) {
        let columns = layers[0].outputs;
        for panel in self.own.iter_mut().flat_map(|own| &mut own.get_mut().unwrap().panels) {
            for (which, matrix) in layers[0].weight.iter_mut().enumerate() {
                panel.store(which, matrix, columns);
            }
        }
        for (index, (room, layer)) in self.layers.iter_mut().zip(layers).enumerate() {
            if index > 0 || !self.is_sparse {
                let pairs = room.arrays.iter_mut().zip(&mut layer.weight);
                pairs.for_each(|(panels, matrix)| panels.store(matrix));
            }
            for (bias, to) in room.bias.iter().zip(&mut layer.bias) {
                to.copy_from_slice(&bias[..to.len()]);
            }
        }
    }

    fn work<'a>(&'a mut self, engine: &Engine, steps: &'a Steps<'a>, layers: &[Layer]) -> Work<'a> {
        let parts = |(room, layer): (&mut LayerRoom, &Layer)| LayerParts {
            outputs: layer.outputs,
            arrays: room.arrays.each_mut().map(|array| array.parts()),
            turned: room.turned.parts(),
            kind: layer.activation,
            bias: room.bias.each_mut().map(|bias| Parts::new(bias)),
            before: Parts::new(&mut room.before),
            after: room.after.each_mut().map(|after| Parts::new(after)),
            delta: Parts::new(&mut room.delta),
            stride: room.stride,
        };
        Work {
            simd: self.simd,
            threads: self.threads,
            barrier: Barrier::new(engine.threads()),
            steps,
            labels: steps.order.iter().map(|&image| steps.labels[image as usize]).collect(),
            is_sparse: self.is_sparse,
            inputs: self.inputs.each_mut().map(|inputs| Parts::new(inputs)),
            stride: self.stride,
            layers: self.layers.iter_mut().zip(layers).map(parts).collect(),
            own: &self.own,
            losses: Parts::new(&mut self.losses),
            right: Parts::new(&mut self.right),
            outcomes: Mutex::default(),
        }
    }
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

/// A layer as the threads see it.
struct LayerParts {
    outputs: usize,
    arrays: [PanelParts; 3],
    turned: PanelParts,
    kind: Option<Activation>,
    bias: [Parts<f32>; 3],
    before: Parts<f32>,
    after: [Parts<f32>; 2],
    delta: Parts<f32>,
    stride: usize,
}

/// The steps as the threads see them.
struct Work<'a> {
    simd: Simd,
    threads: usize,
    barrier: Barrier,
    steps: &'a Steps<'a>,
    /// The labels in the order of the steps.
    labels: Vec<u32>,
    is_sparse: bool,
    inputs: [Parts<f32>; 2],
    stride: usize,
    layers: Vec<LayerParts>,
    own: &'a [Mutex<Own>],
    losses: Parts<f32>,
    right: Parts<u32>,
    outcomes: Mutex<Vec<Outcome>>,
}

impl Work<'_> {
    /// What a thread does.
    fn run(&self, thread: usize) {
        let _guard = self.barrier.guard();
        let own = &mut *self.own[thread].lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_sparse {
            self.fill(0, thread);
            self.barrier.wait();
        }
        for step in 0..self.steps.rules.len() {
            self.first_layer(step, thread, own);
            self.barrier.wait();
            self.other_layers(step, thread, own);
            self.fill(step + 1, thread);
            self.barrier.wait();
            if !self.count(step, thread) {
                break;
            }
            self.update(step, thread, own);
        }
    }

    /// The images of a step.
    fn order(&self, step: usize) -> &[u32] {
        let begin = step * self.steps.batch;
        &self.steps.order[begin..self.steps.order.len().min(begin + self.steps.batch)]
    }

    /// Where the images of a step come from.
    fn source(&self, step: usize) -> Source<'_> {
        let (pixels, width) = (self.steps.pixels, self.steps.inputs);
        Source { pixels, width, order: self.order(step) }
    }

    /// This thread's share in reading the dense inputs of a step, if there is such a step.
    fn fill(&self, step: usize, thread: usize) {
        if !self.is_sparse && step < self.steps.rules.len() {
            let (dense, stride, source) = (self.inputs[step % 2], self.stride, self.source(step));
            let rows = share(source.order.len(), self.threads, thread);
            self.simd.run(FillDense { dense, stride, rows, source });
        }
    }

    /// The dense inputs of a step.
    fn dense(&self, step: usize) -> *const f32 {
        self.inputs[step % 2].start()
    }

    /// The outputs of the first layer for all images, in this thread's columns.
    fn first_layer(&self, step: usize, thread: usize, own: &mut Own) {
        let (rows, layer) = (self.order(step).len(), &self.layers[0]);
        let activate = layer.activate(step % 2);
        if self.is_sparse {
            self.simd.run(FillBits { batch: &mut own.batch, source: self.source(step) });
            let mut next = (step + 1 < self.steps.rules.len()).then(|| self.source(step + 1));
            for panel in &mut own.panels {
                let (batch, next) = (&own.batch, next.take());
                self.simd.run(sparse::Forward { panel, batch, rows, activate, next });
            }
            return;
        }
        let panels = share(layer.arrays[0].count(), self.threads, thread);
        self.simd.run(Product {
            a: self.dense(step),
            a_stride: self.stride,
            weights: layer.arrays[0],
            out: activate.after,
            out_stride: layer.stride,
            rows: 0..rows,
            panels: panels.clone(),
        });
        let width = layer.arrays[0].width;
        let columns = panels.start * width..panels.end * width;
        self.simd.run(ActivateRows { activate, rows: 0..rows, columns });
    }

    /// All other layers for this thread's images, forward and back to the first layer's outputs.
    fn other_layers(&self, step: usize, thread: usize, own: &mut Own) {
        let count = self.order(step).len();
        let rows = share(count, self.threads, thread);
        for index in 1..self.layers.len() {
            let (before, layer) = (&self.layers[index - 1], &self.layers[index]);
            let activate = layer.activate(0);
            self.simd.run(Product {
                a: before.after_of(index - 1, step),
                a_stride: before.stride,
                weights: layer.arrays[0],
                out: activate.after,
                out_stride: layer.stride,
                rows: rows.clone(),
                panels: 0..layer.arrays[0].count(),
            });
            let columns = 0..layer.columns();
            self.simd.run(ActivateRows { activate, rows: rows.clone(), columns });
        }
        self.loss(step, rows.clone(), &mut own.room);
        for index in (0..self.layers.len()).rev() {
            let layer = &self.layers[index];
            if index + 1 < self.layers.len() {
                let next = &self.layers[index + 1];
                self.simd.run(Product {
                    a: next.delta.start(),
                    a_stride: next.stride,
                    weights: next.turned,
                    out: layer.delta,
                    out_stride: layer.stride,
                    rows: rows.clone(),
                    panels: 0..next.turned.count(),
                });
            }
            let after = layer.after[if index == 0 { step % 2 } else { 0 }];
            let from = if needs_before(layer.kind) { layer.before } else { after };
            self.simd.run(ActivateRowsBackward { layer, from, rows: rows.clone() });
        }
    }

    /// The losses of this thread's images and the gradients of their logits.
    fn loss(&self, step: usize, rows: Range<usize>, room: &mut Numbers) {
        let (last, count) = (self.layers.len() - 1, self.order(step).len());
        let layer = &self.layers[last];
        let scale = match self.steps.reduction {
            Reduction::Mean => Some(1.0 / count as f32),
            Reduction::Sum => None,
        };
        self.simd.run(head::CrossEntropy {
            logits: layer.after[if last == 0 { step % 2 } else { 0 }],
            delta: layer.delta,
            stride: layer.stride,
            classes: layer.outputs,
            rows,
            labels: &self.labels[step * self.steps.batch..][..count],
            scale,
            losses: self.losses,
            right: self.right,
            room,
        });
    }

    /// Adds up what the step saw. Returns whether it may change the weights.
    fn count(&self, step: usize, thread: usize) -> bool {
        let count = self.order(step).len();
        // SAFETY: all threads have written theirs, and write again only after the next meeting.
        let (losses, right) = unsafe { (self.losses.part(0, count), self.right.part(0, count)) };
        let sum = losses.iter().fold(0.0, |sum, loss| sum + loss);
        let loss = reduce(sum, count, self.steps.reduction);
        if thread == 0 {
            let outcome = Outcome { loss, correct: right.iter().sum(), count: count as u32 };
            self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        }
        loss.is_finite()
    }

    /// The gradients of this thread's weights, and what they change.
    fn update(&self, step: usize, thread: usize, own: &mut Own) {
        let (count, rule, simd) = (self.order(step).len(), self.steps.rules[step], self.simd);
        for (index, layer) in self.layers.iter().enumerate() {
            let LayerParts { delta, stride, bias, arrays, .. } = *layer;
            if index == 0 && self.is_sparse {
                for panel in &mut own.panels {
                    let batch = &own.batch;
                    let update = sparse::Update {
                        simd,
                        panel,
                        batch,
                        rows: count,
                        delta,
                        stride,
                        bias,
                        rule,
                    };
                    rule.with(update);
                }
                continue;
            }
            let width = arrays[0].width;
            let blocks = share(arrays[0].count(), self.threads, thread);
            let columns = blocks.start * width..blocks.end * width;
            rule.with(UpdateBias { simd, delta, stride, batch: count, arrays: bias, columns });
            let (x, x_stride, rows, panels) = match index.checked_sub(1) {
                None => (self.dense(step), self.stride, 0..arrays[0].rows, blocks),
                Some(before) => {
                    let rows = share(layer.turned.count(), self.threads, thread);
                    let rows = rows.start * width..arrays[0].rows.min(rows.end * width);
                    let before_layer = &self.layers[before];
                    let x = before_layer.after_of(before, step);
                    (x, before_layer.stride, rows, 0..arrays[0].count())
                }
            };
            rule.with(dense::Update {
                simd,
                x,
                x_stride,
                delta,
                delta_stride: stride,
                batch: count,
                arrays,
                rows: rows.clone(),
                panels,
                room: &mut own.room,
            });
            if index > 0 {
                // SAFETY: these rows are whole panels of the transpose and this thread's alone.
                unsafe { arrays[0].transpose(layer.turned, rows) };
            }
        }
    }
}

impl LayerParts {
    fn activate(&self, parity: usize) -> Activate {
        let (kind, [bias, ..], before) = (self.kind, self.bias, self.before);
        Activate { kind, bias, before, after: self.after[parity], stride: self.stride }
    }

    /// Output columns up to a whole number of panels.
    fn columns(&self) -> usize {
        self.outputs.next_multiple_of(self.arrays[0].width)
    }

    /// The outputs of layer `index` in a step: those of the first are kept for two steps, because
    /// some threads still need the last when others compute the next.
    fn after_of(&self, index: usize, step: usize) -> *const f32 {
        self.after[if index == 0 { step % 2 } else { 0 }].start()
    }
}

/// Bias and activation of rows whose sums lie where the outputs go.
struct ActivateRows {
    activate: Activate,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Kernel for ActivateRows {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let ActivateRows { activate: to, rows, columns } = self;
        for row in rows {
            // SAFETY: these rows and columns are this call's alone, and the CPU has `V`.
            unsafe {
                let sums = to.after.at(row * to.stride + columns.start);
                activate::<V>(to, sums, row, columns.start, columns.len());
            }
        }
    }
}

/// The gradients of rows taken back through the activation, in place.
struct ActivateRowsBackward<'a> {
    layer: &'a LayerParts,
    from: Parts<f32>,
    rows: Range<usize>,
}

impl Kernel for ActivateRowsBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let LayerParts { kind, delta, stride, .. } = *self.layer;
        for row in self.rows {
            // SAFETY: these rows are this call's alone, and the CPU has `V`.
            unsafe {
                let (delta, from) = (delta.at(row * stride), self.from.at(row * stride));
                activate_backward::<V>(kind, delta, from, self.layer.columns());
            }
        }
    }
}
