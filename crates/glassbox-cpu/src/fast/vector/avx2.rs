//! Eight lanes in a 256-bit register: AVX2 with FMA (x86-64 since 2013).

use super::Vector;
use super::bytes::{INVERSE, INVERSE_LOW, look_up};
use std::arch::x86_64::*;

/// Eight lanes.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// A mask of the first `n` lanes.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lane)
    }
}

impl Vector for Avx2 {
    const LANES: usize = 8;
    type Mask = __m256;
    type Pixels = *const u8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_set1_ps(x)) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller promises the instructions and 8 readable numbers.
        unsafe { Avx2(_mm256_loadu_ps(p)) }
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> Self {
        // SAFETY: the caller promises the instructions and `n` readable numbers; masked lanes are not touched.
        unsafe { Avx2(_mm256_maskload_ps(p, first(n))) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller promises the instructions and 8 writable numbers.
        unsafe { _mm256_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize) {
        // SAFETY: the caller promises the instructions and `n` writable numbers; masked lanes are not touched.
        unsafe { _mm256_maskstore_ps(p, first(n), self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_add_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_sub_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_mul_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_div_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_sqrt_ps(self.0)) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_fmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn lt(self, b: Self) -> __m256 {
        // SAFETY: the caller promises the instructions.
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, b.0) }
    }
    #[inline(always)]
    unsafe fn eq(self, b: Self) -> __m256 {
        // SAFETY: the caller promises the instructions.
        unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, b.0) }
    }
    #[inline(always)]
    unsafe fn any_nan(self) -> bool {
        // SAFETY: the caller promises the instructions.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0)) != 0 }
    }
    #[inline(always)]
    unsafe fn select(mask: __m256, yes: Self, no: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_blendv_ps(no.0, yes.0, mask)) }
    }
    #[inline(always)]
    unsafe fn interleave(self, b: Self) -> [Self; 2] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            // These instructions interleave within halves of 128 bits.
            let (even, odd) = (_mm256_unpacklo_ps(self.0, b.0), _mm256_unpackhi_ps(self.0, b.0));
            let lower = _mm256_permute2f128_ps::<0x20>(even, odd);
            [Avx2(lower), Avx2(_mm256_permute2f128_ps::<0x31>(even, odd))]
        }
    }
    #[inline(always)]
    unsafe fn and(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_and_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn or(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_or_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn xor(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_xor_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn sub_bits(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx2(_mm256_castsi256_ps(_mm256_sub_epi32(
                _mm256_castps_si256(self.0),
                _mm256_castps_si256(b.0),
            )))
        }
    }
    #[inline(always)]
    unsafe fn shift_left<const BY: u32>(self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx2(_mm256_castsi256_ps(_mm256_sllv_epi32(
                _mm256_castps_si256(self.0),
                _mm256_set1_epi32(BY as i32),
            )))
        }
    }
    #[inline(always)]
    unsafe fn shift_right<const BY: u32>(self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx2(_mm256_castsi256_ps(_mm256_srlv_epi32(
                _mm256_castps_si256(self.0),
                _mm256_set1_epi32(BY as i32),
            )))
        }
    }
    #[inline(always)]
    unsafe fn bits_to_float(self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx2(_mm256_cvtepi32_ps(_mm256_castps_si256(self.0))) }
    }
    #[inline(always)]
    fn prefetch(p: *const u8) {
        // SAFETY: SSE is part of x86-64, and a prefetch of any address does nothing but hint.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn load_bytes(p: *const u8) -> Self {
        // SAFETY: the caller promises the instructions and 8 readable bytes.
        unsafe {
            let x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())));
            let low = _mm256_mul_ps(x, _mm256_set1_ps(INVERSE_LOW));
            Avx2(_mm256_fmadd_ps(x, _mm256_set1_ps(INVERSE), low))
        }
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
        // SAFETY: the caller promises the instructions and 64 readable bytes.
        unsafe {
            let byte = _mm256_set1_epi8(byte as i8);
            let lower = _mm256_cmpeq_epi8(_mm256_loadu_si256(p.cast()), byte);
            let upper = _mm256_cmpeq_epi8(_mm256_loadu_si256(p.add(32).cast()), byte);
            let (lower, upper) = (_mm256_movemask_epi8(lower), _mm256_movemask_epi8(upper));
            u64::from(lower as u32) | u64::from(upper as u32) << 32
        }
    }
}
