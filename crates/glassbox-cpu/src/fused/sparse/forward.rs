//! The forward pass of a panel.

use super::{Panel, next_places};
use crate::fast::dispatch::Kernel;
use crate::fast::vector::{Vector, load, multiply_add, store};
use crate::fused::activate::{Activate, activate};
use crate::fused::inputs::{Batch, QUAD, Source, WORD, Words};
use crate::fused::share;
use crate::reference::matmul::chain;

/// From how many registers across on one image alone has enough chains: each multiply-add waits for
/// the one before in its chain, and two can begin at a time.
const ENOUGH_CHAINS: usize = 8;

/// The forward pass of a panel for `rows` images, activation included.
pub(in crate::fused) struct Forward<'a> {
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
                8 => self.sums::<V, 8>(),
                _ => unreachable!("panels are a power of two wide"),
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
                self.prefetch::<V>(word);
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
            let sums = self.panel.sums.as_ptr();
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
            while let [one, other, rest @ ..] = order
                && C < ENOUGH_CHAINS
            {
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
            for &image in order {
                let mut chains = Chains::<V, C>::begin(block, image);
                for _ in 0..chains.quads {
                    chains.add_quad();
                }
                chains.end();
            }
        }
    }

    /// Asks for the images of the next batch that are due with a word: whole images, since each lies
    /// in a page of its own, which has to be found.
    #[inline(always)]
    fn prefetch<V: Vector>(&self, word: usize) {
        if let Some(next) = &self.next {
            for image in share(next.order.len(), self.batch.words(), word) {
                for part in 0..self.batch.words() {
                    next.prefetch::<V>(image, part);
                }
            }
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

impl Panel {
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
