//! The last rows of a step: softmax, cross-entropy, and the gradient of the logits.

use crate::fast::dispatch::Kernel;
use crate::fast::pool::Parts;
use crate::fast::softmax::Exponentials;
use crate::fast::vector::Vector;
use crate::reference;
use std::ops::Range;

/// Losses and gradients of some rows.
pub(super) struct CrossEntropy<'a> {
    /// (b,stride), of which `classes` columns count.
    pub logits: Parts<f32>,
    pub delta: Parts<f32>,
    pub stride: usize,
    pub classes: usize,
    pub rows: Range<usize>,
    /// The right class of each row of the batch.
    pub labels: &'a [u32],
    /// What gradients are multiplied by, if not 1.
    pub scale: Option<f32>,
    /// A loss for each row, and 1 if the answer is right.
    pub losses: Parts<f32>,
    pub right: Parts<u32>,
}

impl Kernel for CrossEntropy<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for row in self.rows {
            // SAFETY: these rows are this call's alone, and the CPU has `V`.
            unsafe {
                let x = &*self.logits.part(row * self.stride, self.classes);
                let delta = self.delta.part(row * self.stride, self.classes);
                let label = self.labels[row] as usize;
                let mut answer = [0];
                reference::argmax(&mut answer, x, [1, self.classes]);
                *self.right.at(row) = u32::from(answer[0] == self.labels[row]);

                let (max, sum) = Exponentials { out: delta, x }.run::<V>();
                *self.losses.at(row) = reference::math::ln(sum) - (x[label] - max);
                let sum = V::splat(sum);
                for delta in delta.chunks_mut(V::LANES) {
                    V::load_some(delta).div(sum).store_some(delta);
                }
                delta[label] -= 1.0;
                if let Some(scale) = self.scale {
                    let scale = V::splat(scale);
                    for delta in delta.chunks_mut(V::LANES) {
                        V::load_some(delta).mul(scale).store_some(delta);
                    }
                }
            }
        }
    }
}
