//! The last rows of a step: softmax, cross-entropy, and the gradient of the logits.
//!
//! A row of ten logits does not fill registers, and its sums must not be reordered; so here a lane
//! is a row. As many rows as a register has lanes go through the columns together.

use crate::fast::dispatch::Kernel;
use crate::fast::math::lanes;
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use crate::fast::vector::Vector;
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
    /// Room for a register of rows, turned.
    pub room: &'a mut Numbers,
}

impl Kernel for CrossEntropy<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        self.room.grow(self.classes * V::LANES);
        for first in self.rows.clone().step_by(V::LANES) {
            let rows = first..self.rows.end.min(first + V::LANES);
            // SAFETY: these rows are this call's alone, and the CPU has `V`.
            unsafe { self.some_rows::<V>(rows) }
        }
    }
}

impl CrossEntropy<'_> {
    /// At most as many rows as a register has lanes.
    ///
    /// # Safety
    /// They exist and are this call's alone; the CPU has `V`.
    #[inline(always)]
    unsafe fn some_rows<V: Vector>(&mut self, rows: Range<usize>) {
        let (classes, count) = (self.classes, rows.len());
        // SAFETY: promised by the caller; the room has a register for each class.
        unsafe {
            let turned = self.room.as_mut_ptr();
            for lane in 0..count {
                let x = self.logits.at((rows.start + lane) * self.stride);
                for class in 0..classes {
                    *turned.add(class * V::LANES + lane) = *x.add(class);
                }
            }
            let x = |class: usize| V::load(turned.add(class * V::LANES));
            // A NaN at the front is never passed by, and one elsewhere never taken: either comes back
            // through the sum.
            let (mut max, mut best, mut bad) = (x(0), V::splat(0.0), V::splat(0.0));
            for class in 0..classes {
                let x = x(class);
                let better = max.lt(x);
                max = V::select(better, x, max);
                best = V::select(better, V::splat(class as f32), best);
                bad = V::select(x.eq(x), bad, V::splat(f32::NAN));
            }
            let best = best.add(bad);

            let mut of_label = [0.0; 16];
            for (lane, x) in of_label[..count].iter_mut().enumerate() {
                *x = *turned.add(self.labels[rows.start + lane] as usize * V::LANES + lane);
            }
            let mut sum = V::splat(0.0);
            for class in 0..classes {
                let e = lanes::exp(x(class).sub(max));
                sum = sum.add(e);
                e.store(turned.add(class * V::LANES));
            }
            let loss = lanes::ln(sum).sub(V::load(of_label.as_ptr()).sub(max));
            let (mut losses, mut answers) = ([0.0; 16], [0.0; 16]);
            loss.store(losses.as_mut_ptr());
            best.store(answers.as_mut_ptr());
            for (lane, row) in rows.clone().enumerate() {
                *self.losses.at(row) = losses[lane];
                *self.right.at(row) = u32::from(answers[lane] == self.labels[row] as f32);
            }
            for class in 0..classes {
                x(class).div(sum).store(turned.add(class * V::LANES));
            }
            for (lane, row) in rows.clone().enumerate() {
                *turned.add(self.labels[row] as usize * V::LANES + lane) -= 1.0;
            }
            for lane in 0..count {
                let delta = self.delta.at((rows.start + lane) * self.stride);
                for class in 0..classes {
                    let d = *turned.add(class * V::LANES + lane);
                    *delta.add(class) = self.scale.map_or(d, |scale| d * scale);
                }
            }
        }
    }
}
