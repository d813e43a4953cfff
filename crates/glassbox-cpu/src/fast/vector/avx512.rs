//! Sixteen lanes in a 512-bit register: AVX-512F, with BW and VBMI2 for bytes.

use super::Vector;
use super::bytes::{INVERSE, INVERSE_LOW};
use std::arch::x86_64::*;

/// Sixteen lanes.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

/// A mask of the first `n` lanes, `n` < 16.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

/// 0, 1, 2, ….
const PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let mut place = 0;
    while place < 64 {
        places[place] = place as u8;
        place += 1;
    }
    places
};

impl Vector for Avx512 {
    const LANES: usize = 16;
    type Mask = __mmask16;
    /// The bytes that are left, at the front.
    type Pixels = __m512i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_set1_ps(x)) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller promises the instructions and 16 readable numbers.
        unsafe { Avx512(_mm512_loadu_ps(p)) }
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> Self {
        // SAFETY: the caller promises the instructions and `n` readable numbers; masked lanes are not touched.
        unsafe { Avx512(_mm512_maskz_loadu_ps(first(n), p)) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller promises the instructions and 16 writable numbers.
        unsafe { _mm512_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, n: usize) {
        // SAFETY: the caller promises the instructions and `n` writable numbers; masked lanes are not touched.
        unsafe { _mm512_mask_storeu_ps(p, first(n), self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_add_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_sub_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_mul_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_div_ps(self.0, b.0)) }
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_sqrt_ps(self.0)) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_fmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn lt(self, b: Self) -> __mmask16 {
        // SAFETY: the caller promises the instructions.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, b.0) }
    }
    #[inline(always)]
    unsafe fn eq(self, b: Self) -> __mmask16 {
        // SAFETY: the caller promises the instructions.
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, b.0) }
    }
    #[inline(always)]
    unsafe fn any_nan(self) -> bool {
        // SAFETY: the caller promises the instructions.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) != 0 }
    }
    #[inline(always)]
    unsafe fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_mask_blend_ps(mask, no.0, yes.0)) }
    }
    #[inline(always)]
    unsafe fn interleave(self, b: Self) -> [Self; 2] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let lower = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let upper = _mm512_add_epi32(lower, _mm512_set1_epi32(8));
            let lower = _mm512_permutex2var_ps(self.0, lower, b.0);
            [Avx512(lower), Avx512(_mm512_permutex2var_ps(self.0, upper, b.0))]
        }
    }
    #[inline(always)]
    unsafe fn and(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx512(_mm512_castsi512_ps(_mm512_and_si512(
                _mm512_castps_si512(self.0),
                _mm512_castps_si512(b.0),
            )))
        }
    }
    #[inline(always)]
    unsafe fn or(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx512(_mm512_castsi512_ps(_mm512_or_si512(
                _mm512_castps_si512(self.0),
                _mm512_castps_si512(b.0),
            )))
        }
    }
    #[inline(always)]
    unsafe fn xor(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx512(_mm512_castsi512_ps(_mm512_xor_si512(
                _mm512_castps_si512(self.0),
                _mm512_castps_si512(b.0),
            )))
        }
    }
    #[inline(always)]
    unsafe fn sub_bits(self, b: Self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx512(_mm512_castsi512_ps(_mm512_sub_epi32(
                _mm512_castps_si512(self.0),
                _mm512_castps_si512(b.0),
            )))
        }
    }
    #[inline(always)]
    unsafe fn shift_left<const BY: u32>(self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx512(_mm512_castsi512_ps(_mm512_sllv_epi32(
                _mm512_castps_si512(self.0),
                _mm512_set1_epi32(BY as i32),
            )))
        }
    }
    #[inline(always)]
    unsafe fn shift_right<const BY: u32>(self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe {
            Avx512(_mm512_castsi512_ps(_mm512_srlv_epi32(
                _mm512_castps_si512(self.0),
                _mm512_set1_epi32(BY as i32),
            )))
        }
    }
    #[inline(always)]
    unsafe fn bits_to_float(self) -> Self {
        // SAFETY: the caller promises the instructions.
        unsafe { Avx512(_mm512_cvtepi32_ps(_mm512_castps_si512(self.0))) }
    }
    #[inline(always)]
    fn prefetch(p: *const u8) {
        // SAFETY: SSE is part of x86-64, and a prefetch of any address does nothing but hint.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_non_zero_places(self, first: u32, to: *mut u32) -> usize {
        // SAFETY: the caller promises the instructions and 16 writable places.
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(self.0, _mm512_setzero_ps());
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let places = _mm512_add_epi32(_mm512_set1_epi32(first as i32), lanes);
            _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(mask, places));
            mask.count_ones() as usize
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(p: *const u8) -> Self {
        // SAFETY: the caller promises the instructions and 16 readable bytes.
        unsafe {
            let x = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast())));
            let low = _mm512_mul_ps(x, _mm512_set1_ps(INVERSE_LOW));
            Avx512(_mm512_fmadd_ps(x, _mm512_set1_ps(INVERSE), low))
        }
    }
    #[inline(always)]
    unsafe fn pixels(p: *const u8, bits: u64) -> __m512i {
        // SAFETY: the caller promises the instructions and 64 readable bytes.
        unsafe { _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(p.cast())) }
    }
    #[inline(always)]
    unsafe fn quad(pixels: &mut __m512i, _: [usize; 4]) -> [Self; 4] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let bytes = _mm512_castsi512_si128(*pixels);
            *pixels = _mm512_alignr_epi32::<1>(*pixels, *pixels);
            let x = _mm_cvtepi32_ps(_mm_cvtepu8_epi32(bytes));
            let x = _mm_fmadd_ps(x, _mm_set1_ps(INVERSE), _mm_mul_ps(x, _mm_set1_ps(INVERSE_LOW)));
            let x = _mm512_castps128_ps512(x);
            [
                Avx512(_mm512_permutexvar_ps(_mm512_set1_epi32(0), x)),
                Avx512(_mm512_permutexvar_ps(_mm512_set1_epi32(1), x)),
                Avx512(_mm512_permutexvar_ps(_mm512_set1_epi32(2), x)),
                Avx512(_mm512_permutexvar_ps(_mm512_set1_epi32(3), x)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_places(bits: u64, order: &mut [u8; 128], start: usize) {
        assert!(start <= 64);
        // SAFETY: the caller promises the instructions, and 64 places fit.
        unsafe {
            let places =
                _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(PLACES.as_ptr().cast()));
            _mm512_storeu_si512(order.as_mut_ptr().add(start).cast(), places);
        }
    }
    #[inline(always)]
    unsafe fn equal_bytes(p: *const u8, byte: u8) -> u64 {
        // SAFETY: the caller promises the instructions and 64 readable bytes.
        unsafe {
            _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p.cast()), _mm512_set1_epi8(byte as i8))
        }
    }
}
