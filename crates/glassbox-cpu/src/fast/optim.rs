//! Optimizers, in order of increasing complexity: sgd, momentum, Nesterov, Adam, AdamW.

use super::Engine;
use super::each::{Elementwise, each};
use super::vector::Vector;
use crate::reference::AdamStep;

/// w −= lr · g
pub fn sgd(engine: &Engine, w: &mut [f32], g: &[f32], lr: f32) {
    super::add_scaled(engine, w, -lr, g);
}

/// v = μ v + g;  w −= lr · v
pub fn momentum(engine: &Engine, w: &mut [f32], v: &mut [f32], g: &[f32], lr: f32, mu: f32) {
    each(engine, [w, v], [g], Momentum { lr, mu });
}

#[derive(Clone, Copy)]
pub(crate) struct Momentum {
    pub lr: f32,
    pub mu: f32,
}

impl Elementwise<2, 1> for Momentum {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [w, v]: [V; 2], [g]: [V; 1]) -> [V; 2] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let v = V::splat(self.mu).mul_add(v, g);
            [V::splat(-self.lr).mul_add(v, w), v]
        }
    }
}

/// v = μ v + g;  w −= lr · (g + μ v)
pub fn nesterov(engine: &Engine, w: &mut [f32], v: &mut [f32], g: &[f32], lr: f32, mu: f32) {
    each(engine, [w, v], [g], Nesterov { lr, mu });
}

#[derive(Clone, Copy)]
pub(crate) struct Nesterov {
    pub lr: f32,
    pub mu: f32,
}

impl Elementwise<2, 1> for Nesterov {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [w, v]: [V; 2], [g]: [V; 1]) -> [V; 2] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let mu = V::splat(self.mu);
            let v = mu.mul_add(v, g);
            [V::splat(-self.lr).mul_add(mu.mul_add(v, g), w), v]
        }
    }
}

/// m = β₁ m + (1 − β₁) g;  v = β₂ v + (1 − β₂) g²;
/// w = keep · w − step · m / (√v / √(1 − β₂ᵗ) + ε)
pub fn adam(
    engine: &Engine,
    w: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: &[f32],
    step: &AdamStep,
) {
    each(engine, [w, m, v], [g], Adam(*step));
}

#[derive(Clone, Copy)]
pub(crate) struct Adam(pub AdamStep);

impl Elementwise<3, 1> for Adam {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, [w, m, v]: [V; 3], [g]: [V; 1]) -> [V; 3] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let step = self.0;
            let (beta1, beta2) = (V::splat(step.beta1), V::splat(step.beta2));
            let m = beta1.mul_add(m, V::splat(1.0 - step.beta1).mul(g));
            let v = beta2.mul_add(v, V::splat(1.0 - step.beta2).mul(g.mul(g)));
            let denominator =
                v.sqrt().div(V::splat(step.sqrt_correction)).add(V::splat(step.epsilon));
            let kept = V::splat(step.keep).mul(w);
            let w = V::splat(-step.step_size).mul_add(m.div(denominator), kept);
            [w, m, v]
        }
    }
}
