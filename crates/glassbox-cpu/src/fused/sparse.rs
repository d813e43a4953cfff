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

mod forward;
mod update;

pub(super) use forward::Forward;
pub(super) use update::Update;

use super::inputs::{QUAD, WORD};
use crate::fast::memory::Numbers;
use std::ops::Range;

/// Registers across the widest panel: the gradient holds the chains of two pixels in as many each, of
/// the sixteen registers of AVX2 or the 32 of AVX-512.
fn widest(lanes: usize) -> usize {
    if lanes == 16 { 8 } else { 4 }
}

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
    /// Panels for the registers `registers` of `lanes` columns each: a power of two, at most
    /// [`widest`].
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
            let across = 1 << (registers.end - first).min(widest(lanes)).ilog2();
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
