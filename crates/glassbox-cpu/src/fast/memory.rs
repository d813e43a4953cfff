//! Memory that begins where a cache line does.
//!
//! A register loaded from across two lines costs twice, and memory from the allocator begins sixteen
//! bytes into one: every second load of 32 bytes, and every one of 64, would cross.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::slice;

/// Bytes in a cache line.
const LINE: usize = 64;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; LINE],
}

const ZEROS: Line = Line { _bytes: [0; LINE] };

/// Numbers of which the first begins a cache line.
pub(crate) type Numbers = Aligned<f32>;

/// Numbers of some type of which the first begins a cache line.
pub(crate) struct Aligned<T> {
    lines: Vec<Line>,
    len: usize,
    _type: PhantomData<T>,
}

/// A number without padding, whose bits may be anything.
///
/// # Safety
/// As said, and its size divides a cache line's.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: all bits are a number, and four bytes divide a line.
unsafe impl Plain for f32 {}
// SAFETY: all bits are a number, and one byte divides a line.
unsafe impl Plain for u8 {}

impl<T: Plain> Aligned<T> {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Aligned<T> {
        Aligned { lines: vec![ZEROS; Self::lines(len)], len, _type: PhantomData }
    }

    /// Makes room for at least `len` numbers; what was there stays.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len < len {
            self.lines.resize(Self::lines(len), ZEROS);
            self.len = len;
        }
    }

    /// The lines that hold `len` numbers.
    fn lines(len: usize) -> usize {
        len.div_ceil(LINE / size_of::<T>())
    }
}

impl<T: Plain> Default for Aligned<T> {
    fn default() -> Aligned<T> {
        Aligned::zeros(0)
    }
}

impl<T: Plain> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the lines hold `len` numbers, and any bits are one.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the lines are borrowed as long as the slice.
        unsafe { slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_a_line_and_stay_when_there_are_more() {
        let mut numbers = Numbers::default();
        for len in [0, 1, 15, 16, 17, 1000] {
            numbers.grow(len);
            assert_eq!(numbers.len(), len);
            assert_eq!(numbers.as_ptr() as usize % 64, 0);
            if let Some(last) = numbers.last_mut() {
                *last = len as f32;
            }
        }
        numbers.grow(3);
        assert_eq!((numbers.len(), numbers[14], numbers[15], numbers[17]), (1000, 15.0, 16.0, 0.0));
        assert_eq!(Numbers::zeros(33)[32], 0.0);
        assert_eq!(Aligned::<u8>::zeros(130)[129], 0);
    }
}
