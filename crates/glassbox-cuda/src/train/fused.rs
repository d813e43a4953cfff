//! A training step of a network with one hidden layer, in two kernels.

use super::Part;
use super::session::Room;
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::launch::Image;
use crate::ops::activation::NONE;
use crate::ops::dim;

/// Both kernels of a step, and whether they start before what is queued ahead of them has ended.
struct Kernels {
    images: &'static Image,
    update: &'static Image,
    names: [&'static str; 2],
    are_early: bool,
}

macro_rules! image {
    ($name:literal, $capability:literal) => {{
        static IMAGE: Image = Image {
            name: concat!("train/", $name),
            ptx: include_str!(concat!("../../ptx/train/", $name, ".ptx")),
            capability: $capability,
        };
        &IMAGE
    }};
}

/// Threads a block of `fused_images`, and the most that it takes: units and outputs.
const THREADS: usize = 160;
const MOST_UNITS: usize = 1024;
const MOST_OUTPUTS: usize = 32;

/// Threads a block of `fused_update`, what a block has of the first layer, pixels and units, and what of the last one,
/// units and outputs.
const UPDATE_THREADS: usize = 256;
const TILE: [usize; 2] = [16, 64];
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

/// The kernels of a step.
fn kernels(are_early: bool) -> Kernels {
    if are_early {
        Kernels {
            images: image!("fused_images.sm90", 90),
            update: image!("fused_update.sm90", 90),
            names: ["fused_images_early", "fused_update_early"],
            are_early,
        }
    } else {
        Kernels {
            images: image!("fused_images", 75),
            update: image!("fused_update", 75),
            names: ["fused_images", "fused_update"],
            are_early,
        }
    }
}

/// What is between the kernels of a step: room for batches of up to `b` images.
pub(super) struct Between {
    kernels: Kernels,
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
        let ([_, h], [_, o]) = (room.widths(0), room.widths(room.parts.len() - 1));
        Ok(Between {
            kernels: kernels(room.starts_early),
            hidden: engine.buffer(b * h)?,
            dhidden: engine.buffer(b * h)?,
            dlogits: engine.buffer(b * o)?,
            losses: engine.buffer(b)?,
            right: engine.buffer(b)?,
        })
    }

    /// Queues a step of `b` images. `turn` is its number in the run, modulo 2.
    pub(super) fn step(&mut self, room: &Room, b: usize, turn: usize) -> Result<()> {
        self.images(room, b, turn)?;
        self.update(room, b, turn)
    }

    /// Forward, and back to what the hidden layer gave.
    fn images(&mut self, room: &Room, b: usize, turn: usize) -> Result<()> {
        let ([i, h], [_, o]) = (room.widths(0), room.widths(room.parts.len() - 1));
        let (_, kind, slope) = hidden(&room.parts).expect("one hidden layer");
        let [[w1, b1], [w2, b2]] = [&room.parameters[0], &room.parameters[1]];
        let mut launch = room.engine.launch(self.kernels.images, self.kernels.names[0])?;
        launch = launch.grid([dim(b), 1, 1]).block([THREADS as u32, 1, 1]);
        launch = launch.early_if(self.kernels.are_early);
        launch = launch.arg(&room.order).arg(dim(room.batch)).arg(dim(turn)).arg(&room.state);
        launch = launch.arg(room.data.pixels()).arg(&room.data.labels);
        launch = launch.arg(&w1.arrays[0]).arg(dim(i)).arg(dim(h)).arg(&b1.arrays[0]);
        launch = launch.arg(&w2.arrays[0]).arg(&b2.arrays[0]).arg(dim(o)).arg(kind);
        launch = launch.arg(slope).arg(room.scale(b)).arg(&mut self.hidden);
        launch = launch.arg(&mut self.dlogits).arg(&mut self.dhidden).arg(&mut self.losses);
        // SAFETY: the shapes are as the kernel says, a block for each image; the order names images that exist; labels
        // are below o, and h and o not more than it takes. Kernels that start early wait before they touch what the one
        // ahead does.
        unsafe { launch.arg(&mut self.right).run() }
    }

    /// The gradients of all weights, and what they change.
    fn update(&mut self, room: &Room, b: usize, turn: usize) -> Result<()> {
        let ([i, h], [_, o]) = (room.widths(0), room.widths(room.parts.len() - 1));
        let (pixel_blocks, across) = (i.div_ceil(TILE[0]), h.div_ceil(TILE[1]));
        let output_blocks = h.div_ceil(OUTPUT_TILE[0]) * o.div_ceil(OUTPUT_TILE[1]);
        let bias_blocks = (h + o).div_ceil(UPDATE_THREADS);
        let blocks = pixel_blocks + output_blocks + bias_blocks + 1;
        let mut launch = room.engine.launch(self.kernels.update, self.kernels.names[1])?;
        launch = launch.grid([dim(blocks), dim(across), 1]);
        launch = launch.block([UPDATE_THREADS as u32, 1, 1]).early_if(self.kernels.are_early);
        let [[w1, b1], [w2, b2]] = [0, 1].map(|layer| room.parameters[layer].each_ref());
        launch = launch.arg(&room.order).arg(dim(room.batch)).arg(dim(turn)).arg(&room.state);
        launch = launch.arg(room.data.pixels()).arg(dim(b)).arg(dim(i)).arg(dim(h)).arg(dim(o));
        launch = launch.arg(w1.three()[0]).arg(&room.rules).arg(&self.dhidden);
        launch = launch.arg(&self.losses).arg(&self.right).arg(u32::from(room.is_mean));
        launch = launch.arg(w1.three()[1]).arg(w1.three()[2]);
        for array in w2.three() {
            launch = launch.arg(array);
        }
        launch = launch.arg(&self.hidden).arg(&self.dlogits);
        for array in [b1, b2].into_iter().flat_map(|bias| bias.three()) {
            launch = launch.arg(array);
        }
        // SAFETY: as above; an outcome and a rule for each step, and as many memories as the rules use.
        unsafe { launch.arg(&room.outcomes).run() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_have_these_sizes() {
        let text = [include_str!("fused_images.cuh"), include_str!("fused_update.cuh")].concat();
        for size in [
            "UNITS = 4 * WARP, THREADS = UNITS + WARP,".to_string(),
            format!("MOST_UNITS = {MOST_UNITS}, MOST_OUTPUTS = WARP;"),
            format!(" PIXELS = {},", TILE[0]),
            format!(" OUTPUTS = {},", OUTPUT_TILE[1]),
            "UPDATE_THREADS = 8 * WARP,".to_string(),
            " TILE = 2 * WARP;".to_string(),
        ] {
            assert!(text.contains(&size), "{size}");
        }
        let warp = MOST_OUTPUTS;
        assert_eq!(
            (TILE[1], OUTPUT_TILE[0], UPDATE_THREADS, THREADS),
            (2 * warp, warp, 8 * warp, 5 * warp)
        );
    }

    /// What is `__restrict__` may be read through a cache that does not see what another kernel changes: see sm90.cuh.
    #[test]
    fn only_what_stays_is_restricted() {
        for text in [include_str!("fused_images.cuh"), include_str!("fused_update.cuh")] {
            let names = text.split("__restrict__ ").skip(1);
            for name in names.filter_map(|rest| rest.split([',', ')']).next()) {
                assert!(["order", "pixels", "labels", "rules"].contains(&name), "{name}");
            }
        }
        for text in [include_str!("fused.cuh"), include_str!("../ops/row_loss.cuh")] {
            assert!(!text.contains("__restrict__"));
        }
    }
}
