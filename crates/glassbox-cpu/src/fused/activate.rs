//! Bias and activation of a row of sums, and the way back.

use crate::fast::activation::{Gelu, LeakyRelu, Relu, Sigmoid, Tanh};
use crate::fast::dispatch::Kernel;
use crate::fast::each::Elementwise;
use crate::fast::pool::Parts;
use crate::fast::vector::Vector;
use crate::reference::Activation;
use std::ops::Range;

/// Where the sums of a layer go. Matrices have `stride` numbers a row.
#[derive(Clone, Copy)]
pub(super) struct Activate {
    pub kind: Option<Activation>,
    pub bias: Parts<f32>,
    /// Sums plus bias, for the activations whose derivative needs them.
    pub before: Parts<f32>,
    /// What the next layer sees.
    pub after: Parts<f32>,
    pub stride: usize,
}

/// Whether the derivative is a function of the activation's input, not of its output. That of relu
/// is either: one is positive where the other is.
pub(super) fn needs_before(kind: Option<Activation>) -> bool {
    match kind {
        Some(Activation::LeakyRelu(_) | Activation::Gelu) => true,
        Some(Activation::Relu | Activation::Sigmoid | Activation::Tanh) | None => false,
    }
}

/// Columns `first..first + width` of row `row`, from their sums.
///
/// # Safety
/// All of it exists, up to a whole number of registers, and no one else touches it; the CPU has `V`.
#[inline(always)]
pub(super) unsafe fn activate<V: Vector>(
    to: Activate,
    sums: *const f32,
    row: usize,
    first: usize,
    width: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        match to.kind {
            None => each::<V>(to, sums, row, first, width, |x| x),
            Some(Activation::Relu) => each::<V>(to, sums, row, first, width, |x| of(Relu, x)),
            Some(Activation::LeakyRelu(slope)) => {
                each::<V>(to, sums, row, first, width, |x| of(LeakyRelu(slope), x));
            }
            Some(Activation::Sigmoid) => each::<V>(to, sums, row, first, width, |x| of(Sigmoid, x)),
            Some(Activation::Tanh) => each::<V>(to, sums, row, first, width, |x| of(Tanh, x)),
            Some(Activation::Gelu) => each::<V>(to, sums, row, first, width, |x| of(Gelu, x)),
        }
    }
}

/// # Safety
/// The CPU has the instructions of `V`.
#[inline(always)]
unsafe fn of<V: Vector>(function: impl Elementwise<1, 1>, x: V) -> V {
    // SAFETY: promised by the caller.
    unsafe { function.apply([x], [x])[0] }
}

/// # Safety
/// As for [`activate`].
#[inline(always)]
unsafe fn each<V: Vector>(
    to: Activate,
    sums: *const f32,
    row: usize,
    first: usize,
    width: usize,
    f: impl Fn(V) -> V,
) {
    let keep = needs_before(to.kind);
    for j in (0..width).step_by(V::LANES) {
        // SAFETY: promised by the caller.
        unsafe {
            let x = V::load(sums.add(j)).add(V::load(to.bias.at(first + j)));
            let place = row * to.stride + first + j;
            if keep {
                x.store(to.before.at(place));
            }
            f(x).store(to.after.at(place));
        }
    }
}

/// Bias and activation of rows whose sums lie where the outputs go.
pub(super) struct ActivateRows {
    pub activate: Activate,
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Kernel for ActivateRows {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let ActivateRows { activate: to, rows, columns } = self;
        for row in rows {
            // SAFETY: these rows and columns are this call's alone, and the CPU has `V`.
            unsafe {
                let sums = to.after.at(row * to.stride + columns.start);
                activate::<V>(to, sums, row, columns.start, columns.len());
            }
        }
    }
}

/// delta = delta · f′ for `width` columns of a row, in place; `from` is the activation's input if
/// [`needs_before`], else its output.
///
/// # Safety
/// Both exist, up to a whole number of registers, and no one else touches them; the CPU has `V`.
#[inline(always)]
pub(super) unsafe fn activate_backward<V: Vector>(
    kind: Option<Activation>,
    delta: *mut f32,
    from: *const f32,
    width: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        match kind {
            None => {}
            Some(Activation::Relu) => each_backward::<V>(Relu, delta, from, width),
            Some(Activation::LeakyRelu(slope)) => {
                each_backward::<V>(LeakyRelu(slope), delta, from, width);
            }
            Some(Activation::Sigmoid) => each_backward::<V>(Sigmoid, delta, from, width),
            Some(Activation::Tanh) => each_backward::<V>(Tanh, delta, from, width),
            Some(Activation::Gelu) => each_backward::<V>(Gelu, delta, from, width),
        }
    }
}

/// # Safety
/// As for [`activate_backward`].
#[inline(always)]
unsafe fn each_backward<V: Vector>(
    derivative: impl Elementwise<1, 2>,
    delta: *mut f32,
    from: *const f32,
    width: usize,
) {
    for j in (0..width).step_by(V::LANES) {
        // SAFETY: promised by the caller.
        unsafe {
            let dy = V::load(delta.add(j));
            let [dx] = derivative.apply([dy], [dy, V::load(from.add(j))]);
            dx.store(delta.add(j));
        }
    }
}
