//! Dense layers: products and updates of weights that lie in panels as the tiles read them.

use super::activate::{Activate, ActivateRows};
use super::rule::{Change, change_register};
use crate::fast::dispatch::{Kernel, Simd};
use crate::fast::each::Elementwise;
use crate::fast::matmul::tile::{self, COLUMNS, Tile, full_rows};
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use crate::fast::vector::Vector;
use crate::reference::matmul::chain;
use std::ops::Range;

/// Terms per slab: a panel of the weights of this height stays in the first-level cache.
const SLAB: usize = 256;

/// A matrix (rows,columns) in panels of `width` columns, the last filled up with zeros. A panel is
/// contiguous, row by row. Where a number is infinite the filling may become NaN; nothing but more
/// filling is computed from it.
pub(super) struct Panels {
    pub rows: usize,
    pub columns: usize,
    pub width: usize,
    numbers: Numbers,
}

/// Panels that several threads write, each its own parts.
#[derive(Clone, Copy)]
pub(super) struct PanelParts {
    pub rows: usize,
    pub columns: usize,
    pub width: usize,
    numbers: Parts<f32>,
}

impl Panels {
    pub(super) fn new(rows: usize, columns: usize, width: usize) -> Panels {
        let numbers = Numbers::zeros(columns.div_ceil(width) * rows * width);
        Panels { rows, columns, width, numbers }
    }

    /// From a row-major matrix.
    pub(super) fn load(&mut self, matrix: &[f32]) {
        self.each_row(matrix.len(), |panel, part| panel.copy_from_slice(&matrix[part]));
    }

    /// Back into a row-major matrix.
    pub(super) fn store(&mut self, matrix: &mut [f32]) {
        self.each_row(matrix.len(), |panel, part| matrix[part].copy_from_slice(panel));
    }

    /// Calls `f` with each row of each panel and its place in a row-major matrix.
    fn each_row(&mut self, len: usize, mut f: impl FnMut(&mut [f32], Range<usize>)) {
        assert_eq!(len, self.rows * self.columns);
        let Panels { rows, columns, width, .. } = *self;
        for (panel, numbers) in self.numbers.chunks_exact_mut((rows * width).max(1)).enumerate() {
            let valid = width.min(columns - panel * width);
            for (row, numbers) in numbers.chunks_exact_mut(width).enumerate() {
                let start = row * columns + panel * width;
                f(&mut numbers[..valid], start..start + valid);
            }
        }
    }

    pub(super) fn parts(&mut self) -> PanelParts {
        let Panels { rows, columns, width, .. } = *self;
        PanelParts { rows, columns, width, numbers: Parts::new(&mut self.numbers) }
    }
}

impl PanelParts {
    /// How many panels there are.
    pub(super) fn count(self) -> usize {
        self.columns.div_ceil(self.width)
    }

    /// The address of row `row` of panel `panel`.
    ///
    /// # Safety
    /// It exists, or is the end of one that does.
    #[inline(always)]
    unsafe fn at(self, panel: usize, row: usize) -> *mut f32 {
        // SAFETY: promised by the caller.
        unsafe { self.numbers.at((panel * self.rows + row) * self.width) }
    }

    /// The element (row,column).
    ///
    /// # Safety
    /// It exists, and no one writes it.
    unsafe fn get(self, row: usize, column: usize) -> f32 {
        // SAFETY: promised by the caller.
        unsafe { *self.at(column / self.width, row).add(column % self.width) }
    }

    /// Fills rows of panels `turned` with the transpose of `self`'s rows `rows`, which are whole
    /// panels of `turned`.
    ///
    /// # Safety
    /// These parts of `turned` are this call's alone.
    pub(super) unsafe fn transpose(self, turned: PanelParts, rows: Range<usize>) {
        let width = self.width;
        for panel in 0..self.count() {
            let columns = width.min(self.columns - panel * width);
            for start in rows.clone().step_by(width) {
                for row in start..rows.end.min(start + width) {
                    for column in 0..columns {
                        // SAFETY: both elements exist, and promised by the caller.
                        unsafe {
                            let to = turned.at(start / width, panel * width + column);
                            *to.add(row - start) = *self.at(panel, row).add(column);
                        }
                    }
                }
            }
        }
    }
}

/// out (b,stride) = a · weights, for some rows and some panels.
pub(super) struct Product {
    /// (b,a_stride), of which as many columns count as the weights have rows.
    pub a: *const f32,
    pub a_stride: usize,
    pub weights: PanelParts,
    pub out: Parts<f32>,
    pub out_stride: usize,
    pub rows: Range<usize>,
    pub panels: Range<usize>,
}

impl Kernel for Product {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Product { a, a_stride, weights, out, out_stride, .. } = self;
        let (height, width) = (full_rows::<V>(), weights.width);
        debug_assert_eq!(width, COLUMNS * V::LANES);
        // SAFETY: rows and panels exist, this part of the output is this call's alone, and the CPU
        // has `V`.
        unsafe {
            let mut bad = V::splat(0.0);
            for panel in self.panels.clone() {
                for start in (0..weights.rows).step_by(SLAB) {
                    for i in self.rows.clone().step_by(height) {
                        let tile = Tile {
                            k: SLAB.min(weights.rows - start),
                            a: a.add(i * a_stride + start),
                            a_strides: [a_stride, 1],
                            b: weights.at(panel, start),
                            b_row: width,
                            out: out.at(i * out_stride + panel * width),
                            out_row: out_stride,
                            tail: V::LANES,
                            resume: start > 0,
                        };
                        let rows = height.min(self.rows.end - i);
                        bad = bad.add(tile::run::<V, true>(rows, tile, true));
                    }
                }
            }
            if bad.any_nan() {
                self.repair();
            }
        }
    }
}

/// y = f(a·W + b) of a dense layer, for some rows and some panels.
pub(super) fn forward(
    simd: Simd,
    (a, a_stride): (*const f32, usize),
    weights: PanelParts,
    activate: Activate,
    rows: Range<usize>,
    panels: Range<usize>,
) {
    let (out, out_stride) = (activate.after, activate.stride);
    let (rows_too, columns) =
        (rows.clone(), panels.start * weights.width..panels.end * weights.width);
    simd.run(Product { a, a_stride, weights, out, out_stride, rows, panels });
    simd.run(ActivateRows { activate, rows: rows_too, columns });
}

impl Product {
    /// Computes by the definition what is not finite.
    ///
    /// # Safety
    /// As for the kernel.
    #[cold]
    unsafe fn repair(self) {
        let weights = self.weights;
        let end = weights.columns.min(self.panels.end * weights.width);
        for row in self.rows {
            for j in self.panels.start * weights.width..end {
                // SAFETY: promised by the caller.
                unsafe {
                    let out = &mut *self.out.at(row * self.out_stride + j);
                    if !out.is_finite() {
                        let a = |p| *self.a.add(row * self.a_stride + p);
                        *out = chain((0..weights.rows).map(|p| (a(p), weights.get(p, j))));
                    }
                }
            }
        }
    }
}

/// The gradient xᵀ · delta of some rows and panels of the weights, and the change it makes.
pub(super) struct Update<'a> {
    /// (b,x_stride), of which as many columns count as the weights have rows.
    pub x: *const f32,
    pub x_stride: usize,
    /// (b,delta_stride)
    pub delta: Parts<f32>,
    pub delta_stride: usize,
    pub batch: usize,
    /// The weights, and the optimizer's memory of them.
    pub arrays: [PanelParts; 3],
    pub rows: Range<usize>,
    pub panels: Range<usize>,
    /// Room for a panel of delta (b,width).
    pub room: &'a mut Numbers,
}

impl Change for Update<'_> {
    #[inline(always)]
    unsafe fn change<V: Vector, const M: usize, R: Elementwise<M, 1>>(self, rule: R) {
        let Update { x, x_stride, delta, delta_stride, batch, arrays, rows, panels, room } = self;
        let (height, width) = (full_rows::<V>(), COLUMNS * V::LANES);
        debug_assert_eq!(width, arrays[0].width);
        room.grow(batch * width);
        let mut gradient = [0.0; 14 * COLUMNS * 16];
        // SAFETY: rows and panels exist, are this call's alone, and the CPU has `V`.
        unsafe {
            for panel in panels {
                for (image, row) in room[..batch * width].chunks_exact_mut(width).enumerate() {
                    let from = delta.at(image * delta_stride + panel * width);
                    row.copy_from_slice(std::slice::from_raw_parts(from, width));
                }
                for i in rows.clone().step_by(height) {
                    let rows = height.min(rows.end - i);
                    let tile = Tile {
                        k: batch,
                        a: x.add(i),
                        a_strides: [1, x_stride],
                        b: room.as_ptr(),
                        b_row: width,
                        out: gradient.as_mut_ptr(),
                        out_row: width,
                        tail: V::LANES,
                        resume: false,
                    };
                    let bad = tile::run::<V, true>(rows, tile, true);
                    if bad.any_nan() {
                        let (gradient, delta) =
                            (&mut gradient[..rows * width], &room[..batch * width]);
                        repair(gradient, x.add(i), x_stride, delta, width);
                    }
                    // Arrays that the rule does not change have no such place.
                    let start: [_; M] = std::array::from_fn(|array| arrays[array].at(panel, i));
                    for place in (0..rows * width).step_by(V::LANES) {
                        let g = V::load(gradient.as_ptr().add(place));
                        change_register(rule, g, start, place);
                    }
                }
            }
        }
    }
}

/// Computes by the definition what is not finite in a tile of a gradient.
///
/// # Safety
/// `x` has a row for each of `delta`, and a column for each of the gradient's rows.
#[cold]
unsafe fn repair(
    gradient: &mut [f32],
    x: *const f32,
    x_stride: usize,
    delta: &[f32],
    width: usize,
) {
    for (place, gradient) in gradient.iter_mut().enumerate() {
        if !gradient.is_finite() {
            let (row, column) = (place / width, place % width);
            // SAFETY: promised by the caller.
            let x = |image| unsafe { *x.add(image * x_stride + row) };
            let terms = delta.chunks_exact(width).enumerate();
            *gradient = chain(terms.map(|(image, delta)| (x(image), delta[column])));
        }
    }
}

/// The gradient of some columns of a bias, the column sums of delta, and the change it makes.
pub(super) struct UpdateBias {
    /// (b,stride)
    pub delta: Parts<f32>,
    pub stride: usize,
    pub batch: usize,
    /// The bias, and the optimizer's memory of it.
    pub arrays: [Parts<f32>; 3],
    /// Whole registers.
    pub columns: Range<usize>,
}

impl Change for UpdateBias {
    #[inline(always)]
    unsafe fn change<V: Vector, const M: usize, R: Elementwise<M, 1>>(self, rule: R) {
        let UpdateBias { delta, stride, batch, arrays, columns } = self;
        for j in columns.step_by(V::LANES) {
            // SAFETY: these columns exist and are this call's alone, and the CPU has `V`.
            unsafe {
                let mut gradient = V::splat(0.0);
                for image in 0..batch {
                    gradient = gradient.add(V::load(delta.at(image * stride + j)));
                }
                let arrays = std::array::from_fn(|array| arrays[array].start());
                change_register::<V, M, R>(rule, gradient, arrays, j);
            }
        }
    }
}
