//! exp, ln, tanh and sigmoid of whole slices, with the bits of [`crate::reference::math`].
//!
//! `lanes` holds the same functions for a register, which other fast loops use inside their own.

pub(crate) mod lanes;

use super::dispatch::{Kernel, Simd};
use super::vector::Vector;

/// out (n) = e^x (n)
pub fn exp(simd: Simd, out: &mut [f32], x: &[f32]) {
    simd.run(Each { function: Exp, out, x });
}

/// out (n) = ln x (n)
pub fn ln(simd: Simd, out: &mut [f32], x: &[f32]) {
    simd.run(Each { function: Ln, out, x });
}

/// out (n) = tanh x (n)
pub fn tanh(simd: Simd, out: &mut [f32], x: &[f32]) {
    simd.run(Each { function: Tanh, out, x });
}

/// out (n) = 1 / (1 + e^−x) (n)
pub fn sigmoid(simd: Simd, out: &mut [f32], x: &[f32]) {
    simd.run(Each { function: Sigmoid, out, x });
}

/// A function of one number, applied to every lane.
trait Function: Copy {
    /// # Safety
    /// The CPU must have the instructions of `V`.
    unsafe fn of<V: Vector>(self, x: V) -> V;
}

/// The loop that applies a function to a slice.
struct Each<'a, F> {
    function: F,
    out: &'a mut [f32],
    x: &'a [f32],
}

impl<F: Function> Kernel for Each<'_, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Each { function, out, x } = self;
        assert_eq!(out.len(), x.len());
        let whole = x.len() - x.len() % V::LANES;
        // SAFETY: the caller promises the instructions; `whole` is a multiple of the lanes and both
        // slices have at least that length, and `x.len()` is theirs.
        unsafe {
            for i in (0..whole).step_by(V::LANES) {
                function.of(V::load(x.as_ptr().add(i))).store(out.as_mut_ptr().add(i));
            }
            let rest = x.len() - whole;
            let last = function.of(V::load_part(x.as_ptr().add(whole), rest));
            last.store_part(out.as_mut_ptr().add(whole), rest);
        }
    }
}

#[derive(Clone, Copy)]
struct Exp;
#[derive(Clone, Copy)]
struct Ln;
#[derive(Clone, Copy)]
struct Tanh;
#[derive(Clone, Copy)]
struct Sigmoid;

impl Function for Exp {
    #[inline(always)]
    unsafe fn of<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller promises the instructions.
        unsafe { lanes::exp(x) }
    }
}

impl Function for Ln {
    #[inline(always)]
    unsafe fn of<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller promises the instructions.
        unsafe { lanes::ln(x) }
    }
}

impl Function for Tanh {
    #[inline(always)]
    unsafe fn of<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller promises the instructions.
        unsafe { lanes::tanh(x) }
    }
}

impl Function for Sigmoid {
    #[inline(always)]
    unsafe fn of<V: Vector>(self, x: V) -> V {
        // SAFETY: the caller promises the instructions.
        unsafe { lanes::sigmoid(x) }
    }
}
