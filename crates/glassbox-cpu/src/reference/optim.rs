//! Optimizers, in order of increasing complexity: sgd, momentum, Nesterov, Adam, AdamW.
//!
//! Each takes the weights `w`, its own memory of the same length, and the gradient `g`, and makes
//! one step. The formulas are PyTorch's (`torch.optim`), fused multiply-adds where written.

use super::Real;

/// w −= lr · g
pub fn sgd<F: Real>(w: &mut [F], g: &[F], lr: F) {
    assert_eq!(w.len(), g.len(), "sgd");
    for i in 0..w.len() {
        w[i] = (-lr).mul_add(g[i], w[i]);
    }
}

/// v = μ v + g;  w −= lr · v  (Polyak 1964)
pub fn momentum<F: Real>(w: &mut [F], v: &mut [F], g: &[F], lr: F, mu: F) {
    assert_eq!((w.len(), v.len()), (g.len(), g.len()), "momentum");
    for i in 0..w.len() {
        v[i] = mu.mul_add(v[i], g[i]);
        w[i] = (-lr).mul_add(v[i], w[i]);
    }
}

/// v = μ v + g;  w −= lr · (g + μ v)  (Nesterov 1983, in the form of Sutskever et al. 2013)
pub fn nesterov<F: Real>(w: &mut [F], v: &mut [F], g: &[F], lr: F, mu: F) {
    assert_eq!((w.len(), v.len()), (g.len(), g.len()), "nesterov");
    for i in 0..w.len() {
        v[i] = mu.mul_add(v[i], g[i]);
        w[i] = (-lr).mul_add(mu.mul_add(v[i], g[i]), w[i]);
    }
}

/// The numbers of one step of Adam or AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// How much of the first moment is kept.
    pub beta1: f32,
    /// How much of the second moment is kept.
    pub beta2: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// lr / (1 − β₁ᵗ)
    pub step_size: f32,
    /// √(1 − β₂ᵗ)
    pub sqrt_correction: f32,
    /// 1 − lr · weight decay, which AdamW multiplies the weights by first. 1 in Adam.
    pub keep: f32,
}

impl AdamStep {
    /// The numbers of step `t`, counted from 1. Powers are taken by repeated multiplication in
    /// `f64`, not by the system's `pow`, and so are the same everywhere.
    pub fn new(lr: f32, [beta1, beta2]: [f32; 2], epsilon: f32, decay: f32, t: u64) -> AdamStep {
        let correction = |beta: f32| 1.0 - power(f64::from(beta), t);
        AdamStep {
            beta1,
            beta2,
            epsilon,
            step_size: (f64::from(lr) / correction(beta1)) as f32,
            sqrt_correction: correction(beta2).sqrt() as f32,
            keep: (1.0 - f64::from(lr) * f64::from(decay)) as f32,
        }
    }
}

/// m = β₁ m + (1 − β₁) g;  v = β₂ v + (1 − β₂) g²;
/// w = keep · w − step · m / (√v / √(1 − β₂ᵗ) + ε)
///
/// With `keep` = 1 this is Adam (Kingma, Ba 2015), else AdamW (Loshchilov, Hutter 2019).
pub fn adam<F: Real>(w: &mut [F], m: &mut [F], v: &mut [F], g: &[F], step: &AdamStep) {
    assert_eq!((w.len(), m.len(), v.len()), (g.len(), g.len(), g.len()), "adam");
    let number = |x: f32| F::from_f64(x.into());
    let (beta1, beta2) = (number(step.beta1), number(step.beta2));
    for i in 0..w.len() {
        m[i] = beta1.mul_add(m[i], (F::ONE - beta1) * g[i]);
        v[i] = beta2.mul_add(v[i], (F::ONE - beta2) * (g[i] * g[i]));
        let denominator = v[i].sqrt() / number(step.sqrt_correction) + number(step.epsilon);
        let kept = number(step.keep) * w[i];
        w[i] = (-number(step.step_size)).mul_add(m[i] / denominator, kept);
    }
}

/// xᵗ by squaring: the standard library's power may round differently from machine to machine.
pub fn power(mut x: f64, mut t: u64) -> f64 {
    let mut result = 1.0;
    while t > 0 {
        if t % 2 == 1 {
            result *= x;
        }
        x *= x;
        t /= 2;
    }
    result
}
