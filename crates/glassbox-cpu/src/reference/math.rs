//! exp, ln, tanh and sigmoid in `f32`, made of operations that IEEE 754 rounds correctly.
//!
//! Only +, −, ×, ÷, fused multiply-add, comparisons and bit operations occur here, so the same
//! input gives the same bits on every machine, which no system's libm promises. There are no
//! tables and hardly any branches, so [`crate::fast::math`] can follow the same steps in SIMD.
//!
//! exp, tanh and sigmoid share one polynomial. They write eˣ as 2ⁿ · (1 + q) with q in
//! [−0.30, 0.42]: for tanh and sigmoid it matters that q itself is known to more digits than 1 + q.
//!
//! Each function states its largest error in ulp (the distance between neighbouring `f32` at the
//! true result) over all 2³² inputs. The figures are those of `tests/math_exhaustive.md`, which the
//! ignored test `exhaustive` in `tests/math.rs` wrote. 0.5 would be perfect rounding.
//!
//! Sources: W. J. Cody and W. Waite, "Software Manual for the Elementary Functions" (1980), for
//! taking n · ln 2 off x in two pieces; T. J. Dekker, "A floating-point technique for extending the
//! available precision" (1971), for the part of a sum that rounding loses; J.-M. Muller et al.,
//! "Handbook of Floating-Point Arithmetic" (2nd edition, 2018), for what a fused multiply-add adds
//! to both. The coefficients are from `tools/polynomials.py`.

pub(crate) use std::f32::consts::{LN_2, LOG2_E};

/// ln 2 − [`LN_2`], what rounding to `f32` takes from ln 2.
pub(crate) const LN_2_LOW: f32 = -1.904_654_2e-9;
/// 1.5 · 2²³. Numbers of this size are 1 apart, so adding it rounds to an integer, and the integer
/// can be read off the low bits of the sum.
pub(crate) const ROUND: f32 = 12_582_912.0;
/// Below this exp is less than half the smallest subnormal number, and rounds to 0.
pub(crate) const EXP_MIN: f32 = -104.0;
/// Above this exp is more than the largest number, and rounds to ∞.
pub(crate) const EXP_MAX: f32 = 89.0;
/// Above this tanh is so close to 1 that it rounds to 1.
pub(crate) const TANH_MAX: f32 = 9.02;
/// 2/3: [`ln`] puts the mantissa between this and 4/3, symmetrically around 1.
pub(crate) const TWO_THIRDS: f32 = 2.0 / 3.0;
/// The exponent bits of an `f32`, and its sign.
pub(crate) const EXPONENT: u32 = 0xff80_0000;
/// 2²³, which makes every subnormal number normal.
pub(crate) const TWO_23: f32 = 8_388_608.0;

/// p(x) with eˣ − 1 = x + x² · p(x) for |x| ≤ ½ ln 2, highest power first.
///
/// Nearly 1/7!, 1/6!, …, 1/2!, the Taylor series, with the error spread over the whole range.
pub(crate) const EXP_TAIL: [f32; 6] =
    [0.000_197_634_28, 0.001_393_234, 0.008_333_544, 0.041_666_493, 0.166_666_66, 0.5];

/// p(x) with ln(1 + x) = x + x² · p(x) for |x| ≤ ⅓, highest power first.
///
/// Nearly −1/10, 1/9, …, −1/2, in the same way.
pub(crate) const LN_TAIL: [f32; 9] = [
    -0.128_800_42,
    0.139_845_94,
    -0.121_874_794,
    0.140_057_34,
    -0.166_801_96,
    0.200_104_27,
    -0.249_998_06,
    0.333_332_15,
    -0.5,
];

/// eˣ, less than 0.85 ulp off.
///
/// Where eˣ is subnormal it is rounded to the numbers that there are; above `f32::MAX` it is ∞.
pub fn exp(x: f32) -> f32 {
    let x = if x < EXP_MIN { EXP_MIN } else { x };
    let x = if EXP_MAX < x { EXP_MAX } else { x };
    let Power { q, scale: (s0, s1), .. } = power(x);
    (1.0 + q) * s0 * s1
}

/// ln x, less than 0.89 ulp off. ln ±0 = −∞, and the logarithm of a negative number is NaN.
///
/// x = 2ᵉ · m with m in [⅔, 4/3), so ln x = e · ln 2 + ln m. Near x = 1 that leaves e = 0, and no
/// digits cancel.
pub fn ln(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let y = if tiny { x * TWO_23 } else { x };
    // Counted from the bits of ⅔, the exponent changes at ⅔ · 2ᵉ instead of at 2ᵉ.
    let shift = y.to_bits().wrapping_sub(TWO_THIRDS.to_bits()) & EXPONENT;
    let e = (shift as i32 as f32).mul_add(1.0 / TWO_23, if tiny { -23.0 } else { 0.0 });
    let f = f32::from_bits(y.to_bits().wrapping_sub(shift)) - 1.0;

    let tail = (f * f).mul_add(horner(&LN_TAIL, f), e * LN_2_LOW);
    let ln = e.mul_add(LN_2, f + tail);
    // The bits of 0, ∞, NaN and negative numbers went through the same steps and mean nothing.
    if 0.0 < x {
        if x < f32::INFINITY { ln } else { x }
    } else if x == 0.0 {
        f32::NEG_INFINITY
    } else {
        f32::NAN
    }
}

/// tanh x, less than 0.76 ulp off. tanh(−x) = −tanh x to the last bit, and tanh ±0 = ±0.
///
/// With m = e^(−2|x|) − 1, tanh |x| = −m / (2 + m). A small x gives a small m with all its digits,
/// which e^(−2|x|) alone would not.
pub fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let magnitude = if TANH_MAX < magnitude { TANH_MAX } else { magnitude };
    let Power { q, q_low, scale: (s0, s1) } = power(-2.0 * magnitude);
    let s = s0 * s1; // at least 2⁻²⁶, so one number holds it
    let less = s - 1.0;
    let less_low = s - (less + 1.0); // not 0 for s < 2⁻²⁴, where |x| > 8.4 and each bit counts
    let m = s.mul_add(q, less);
    let m_low = s.mul_add(q_low, s.mul_add(q, less - m) + less_low);
    quotient((m, m_low), 2.0, (m, m_low)).copysign(x)
}

/// 1 / (1 + e⁻ˣ), less than 0.78 ulp off.
///
/// For negative x it is eˣ / (1 + eˣ), so that no power overflows and the subnormal results are
/// right.
pub fn sigmoid(x: f32) -> f32 {
    let a = -x.abs();
    let a = if a < EXP_MIN { EXP_MIN } else { a };
    let Power { q, q_low, scale: (s0, s1) } = power(a);
    let e = 1.0 + q;
    let e_low = ((1.0 - e) + q) + q_low;
    let e = (e * s0 * s1, e_low * s0 * s1);
    quotient(if x < 0.0 { e } else { (1.0, 0.0) }, 1.0, e)
}

/// eˣ = scale.0 · scale.1 · (1 + q + q_low).
struct Power {
    q: f32,
    /// What rounding took from `q`.
    q_low: f32,
    /// 2ⁿ as a product of two powers of two, because 2¹²⁸ and 2⁻¹⁵⁰ are not `f32`.
    scale: (f32, f32),
}

/// eˣ in parts, for x in [`EXP_MIN`, `EXP_MAX`].
///
/// n is the integer nearest x / ln 2, and r = x − n · ln 2 is what remains. The first of the two
/// steps to r is exact: n · `LN_2` is a multiple of 2⁻²⁴ and x, where n is not 0, one of 2⁻²⁵, so
/// their difference, less than ½, has at most 24 bits. `r_low` is what the second step loses; the
/// polynomial can do without, but not q.
fn power(x: f32) -> Power {
    let t = x.mul_add(LOG2_E, ROUND);
    let n = t - ROUND;
    let near = n.mul_add(-LN_2, x);
    let r = n.mul_add(-LN_2_LOW, near);
    let r_low = n.mul_add(-LN_2_LOW, near - r);
    let tail = (r * r).mul_add(horner(&EXP_TAIL, r), r_low);
    let q = r + tail;
    let q_low = (r - q) + tail;

    // n + 254, n plus twice the bias of an exponent: its two halves are biased exponents.
    let exponents = t.to_bits().wrapping_sub(ROUND.to_bits() - 254);
    let half = exponents >> 1;
    let rest = exponents.wrapping_sub(half);
    let scale = (f32::from_bits(half << 23), f32::from_bits(rest << 23));
    Power { q, q_low, scale }
}

/// (h + h_low) / (u + v + v_low), nearly as if rounded once, for u + v in [1, 2].
///
/// c = 1 / (u + v) suffers from two roundings. `rest` is what is left of 1 after c · (u + v + v_low)
/// is taken off, with a first step that is exact, and so tells how far c is off.
fn quotient((h, h_low): (f32, f32), u: f32, (v, v_low): (f32, f32)) -> f32 {
    let c = 1.0 / (u + v);
    let rest = (-c).mul_add(v_low, (-c).mul_add(v, (-c).mul_add(u, 1.0)));
    let c_low = c * rest;
    h.mul_add(c, h.mul_add(c_low, h_low * c))
}

/// The polynomial with these coefficients, highest power first, by Horner's rule.
fn horner<const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    let mut sum = coefficients[0];
    for &c in &coefficients[1..] {
        sum = sum.mul_add(x, c);
    }
    sum
}
