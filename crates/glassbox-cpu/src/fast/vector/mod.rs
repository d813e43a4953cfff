//! A register of `f32` lanes: one trait, three implementations.
//!
//! Every fast loop is written once over [`Vector`] and instantiated for AVX-512, for AVX2 and for
//! plain Rust arrays, which is what other chips get. All operations round as IEEE 754 says, lane by
//! lane, so the three give the same bits.
//!
//! The functions are `#[inline(always)]` and take on the target features of the function they are
//! inlined into; each instantiation is one `#[target_feature]` function, see
//! `dispatch.rs`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
mod portable;
mod registers;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use bytes::SCALED;
pub(crate) use portable::Portable;
pub(crate) use registers::{load, multiply_add, store};

/// A register of `LANES` numbers of type `f32`.
///
/// # Safety
/// Every method is `unsafe`: the caller must run on a CPU that has the instructions of the
/// implementation. Those that take a pointer further require that the lanes they touch are valid
/// for reads or writes; no alignment is needed.
pub(crate) trait Vector: Copy {
    /// How many numbers a register holds.
    const LANES: usize;
    /// One truth value a lane.
    type Mask: Copy;
    /// What [`quad`](Vector::quad) needs to know of a word of pixels.
    type Pixels: Copy;

    /// All lanes equal to `x`.
    unsafe fn splat(x: f32) -> Self;
    /// Lanes from `LANES` numbers at `p`.
    unsafe fn load(p: *const f32) -> Self;
    /// Lanes from the first `n < LANES` numbers at `p`, zeros above. Touches no other memory.
    unsafe fn load_part(p: *const f32, n: usize) -> Self;
    /// Writes `LANES` numbers to `p`.
    unsafe fn store(self, p: *mut f32);
    /// Writes the first `n < LANES` lanes to `p`, and touches no other memory.
    unsafe fn store_part(self, p: *mut f32, n: usize);

    /// Writes as many lanes as `chunk` has places, at most all.
    #[inline(always)]
    unsafe fn store_some(self, chunk: &mut [f32]) {
        // SAFETY: the caller promises the instructions and a chunk no longer than the register.
        unsafe {
            if chunk.len() == Self::LANES {
                self.store(chunk.as_mut_ptr());
            } else {
                self.store_part(chunk.as_mut_ptr(), chunk.len());
            }
        }
    }
    /// Lanes from a chunk of at most `LANES` numbers, zeros above.
    #[inline(always)]
    unsafe fn load_some(chunk: &[f32]) -> Self {
        // SAFETY: the caller promises the instructions and a chunk no longer than the register.
        unsafe {
            if chunk.len() == Self::LANES {
                Self::load(chunk.as_ptr())
            } else {
                Self::load_part(chunk.as_ptr(), chunk.len())
            }
        }
    }

    /// `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// `self − b`.
    unsafe fn sub(self, b: Self) -> Self;
    /// `self · b`.
    unsafe fn mul(self, b: Self) -> Self;
    /// `self / b`.
    unsafe fn div(self, b: Self) -> Self;
    /// The square root.
    unsafe fn sqrt(self) -> Self;
    /// `self · b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;

    /// `self < b`, false where either is NaN.
    unsafe fn lt(self, b: Self) -> Self::Mask;
    /// `self == b`, false where either is NaN; −0 equals +0.
    unsafe fn eq(self, b: Self) -> Self::Mask;
    /// Whether any lane is NaN.
    unsafe fn any_nan(self) -> bool;
    /// `yes` where `mask` holds, `no` elsewhere.
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The lanes of both in turn, those of the lower halves and then those of the upper halves.
    unsafe fn interleave(self, b: Self) -> [Self; 2];

    /// The bits of both, and.
    unsafe fn and(self, b: Self) -> Self;
    /// The bits of both, or.
    unsafe fn or(self, b: Self) -> Self;
    /// The bits of both, exclusive or.
    unsafe fn xor(self, b: Self) -> Self;
    /// The bits as unsigned integers, difference modulo 2³².
    unsafe fn sub_bits(self, b: Self) -> Self;
    /// The bits shifted left by `BY` places.
    unsafe fn shift_left<const BY: u32>(self) -> Self;
    /// The bits shifted right by `BY` places, zeros entering.
    unsafe fn shift_right<const BY: u32>(self) -> Self;
    /// The bits, as a signed integer, converted to the nearest `f32`.
    unsafe fn bits_to_float(self) -> Self;

    /// Tells the CPU that this place will be read soon. It need not exist.
    fn prefetch(_: *const u8) {}

    /// Writes `first` + i for each lane i that is not zero, one after the other, and returns how many
    /// these are. Places behind them, up to `LANES` in all, may be written, too.
    #[inline(always)]
    unsafe fn store_non_zero_places(self, first: u32, to: *mut u32) -> usize {
        let (mut lanes, mut count) = ([0.0; 16], 0);
        // SAFETY: the caller promises the instructions and the room; AVX-512 has the most lanes.
        unsafe {
            self.store(lanes.as_mut_ptr());
            for lane in 0..Self::LANES {
                to.add(count).write(first + lane as u32);
                count += usize::from(lanes[lane] != 0.0);
            }
        }
        count
    }

    /// Lanes from `LANES` bytes at `p`, divided by 255.
    #[inline(always)]
    unsafe fn load_bytes(p: *const u8) -> Self {
        // SAFETY: the caller promises the instructions and the bytes; AVX-512 has the most lanes.
        unsafe {
            let mut numbers = [0.0; 16];
            for lane in 0..Self::LANES {
                numbers[lane] = SCALED[usize::from(*p.add(lane))];
            }
            Self::load(numbers.as_ptr())
        }
    }

    /// The bytes among 64 at `p` that `bits` names, to be taken four by four.
    unsafe fn pixels(p: *const u8, bits: u64) -> Self::Pixels;

    /// The next four of them, at `places`, divided by 255, each in all lanes of a register.
    unsafe fn quad(pixels: &mut Self::Pixels, places: [usize; 4]) -> [Self; 4];

    /// Writes the places of the bits from `order[start]` on, the lowest first. What stands behind
    /// them may be overwritten.
    #[inline(always)]
    unsafe fn store_places(mut bits: u64, order: &mut [u8; 128], start: usize) {
        let mut at = start;
        while bits != 0 {
            order[at] = bits.trailing_zeros() as u8;
            bits &= bits - 1;
            at += 1;
        }
    }

    /// Which of 64 bytes at `p` are equal to `byte`, the first in the lowest bit.
    unsafe fn equal_bytes(p: *const u8, byte: u8) -> u64;
}
