//! Memory that begins where a cache line does.
//!
//! A register loaded from across two lines costs twice, and memory from the allocator begins sixteen
//! bytes into one: every second load of 32 bytes, and every one of 64, would cross.

use std::ops::{Deref, DerefMut};
use std::slice;

/// Numbers in a cache line.
const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _numbers: [f32; LINE],
}

const ZEROS: Line = Line { _numbers: [0.0; LINE] };

/// Numbers of which the first begins a cache line.
#[derive(Default)]
pub(crate) struct Numbers {
    lines: Vec<Line>,
    len: usize,
}

impl Numbers {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Numbers {
        Numbers { lines: vec![ZEROS; len.div_ceil(LINE)], len }
    }

    /// Makes room for at least `len` numbers; what was there stays.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len < len {
            self.lines.resize(len.div_ceil(LINE), ZEROS);
            self.len = len;
        }
    }
}

impl Deref for Numbers {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a line is sixteen numbers without padding, and there are at least `len`.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Numbers {
    fn deref_mut(&mut self) -> &mut [f32] {
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
    }
}
