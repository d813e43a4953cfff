//! Activation functions, each with its derivative beside it.

use super::Engine;
use super::each::{Elementwise, each};
use super::math;
use super::vector::Vector;
use crate::reference::Activation;
use crate::reference::activation::{GELU_CUBIC, GELU_SCALE};

/// out (any shape) = f(x)
pub fn activation(engine: &Engine, kind: Activation, out: &mut [f32], x: &[f32]) {
    match kind {
        Activation::Relu => each(engine, [out], [x], Relu),
        Activation::LeakyRelu(slope) => each(engine, [out], [x], LeakyRelu(slope)),
        Activation::Sigmoid => each(engine, [out], [x], Sigmoid),
        Activation::Tanh => each(engine, [out], [x], Tanh),
        Activation::Gelu => each(engine, [out], [x], Gelu),
    }
}

/// dx = dy · f′(x), given the input x and the output y of [`activation`]
pub fn activation_backward(
    engine: &Engine,
    kind: Activation,
    dx: &mut [f32],
    dy: &[f32],
    x: &[f32],
    y: &[f32],
) {
    match kind {
        Activation::Relu => each(engine, [dx], [dy, x], Relu),
        Activation::LeakyRelu(slope) => each(engine, [dx], [dy, x], LeakyRelu(slope)),
        Activation::Sigmoid => each(engine, [dx], [dy, y], Sigmoid),
        Activation::Tanh => each(engine, [dx], [dy, y], Tanh),
        Activation::Gelu => each(engine, [dx], [dy, x], Gelu),
    }
}

// Each family below is a forward function of x, `Elementwise<1, 1>`, and a backward function of dy
// and of x or y, `Elementwise<1, 2>`, with the operations of the definition in its order.

#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl Elementwise<1, 1> for Relu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [x]: [V; 1]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [V::select(x.lt(V::splat(0.0)), V::splat(0.0), x)] }
    }
}

impl Elementwise<1, 2> for Relu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [dy, x]: [V; 2]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [V::select(V::splat(0.0).lt(x), dy, V::splat(0.0))] }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct LeakyRelu(pub f32);

impl Elementwise<1, 1> for LeakyRelu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [x]: [V; 1]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [V::select(V::splat(0.0).lt(x), x, V::splat(self.0).mul(x))] }
    }
}

impl Elementwise<1, 2> for LeakyRelu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [dy, x]: [V; 2]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [V::select(V::splat(0.0).lt(x), dy, V::splat(self.0).mul(dy))] }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;

impl Elementwise<1, 1> for Sigmoid {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [x]: [V; 1]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [math::lanes::sigmoid(x)] }
    }
}

impl Elementwise<1, 2> for Sigmoid {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [dy, y]: [V; 2]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [dy.mul(y.mul(V::splat(1.0).sub(y)))] }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Tanh;

impl Elementwise<1, 1> for Tanh {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [x]: [V; 1]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [math::lanes::tanh(x)] }
    }
}

impl Elementwise<1, 2> for Tanh {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [dy, y]: [V; 2]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [dy.mul(negative(y).mul_add(y, V::splat(1.0)))] }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Gelu;

impl Elementwise<1, 1> for Gelu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [x]: [V; 1]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let half_x = V::splat(0.5).mul(x);
            [half_x.mul_add(gelu_tanh(x), half_x)]
        }
    }
}

impl Elementwise<1, 2> for Gelu {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [dy, x]: [V; 2]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let half = V::splat(0.5);
            let t = gelu_tanh(x);
            let cubic = V::splat((3.0 * GELU_CUBIC * GELU_SCALE) as f32);
            let du = cubic.mul_add(x.mul(x), V::splat(GELU_SCALE as f32));
            let slope = negative(t).mul_add(t, V::splat(1.0)).mul(half.mul(x)).mul(du);
            [dy.mul(half.mul_add(t, half).add(slope))]
        }
    }
}

/// tanh(√(2/π) · (x + 0.044715 x³))
///
/// # Safety
/// The CPU has the instructions of `V`.
#[inline(always)]
unsafe fn gelu_tanh<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe {
        let cubic = V::splat((GELU_CUBIC * GELU_SCALE) as f32);
        let cubic = cubic.mul_add(x.mul(x), V::splat(GELU_SCALE as f32));
        math::lanes::tanh(x.mul(cubic))
    }
}

/// −x, by its sign bit.
///
/// # Safety
/// The CPU has the instructions of `V`.
#[inline(always)]
unsafe fn negative<V: Vector>(x: V) -> V {
    // SAFETY: the caller promises the instructions.
    unsafe { x.xor(V::splat(-0.0)) }
}
