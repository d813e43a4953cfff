//! How gradients change weights: the loops of [`crate::fast::optim`], inside other loops.

use crate::fast::dispatch::{Kernel, Simd};
use crate::fast::each::Elementwise;
use crate::fast::elementwise::AddScaled;
use crate::fast::optim::{Adam, Momentum, Nesterov};
use crate::fast::vector::Vector;
use crate::reference::AdamStep;

/// A change of weights by a gradient, with the numbers of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Times the weights, added to the gradient first.
    pub decay: f32,
}

/// An optimizer, see [`crate::reference::optim`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Plain gradient descent.
    Sgd {
        /// The learning rate.
        lr: f32,
    },
    /// Polyak's momentum.
    Momentum {
        /// The learning rate.
        lr: f32,
        /// How much of the velocity is kept.
        mu: f32,
    },
    /// Nesterov's momentum.
    Nesterov {
        /// The learning rate.
        lr: f32,
        /// How much of the velocity is kept.
        mu: f32,
    },
    /// Adam and AdamW.
    Adam(AdamStep),
}

/// Something that changes weights by their gradients, compiled for each rule and instruction set.
pub(super) trait Change {
    /// Computes the gradients and lets the rule change the first `M` arrays, the weights first.
    ///
    /// # Safety
    /// The CPU has the instructions of `V`.
    unsafe fn change<V: Vector, const M: usize, R: Elementwise<M, 1>>(self, rule: R);
}

/// A change by a rule of `M` arrays.
struct By<C, R, const M: usize> {
    change: C,
    rule: R,
}

impl<C: Change, R: Elementwise<M, 1>, const M: usize> Kernel for By<C, R, M> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: passed on.
        unsafe { self.change.change::<V, M, R>(self.rule) }
    }
}

impl Rule {
    /// How many arrays the optimizer remembers beside the weights.
    pub(super) fn memories(&self) -> usize {
        match self.optimizer {
            Optimizer::Sgd { .. } => 0,
            Optimizer::Momentum { .. } | Optimizer::Nesterov { .. } => 1,
            Optimizer::Adam(_) => 2,
        }
    }

    /// Whether a gradient of zero changes nothing at all: not even the sign of a zero, which a
    /// negative rate would, and an infinite one makes NaN.
    pub(super) fn rests(&self) -> bool {
        match self.optimizer {
            Optimizer::Sgd { lr } => lr.is_finite() && lr.is_sign_positive() && self.decay == 0.0,
            _ => false,
        }
    }

    /// Carries out a change with this rule.
    pub(super) fn apply(self, simd: Simd, change: impl Change) {
        match self.optimizer {
            Optimizer::Sgd { lr } => self.decayed(simd, AddScaled(-lr), change),
            Optimizer::Momentum { lr, mu } => self.decayed(simd, Momentum { lr, mu }, change),
            Optimizer::Nesterov { lr, mu } => self.decayed(simd, Nesterov { lr, mu }, change),
            Optimizer::Adam(step) => self.decayed(simd, Adam(step), change),
        }
    }

    fn decayed<const M: usize, R: Elementwise<M, 1>>(
        self,
        simd: Simd,
        rule: R,
        change: impl Change,
    ) {
        if self.decay == 0.0 {
            simd.run(By { change, rule });
        } else {
            simd.run(By { change, rule: Decayed { decay: self.decay, rule } });
        }
    }
}

/// g += decay · w before the rule.
#[derive(Clone, Copy)]
struct Decayed<R> {
    decay: f32,
    rule: R,
}

impl<const M: usize, R: Elementwise<M, 1>> Elementwise<M, 1> for Decayed<R> {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, changing: [V; M], [g]: [V; 1]) -> [V; M] {
        // SAFETY: the caller promises the instructions.
        unsafe {
            let [g] = AddScaled(self.decay).apply([g], [changing[0]]);
            self.rule.apply(changing, [g])
        }
    }
}

/// Changes a register of each array, `place` numbers from its start.
///
/// # Safety
/// It exists in all of them and is the caller's alone; the CPU has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn change_register<V: Vector, const M: usize, R: Elementwise<M, 1>>(
    rule: R,
    gradient: V,
    arrays: [*mut f32; M],
    place: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        // Not `map`: what is called through a closure may not be compiled for the instructions of `V`.
        let mut changing = [gradient; M];
        for which in 0..M {
            changing[which] = V::load(arrays[which].add(place));
        }
        let changed = rule.apply(changing, [gradient]);
        for which in 0..M {
            changed[which].store(arrays[which].add(place));
        }
    }
}
