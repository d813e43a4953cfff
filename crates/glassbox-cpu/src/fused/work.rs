//! What the threads do in a step, and when they meet.

use super::activate::{Activate, activate_backward, needs_before};
use super::barrier::Barrier;
use super::dense::{self, PanelParts, Product, UpdateBias};
use super::inputs::{FillBits, FillDense, Source};
use super::pace::Choice;
use super::room::Own;
use super::{Outcome, Steps, head, share, sparse};
use crate::fast::dispatch::{Kernel, Simd};
use crate::fast::memory::Numbers;
use crate::fast::pool::{Parts, lock};
use crate::fast::vector::Vector;
use crate::reference::loss::reduce;
use crate::reference::{Activation, Reduction};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Steps between two looks at the clock, of which each takes a thousandth of a small network's step.
const STEPS: usize = 8;
/// Where steps are longer than this, there is a look after each.
const LONG: Duration = Duration::from_millis(1);

/// When a thread looks at the clock.
struct Clock {
    /// The first step, and when it was over: until then threads wake up and memory is new.
    begun: Option<(usize, Instant)>,
    /// The step after which it looks next.
    next: usize,
}

impl Clock {
    /// How many steps there were since the first one, and how long they took.
    fn look(&mut self) -> (usize, Duration) {
        let (step, now) = (self.next, Instant::now());
        let (first, begun) = *self.begun.get_or_insert((step, now));
        let (steps, time) = (step - first, now - begun);
        let is_long = steps == 0 || time > LONG * steps as u32;
        self.next += if is_long { 1 } else { STEPS };
        (steps, time)
    }
}

/// A layer as the threads see it.
pub(super) struct LayerParts {
    pub outputs: usize,
    pub arrays: [PanelParts; 3],
    pub turned: PanelParts,
    pub kind: Option<Activation>,
    pub bias: [Parts<f32>; 3],
    pub before: Parts<f32>,
    pub after: [Parts<f32>; 2],
    pub delta: Parts<f32>,
    pub stride: usize,
}

/// The steps as the threads see them.
pub(super) struct Work<'a> {
    pub simd: Simd,
    pub threads: usize,
    pub barrier: Barrier,
    /// The first step, and the one before which all threads leave.
    pub first: usize,
    pub end: AtomicUsize,
    pub choice: &'a dyn Choice,
    /// Images, and the time they took.
    pub taken: Mutex<(usize, Duration)>,
    pub steps: &'a Steps<'a>,
    /// The labels in the order of the steps.
    pub labels: &'a [u32],
    pub is_sparse: bool,
    pub inputs: [Parts<f32>; 2],
    pub stride: usize,
    pub layers: Vec<LayerParts>,
    pub own: &'a [Mutex<Own>],
    pub losses: Parts<f32>,
    pub right: Parts<u32>,
    pub outcomes: Mutex<Vec<Outcome>>,
}

impl Work<'_> {
    /// What a thread does.
    pub(super) fn run(&self, thread: usize) {
        let _guard = self.barrier.guard();
        let own = &mut *lock(&self.own[thread]);
        let mut clock = (thread == 0).then_some(Clock { begun: None, next: self.first });
        if !self.is_sparse {
            self.fill(self.first, thread);
            self.barrier.wait();
        }
        for step in self.first..self.steps.rules.len() {
            self.first_layer(step, thread, own);
            self.barrier.wait();
            self.other_layers(step, thread, own);
            self.fill(step + 1, thread);
            if let Some(clock) = clock.as_mut().filter(|clock| clock.next == step) {
                self.look(clock);
            }
            self.barrier.wait();
            // All threads read the same: it's written only before the meeting of a step.
            let is_last = self.end.load(Ordering::Relaxed) == step + 1;
            if !self.count(step, thread) {
                break;
            }
            self.update(step, thread, own);
            if is_last {
                break;
            }
        }
    }

    /// Has this step be the last of the call if there is something to decide.
    #[inline(never)]
    fn look(&self, clock: &mut Clock) {
        let step = clock.next;
        let (steps, time) = clock.look();
        let images = self.images(step + 1 - steps..step + 1);
        *lock(&self.taken) = (images, time);
        if self.choice.is_due(images, time) {
            self.end.store(step + 1, Ordering::Relaxed);
        }
    }

    /// How many images some steps have.
    fn images(&self, steps: Range<usize>) -> usize {
        let images = self.steps.order.len();
        images.min(steps.end * self.steps.batch) - images.min(steps.start * self.steps.batch)
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
        let inputs = (self.dense(step), self.stride);
        dense::forward(self.simd, inputs, layer.arrays[0], activate, 0..rows, panels);
    }

    /// All other layers for this thread's images, forward and back to the first layer's outputs.
    fn other_layers(&self, step: usize, thread: usize, own: &mut Own) {
        let count = self.order(step).len();
        let rows = share(count, self.threads, thread);
        for index in 1..self.layers.len() {
            let (before, layer) = (&self.layers[index - 1], &self.layers[index]);
            let (weights, activate) = (layer.arrays[0], layer.activate(0));
            let inputs = (before.after_of(index - 1, step).start().cast_const(), before.stride);
            let panels = 0..weights.count();
            dense::forward(self.simd, inputs, weights, activate, rows.clone(), panels);
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
            let after = layer.after_of(index, step);
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
            logits: layer.after_of(last, step),
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
        let (losses, right) = unsafe { (self.losses.read(0, count), self.right.read(0, count)) };
        let sum = losses.iter().fold(0.0, |sum, loss| sum + loss);
        let loss = reduce(sum, count, self.steps.reduction);
        if thread == 0 {
            let outcome = Outcome { loss, correct: right.iter().sum(), count: count as u32 };
            lock(&self.outcomes).push(outcome);
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
                    let (rows, rests) = (count, rule.rests());
                    let update = sparse::Update { panel, batch, rows, delta, stride, bias, rests };
                    rule.apply(simd, update);
                }
                continue;
            }
            let width = arrays[0].width;
            let blocks = share(arrays[0].count(), self.threads, thread);
            let columns = blocks.start * width..blocks.end * width;
            rule.apply(simd, UpdateBias { delta, stride, batch: count, arrays: bias, columns });
            let (x, x_stride, rows, panels) = match index.checked_sub(1) {
                None => (self.dense(step), self.stride, 0..arrays[0].rows, blocks),
                Some(before) => {
                    let rows = share(layer.turned.count(), self.threads, thread);
                    let rows = rows.start * width..arrays[0].rows.min(rows.end * width);
                    let before_layer = &self.layers[before];
                    let x = before_layer.after_of(before, step).start().cast_const();
                    (x, before_layer.stride, rows, 0..arrays[0].count())
                }
            };
            let room = &mut own.room;
            let update = dense::Update {
                x,
                x_stride,
                delta,
                delta_stride: stride,
                batch: count,
                arrays,
                rows: rows.clone(),
                panels,
                room,
            };
            rule.apply(simd, update);
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
    fn after_of(&self, index: usize, step: usize) -> Parts<f32> {
        self.after[if index == 0 { step % 2 } else { 0 }]
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
