//! The images of a batch, in the form in which the first layer reads them.
//!
//! Where most pixels are zero only the others are read: by image in the forward pass, by pixel in
//! the gradient. Both orders come from one bit a pixel: 64 pixels of 64 images are 64 words, and
//! the same bits transposed are the other order. Nothing is stored between batches.

use crate::fast::dispatch::Kernel;
use crate::fast::pool::Parts;
use crate::fast::samples::SCALED;
use crate::fast::vector::Vector;
use std::ops::Range;

/// Pixels or images in a word of bits.
pub(super) const WORD: usize = 64;

/// The images of a batch. Each thread has its own: to compute it twice costs less than to send it
/// from one core to another.
pub(super) struct Batch {
    /// Pixels an image.
    pixels: usize,
    /// Room for so many images, a whole number of words.
    capacity: usize,
    /// For each word of pixels, each image: its 64 bytes.
    bytes: Vec<u8>,
    /// For each word of pixels, each image: which bytes are not zero.
    by_image: Vec<u64>,
    /// For each pixel, each word of images: in which images it is not zero.
    by_pixel: Vec<u64>,
}

impl Batch {
    /// Room for `capacity` images.
    pub(super) fn new(pixels: usize, capacity: usize) -> Batch {
        let (words, capacity) = (pixels.div_ceil(WORD), capacity.next_multiple_of(WORD));
        Batch {
            pixels,
            capacity,
            bytes: vec![0; words * capacity * WORD],
            by_image: vec![0; words * capacity],
            by_pixel: vec![0; words * capacity],
        }
    }

    /// How many words an image has.
    pub(super) fn words(&self) -> usize {
        self.pixels.div_ceil(WORD)
    }

    /// How many words the images of a batch have.
    pub(super) fn groups(&self) -> usize {
        self.capacity / WORD
    }

    /// For each image which pixels of a word are not zero, and the bytes of that word.
    #[inline(always)]
    pub(super) fn by_image(&self, word: usize) -> (&[u64], &[u8]) {
        let start = word * self.capacity;
        (
            &self.by_image[start..][..self.capacity],
            &self.bytes[start * WORD..][..self.capacity * WORD],
        )
    }

    /// For each word of images in which of them a pixel is not zero, and the bytes of the pixel's
    /// word from the pixel on, 64 an image.
    #[inline(always)]
    pub(super) fn by_pixel(&self, pixel: usize) -> (&[u64], &[u8]) {
        let groups = self.groups();
        let start = pixel / WORD * self.capacity * WORD + pixel % WORD;
        (&self.by_pixel[pixel * groups..][..groups], &self.bytes[start..])
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
        let (words, capacity) = (batch.words(), batch.capacity);
        for row in 0..source.order.len() {
            let pixels = source.image(row);
            for word in 0..words {
                let place = word * capacity + row;
                let bytes = &mut batch.bytes[place * WORD..][..WORD];
                match pixels[word * WORD..].first_chunk::<WORD>() {
                    // A length that the compiler knows makes a copy of two moves.
                    Some(whole) => bytes.copy_from_slice(whole),
                    None => {
                        let rest = &pixels[word * WORD..];
                        bytes[..rest.len()].copy_from_slice(rest);
                    }
                }
                // SAFETY: there are 64 bytes, and the CPU has `V`.
                batch.by_image[place] = unsafe { V::non_zero_bytes(bytes.as_ptr()) };
            }
        }
        let groups = batch.groups();
        for word in 0..words {
            let masks = &mut batch.by_image[word * capacity..][..capacity];
            masks[source.order.len()..].fill(0);
            let turned = &mut batch.by_pixel[word * WORD * groups..][..WORD * groups];
            for (group, masks) in masks.chunks_exact(WORD).enumerate() {
                let mut square = [0; WORD];
                square.copy_from_slice(masks);
                transpose(&mut square);
                for (pixel, images) in square.into_iter().enumerate() {
                    turned[pixel * groups + group] = images;
                }
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
            // SAFETY: this row is this call's alone.
            let out = unsafe { self.dense.part(row * self.stride, self.source.width) };
            for (out, &pixel) in out.iter_mut().zip(self.source.image(row)) {
                *out = SCALED[usize::from(pixel)];
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
