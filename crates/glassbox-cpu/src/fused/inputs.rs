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

/// Room for a batch of images of `pixels` bytes.
pub(super) struct Batch {
    pixels: usize,
    /// Room for so many images, in words.
    groups: usize,
    /// For each word of pixels, each image: its 64 bytes.
    bytes: Vec<u8>,
    /// For each word of pixels, each image: which bytes are not zero.
    by_image: Vec<u64>,
    /// For each pixel, each word of images: in which images it is not zero.
    by_pixel: Vec<u64>,
    /// (b,stride) numbers, where the inputs are dense.
    dense: Vec<f32>,
    /// The distance between rows of `dense`.
    stride: usize,
}

/// A batch that several threads write, each some words of pixels or some images.
#[derive(Clone, Copy)]
pub(super) struct BatchParts {
    pixels: usize,
    capacity: usize,
    bytes: Parts<u8>,
    by_image: Parts<u64>,
    by_pixel: Parts<u64>,
    dense: Parts<f32>,
    stride: usize,
}

impl Batch {
    /// Room for `capacity` images; `stride` numbers a row if they are to be dense.
    pub(super) fn new(pixels: usize, capacity: usize, stride: Option<usize>) -> Batch {
        let (words, groups) = (pixels.div_ceil(WORD), capacity.div_ceil(WORD));
        let cells = if stride.is_none() { words * groups * WORD } else { 0 };
        Batch {
            pixels,
            groups,
            bytes: vec![0; cells * WORD],
            by_image: vec![0; cells],
            by_pixel: vec![0; cells],
            dense: vec![0.0; stride.unwrap_or(0) * capacity],
            stride: stride.unwrap_or(0),
        }
    }

    /// The whole, to be written in parts.
    pub(super) fn parts(&mut self) -> BatchParts {
        BatchParts {
            pixels: self.pixels,
            capacity: self.groups * WORD,
            bytes: Parts::new(&mut self.bytes),
            by_image: Parts::new(&mut self.by_image),
            by_pixel: Parts::new(&mut self.by_pixel),
            dense: Parts::new(&mut self.dense),
            stride: self.stride,
        }
    }
}

impl BatchParts {
    /// How many words an image has.
    pub(super) fn words(self) -> usize {
        self.pixels.div_ceil(WORD)
    }

    /// How many words the images of a batch have.
    pub(super) fn groups(self) -> usize {
        self.capacity / WORD
    }

    /// Which pixels of a word are not zero, for image `image`.
    ///
    /// # Safety
    /// The word and the image exist, and no one writes them.
    #[inline(always)]
    pub(super) unsafe fn pixels_of(self, word: usize, image: usize) -> u64 {
        // SAFETY: promised by the caller.
        unsafe { *self.by_image.at(word * self.capacity + image) }
    }

    /// In which images of group `group` a pixel is not zero.
    ///
    /// # Safety
    /// The pixel and the group exist, and no one writes them.
    #[inline(always)]
    pub(super) unsafe fn images_of(self, pixel: usize, group: usize) -> u64 {
        // SAFETY: promised by the caller.
        unsafe { *self.by_pixel.at(pixel * self.groups() + group) }
    }

    /// The bytes of a word of pixels, of image `image`; those of the next image follow.
    ///
    /// # Safety
    /// The word and the image exist, and no one writes them.
    #[inline(always)]
    pub(super) unsafe fn bytes(self, word: usize, image: usize) -> *const u8 {
        // SAFETY: promised by the caller.
        unsafe { self.bytes.at((word * self.capacity + image) * WORD) }
    }

    /// The number at (image, pixel).
    ///
    /// # Safety
    /// Both exist, and no one writes them.
    pub(super) unsafe fn number(self, image: usize, pixel: usize) -> f32 {
        // SAFETY: promised by the caller.
        unsafe { SCALED[usize::from(*self.bytes(pixel / WORD, image).add(pixel % WORD))] }
    }

    /// The distance between rows of the dense numbers.
    pub(super) fn stride(self) -> usize {
        self.stride
    }

    /// The dense numbers.
    pub(super) fn dense(self) -> *const f32 {
        // SAFETY: the first element, or one past the end of nothing.
        unsafe { self.dense.at(0) }
    }
}

/// Fills some words of pixels of a batch with the images `order`.
pub(super) struct FillBits<'a> {
    pub batch: BatchParts,
    pub words: Range<usize>,
    pub pixels: &'a [u8],
    pub order: &'a [u32],
}

impl Kernel for FillBits<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let BatchParts { pixels: width, capacity, bytes, by_image, by_pixel, .. } = self.batch;
        for word in self.words {
            let len = WORD.min(width - word * WORD);
            // SAFETY: these words are this call's alone, and the CPU has `V`.
            unsafe {
                let bytes = bytes.part(word * capacity * WORD, capacity * WORD);
                let masks = by_image.part(word * capacity, capacity);
                for ((&image, bytes), mask) in
                    self.order.iter().zip(bytes.chunks_exact_mut(WORD)).zip(&mut *masks)
                {
                    let from = &self.pixels[image as usize * width + word * WORD..][..len];
                    bytes[..len].copy_from_slice(from);
                    *mask = V::non_zero_bytes(bytes.as_ptr());
                }
                masks[self.order.len()..].fill(0);
                let groups = capacity / WORD;
                let turned = by_pixel.part(word * WORD * groups, WORD * groups);
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
}

/// Fills some rows of a dense batch with images of `order`, divided by 255.
pub(super) struct FillDense<'a> {
    pub batch: BatchParts,
    pub rows: Range<usize>,
    pub pixels: &'a [u8],
    pub order: &'a [u32],
}

impl Kernel for FillDense<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let BatchParts { pixels: width, dense, stride, .. } = self.batch;
        for row in self.rows {
            // SAFETY: this row is this call's alone.
            let out = unsafe { dense.part(row * stride, width) };
            let from = &self.pixels[self.order[row] as usize * width..][..width];
            for (out, &pixel) in out.iter_mut().zip(from) {
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
