//! A training step of a network with one hidden layer, in three kernels.

use super::Part;
use super::session::Room;
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::launch::Image;
use crate::ops::activation::NONE;

static IMAGE: Image =
    Image { name: "train/fused", ptx: include_str!("../../ptx/train/fused.ptx"), capability: 75 };

/// Threads a block.
const THREADS: u32 = 128;

/// Blocks of the update: a thread an element, as far as that is useful.
const MOST_BLOCKS: usize = 2048;

/// Units and activation of the hidden layer (its number and its slope), if these are the parts of a network that has
/// one.
pub(super) fn hidden(parts: &[Part]) -> Option<(usize, u32, f32)> {
    match *parts {
        [Part::Dense { outputs }, Part::Dense { .. }] => Some((outputs, NONE, 0.0)),
        [Part::Dense { outputs }, Part::Activation(kind), Part::Dense { .. }] => {
            let (kind, slope) = kind.code();
            Some((outputs, kind, slope))
        }
        _ => None,
    }
}

/// The buffers between the kernels of a step of `b` images.
pub(super) struct Between {
    /// Input of the hidden layer's activation, its output, and the gradient of its input (b,h).
    before: Buffer<f32>,
    hidden: Buffer<f32>,
    dhidden: Buffer<f32>,
    /// (b,o)
    logits: Buffer<f32>,
    dlogits: Buffer<f32>,
    /// (b)
    losses: Buffer<f32>,
    right: Buffer<u32>,
}

impl Between {
    pub(super) fn new(room: &Room, b: usize) -> Result<Between> {
        let [_, h] = room.widths(0);
        let [_, o] = room.widths(room.parts.len() - 1);
        let new = |len| room.engine.buffer(len);
        Ok(Between {
            before: new(b * h)?,
            hidden: new(b * h)?,
            dhidden: new(b * h)?,
            logits: new(b * o)?,
            dlogits: new(b * o)?,
            losses: new(b)?,
            right: room.engine.buffer(b)?,
        })
    }

    /// Queues the step.
    pub(super) fn step(&mut self, room: &Room, b: usize) -> Result<()> {
        self.hidden(room, b)?;
        self.outputs(room, b)?;
        self.update(room, b)
    }

    /// The hidden layer.
    fn hidden(&mut self, room: &Room, b: usize) -> Result<()> {
        let [i, h] = room.widths(0);
        let (_, kind, slope) = hidden(&room.parts).expect("one hidden layer");
        let [w1, b1] = &room.parameters[0];
        let launch = room.engine.launch(&IMAGE, "fused_hidden")?;
        let launch = launch.grid([b as u32, 1, 1]).block([THREADS, 1, 1]);
        let launch = launch.arg(&mut self.before).arg(&mut self.hidden).arg(&room.data.pixels);
        let launch = launch.arg(&room.order).arg(&w1.arrays[0]).arg(&b1.arrays[0]).arg(&room.state);
        let launch = launch.arg(kind).arg(slope).arg(room.batch as u32).arg(b as u32);
        // SAFETY: the shapes are as the kernel says, a block for each image, and the images exist.
        unsafe { launch.arg(i as u32).arg(h as u32).run() }
    }

    /// The outputs, the loss, and the gradient of the hidden layer.
    fn outputs(&mut self, room: &Room, b: usize) -> Result<()> {
        let [h, o] = room.widths(room.parts.len() - 1);
        let (_, kind, slope) = hidden(&room.parts).expect("one hidden layer");
        let [w2, b2] = &room.parameters[1];
        let launch = room.engine.launch(&IMAGE, "fused_outputs")?;
        let launch = launch.grid([b as u32, 1, 1]).block([THREADS, 1, 1]);
        let launch = launch.arg(&mut self.logits).arg(&mut self.dlogits).arg(&mut self.dhidden);
        let launch = launch.arg(&mut self.losses).arg(&mut self.right);
        let launch = launch.arg(&self.before).arg(&self.hidden).arg(&room.data.labels);
        let launch = launch.arg(&room.order).arg(&w2.arrays[0]).arg(&b2.arrays[0]).arg(&room.state);
        let launch = launch.arg(room.scale(b)).arg(kind).arg(slope).arg(room.batch as u32);
        // SAFETY: as above, and labels are below o.
        unsafe { launch.arg(b as u32).arg(h as u32).arg(o as u32).run() }
    }

    /// The gradients of all weights, and what they change.
    fn update(&mut self, room: &Room, b: usize) -> Result<()> {
        let ([i, h], [_, o]) = (room.widths(0), room.widths(room.parts.len() - 1));
        let blocks = (i * h).div_ceil(THREADS as usize).min(MOST_BLOCKS) as u32;
        let mut launch = room.engine.launch(&IMAGE, "fused_update")?;
        launch = launch.grid([blocks, 1, 1]).block([THREADS, 1, 1]);
        for array in room.parameters.iter().flatten().flat_map(|parameter| parameter.three()) {
            launch = launch.arg(array);
        }
        let launch = launch.arg(&room.data.pixels).arg(&room.order).arg(&self.hidden);
        let launch =
            launch.arg(&self.dhidden).arg(&self.dlogits).arg(&self.losses).arg(&self.right);
        let launch = launch.arg(&room.rules).arg(&room.state).arg(&room.outcomes);
        let launch = launch.arg(u32::from(room.is_mean)).arg(room.batch as u32).arg(b as u32);
        // SAFETY: as above; an outcome and a rule for each step, and as many memories as the rules use.
        unsafe { launch.arg(i as u32).arg(h as u32).arg(o as u32).run() }
    }
}
