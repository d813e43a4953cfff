//! Lanes as a plain array: the compiler turns the loops into whatever the chip has.
//!
//! On a chip without a fused multiply-add instruction (x86-64 before 2013), and on any x86-64 when
//! the program was built for the oldest one, `f32::mul_add` is a function call: right, and slow.

use super::Vector;
use super::bytes::look_up;

/// `N` lanes: eight in use, and sixteen so that tests can try what is written for AVX-512 anywhere.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Portable<const N: usize>([f32; N]);

impl<const N: usize> Portable<N> {
    #[inline(always)]
    fn zip(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|l| f(self.0[l], b.0[l])))
    }

    #[inline(always)]
    fn map_bits(self, f: impl Fn(u32) -> u32) -> Self {
        Portable(std::array::from_fn(|l| f32::from_bits(f(self.0[l].to_bits()))))
    }

    #[inline(always)]
    fn zip_bits(self, b: Self, f: impl Fn(u32, u32) -> u32) -> Self {
        Portable(std::array::from_fn(|l| f32::from_bits(f(self.0[l].to_bits(), b.0[l].to_bits()))))
    }
}

impl<const N: usize> Vector for Portable<N> {
    const LANES: usize = N;
    type Mask = [bool; N];
    type Pixels = *const u8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Portable([x; N])
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller promises N readable numbers.
        Portable(unsafe { p.cast::<[f32; N]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> Self {
        // SAFETY: the caller promises `n` readable numbers, and only lanes below `n` are read.
        Portable(std::array::from_fn(|l| if l < n { unsafe { p.add(l).read() } } else { 0.0 }))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller promises N writable numbers.
        unsafe { p.cast::<[f32; N]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize) {
        for (l, x) in self.0.into_iter().enumerate().take(n) {
            // SAFETY: the caller promises `n` writable numbers.
            unsafe { p.add(l).write(x) }
        }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.zip(b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self.zip(b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        self.zip(b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        self.zip(b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Portable(self.0.map(f32::sqrt))
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Portable(std::array::from_fn(|l| self.0[l].mul_add(b.0[l], c.0[l])))
    }

    #[inline(always)]
    unsafe fn lt(self, b: Self) -> [bool; N] {
        std::array::from_fn(|l| self.0[l] < b.0[l])
    }
    #[inline(always)]
    unsafe fn eq(self, b: Self) -> [bool; N] {
        std::array::from_fn(|l| self.0[l] == b.0[l])
    }
    #[inline(always)]
    unsafe fn any_nan(self) -> bool {
        self.0.iter().any(|x| x.is_nan())
    }
    #[inline(always)]
    unsafe fn select(mask: [bool; N], yes: Self, no: Self) -> Self {
        Portable(std::array::from_fn(|l| if mask[l] { yes.0[l] } else { no.0[l] }))
    }

    #[inline(always)]
    unsafe fn interleave(self, b: Self) -> [Self; 2] {
        let lane = |l: usize| [self, b][l % 2].0[l / 2];
        [0, N].map(|start| Portable(std::array::from_fn(|l| lane(start + l))))
    }
    #[inline(always)]
    unsafe fn and(self, b: Self) -> Self {
        self.zip_bits(b, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn or(self, b: Self) -> Self {
        self.zip_bits(b, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn xor(self, b: Self) -> Self {
        self.zip_bits(b, |a, b| a ^ b)
    }
    #[inline(always)]
    unsafe fn sub_bits(self, b: Self) -> Self {
        self.zip_bits(b, u32::wrapping_sub)
    }
    #[inline(always)]
    unsafe fn shift_left<const BY: u32>(self) -> Self {
        self.map_bits(|a| a << BY)
    }
    #[inline(always)]
    unsafe fn shift_right<const BY: u32>(self) -> Self {
        self.map_bits(|a| a >> BY)
    }
    #[inline(always)]
    unsafe fn bits_to_float(self) -> Self {
        Portable(self.0.map(|a| a.to_bits() as i32 as f32))
    }
    #[inline(always)]
    unsafe fn pixels(p: *const u8, _: u64) -> *const u8 {
        p
    }
    #[inline(always)]
    unsafe fn quad(pixels: &mut *const u8, places: [usize; 4]) -> [Self; 4] {
        // SAFETY: promised by the caller.
        unsafe { look_up(*pixels, places) }
    }
    #[inline(always)]
    unsafe fn equal_bytes(p: *const u8, byte: u8) -> u64 {
        // SAFETY: the caller promises 64 readable bytes.
        let bytes = unsafe { p.cast::<[u8; 64]>().read() };
        bytes.iter().rev().fold(0, |bits, &other| bits << 1 | u64::from(other == byte))
    }
}
