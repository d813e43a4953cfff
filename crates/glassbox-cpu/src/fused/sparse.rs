//! The first layer where most inputs are zero: only the others are multiplied.
//!
//! What is multiplied are the terms that the definition has, and some more whose pixel is zero: those
//! that fill up a quad, see [`super::inputs`], and in the gradient those of a pixel whose neighbour is
//! not zero in the same image. They change nothing as long as the other factor is finite. Where it is
//! not, which costs a look and does not happen in a training that works, all pixels are read one by
//! one, and the zeros left out.
//!
//! A thread owns some columns of the weights, in panels whose chains fit the registers. It computes
//! their outputs, their gradients and their updates, and no one else touches them.

use super::activate::{Activate, activate};
use super::inputs::{Batch, QUAD, Source, WORD, Words};
use super::rule::{Change, change_register};
use crate::fast::dispatch::Kernel;
use crate::fast::each::Elementwise;
use crate::fast::matmul::sparse::multiply_add;
use crate::fast::memory::Numbers;
use crate::fast::pool::Parts;
use crate::fast::samples::SCALED;
use crate::fast::vector::Vector;
use crate::reference::matmul::chain;
use std::ops::Range;

/// Columns of the widest panel: 64 rows of it take a third of the first-level cache.
const WIDEST: usize = 64;

/// A bit for each pair of neighbouring pixels of a word.
const PAIRS: u64 = (1 << (WORD / 2)) - 1;

/// From how many registers across on one image alone has enough chains: each multiply-add waits for
/// the one before in its chain, and two can begin at a time.
const ENOUGH_CHAINS: usize = 8;

/// Some columns of the first layer.
pub(super) struct Panel {
    /// The first of them.
    pub first: usize,
    /// How many, up to a whole number of registers.
    pub width: usize,
    /// Rows that count, which are filled up to whole words.
    inputs: usize,
    /// The weights (i,width), and as many arrays of the optimizer's memory as there are.
    pub arrays: [Numbers; 3],
    /// Sums (b,width).
    sums: Numbers,
    /// A copy of the gradients of the outputs (b,width).
    delta: Numbers,
    /// The gradients of the weights of a word of pixels (64,width).
    gradients: Numbers,
}

impl Panel {
    /// Panels for the registers `registers` of `lanes` columns each: a power of two, at most `WIDEST`.
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
            let across = 1 << (registers.end - first).min(WIDEST / lanes).ilog2();
            let width = across * lanes;
            let rows = inputs.next_multiple_of(WORD);
            let array = |index| Numbers::zeros(if index <= memories { rows * width } else { 0 });
            panels.push(Panel {
                first: first * lanes,
                width,
                inputs,
                arrays: [array(0), array(1), array(2)],
                sums: Numbers::zeros(capacity * width),
                delta: Numbers::zeros(capacity.next_multiple_of(WORD) * width),
                gradients: Numbers::zeros(WORD * width),
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
        let rows = self.arrays[which].chunks_exact_mut(width).take(self.inputs).enumerate();
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
                _ => self.sums::<V, 8>(),
            }
        }
    }
}

impl Forward<'_> {
    /// # Safety
    /// The panel is `C` registers wide, the batch is filled, and the CPU has `V`.
    #[inline(always)]
    unsafe fn sums<V: Vector, const C: usize>(mut self) {
        let width = C * V::LANES;
        assert!(self.panel.sums.len() >= self.rows * width);
        self.panel.sums[..self.rows * width].fill(0.0);
        // SAFETY: words, pixels and images are within the batch, and so within the panel.
        unsafe {
            for word in 0..self.batch.words() {
                for group in 0..self.batch.groups() {
                    self.add_word::<V, C>(word, group);
                }
            }
            let sums = self.panel.sums.as_mut_ptr();
            let mut bad = V::splat(0.0);
            for place in (0..self.rows * width).step_by(V::LANES) {
                let sum = V::load(sums.add(place));
                bad = bad.add(sum.sub(sum));
                // A chain is never −0.
                sum.add(V::splat(0.0)).store(sums.add(place));
            }
            if bad.any_nan() {
                self.panel.repair(self.batch, self.rows);
            }
            for image in 0..self.rows {
                let sums = sums.add(image * width);
                activate::<V>(self.activate, sums, image, self.panel.first, width);
            }
        }
    }

    /// The terms of a word of pixels, for 64 images.
    ///
    /// # Safety
    /// As above.
    #[inline(always)]
    unsafe fn add_word<V: Vector, const C: usize>(&mut self, word: usize, group: usize) {
        let width = C * V::LANES;
        // SAFETY: promised by the caller.
        unsafe {
            let block = Block {
                words: self.batch.by_image(word, group),
                bytes: self.batch.bytes(word, group),
                stride: self.batch.stride(),
                weights: self.panel.arrays[0].as_ptr().add(word * WORD * width),
                sums: self.panel.sums.as_mut_ptr().add(group * WORD * width),
            };
            let mut order = block.words.order();
            for image in order.len()..WORD {
                self.prefetch::<V>(word, group, image);
            }
            while let ([one, other, rest @ ..], true) = (order, C < ENOUGH_CHAINS) {
                self.prefetch::<V>(word, group, order.len() - 1);
                self.prefetch::<V>(word, group, order.len() - 2);
                let (mut one, mut other) =
                    (Chains::<V, C>::begin(block, *one), Chains::<V, C>::begin(block, *other));
                for _ in 0..one.quads {
                    one.add_quad();
                    other.add_quad();
                }
                for _ in one.quads..other.quads {
                    other.add_quad();
                }
                one.end();
                other.end();
                order = rest;
            }
            for (left, &image) in order.iter().rev().enumerate() {
                self.prefetch::<V>(word, group, left);
                let mut chains = Chains::<V, C>::begin(block, image);
                for _ in 0..chains.quads {
                    chains.add_quad();
                }
                chains.end();
            }
        }
    }

    /// Asks for a word of an image of the next batch.
    #[inline(always)]
    fn prefetch<V: Vector>(&self, word: usize, group: usize, image: usize) {
        if let Some(next) = &self.next {
            next.prefetch::<V>(group * WORD + image, word);
        }
    }
}

/// 64 images in a word of their pixels, and where the chains of a panel lie.
#[derive(Clone, Copy)]
struct Block<'a> {
    words: &'a Words,
    bytes: *const u8,
    stride: usize,
    /// A row for each pixel.
    weights: *const f32,
    /// A row for each image.
    sums: *mut f32,
}

/// The chains of an image in a panel, while a word of its pixels runs by.
struct Chains<'a, V: Vector, const C: usize> {
    block: Block<'a>,
    sums: *mut f32,
    acc: [V; C],
    quads: u8,
    /// The pixels to come.
    bits: u64,
    pixels: V::Pixels,
}

impl<'a, V: Vector, const C: usize> Chains<'a, V, C> {
    /// # Safety
    /// The block has the image, C registers wide, which is the caller's alone; the CPU has `V`. The
    /// same holds below.
    #[inline(always)]
    unsafe fn begin(block: Block<'a>, image: u8) -> Self {
        let image = usize::from(image);
        let (bits, quads) = (block.words.bits[image], block.words.quads[image]);
        // SAFETY: promised by the caller.
        unsafe {
            let pixels = V::pixels(block.bytes.add(image * block.stride), bits);
            let sums = block.sums.add(image * C * V::LANES);
            Chains { block, sums, acc: load::<V, C>(sums), quads, bits, pixels }
        }
    }

    /// Adds the next four terms.
    ///
    /// # Safety
    /// There are as many.
    #[inline(always)]
    unsafe fn add_quad(&mut self) {
        let places = next_places(&mut self.bits);
        // SAFETY: promised by the caller.
        unsafe {
            let x = V::quad(&mut self.pixels, places);
            for q in 0..QUAD {
                let weights = self.block.weights.add(places[q] * C * V::LANES);
                self.acc = multiply_add(x[q], weights, self.acc);
            }
        }
    }

    /// # Safety
    /// As above.
    #[inline(always)]
    unsafe fn end(self) {
        // SAFETY: promised by the caller.
        unsafe { store(self.acc, self.sums) }
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
                _ => self.change_panel::<V, 8, M, R>(rule),
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
            // What fills up a quad may stand for an image that is not there.
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

    /// The sums, where not all are finite: zeros are left out one by one.
    #[cold]
    fn repair(&mut self, batch: &Batch, rows: usize) {
        for (row, sums) in self.sums.chunks_exact_mut(self.width).take(rows).enumerate() {
            for (column, sum) in sums.iter_mut().enumerate() {
                if !sum.is_finite() {
                    let weight = |pixel| self.arrays[0][pixel * self.width + column];
                    let x = |pixel| batch.value(row, pixel);
                    *sum = chain((0..self.inputs).map(|pixel| (x(pixel), weight(pixel))));
                }
            }
        }
    }
}

/// The places of the lowest four bits, which are cleared.
#[inline(always)]
fn next_places(bits: &mut u64) -> [usize; QUAD] {
    let mut places = [0; QUAD];
    for place in &mut places {
        *place = bits.trailing_zeros() as usize;
        *bits &= *bits - 1;
    }
    places
}

/// C registers side by side.
///
/// # Safety
/// They are readable and the CPU has `V`.
#[inline(always)]
unsafe fn load<V: Vector, const C: usize>(p: *const f32) -> [V; C] {
    // Not `from_fn`: what is called through a closure may not be compiled for the instructions of `V`.
    // SAFETY: promised by the caller.
    unsafe {
        let mut registers = [V::splat(0.0); C];
        for c in 0..C {
            registers[c] = V::load(p.add(c * V::LANES));
        }
        registers
    }
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
