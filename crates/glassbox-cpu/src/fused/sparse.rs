//! The first layer where most inputs are zero: only the others are multiplied.
//!
//! What is multiplied are just the terms that the definition has, save those with a zero among the
//! weights or deltas, which change nothing because the other factor, a pixel, is finite. So the
//! chains are those of the definition for every number, and nothing needs to be repaired.
//!
//! A thread owns some columns of the weights, in panels whose chains fit the registers. It computes
//! their outputs, their gradients and their updates, and no one else touches them.

use super::activate::{Activate, activate};
use super::inputs::{Batch, Source, WORD};
use super::rule::{Change, change_register};
use crate::fast::dispatch::Kernel;
use crate::fast::each::Elementwise;
use crate::fast::matmul::sparse::multiply_add;
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use crate::fast::samples::SCALED;
use crate::fast::vector::Vector;
use std::ops::Range;

/// Registers across the widest panel: so many chains are held while the non-zeros run by.
const WIDEST: usize = 8;

/// Some columns of the first layer.
pub(super) struct Panel {
    /// The first of them.
    pub first: usize,
    /// How many, up to a whole number of registers.
    pub width: usize,
    /// The weights (i,width), and as many arrays of the optimizer's memory as there are.
    pub arrays: [Numbers; 3],
    /// Sums (b,width).
    sums: Numbers,
    /// A copy of the gradients of the outputs (b,width).
    delta: Numbers,
}

impl Panel {
    /// Panels for the registers `registers` of `lanes` columns each, eight, four, two or one wide.
    pub(super) fn cut(
        registers: Range<usize>,
        lanes: usize,
        inputs: usize,
        memories: usize,
        capacity: usize,
    ) -> Vec<Panel> {
        let mut panels = Vec::new();
        let mut first = registers.start;
        while first < registers.end {
            let across = 1 << (registers.end - first).min(WIDEST).ilog2();
            let width = across * lanes;
            let array = |index| Numbers::zeros(if index <= memories { inputs * width } else { 0 });
            panels.push(Panel {
                first: first * lanes,
                width,
                arrays: [array(0), array(1), array(2)],
                sums: Numbers::zeros(capacity * width),
                delta: Numbers::zeros(capacity * width),
            });
            first += across;
        }
        panels
    }

    /// Array `which` from a matrix (i,o).
    pub(super) fn load(&mut self, which: usize, matrix: &[f32], columns: usize) {
        self.rows(which, columns).for_each(|(row, part)| row.copy_from_slice(&matrix[part]));
    }

    /// Array `which` back into a matrix (i,o).
    pub(super) fn store(&mut self, which: usize, matrix: &mut [f32], columns: usize) {
        self.rows(which, columns).for_each(|(row, part)| matrix[part].copy_from_slice(row));
    }

    /// Each row of array `which`, and its place in a matrix (i,o).
    fn rows(
        &mut self,
        which: usize,
        columns: usize,
    ) -> impl Iterator<Item = (&mut [f32], Range<usize>)> {
        let (first, width) = (self.first, self.width);
        let valid = width.min(columns - first);
        let rows = self.arrays[which].chunks_exact_mut(width).enumerate();
        rows.map(move |(i, row)| {
            let start = i * columns + first;
            (&mut row[..valid], start..start + valid)
        })
    }
}

/// The forward pass of a panel for `rows` images, activation included.
pub(super) struct Forward<'a> {
    pub panel: &'a mut Panel,
    pub batch: &'a Batch,
    pub rows: usize,
    pub activate: Activate,
    /// The next batch, to be asked for meanwhile.
    pub next: Option<Source<'a>>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: passed on; panels are cut to these widths.
        unsafe {
            match self.panel.width / V::LANES {
                1 => self.sums::<V, 1>(),
                2 => self.sums::<V, 2>(),
                4 => self.sums::<V, 4>(),
                _ => self.sums::<V, WIDEST>(),
            }
        }
    }
}

impl Forward<'_> {
    /// # Safety
    /// The panel is `C` registers wide, the batch is filled, and the CPU has `V`.
    #[inline(always)]
    unsafe fn sums<V: Vector, const C: usize>(self) {
        let width = C * V::LANES;
        let Panel { first, arrays: [weights, ..], sums, .. } = self.panel;
        assert!(sums.len() >= self.rows * width);
        sums[..self.rows * width].fill(0.0);
        let sums = sums.as_mut_ptr();
        // SAFETY: words, pixels and images are within the batch, and so within the panel.
        unsafe {
            for word in 0..self.batch.words() {
                let weights = weights.as_ptr().add(word * WORD * width);
                let (masks, bytes) = self.batch.by_image(word);
                for image in 0..self.rows {
                    if let Some(next) = &self.next {
                        next.prefetch::<V>(image, word);
                    }
                    let mut left = masks[image];
                    if left == 0 {
                        continue;
                    }
                    let bytes = bytes.as_ptr().add(image * WORD);
                    let mut acc = load::<V, C>(sums.add(image * width));
                    while left != 0 {
                        let pixel = left.trailing_zeros() as usize;
                        left &= left - 1;
                        let x = V::splat(SCALED[usize::from(*bytes.add(pixel))]);
                        acc = multiply_add(x, weights.add(pixel * width), acc);
                    }
                    store(acc, sums.add(image * width));
                }
            }
            for image in 0..self.rows {
                // A chain is never −0.
                let sums = sums.add(image * width);
                let chains = load::<V, C>(sums).map(|sum| sum.add(V::splat(0.0)));
                store(chains, sums);
                activate::<V>(self.activate, sums, image, *first, width);
            }
        }
    }
}

/// The gradient of a panel and the change it makes.
pub(super) struct Update<'a> {
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
                _ => self.change_panel::<V, WIDEST, M, R>(rule),
            }
        }
    }
}

impl Update<'_> {
    /// # Safety
    /// The panel is `C` registers wide, the batch is filled, and the CPU has `V`.
    #[inline(always)]
    unsafe fn change_panel<V: Vector, const C: usize, const M: usize, R: Elementwise<M, 1>>(
        self,
        rule: R,
    ) {
        let width = C * V::LANES;
        let Update { panel, batch, rows, delta, stride, bias, rests } = self;
        assert!(panel.delta.len() >= rows * width);
        // SAFETY: rows, columns, pixels and images are within the batch, the deltas and the panel,
        // whose columns are this call's alone.
        unsafe {
            let own = panel.delta.as_mut_ptr();
            let mut bias_gradient = [V::splat(0.0); C];
            for image in 0..rows {
                let row = load::<V, C>(delta.at(image * stride + panel.first));
                for c in 0..C {
                    bias_gradient[c] = bias_gradient[c].add(row[c]);
                }
                store(row, own.add(image * width));
            }
            let bias: [_; M] = std::array::from_fn(|array| bias[array].start());
            for (c, gradient) in bias_gradient.into_iter().enumerate() {
                change_register(rule, gradient, bias, panel.first + c * V::LANES);
            }

            let arrays: [_; M] = std::array::from_fn(|array| panel.arrays[array].as_mut_ptr());
            let inputs = panel.arrays[0].len() / width;
            for pixel in 0..inputs {
                let mut gradient = [V::splat(0.0); C];
                let mut any = 0;
                let (masks, bytes) = batch.by_pixel(pixel);
                for (group, &mask) in masks.iter().enumerate() {
                    let mut left = mask;
                    any |= left;
                    let bytes = bytes.as_ptr().add(group * WORD * WORD);
                    let own = own.add(group * WORD * width);
                    while left != 0 {
                        let image = left.trailing_zeros() as usize;
                        left &= left - 1;
                        let x = V::splat(SCALED[usize::from(*bytes.add(image * WORD))]);
                        gradient = multiply_add(x, own.add(image * width), gradient);
                    }
                }
                if any == 0 && rests {
                    continue;
                }
                for (c, gradient) in gradient.into_iter().enumerate() {
                    let gradient = gradient.add(V::splat(0.0));
                    change_register(rule, gradient, arrays, pixel * width + c * V::LANES);
                }
            }
        }
    }
}

/// C registers side by side.
///
/// # Safety
/// They are readable and the CPU has `V`.
#[inline(always)]
unsafe fn load<V: Vector, const C: usize>(p: *const f32) -> [V; C] {
    // SAFETY: promised by the caller.
    std::array::from_fn(|c| unsafe { V::load(p.add(c * V::LANES)) })
}

/// Writes C registers side by side.
///
/// # Safety
/// They are writable and the CPU has `V`.
#[inline(always)]
unsafe fn store<V: Vector, const C: usize>(registers: [V; C], p: *mut f32) {
    for (c, register) in registers.into_iter().enumerate() {
        // SAFETY: promised by the caller.
        unsafe { register.store(p.add(c * V::LANES)) }
    }
}
