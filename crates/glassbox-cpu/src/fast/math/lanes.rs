//! exp, ln, tanh and sigmoid of a register: the steps of [`crate::reference::math`], one for one.
//!
//! Where the definition chooses, both sides are computed here and one is selected. Why a step is
//! there is said in the definition; here are only the reasons that lanes add.
//!
//! # Safety
//! As in [`Vector`]: the CPU must have the instructions of `V`.

use crate::fast::vector::Vector;
use crate::reference::math::{
    EXP_MAX, EXP_MIN, EXP_TAIL, EXPONENT, LN_2, LN_2_LOW, LN_TAIL, LOG2_E, ROUND, TANH_MAX, TWO_23,
    TWO_THIRDS,
};

/// eˣ.
#[inline(always)]
pub(crate) unsafe fn exp<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let (low, high) = (V::splat(EXP_MIN), V::splat(EXP_MAX));
        let x = V::select(x.lt(low), low, x);
        let x = V::select(high.lt(x), high, x);
        let Power { q, scale: (s0, s1), .. } = power(x);
        V::splat(1.0).add(q).mul(s0).mul(s1)
    }
}

/// ln x.
#[inline(always)]
pub(crate) unsafe fn ln<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let zero = V::splat(0.0);
        let tiny = x.lt(V::splat(f32::MIN_POSITIVE));
        let y = V::select(tiny, x.mul(V::splat(TWO_23)), x);
        let shift = y.sub_bits(V::splat(TWO_THIRDS)).and(bits(EXPONENT));
        let correction = V::select(tiny, V::splat(-23.0), zero);
        let e = shift.bits_to_float().mul_add(V::splat(1.0 / TWO_23), correction);
        let f = y.sub_bits(shift).sub(V::splat(1.0));

        let tail = f.mul(f).mul_add(horner(&LN_TAIL, f), e.mul(V::splat(LN_2_LOW)));
        let ln = e.mul_add(V::splat(LN_2), f.add(tail));
        let infinity = V::splat(f32::INFINITY);
        let positive = V::select(x.lt(infinity), ln, x);
        let other = V::select(x.eq(zero), V::splat(f32::NEG_INFINITY), V::splat(f32::NAN));
        V::select(zero.lt(x), positive, other)
    }
}

/// tanh x.
#[inline(always)]
pub(crate) unsafe fn tanh<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let (max, one) = (V::splat(TANH_MAX), V::splat(1.0));
        let magnitude = abs(x);
        let magnitude = V::select(max.lt(magnitude), max, magnitude);
        let Power { q, q_low, scale: (s0, s1) } = power(V::splat(-2.0).mul(magnitude));
        let s = s0.mul(s1);
        let less = s.sub(one);
        let less_low = s.sub(less.add(one));
        let m = s.mul_add(q, less);
        let m_low = s.mul_add(q_low, s.mul_add(q, less.sub(m)).add(less_low));
        let y = quotient((m, m_low), V::splat(2.0), (m, m_low));
        abs(y).or(x.and(V::splat(-0.0)))
    }
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) unsafe fn sigmoid<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let (low, zero, one) = (V::splat(EXP_MIN), V::splat(0.0), V::splat(1.0));
        let a = neg(abs(x));
        let a = V::select(a.lt(low), low, a);
        let Power { q, q_low, scale: (s0, s1) } = power(a);
        let e = one.add(q);
        let e_low = one.sub(e).add(q).add(q_low);
        let (e, e_low) = (e.mul(s0).mul(s1), e_low.mul(s0).mul(s1));
        let negative = x.lt(zero);
        let h = (V::select(negative, e, one), V::select(negative, e_low, zero));
        quotient(h, one, (e, e_low))
    }
}

/// eˣ = scale.0 · scale.1 · (1 + q + q_low).
struct Power<V> {
    q: V,
    q_low: V,
    scale: (V, V),
}

/// eˣ in parts.
#[inline(always)]
unsafe fn power<V: Vector>(x: V) -> Power<V> {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let t = x.mul_add(V::splat(LOG2_E), V::splat(ROUND));
        let n = t.sub(V::splat(ROUND));
        let near = n.mul_add(V::splat(-LN_2), x);
        let r = n.mul_add(V::splat(-LN_2_LOW), near);
        let r_low = n.mul_add(V::splat(-LN_2_LOW), near.sub(r));
        let tail = r.mul(r).mul_add(horner(&EXP_TAIL, r), r_low);
        let q = r.add(tail);
        let q_low = r.sub(q).add(tail);

        let exponents = t.sub_bits(bits(ROUND.to_bits() - 254));
        let half = exponents.shift_right::<1>();
        let rest = exponents.sub_bits(half);
        let scale = (half.shift_left::<23>(), rest.shift_left::<23>());
        Power { q, q_low, scale }
    }
}

/// (h + h_low) / (u + v + v_low), nearly as if rounded once, for u + v in [1, 2].
#[inline(always)]
unsafe fn quotient<V: Vector>((h, h_low): (V, V), u: V, (v, v_low): (V, V)) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let one = V::splat(1.0);
        let c = one.div(u.add(v));
        let minus_c = neg(c);
        let rest = minus_c.mul_add(v_low, minus_c.mul_add(v, minus_c.mul_add(u, one)));
        let c_low = c.mul(rest);
        h.mul_add(c, h.mul_add(c_low, h_low.mul(c)))
    }
}

/// The polynomial with these coefficients, highest power first, by Horner's rule.
#[inline(always)]
unsafe fn horner<V: Vector, const N: usize>(coefficients: &[f32; N], x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let mut sum = V::splat(coefficients[0]);
        for &c in &coefficients[1..] {
            sum = sum.mul_add(x, V::splat(c));
        }
        sum
    }
}

/// |x|: the sign bit cleared.
#[inline(always)]
unsafe fn abs<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe { x.and(bits(!(1 << 31))) }
}

/// −x: the sign bit turned over.
#[inline(always)]
unsafe fn neg<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe { x.xor(V::splat(-0.0)) }
}

/// All lanes with these bits.
#[inline(always)]
unsafe fn bits<V: Vector>(x: u32) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe { V::splat(f32::from_bits(x)) }
}
