//! The memory of a call: weights as the loops read them, and what flows between the layers.

use super::activate::needs_before;
use super::barrier::Barrier;
use super::dense::Panels;
use super::inputs::{Batch, Source};
use super::pace::Choice;
use super::work::{LayerParts, Work};
use super::{DENSE, Lanes, Layer, Steps, density, share, sparse, stride};
use crate::fast::dispatch::Simd;
use crate::fast::matmul::tile::COLUMNS;
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

/// The memory of a call.
pub(super) struct Room {
    pub threads: usize,
    pub simd: Simd,
    /// Dense inputs (b,stride), of this step and the next.
    pub inputs: [Numbers; 2],
    pub stride: usize,
    pub own: Vec<Mutex<Own>>,
    pub layers: Vec<LayerRoom>,
    pub is_sparse: bool,
    pub losses: Vec<f32>,
    pub right: Vec<u32>,
}

/// The memory of a layer.
pub(super) struct LayerRoom {
    /// The weights and the optimizer's memory of them; nothing in a sparse first layer.
    pub arrays: [Panels; 3],
    /// The weights transposed, but for the first layer.
    pub turned: Panels,
    pub bias: [Numbers; 3],
    /// (b,stride): the activation's input, its output (of this step and the last), its gradient.
    pub before: Numbers,
    pub after: [Numbers; 2],
    pub delta: Numbers,
    pub stride: usize,
}

/// What a thread has for itself.
pub(super) struct Own {
    pub batch: Batch,
    pub panels: Vec<sparse::Panel>,
    pub room: Numbers,
}

impl Room {
    /// For so many threads.
    pub(super) fn new(simd: Simd, threads: usize, steps: &Steps, layers: &[Layer]) -> Room {
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
    pub(super) fn load(&mut self, layers: &[Layer]) {
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
    pub(super) fn store(&mut self, layers: &mut [Layer]) {
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

    /// The steps from `first` on, until there is something to decide. `labels` are in their order.
    pub(super) fn work<'a>(
        &'a mut self,
        first: usize,
        steps: &'a Steps<'a>,
        labels: &'a [u32],
        layers: &[Layer],
        choice: &'a dyn Choice,
    ) -> Work<'a> {
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
            barrier: Barrier::new(self.threads),
            first,
            end: AtomicUsize::new(steps.rules.len()),
            choice,
            taken: Mutex::default(),
            steps,
            labels,
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
