//! The gradient of a panel, and what it changes.

use super::{Panel, next_places};
use crate::fast::each::Elementwise;
use crate::fast::pool::Parts;
use crate::fast::vector::{SCALED, Vector, load, store};
use crate::fused::inputs::{Batch, QUAD, WORD};
use crate::fused::rule::{Change, change_register};
use crate::reference::matmul::chain;

/// A bit for each pair of neighbouring pixels of a word.
const PAIRS: u64 = (1 << (WORD / 2)) - 1;

/// The gradient of a panel and the change it makes.
pub(in crate::fused) struct Update<'a> {
    pub panel: &'a mut Panel,
    pub batch: &'a Batch,
    pub rows: usize,
    /// The gradients of the outputs (b,stride).
    pub delta: Parts<f32>,
    pub stride: usize,
    /// The bias, and the optimizer's memory of it.
    pub bias: [Parts<f32>; 3],
    /// Whether a gradient of zero changes nothing.
    pub rests: bool,
}

impl Change for Update<'_> {
    #[inline(always)]
    unsafe fn change<V: Vector, const M: usize, R: Elementwise<M, 1>>(self, rule: R) {
        // SAFETY: passed on; panels are cut to these widths.
        unsafe {
            match self.panel.width / V::LANES {
                1 => self.change_panel::<V, 1, M, R>(rule),
                2 => self.change_panel::<V, 2, M, R>(rule),
                4 => self.change_panel::<V, 4, M, R>(rule),
                8 => self.change_panel::<V, 8, M, R>(rule),
                _ => unreachable!("panels are a power of two wide"),
            }
        }
    }
}

impl Update<'_> {
    /// # Safety
    /// The panel is `C` registers wide, the batch is filled, and the CPU has `V`.
    #[inline(always)]
    unsafe fn change_panel<V: Vector, const C: usize, const M: usize, R: Elementwise<M, 1>>(
        mut self,
        rule: R,
    ) {
        let width = C * V::LANES;
        let Update { ref mut panel, batch, rows, delta, stride, bias, rests } = self;
        assert!(panel.delta.len() >= rows.next_multiple_of(WORD) * width);
        // SAFETY: rows, columns, pixels and images are within the batch, the deltas and the panel,
        // whose columns are this call's alone.
        unsafe {
            let own = panel.delta.as_mut_ptr();
            let mut bias_gradient = [V::splat(0.0); C];
            let mut bad = V::splat(0.0);
            for image in 0..rows {
                let row = load::<V, C>(delta.at(image * stride + panel.first));
                for c in 0..C {
                    bias_gradient[c] = bias_gradient[c].add(row[c]);
                    bad = bad.add(row[c].sub(row[c]));
                }
                store(row, own.add(image * width));
            }
            // What fills up a quad may stand for an image that is not there, and what an earlier batch
            // left in its place may be infinite.
            let end = rows.next_multiple_of(WORD).min(rows + QUAD - 1);
            panel.delta[rows * width..end * width].fill(0.0);
            let bias: [_; M] = std::array::from_fn(|array| bias[array].start());
            for c in 0..C {
                change_register(rule, bias_gradient[c], bias, panel.first + c * V::LANES);
            }

            let is_bad = bad.any_nan();
            let arrays: [_; M] = std::array::from_fn(|array| panel.arrays[array].as_mut_ptr());
            for word in 0..batch.words() {
                // Which pairs of pixels hold terms, and which have not changed their weights yet.
                let (mut touched, mut left) = (0u64, PAIRS);
                if is_bad {
                    panel.gradients_by_pixel(batch, word, rows);
                    touched = PAIRS;
                }
                let groups = if is_bad { 0 } else { batch.groups() };
                for group in 0..groups {
                    for &pair in batch.by_pair(word, group).order() {
                        let pair = usize::from(pair);
                        let mut acc = panel.pair::<V, C>(pair, touched);
                        panel.add_terms(batch, word, group, pair, &mut acc);
                        touched |= 1 << pair;
                        if group + 1 == groups {
                            left &= !(1 << pair);
                            panel.change_pair(rule, word, pair, acc, arrays);
                        } else {
                            let sums = panel.gradients.as_mut_ptr().add(2 * pair * width);
                            store(acc[0], sums);
                            store(acc[1], sums.add(width));
                        }
                    }
                }
                if rests {
                    left &= touched;
                }
                while left != 0 {
                    let pair = left.trailing_zeros() as usize;
                    left &= left - 1;
                    let acc = panel.pair::<V, C>(pair, touched);
                    panel.change_pair(rule, word, pair, acc, arrays);
                }
            }
        }
    }
}

impl Panel {
    /// The gradients of a pair of pixels so far, if `touched` says that there are any.
    ///
    /// # Safety
    /// The panel is `C` registers wide and the CPU has `V`. The same holds below.
    #[inline(always)]
    unsafe fn pair<V: Vector, const C: usize>(&self, pair: usize, touched: u64) -> [[V; C]; 2] {
        // SAFETY: promised by the caller; there are gradients for each pair.
        unsafe {
            if touched >> pair & 1 == 0 {
                return [[V::splat(0.0); C]; 2];
            }
            let width = C * V::LANES;
            let sums = self.gradients.as_ptr().add(2 * pair * width);
            [load::<V, C>(sums), load::<V, C>(sums.add(width))]
        }
    }

    /// Adds to the gradients of two neighbouring pixels the terms of 64 images that have one of them
    /// or, like most, both.
    ///
    /// # Safety
    /// The batch is filled, and deltas are finite.
    #[inline(always)]
    unsafe fn add_terms<V: Vector, const C: usize>(
        &self,
        batch: &Batch,
        word: usize,
        group: usize,
        pair: usize,
        acc: &mut [[V; C]; 2],
    ) {
        let (words, stride) = (batch.by_pair(word, group), batch.stride());
        let (quads, mut bits) = (words.quads[pair], words.bits[pair]);
        // SAFETY: promised by the caller.
        unsafe {
            let bytes = batch.bytes(word, group).add(2 * pair);
            let delta = self.delta.as_ptr().add(group * WORD * C * V::LANES);
            for _ in 0..quads {
                for image in next_places(&mut bits) {
                    let bytes = bytes.add(image * stride);
                    let x = V::splat(SCALED[usize::from(*bytes)]);
                    let y = V::splat(SCALED[usize::from(*bytes.add(1))]);
                    let delta = delta.add(image * C * V::LANES);
                    for c in 0..C {
                        let delta = V::load(delta.add(c * V::LANES));
                        acc[0][c] = x.mul_add(delta, acc[0][c]);
                        acc[1][c] = y.mul_add(delta, acc[1][c]);
                    }
                }
            }
        }
    }

    /// Changes the weights of a pair of pixels.
    ///
    /// # Safety
    /// The arrays are those of this panel.
    #[inline(always)]
    unsafe fn change_pair<V: Vector, const C: usize, const M: usize, R: Elementwise<M, 1>>(
        &self,
        rule: R,
        word: usize,
        pair: usize,
        acc: [[V; C]; 2],
        arrays: [*mut f32; M],
    ) {
        let pixel = word * WORD + 2 * pair;
        for p in 0..2 {
            // The last pixel may have no neighbour.
            if pixel + p >= self.inputs {
                return;
            }
            for c in 0..C {
                let place = (pixel + p) * C * V::LANES + c * V::LANES;
                // SAFETY: the row exists, and promised by the caller.
                unsafe {
                    // A chain is never −0.
                    let gradient = acc[p][c].add(V::splat(0.0));
                    change_register(rule, gradient, arrays, place);
                }
            }
        }
    }

    /// The gradients of a word of pixels where deltas are not finite: zeros are left out one by one.
    #[cold]
    fn gradients_by_pixel(&mut self, batch: &Batch, word: usize, rows: usize) {
        for (pixel, sums) in self.gradients.chunks_exact_mut(self.width).enumerate() {
            for (column, sum) in sums.iter_mut().enumerate() {
                let delta = |row| self.delta[row * self.width + column];
                let x = |row| batch.value(row, word * WORD + pixel);
                *sum = chain((0..rows).map(|row| (x(row), delta(row))));
            }
        }
    }
}
