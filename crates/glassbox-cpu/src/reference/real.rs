//! The two number types of the definition: `f32`, which is trained, and `f64`, which checks it.

use super::math;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// A real number type: the operations that the definition is made of.
///
/// Everything but `exp`, `ln` and `tanh` is rounded correctly by IEEE 754 and so has one result. For
/// `f32` these three are ours ([`math`]); for `f64`, which only checks gradients and measures
/// errors and never trains, they are the standard library's.
pub trait Real:
    Copy
    + PartialOrd
    + std::fmt::Debug
    + std::fmt::Display
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + Send
    + Sync
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// −∞, where a running maximum starts.
    const NEG_INFINITY: Self;

    /// The nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The value as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// `self · b + c`, rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / (1 + e^−x).
    fn sigmoid(self) -> Self;
}

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const NEG_INFINITY: f32 = f32::NEG_INFINITY;

    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn mul_add(self, b: f32, c: f32) -> f32 {
        f32::mul_add(self, b, c)
    }
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    fn exp(self) -> f32 {
        math::exp(self)
    }
    fn ln(self) -> f32 {
        math::ln(self)
    }
    fn tanh(self) -> f32 {
        math::tanh(self)
    }
    fn sigmoid(self) -> f32 {
        math::sigmoid(self)
    }
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const NEG_INFINITY: f64 = f64::NEG_INFINITY;

    fn from_f64(x: f64) -> f64 {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn mul_add(self, b: f64, c: f64) -> f64 {
        f64::mul_add(self, b, c)
    }
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    fn exp(self) -> f64 {
        f64::exp(self)
    }
    fn ln(self) -> f64 {
        f64::ln(self)
    }
    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
    fn sigmoid(self) -> f64 {
        if self >= 0.0 {
            1.0 / (1.0 + (-self).exp())
        } else {
            let e = self.exp();
            e / (1.0 + e)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the chip or the build has no instruction for it, `mul_add` is a function of the
    /// system, and systems have got it wrong: one rounding, not two, also among subnormals.
    #[test]
    fn a_fused_multiply_add_rounds_once() {
        let x = 1.0 + 2f32.powi(-12);
        assert_eq!(Real::mul_add(x, x, -(1.0 + 2f32.powi(-11))), 2f32.powi(-24));
        let tiny = f32::from_bits(1);
        assert_eq!(Real::mul_add(2f32.powi(-75), 2f32.powi(-75), tiny), tiny + tiny);
        assert_eq!(Real::mul_add(2f32.powi(-80), 2f32.powi(-80), tiny), tiny);
        assert_eq!(Real::mul_add(f32::MAX, 2.0, -f32::MAX), f32::MAX);
    }
}
