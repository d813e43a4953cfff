//! The images of a batch, in the form in which the first layer reads them.
//!
//! Where most pixels are zero only the others are read: by image in the forward pass, by pairs of
//! neighbouring pixels in the gradient. Both orders come from one bit a pixel: 64 pixels of 64 images
//! are 64 words, and the same bits transposed are the other order, in which two words become one.
//!
//! A loop over the bits of a word ends when the processor least expects it, and to guess that
//! wrong costs as much as half of the loop. So words are filled up with bits of pixels that are
//! zero until they have a whole number of quads, four bits each, and words with as many quads are
//! taken one after the other. A zero more changes nothing unless its factor is infinite or NaN,
//! which the loops notice.

use crate::fast::dispatch::Kernel;
use crate::fast::memory::Aligned;
use crate::fast::pool::Parts;
use crate::fast::samples::Scale;
use crate::fast::vector::{SCALED, Vector};
use std::ops::Range;

/// Pixels or images in a word of bits.
pub(super) const WORD: usize = 64;

/// Images that are asked for before they are read.
const AHEAD: usize = 4;

/// Bits of a word that are taken in one go.
pub(super) const QUAD: usize = 4;

/// The images of a batch. Each thread has its own: to compute it twice costs less than to send it
/// from one core to another.
pub(super) struct Batch {
    /// Pixels an image.
    pixels: usize,
    /// Room for so many words of images.
    groups: usize,
    /// Bytes from an image to the next: an odd number of cache lines, so that the same pixel of
    /// many images does not fall into the same few places of the cache.
    stride: usize,
    /// The pixels of each image, with zeros up to a whole word.
    bytes: Aligned<u8>,
    /// For each word of pixels: the images.
    by_image: Vec<Words>,
    /// For each word of pixels, each word of images: the pairs of neighbouring pixels.
    by_pair: Vec<Words>,
}

/// What is not zero in 64 pixels of 64 images: a word for each image, or for each pair of
/// neighbouring pixels, of which there are half as many.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Words {
    /// How many quads of bits each has.
    pub quads: [u8; WORD],
    /// Which have bits, those with few quads first, and room to write more than there are.
    order: [u8; 2 * WORD],
    /// How many they are.
    len: usize,
    /// The bits.
    pub bits: [u64; WORD],
}

impl Words {
    const NONE: Words = Words { quads: [0; WORD], order: [0; 2 * WORD], len: 0, bits: [0; WORD] };

    /// The words that have bits, those with few quads first.
    #[inline(always)]
    pub(super) fn order(&self) -> &[u8] {
        &self.order[..self.len]
    }

    /// Takes over the bits, filled up to whole quads with the lowest that are not set.
    ///
    /// # Safety
    /// The CPU has `V`.
    #[inline(always)]
    unsafe fn fill<V: Vector>(&mut self, bits: [u64; WORD]) {
        for (index, mut word) in bits.into_iter().enumerate() {
            let missing = word.count_ones().wrapping_neg() % QUAD as u32;
            for place in 0..QUAD as u32 - 1 {
                word |= if place < missing { word.wrapping_add(1) } else { 0 };
            }
            self.bits[index] = word;
            self.quads[index] = (word.count_ones() / QUAD as u32) as u8;
        }
        self.len = 0;
        for quads in 1..=WORD / QUAD {
            // SAFETY: there are 64 bytes, and promised by the caller.
            unsafe {
                let words = V::equal_bytes(self.quads.as_ptr(), quads as u8);
                V::store_places(words, &mut self.order, self.len);
                self.len += words.count_ones() as usize;
            }
        }
    }
}

impl Batch {
    /// Room for `capacity` images.
    pub(super) fn new(pixels: usize, capacity: usize) -> Batch {
        let (words, groups) = (pixels.div_ceil(WORD), capacity.div_ceil(WORD));
        let stride = (words | 1) * WORD;
        Batch {
            pixels,
            groups,
            stride,
            bytes: Aligned::zeros(groups * WORD * stride),
            by_image: vec![Words::NONE; words * groups],
            by_pair: vec![Words::NONE; words * groups],
        }
    }

    /// How many words an image has.
    pub(super) fn words(&self) -> usize {
        self.pixels.div_ceil(WORD)
    }

    /// How many words the images of the batch fill.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// Bytes from an image to the next.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// The pixels of 64 images, from the first of a word on. Images are a stride apart.
    #[inline(always)]
    pub(super) fn bytes(&self, word: usize, group: usize) -> *const u8 {
        self.bytes[group * WORD * self.stride + word * WORD..].as_ptr()
    }

    /// A pixel divided by 255; pixels up to a whole word are zero.
    pub(super) fn value(&self, row: usize, pixel: usize) -> f32 {
        SCALED[usize::from(self.bytes[row * self.stride + pixel])]
    }

    /// Which pixels of a word are not zero, for 64 images.
    #[inline(always)]
    pub(super) fn by_image(&self, word: usize, group: usize) -> &Words {
        &self.by_image[word * self.groups + group]
    }

    /// In which of 64 images one of two pixels is not zero, for the 32 pairs of a word.
    #[inline(always)]
    pub(super) fn by_pair(&self, word: usize, group: usize) -> &Words {
        &self.by_pair[word * self.groups + group]
    }
}

/// The images of a data set that make up a batch.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub pixels: &'a [u8],
    /// Bytes an image.
    pub width: usize,
    pub order: &'a [u32],
}

impl Source<'_> {
    /// The pixels of image `row` of the batch.
    #[inline(always)]
    pub(super) fn image(&self, row: usize) -> &[u8] {
        &self.pixels[self.order[row] as usize * self.width..][..self.width]
    }

    /// Asks for a word of an image before it is needed: the images of a batch come from all over
    /// memory.
    #[inline(always)]
    pub(super) fn prefetch<V: Vector>(&self, row: usize, word: usize) {
        if row < self.order.len() && word * WORD < self.width {
            V::prefetch(self.image(row)[word * WORD..].as_ptr());
        }
    }
}

/// Fills a batch.
pub(super) struct FillBits<'a> {
    pub batch: &'a mut Batch,
    pub source: Source<'a>,
}

impl Kernel for FillBits<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let FillBits { batch, source } = self;
        let (words, groups, stride) = (batch.words(), batch.groups, batch.stride);
        for row in 0..source.order.len() {
            let pixels = source.image(row);
            batch.bytes[row * stride..][..pixels.len()].copy_from_slice(pixels);
        }
        for word in 0..words {
            for group in 0..groups {
                let mut square = [0; WORD];
                let bytes = batch.bytes(word, group);
                let rows = WORD.min(source.order.len().saturating_sub(group * WORD));
                for row in 0..rows {
                    // SAFETY: the image has 64 bytes there, and the CPU has `V`.
                    square[row] = unsafe { !V::equal_bytes(bytes.add(row * stride), 0) };
                }
                // SAFETY: the CPU has `V`.
                unsafe { batch.by_image[word * groups + group].fill::<V>(square) };
                transpose(&mut square);
                let mut pairs = [0; WORD];
                for (pair, pixels) in square.chunks_exact(2).enumerate() {
                    pairs[pair] = pixels[0] | pixels[1];
                }
                // SAFETY: as above.
                unsafe { batch.by_pair[word * groups + group].fill::<V>(pairs) };
            }
        }
    }
}

/// Fills some rows of a dense batch (b,stride), pixels divided by 255.
pub(super) struct FillDense<'a> {
    pub dense: Parts<f32>,
    pub stride: usize,
    pub rows: Range<usize>,
    pub source: Source<'a>,
}

impl Kernel for FillDense<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for row in self.rows {
            for word in 0..self.source.width.div_ceil(WORD) {
                self.source.prefetch::<V>(row + AHEAD, word);
            }
            // SAFETY: this row is this call's alone, and the CPU has `V`.
            unsafe {
                let out = self.dense.part(row * self.stride, self.source.width);
                Scale { out, pixels: self.source.image(row) }.run::<V>();
            }
        }
    }
}

/// Transposes 64×64 bits: bit j of word i becomes bit i of word j. Halves of ever smaller squares
/// change places (Warren, "Hacker's Delight", 7-3).
#[inline(always)]
fn transpose(square: &mut [u64; WORD]) {
    let mut mask = 0x0000_0000_ffff_ffff;
    let mut half = WORD / 2;
    while half > 0 {
        for start in (0..WORD).step_by(2 * half) {
            for i in start..start + half {
                let change = ((square[i] >> half) ^ square[i + half]) & mask;
                square[i] ^= change << half;
                square[i + half] ^= change;
            }
        }
        half /= 2;
        mask ^= mask << half;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fast::dispatch::Simd;

    /// Words filled from these bits.
    struct Fill([u64; WORD]);

    impl Kernel for Fill {
        type Output = Words;

        #[inline(always)]
        unsafe fn run<V: Vector>(self) -> Words {
            let mut words = Words::NONE;
            // SAFETY: the CPU has `V`.
            unsafe {
                // What an earlier batch left is written over.
                words.fill::<V>([u64::MAX; WORD]);
                words.fill::<V>(self.0);
            }
            words
        }
    }

    #[test]
    fn words_hold_whole_quads_in_order() {
        // Zero to 64 bits, from both ends and in between; and words that are all empty, or all full.
        let scattered = |i: usize| 0x9e37_79b9_7f4a_7c15u64.rotate_left(i as u32) & (u64::MAX >> i);
        let sets: [[u64; WORD]; 6] = [
            std::array::from_fn(|i| u64::MAX >> i),
            std::array::from_fn(|i| u64::MAX << i),
            std::array::from_fn(|i| if i % 3 == 0 { 0 } else { 1 << i }),
            std::array::from_fn(scattered),
            [0; WORD],
            [u64::MAX; WORD],
        ];
        for simd in Simd::available().into_iter().chain([Simd::portable_wide()]) {
            for bits in sets {
                let words = simd.run(Fill(bits));
                for (i, before) in bits.into_iter().enumerate() {
                    let (after, missing) = (words.bits[i], before.count_ones().next_multiple_of(4));
                    assert_eq!(after & before, before, "{simd}: bits are kept");
                    assert_eq!(after.count_ones(), missing, "{simd}: {before:x}");
                    assert_eq!(u32::from(words.quads[i]) * 4, missing, "{simd}: {before:x}");
                }
                let mut order: Vec<u8> =
                    (0..WORD as u8).filter(|&i| bits[usize::from(i)] != 0).collect();
                order.sort_by_key(|&i| words.quads[usize::from(i)]);
                assert_eq!(words.order(), order, "{simd}");
            }
        }
    }

    #[test]
    fn bits_change_places() {
        let mut square: [u64; WORD] =
            std::array::from_fn(|i| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let before = square;
        transpose(&mut square);
        for (i, row) in before.into_iter().enumerate() {
            for (j, column) in square.into_iter().enumerate() {
                assert_eq!(row >> j & 1, column >> i & 1, "({i},{j})");
            }
        }
    }
}
