//! The outputs of a network for many images: the forward half of a step, without a meeting. Each
//! thread takes images as long as there are some.

use super::activate::{Activate, needs_before};
use super::dense::{self, PanelParts, Panels};
use super::inputs::{Batch, FillBits, FillDense, Source};
use super::{DENSE, Lanes, Layer, check_layers, density, sparse, stride};
use crate::area;
use crate::fast::Engine;
use crate::fast::matmul::tile::COLUMNS;
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Images at a time.
const CHUNK: usize = 64;

/// out (b,o) = the network's outputs for the images `pixels` (b,inputs), divided by 255.
///
/// # Panics
/// If a length is wrong.
pub fn infer(engine: &Engine, out: &mut [f32], pixels: &[u8], inputs: usize, layers: &[Layer]) {
    let outputs = check_layers(inputs, layers, 1);
    let count = out.len() / outputs;
    assert_eq!((out.len(), pixels.len()), (area(count, outputs), area(count, inputs)), "infer");
    if count == 0 {
        return;
    }
    let order: Vec<u32> = (0..u32::try_from(count).expect("fewer than 2^32 images")).collect();
    let is_sparse =
        density(Source { pixels, width: inputs, order: &order[..count.min(256)] }) < DENSE;
    let mut shared = Shared::new(engine, inputs, layers, is_sparse);
    let weights: Vec<PanelParts> = shared.weights.iter_mut().map(|panels| panels.parts()).collect();
    let bias: Vec<Parts<f32>> = shared.bias.iter_mut().map(|bias| Parts::new(bias)).collect();
    let (lanes, out, next) = (shared.lanes, Parts::new(out), AtomicUsize::new(0));
    engine.pool.run(engine.threads().min(count.div_ceil(CHUNK)), &|_| {
        let mut own = Own::new(lanes, inputs, layers, is_sparse);
        loop {
            let start = next.fetch_add(CHUNK, Ordering::Relaxed);
            if start >= count {
                return;
            }
            let order = &order[start..count.min(start + CHUNK)];
            let source = Source { pixels, width: inputs, order };
            // SAFETY: these rows of the output are this thread's alone.
            let out = unsafe { out.part(start * outputs, order.len() * outputs) };
            own.outputs(engine, source, layers, &weights, &bias);
            own.copy_to(out, outputs);
        }
    });
}

/// What all threads read.
struct Shared {
    lanes: usize,
    /// The weights of each layer; nothing in a sparse first layer.
    weights: Vec<Panels>,
    bias: Vec<Numbers>,
}

impl Shared {
    fn new(engine: &Engine, inputs: usize, layers: &[Layer], is_sparse: bool) -> Shared {
        let lanes = engine.simd().run(Lanes);
        let mut before = inputs;
        let weights = layers.iter().enumerate().map(|(index, layer)| {
            let is_used = index > 0 || !is_sparse;
            let mut panels =
                Panels::new(if is_used { before } else { 0 }, layer.outputs, COLUMNS * lanes);
            if is_used {
                panels.load(layer.weight[0]);
            }
            before = layer.outputs;
            panels
        });
        let weights = weights.collect();
        let bias = layers.iter().map(|layer| {
            let mut bias = Numbers::zeros(stride(layer.outputs, COLUMNS * lanes));
            bias[..layer.outputs].copy_from_slice(layer.bias[0]);
            bias
        });
        Shared { lanes, weights, bias: bias.collect() }
    }
}

/// What a thread has for itself.
struct Own {
    is_sparse: bool,
    batch: Batch,
    panels: Vec<sparse::Panel>,
    inputs: Numbers,
    inputs_stride: usize,
    /// For each layer (b,stride): the activation's input if it is needed, and its output.
    before: Vec<Numbers>,
    after: Vec<Numbers>,
    strides: Vec<usize>,
}

impl Own {
    fn new(lanes: usize, inputs: usize, layers: &[Layer], is_sparse: bool) -> Own {
        let width = COLUMNS * lanes;
        let registers = 0..if is_sparse { layers[0].outputs.div_ceil(lanes) } else { 0 };
        let mut panels = sparse::Panel::cut(registers, lanes, inputs, 0, CHUNK);
        for panel in &mut panels {
            panel.load(0, layers[0].weight[0], layers[0].outputs);
        }
        let strides: Vec<usize> = layers.iter().map(|layer| stride(layer.outputs, width)).collect();
        let inputs_stride = stride(inputs, width);
        let matrix =
            |stride: usize, is_used: bool| Numbers::zeros(if is_used { CHUNK * stride } else { 0 });
        let pairs = || strides.iter().zip(layers);
        Own {
            is_sparse,
            batch: Batch::new(inputs, if is_sparse { CHUNK } else { 0 }),
            panels,
            inputs: matrix(inputs_stride, !is_sparse),
            inputs_stride,
            before: pairs().map(|(&s, layer)| matrix(s, needs_before(layer.activation))).collect(),
            after: pairs().map(|(&s, _)| matrix(s, true)).collect(),
            strides,
        }
    }

    /// Takes the images of `source` through all layers.
    fn outputs(
        &mut self,
        engine: &Engine,
        source: Source,
        layers: &[Layer],
        weights: &[PanelParts],
        bias: &[Parts<f32>],
    ) {
        let (simd, rows) = (engine.simd(), 0..source.order.len());
        let inputs = Parts::new(&mut self.inputs);
        let activate: Vec<Activate> = (0..layers.len())
            .map(|index| Activate {
                kind: layers[index].activation,
                bias: bias[index],
                before: Parts::new(&mut self.before[index]),
                after: Parts::new(&mut self.after[index]),
                stride: self.strides[index],
            })
            .collect();
        if self.is_sparse {
            simd.run(FillBits { batch: &mut self.batch, source });
            for panel in &mut self.panels {
                let (batch, rows, activate, next) = (&self.batch, rows.end, activate[0], None);
                simd.run(sparse::Forward { panel, batch, rows, activate, next });
            }
        } else {
            let stride = self.inputs_stride;
            simd.run(FillDense { dense: inputs, stride, rows: rows.clone(), source });
        }
        for index in usize::from(self.is_sparse)..layers.len() {
            let (a, a_stride) = match index.checked_sub(1) {
                None => (inputs, self.inputs_stride),
                Some(before) => (activate[before].after, self.strides[before]),
            };
            let (weights, inputs) = (weights[index], (a.start().cast_const(), a_stride));
            let panels = 0..weights.count();
            dense::forward(simd, inputs, weights, activate[index], rows.clone(), panels);
        }
    }

    /// Copies the last layer's outputs, of as many rows as `out` has.
    fn copy_to(&self, out: &mut [f32], outputs: usize) {
        let (last, stride) = (self.after.len() - 1, self.strides[self.strides.len() - 1]);
        for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
            out.copy_from_slice(&self.after[last][row * stride..][..outputs]);
        }
    }
}
