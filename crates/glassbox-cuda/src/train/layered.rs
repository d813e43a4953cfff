//! A training step, operation by operation.

use super::session::Room;
use super::{Features, Part};
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::launch::Image;
use crate::ops::{self, dim};

static IMAGE: Image =
    Image { name: "train/step", ptx: include_str!("../../ptx/train/step.ptx"), capability: 75 };

/// Threads of a warp, which adds up the losses.
const WARP: u32 = 32;

/// What a random number of dropout is for, see `glassbox_cpu::reference::philox::Purpose`.
const DROPOUT: u32 = 3;

/// The buffers between the kernels of a step of `b` images.
pub(super) struct Between {
    labels: Buffer<u32>,
    losses: Buffer<f32>,
    right: Buffer<u32>,
    /// The inputs (b,i), then the output (b,o) of each part.
    values: Vec<Buffer<f32>>,
    /// The gradient of each part's output (b,o).
    gradients: Vec<Buffer<f32>>,
    /// The gradients of weight and bias of each dense layer.
    changes: Vec<[Buffer<f32>; 2]>,
}

impl Between {
    pub(super) fn new(room: &Room, b: usize) -> Result<Between> {
        let engine = &room.engine;
        let (mut values, mut gradients, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        for (index, part) in room.parts.iter().enumerate() {
            let [i, o] = room.widths(index);
            if index == 0 {
                values.push(engine.buffer(b * i)?);
            }
            values.push(engine.buffer(b * o)?);
            gradients.push(engine.buffer(b * o)?);
            if let Part::Dense { .. } = part {
                changes.push([engine.buffer(i * o)?, engine.buffer(o)?]);
            }
        }
        let [labels, right] = [engine.buffer(b)?, engine.buffer(b)?];
        Ok(Between { labels, losses: engine.buffer(b)?, right, values, gradients, changes })
    }

    /// Queues the step.
    pub(super) fn step(&mut self, room: &Room, b: usize) -> Result<()> {
        self.inputs(room, b)?;
        for index in 0..room.parts.len() {
            self.forward(room, b, index)?;
        }
        self.loss(room, b)?;
        for index in (0..room.parts.len()).rev() {
            self.backward(room, b, index)?;
        }
        self.update(room)
    }

    /// The inputs and labels of the batch.
    fn inputs(&mut self, room: &Room, b: usize) -> Result<()> {
        let (data, x) = (&room.data, &mut self.values[0]);
        let (kernel, from) = match &data.features {
            Features::Bytes(pixels) => ("step_inputs", pixels.address()),
            Features::Numbers(numbers) => ("step_inputs_numbers", numbers.address()),
        };
        let launch = room.engine.launch(&IMAGE, kernel)?.elements(x.len());
        let launch = launch.arg(x).arg(&mut self.labels).arg(from).arg(&data.labels);
        let launch = launch.arg(&room.order).arg(&room.state).arg(dim(room.batch));
        // SAFETY: x (b,i) and labels (b); the order names rows that exist, a batch for each step.
        unsafe { launch.arg(dim(b)).arg(dim(data.inputs)).run() }
    }

    /// The dense layer that part `index` is, counted from 0.
    fn dense(room: &Room, index: usize) -> usize {
        room.parts[..index].iter().filter(|part| matches!(part, Part::Dense { .. })).count()
    }

    /// y = part(x)
    fn forward(&mut self, room: &Room, b: usize, index: usize) -> Result<()> {
        let (engine, [i, o]) = (&room.engine, room.widths(index));
        let (before, after) = self.values.split_at_mut(index + 1);
        let (x, y) = (&before[index], &mut after[0]);
        match room.parts[index] {
            Part::Dense { .. } => {
                let [weight, bias] = &room.parameters[Self::dense(room, index)];
                ops::matmul(engine, y, x, &weight.arrays[0], [b, i, o])?;
                ops::add_bias(engine, y, &bias.arrays[0], [b, o])
            }
            Part::Activation(kind) => ops::activation(engine, kind, y, x),
            Part::Dropout { p } => dropout(room, y, x, false, p, index),
            Part::Softmax => ops::softmax(engine, y, x, [b, o]),
            Part::LogSoftmax => ops::log_softmax(engine, y, x, [b, o]),
        }
    }

    /// dx from dy, and the gradients of the parameters.
    fn backward(&mut self, room: &Room, b: usize, index: usize) -> Result<()> {
        let (engine, [i, o]) = (&room.engine, room.widths(index));
        let (x, y) = (&self.values[index], &self.values[index + 1]);
        let (before, after) = self.gradients.split_at_mut(index);
        let (dx, dy) = (before.last_mut(), &after[0]);
        if let Part::Dense { .. } = room.parts[index] {
            let dense = Self::dense(room, index);
            let [dw, db] = &mut self.changes[dense];
            ops::matmul_at(engine, dw, x, dy, [i, b, o])?;
            ops::add_bias_backward(engine, db, dy, [b, o])?;
        }
        // What the network was given has no use for a gradient.
        let Some(dx) = dx else { return Ok(()) };
        match room.parts[index] {
            Part::Dense { .. } => {
                let [weight, _] = &room.parameters[Self::dense(room, index)];
                ops::matmul_bt(engine, dx, dy, &weight.arrays[0], [b, o, i])
            }
            Part::Activation(kind) => ops::activation_backward(engine, kind, dx, dy, x, y),
            Part::Dropout { p } => dropout(room, dx, dy, true, p, index),
            Part::Softmax => ops::softmax_backward(engine, dx, dy, y, [b, o]),
            Part::LogSoftmax => ops::log_softmax_backward(engine, dx, dy, y, [b, o]),
        }
    }

    /// The loss, its gradient, and what is remembered of the step.
    fn loss(&mut self, room: &Room, b: usize) -> Result<()> {
        let last = room.parts.len() - 1;
        let [_, o] = room.widths(last);
        let (logits, dlogits) = (&self.values[last + 1], &mut self.gradients[last]);
        let launch = room.engine.launch(&IMAGE, "step_loss")?.rows([b, o]);
        let launch = launch.arg(&mut self.losses).arg(&mut self.right).arg(dlogits).arg(logits);
        let launch = launch.arg(&self.labels).arg(room.scale(b)).arg(b as u32).arg(o as u32);
        // SAFETY: losses, right and labels (b); logits and dlogits (b,o); labels are below o.
        unsafe { launch.run()? };
        let launch = room.engine.launch(&IMAGE, "step_outcome")?.block([WARP, 1, 1]);
        let launch = launch.arg(&room.outcomes);
        let launch = launch.arg(&room.state).arg(&self.losses).arg(&self.right);
        // SAFETY: an outcome for each step.
        unsafe { launch.arg(u32::from(room.is_mean)).arg(b as u32).run() }
    }

    /// What the gradients change.
    fn update(&mut self, room: &Room) -> Result<()> {
        let gradients = self.changes.iter().flatten();
        for (parameter, g) in room.parameters.iter().flatten().zip(gradients) {
            let [w, m, v] = parameter.three();
            let launch = room.engine.launch(&IMAGE, "step_update")?.elements(g.len());
            let launch = launch.arg(w).arg(m).arg(v).arg(g).arg(&room.rules).arg(&room.state);
            // SAFETY: all as long as g, and as many memories as the rules use; a rule for each step.
            unsafe { launch.arg(g.len() as u64).run()? };
        }
        Ok(())
    }
}

/// out = what dropout of part `index` keeps of x in the step at hand
fn dropout(
    room: &Room,
    out: &mut Buffer<f32>,
    x: &Buffer<f32>,
    is_backward: bool,
    p: f32,
    index: usize,
) -> Result<()> {
    let ([k0, k1], n) = (room.key, x.len());
    let launch = room.engine.launch(&IMAGE, "step_dropout")?.elements(n);
    let launch = launch.arg(out).arg(x).arg(&room.state).arg(u32::from(is_backward));
    let launch = launch.arg(p).arg(k0).arg(k1);
    // SAFETY: both (n).
    unsafe { launch.arg(index as u32).arg(DROPOUT).arg(n as u64).run() }
}
