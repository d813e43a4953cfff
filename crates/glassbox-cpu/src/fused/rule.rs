//! How gradients change weights: the loops of [`crate::fast::optim`], inside other loops.

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

/// What is done with a rule, compiled for each: `M` arrays change, the weights first.
pub(super) trait WithRule {
    fn call<const M: usize, R: Elementwise<M, 1>>(self, rule: R);
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

    /// Does `what` with this rule.
    pub(super) fn with(self, what: impl WithRule) {
        match self.optimizer {
            Optimizer::Sgd { lr } => self.decayed(AddScaled(-lr), what),
            Optimizer::Momentum { lr, mu } => self.decayed(Momentum { lr, mu }, what),
            Optimizer::Nesterov { lr, mu } => self.decayed(Nesterov { lr, mu }, what),
            Optimizer::Adam(step) => self.decayed(Adam(step), what),
        }
    }

    fn decayed<const M: usize, R: Elementwise<M, 1>>(self, rule: R, what: impl WithRule) {
        if self.decay == 0.0 {
            what.call(rule);
        } else {
            what.call(Decayed { decay: self.decay, rule });
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
pub(super) unsafe fn change<V: Vector, const M: usize, R: Elementwise<M, 1>>(
    rule: R,
    gradient: V,
    arrays: [*mut f32; M],
    place: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let changing = arrays.map(|array| V::load(array.add(place)));
        let changed = rule.apply(changing, [gradient]);
        for (register, array) in changed.into_iter().zip(arrays) {
            register.store(array.add(place));
        }
    }
}
