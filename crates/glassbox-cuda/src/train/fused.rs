//! A training step of a network with one hidden layer, in two kernels.

use super::Part;
use super::session::Room;
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::launch::Image;
use crate::ops::activation::NONE;
use crate::ops::dim;

static IMAGES: Image = Image {
    name: "train/fused_images",
    ptx: include_str!("../../ptx/train/fused_images.ptx"),
    capability: 75,
};
static UPDATE: Image = Image {
    name: "train/fused_update",
    ptx: include_str!("../../ptx/train/fused_update.ptx"),
    capability: 75,
};

/// Threads a block of `fused_images`, and the most that it takes: units and outputs.
const THREADS: usize = 256;
const MOST_UNITS: usize = 1024;
const MOST_OUTPUTS: usize = 32;

/// Threads a block of `fused_update`, what a block has of the first layer, pixels and units, and what of the last one,
/// units and outputs.
const UPDATE_THREADS: usize = 256;
const TILE: [usize; 2] = [8, 64];
const OUTPUT_TILE: [usize; 2] = [32, 8];

/// Units and activation of the hidden layer (its number and its slope), if these are the parts of a network that has
/// one.
fn hidden(parts: &[Part]) -> Option<(usize, u32, f32)> {
    match *parts {
        [Part::Dense { outputs }, Part::Dense { .. }] => Some((outputs, NONE, 0.0)),
        [Part::Dense { outputs }, Part::Activation(kind), Part::Dense { .. }] => {
            let (kind, slope) = kind.code();
            Some((outputs, kind, slope))
        }
        _ => None,
    }
}

/// Whether the kernels take a network of these parts.
pub(super) fn takes(parts: &[Part]) -> bool {
    let (Some((h, ..)), Some(&Part::Dense { outputs: o })) = (hidden(parts), parts.last()) else {
        return false;
    };
    h <= MOST_UNITS && o <= MOST_OUTPUTS
}

/// What is between the kernels of a step, and between steps: room for batches of up to `b` images.
pub(super) struct Between {
    /// The images of the step (b,i), and those of the next one: their pixels (b,i), of these the ones that are not zero
    /// each its place and its value (b,i,2), and their number (b), and the labels (b).
    now: Buffer<u8>,
    next: Buffer<u8>,
    terms: Buffer<u32>,
    counts: Buffer<u32>,
    next_labels: Buffer<u32>,
    /// The output of the hidden layer and the gradient of its activation's input (b,h).
    hidden: Buffer<f32>,
    dhidden: Buffer<f32>,
    /// (b,o)
    dlogits: Buffer<f32>,
    /// (b)
    losses: Buffer<f32>,
    right: Buffer<u32>,
}

impl Between {
    pub(super) fn new(room: &Room) -> Result<Between> {
        let (engine, b) = (&room.engine, room.batch);
        let ([i, h], [_, o]) = (room.widths(0), room.widths(room.parts.len() - 1));
        Ok(Between {
            now: engine.buffer(b * i)?,
            next: engine.buffer(b * i)?,
            terms: engine.buffer(2 * b * i)?,
            counts: engine.buffer(b)?,
            next_labels: engine.buffer(b)?,
            hidden: engine.buffer(b * h)?,
            dhidden: engine.buffer(b * h)?,
            dlogits: engine.buffer(b * o)?,
            losses: engine.buffer(b)?,
            right: engine.buffer(b)?,
        })
    }

    /// Queues what comes before the first step of a run: its images are fetched.
    pub(super) fn first(&mut self, room: &Room) -> Result<()> {
        let launch = room.engine.launch(&UPDATE, "fused_first")?;
        let launch = launch.grid([dim(room.batch), 1, 1]).block([UPDATE_THREADS as u32, 1, 1]);
        let launch = launch
            .arg(&mut self.next)
            .arg(&mut self.terms)
            .arg(&mut self.counts)
            .arg(&mut self.next_labels);
        let launch = launch.arg(room.data.pixels()).arg(&room.data.labels);
        let launch = launch.arg(&room.order).arg(&room.rules).arg(&room.state);
        // SAFETY: a block for each image of a batch, and the order names images that exist.
        unsafe { launch.arg(dim(room.data.inputs)).run() }
    }

    /// Queues a step of `b` images.
    pub(super) fn step(&mut self, room: &Room, b: usize) -> Result<()> {
        self.images(room, b)?;
        self.update(room, b)
    }

    /// Forward, and back to what the hidden layer gave.
    fn images(&mut self, room: &Room, b: usize) -> Result<()> {
        let ([i, h], [_, o]) = (room.widths(0), room.widths(room.parts.len() - 1));
        let (_, kind, slope) = hidden(&room.parts).expect("one hidden layer");
        let [[w1, b1], [w2, b2]] = [&room.parameters[0], &room.parameters[1]];
        // Rows of four-byte numbers begin at multiples of 16 bytes.
        let is_aligned = h.is_multiple_of(4);
        let kernel = if is_aligned { "fused_images" } else { "fused_images_anywhere" };
        let launch = room.engine.launch(&IMAGES, kernel)?;
        let launch = launch.grid([dim(b), 1, 1]).block([THREADS as u32, 1, 1]);
        let launch = launch.arg(&self.terms).arg(&self.counts);
        let launch = launch.arg(&w1.arrays[0]).arg(dim(i)).arg(dim(h)).arg(&b1.arrays[0]);
        let launch = launch.arg(&w2.arrays[0]).arg(&b2.arrays[0]).arg(dim(o)).arg(kind);
        let launch = launch.arg(slope).arg(room.scale(b));
        let launch = launch.arg(&self.next).arg(&mut self.now).arg(&mut self.hidden);
        let launch = launch.arg(&mut self.dlogits).arg(&mut self.dhidden);
        let launch = launch.arg(&mut self.losses).arg(&mut self.right);
        // SAFETY: the shapes are as the kernel says, a block for each image; labels are below o, and h and o not more
        // than it takes.
        unsafe { launch.arg(&self.next_labels).arg(&room.state).run() }
    }

    /// The gradients of all weights, and what they change.
    fn update(&mut self, room: &Room, b: usize) -> Result<()> {
        let ([i, h], [_, o]) = (room.widths(0), room.widths(room.parts.len() - 1));
        let (pixel_blocks, across) = (i.div_ceil(TILE[0]), h.div_ceil(TILE[1]));
        let output_blocks = h.div_ceil(OUTPUT_TILE[0]) * o.div_ceil(OUTPUT_TILE[1]);
        let bias_blocks = (h + o).div_ceil(UPDATE_THREADS);
        let blocks = pixel_blocks + output_blocks + bias_blocks + 1 + room.batch;
        let mut launch = room.engine.launch(&UPDATE, "fused_update")?;
        launch = launch.grid([dim(blocks), dim(across), 1]);
        launch = launch.block([UPDATE_THREADS as u32, 1, 1]);
        let [[w1, b1], [w2, b2]] = [0, 1].map(|layer| room.parameters[layer].each_ref());
        let launch = launch.arg(w1.three()[0]).arg(&self.now).arg(&self.dhidden).arg(&self.losses);
        let launch = launch.arg(&room.state).arg(dim(b)).arg(dim(i)).arg(dim(h)).arg(dim(o));
        let launch = launch.arg(w1.three()[1]).arg(w1.three()[2]).arg(&self.right);
        let mut launch = launch.arg(u32::from(room.is_mean)).arg(dim(room.batch));
        for array in w2.three() {
            launch = launch.arg(array);
        }
        launch = launch.arg(&self.hidden).arg(&self.dlogits);
        for array in [b1, b2].into_iter().flat_map(|bias| bias.three()) {
            launch = launch.arg(array);
        }
        let launch = launch
            .arg(&mut self.next)
            .arg(&mut self.terms)
            .arg(&mut self.counts)
            .arg(&mut self.next_labels);
        let launch = launch.arg(room.data.pixels()).arg(&room.data.labels).arg(&room.order);
        // SAFETY: as above; an outcome and a rule for each step, as many memories as the rules use, and the order names
        // images that exist.
        unsafe { launch.arg(&room.rules).arg(&room.outcomes).run() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_have_these_sizes() {
        let text = [include_str!("fused_images.cu"), include_str!("fused_update.cu")].concat();
        for size in [
            format!("unsigned THREADS = {THREADS},"),
            format!("MOST_UNITS = {MOST_UNITS}, MOST_OUTPUTS = WARP;"),
            format!("PIXELS = {}, OUTPUTS = {},", TILE[0], OUTPUT_TILE[1]),
            "UPDATE_THREADS = 8 * WARP,".to_string(),
            "TILE = 2 * WARP;".to_string(),
        ] {
            assert!(text.contains(&size), "{size}");
        }
        let warp = MOST_OUTPUTS;
        assert_eq!((TILE[1], OUTPUT_TILE[0], UPDATE_THREADS), (2 * warp, warp, 8 * warp));
    }
}
