//! The gradient check: what backward says against what the loss does.
//!
//! The network is taken to `f64`, where the very code that trains runs on the definition. Each
//! chosen parameter p is moved by ±h and the loss compared: (L(p+h) − L(p−h)) / 2h should be the
//! gradient. Where a relu's kink lies between p−h and p+h the two sides have different slopes and
//! the difference means nothing; there the check comes closer, until the kink is passed by. Where the
//! slope is so small that it drowns in the rounding of the loss, it goes further away.
//!
//! **Noise**: a loss that is computed within δ makes a central difference uncertain by δ / h, whatever
//! the gradient is (Press et al., Numerical Recipes, 3rd edition, section 5.7; Nocedal and Wright,
//! Numerical Optimization, 2nd edition, section 8.1). Of a gradient of 10⁻⁷ that leaves five digits, not
//! seven. So an error counts only if it exceeds both the tolerance and this noise, at the largest step
//! that no kink forbids; how many gradients needed that is reported. See `Check::rounding` for δ.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::layers::Moment;
use crate::loss::{Loss, Reduction, Targets};
use crate::network::Network;
use crate::tensor::Tensor;
use glassbox_cpu::reference::philox::{Philox, Purpose};
use serde::Serialize;
use std::fmt;

/// How far a parameter is moved at first; then further, then less far. The fourth-order difference is then good to some 10⁻¹².
const STEP: f64 = 1e-3;

/// The largest relative error that passes.
pub const TOLERANCE: f64 = 1e-7;

/// What a gradient check found.
#[derive(Clone, Debug, Serialize)]
pub struct GradientCheck {
    /// Parameters that were moved.
    pub checked: usize,
    /// Those of them at a kink, where no derivative is defined.
    pub kinks: usize,
    /// Those of them so small that rounding hides their last digits from a difference: they agree
    /// with it in the digits that are left.
    pub faint: usize,
    /// The element whose gradient is worst.
    pub worst: WorstElement,
}

/// The element of a network's parameters whose gradient is worst.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WorstElement {
    /// The parameter, `0.weight`.
    pub parameter: String,
    /// The element's place in it, (i,o) for a weight.
    pub index: Vec<usize>,
    /// What backward says.
    pub backward: f64,
    /// What the loss does.
    pub difference: f64,
    /// What rounding may do to the difference; 0 if the two are close enough without asking.
    pub noise: f64,
    /// How far they are apart, relative to the larger, or to the parameter's largest gradient · 10⁻³
    /// or the noise / [`TOLERANCE`] where both are smaller.
    pub error: f64,
}

impl GradientCheck {
    /// Whether every gradient is right, and kinks did not hide more than a few.
    pub fn passed(&self) -> bool {
        let is_enough = self.checked > 0 && 10 * self.kinks <= self.checked;
        is_enough && self.worst.error <= TOLERANCE
    }
}

/// Checks up to `most` elements of each parameter of a network, drawn from `seed`, on a batch.
pub fn check_gradients(
    network: &Network,
    loss: Loss,
    x: &Tensor,
    targets: Targets,
    most: usize,
    seed: u64,
) -> Result<GradientCheck> {
    check_gradients_watched(network, loss, x, targets, most, seed, &mut |_| Ok(()))
}

/// [`check_gradients`], for networks so large that someone wants to know how far it is: `watch` hears
/// how many elements are done, after each. An error of its ends the check.
pub fn check_gradients_watched(
    network: &Network,
    loss: Loss,
    x: &Tensor,
    targets: Targets,
    most: usize,
    seed: u64,
    watch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<GradientCheck> {
    let mut values = None;
    let targets = targets.to_f64(&mut values);
    let (network, x) = (network.to_f64(), x.to_f64());
    let mut check = Check { network, loss, x, targets, seed, rounding: 0.0 };
    let analytic = check.gradients()?;
    let mut found =
        GradientCheck { checked: 0, kinks: 0, faint: 0, worst: WorstElement::default() };
    for (position, (name, gradient)) in analytic.iter().enumerate() {
        let scale = 1e-3 * gradient.values().iter().fold(0.0, |max: f64, g| max.max(g.abs()));
        for index in chosen(gradient.len(), most, seed, position as u32) {
            let backward = gradient.get(index);
            let expected = Expected { gradient: backward, scale };
            let measured = check.difference(position, index, &expected)?;
            watch(found.checked + found.kinks + 1)?;
            let Some(Difference { slope: difference, noise }) = measured else {
                found.kinks += 1;
                continue;
            };
            found.checked += 1;
            let error = expected.error_beyond(noise, difference);
            found.faint +=
                usize::from(error <= TOLERANCE && expected.error(difference) > TOLERANCE);
            if found.worst.parameter.is_empty() || error.is_nan() || error > found.worst.error {
                let (parameter, index) = (name.clone(), place(index, gradient.shape()));
                found.worst = WorstElement { parameter, index, backward, difference, noise, error };
            }
        }
    }
    Ok(found)
}

/// A network in `f64` with a batch.
struct Check<'a> {
    network: Network,
    loss: Loss,
    x: Tensor,
    targets: Targets<'a>,
    seed: u64,
    /// How far rounding may take the loss from its true value.
    rounding: f64,
}

/// What the loss does along one element.
struct Difference {
    slope: f64,
    /// What rounding may do to it; 0 if nobody asked.
    noise: f64,
}

impl Check<'_> {
    /// Dropout takes part, with the mask of one moment.
    fn moment(&self) -> Option<Moment> {
        Some(Moment { seed: self.seed, step: 0 })
    }

    /// What backward says, for every parameter.
    fn gradients(&mut self) -> Result<Vec<(String, Tensor)>> {
        let moment = self.moment();
        self.network.forward_at(&Device::Reference, &self.x, moment)?;
        let device = &Device::Reference;
        let loss = self.network.backward(device, self.loss, &self.x, self.targets, moment)?;
        if !loss.is_finite() {
            let what = "the loss is not finite, so it has no gradients to check";
            return Err(Error::Refused {
                what,
                hint: "look for a NaN in the parameters or the batch",
            });
        }
        self.rounding = self.rounding(loss);
        let gradients = self.network.parameters().map(|(name, p)| (name, p.gradient.clone()));
        Ok(gradients.collect())
    }

    /// How far rounding may take a loss of this size, after [`gradients`](Check::gradients). A sum of n
    /// terms errs by some √n ε of its size (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
    /// edition, sections 2.8 and 4.2), the terms by an ulp or two; and outputs that are off by ε of
    /// their size take the loss with them.
    fn rounding(&self, loss: f64) -> f64 {
        let (outputs, gradients) = (self.network.activations(), self.network.output_gradients());
        let (outputs, gradients) = (outputs.last(), gradients.last());
        let [rows, width] = outputs.map_or([0, 0], |y| [y.shape()[0], y.shape()[1]]);
        // The logarithm of the cross-entropy is that of a sum from 1 on, and no better than it.
        let (terms, least) = match self.loss {
            Loss::CrossEntropy(Reduction::Mean) => (rows, 1.0),
            Loss::CrossEntropy(Reduction::Sum) => (rows, rows as f64),
            Loss::MeanSquaredError(_) => (rows * width, 0.0),
        };
        let pairs = outputs.into_iter().zip(gradients);
        let pairs = pairs.flat_map(|(y, dy)| y.values().into_iter().zip(dy.values()));
        let carried: f64 = pairs.map(|(y, dy)| (y * dy).abs()).sum();
        f64::EPSILON * ((2.0 + (terms as f64).sqrt()) * (loss.abs() + least) + carried)
    }

    /// The loss with one element of one parameter moved by `by`.
    fn loss(&mut self, position: usize, index: usize, by: f64) -> Result<f64> {
        let moment = self.moment();
        let kept = self.nth(position)?.get(index);
        self.nth(position)?.set(index, kept + by);
        let outputs = self.network.forward_at(&Device::Reference, &self.x, moment)?;
        let loss = self.loss.forward(&Device::Reference, outputs, self.targets);
        self.nth(position)?.set(index, kept);
        loss
    }

    fn nth(&mut self, position: usize) -> Result<&mut Tensor> {
        let parameter = self.network.parameters_mut().nth(position);
        parameter
            .map(|parameter| &mut parameter.value)
            .ok_or(Error::Elsewhere { op: "check_gradients", device: "reference" })
    }

    /// The slope of the loss along one element, to fourth order in the step (Richardson); `None` at
    /// a kink. An estimate that is not what `expected` says is believed if two steps agree on it, and
    /// no other step says better: a larger one, for a small slope drowns in the rounding of the loss,
    /// or smaller ones, which may pass a kink by. Its noise is that of the largest such step, so that
    /// smaller ones, which hardly see anything, excuse nothing.
    fn difference(
        &mut self,
        position: usize,
        index: usize,
        expected: &Expected,
    ) -> Result<Option<Difference>> {
        let rounding = self.rounding;
        let mut slope = |h: f64| -> Result<f64> {
            Ok((self.loss(position, index, h)? - self.loss(position, index, -h)?) / (2.0 * h))
        };
        let (mut believed, mut least_noise) = (None, f64::INFINITY);
        for h in [STEP, 8.0 * STEP, STEP / 8.0, STEP / 64.0, STEP / 512.0] {
            let (wide, narrow) = (slope(h)?, slope(h / 2.0)?);
            let best = (4.0 * narrow - wide) / 3.0;
            if expected.error(best) <= TOLERANCE {
                return Ok(Some(Difference { slope: best, noise: 0.0 }));
            }
            // Rounding does up to δ / h to the wide slope and 2δ / h to the narrow one: together what it
            // does to their difference, and also to the best, (4 · 2 + 1) / 3.
            let noise = 3.0 * rounding / h;
            // A smooth loss differs by h² between the two; a kink makes a difference that stays.
            let agree = (wide - narrow).abs() <= 1e-6 * (wide.abs() + narrow.abs()) + noise;
            if agree {
                least_noise = noise.min(least_noise);
                let is_closer = |other| expected.error(best) < expected.error(other);
                believed = if believed.is_none_or(is_closer) { Some(best) } else { believed };
            }
        }
        Ok(believed.map(|slope| Difference { slope, noise: least_noise }))
    }
}

/// What backward says of an element, and what an error is relative to at least.
struct Expected {
    gradient: f64,
    scale: f64,
}

impl Expected {
    /// The error of a gradient, relative to the larger of the two.
    fn error(&self, difference: f64) -> f64 {
        self.error_beyond(0.0, difference)
    }

    /// The same where the difference is uncertain by `noise`: that much is an error that just passes.
    fn error_beyond(&self, noise: f64, difference: f64) -> f64 {
        let size = self.gradient.abs().max(difference.abs()).max(self.scale);
        let size = size.max(noise / TOLERANCE);
        (self.gradient - difference).abs() / size.max(f64::MIN_POSITIVE)
    }
}

/// Up to `most` of `len` indices, all if they are so few.
fn chosen(len: usize, most: usize, seed: u64, stream: u32) -> Vec<usize> {
    if len <= most {
        return (0..len).collect();
    }
    let stream = Philox::new(seed, Purpose::Test, stream, 0);
    (0..most as u64).map(|i| stream.below(i, len as u32) as usize).collect()
}

/// Row and column of an element.
fn place(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut place: Vec<_> =
        shape.iter().rev().map(|side| (index % side, index /= side).0).collect();
    place.reverse();
    place
}

impl fmt::Display for GradientCheck {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let WorstElement { parameter, index, backward, difference, noise, error } = &self.worst;
        let verdict = if self.passed() { "right" } else { "WRONG" };
        write!(f, "{} gradients {verdict}, {} at a kink", self.checked, self.kinks)?;
        if self.faint > 0 {
            write!(f, ", {} so small that rounding hides their last digits", self.faint)?;
        }
        writeln!(f)?;
        writeln!(f, "worst element  {parameter}{index:?}")?;
        writeln!(f, "  backward     {backward:+.12e}")?;
        writeln!(f, "  difference   {difference:+.12e}")?;
        if *noise > 0.0 {
            writeln!(f, "  rounding     {noise:.1e} at most")?;
        }
        write!(f, "  error        {error:.1e} relative, at most {TOLERANCE:.0e} allowed")
    }
}
