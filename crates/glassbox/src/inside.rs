//! Looking inside a step: how weights, activations and gradients are spread, and how far the step moves the weights.
//!
//! A look takes the step on copies, operation by operation, whatever the plan does: what training comes to does not
//! depend on whether anybody looked. Looks are rare: with what is made of them they take at most one part in two hundred
//! of the training time, but for the first, which later ones make up for.

use crate::device::Device;
use crate::error::Result;
use crate::event::number;
use crate::lanes::{range, total};
use crate::layers::{Parameter, Part};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::plan::{Layered, Plan, Steps};
use crate::tensor::Tensor;
use crate::twin::Twin;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So many numbers of a tensor are looked at, evenly spaced, if it has more.
const MOST: usize = 4096;

/// Bins of a histogram.
pub const BINS: usize = 32;

/// Steps that are looked at whatever it costs: 1, 2, 4 and so on, up to this one.
const FIRST: u64 = 64;

/// After those, looks take at most one part in so many of the training time.
const SHARE: f64 = 200.0;

/// For the first looks, which come whatever they cost, later ones are put off by so many seconds at most.
const MOST_DEBT: f64 = 2.0;

/// A look that took longer, as where the machine slept meanwhile, is charged so much.
const MOST_CHARGED: Duration = Duration::from_secs(60);

/// How numbers are spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The least, and the largest; of those that are finite.
    #[serde(with = "number")]
    pub range: [f32; 2],
    /// The mean.
    #[serde(with = "number")]
    pub mean: f32,
    /// The standard deviation.
    #[serde(with = "number")]
    pub deviation: f32,
    /// √Σx², of all numbers, also where only some are looked at.
    #[serde(with = "number")]
    pub norm: f64,
    /// How many are NaN or infinite, of all.
    pub not_finite: u64,
    /// How many of those looked at lie in each of [`BINS`] equal parts of the range.
    pub bins: Vec<u32>,
}

/// A layer in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerInside {
    /// Its place in the network, the prefix of its parameters' names.
    pub index: usize,
    /// What it is: `dense`, or its text.
    pub layer: String,
    /// Its outputs for the batch.
    pub output: Spread,
    /// The gradient of the loss with respect to them.
    pub gradient: Spread,
    /// Of a relu or another activation that ends at 0 or 1: how many units say the same, within 10⁻⁶, to every sample
    /// of the batch, and how many there are.
    pub stuck: Option<[u32; 2]>,
    /// Its parameters.
    pub parameters: Vec<ParameterInside>,
}

/// A parameter in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterInside {
    /// `weight` or `bias`.
    pub name: String,
    /// Its numbers before the step.
    pub value: Spread,
    /// The gradient of the loss with respect to them.
    pub gradient: Spread,
    /// ‖new − old‖ / ‖old‖; nothing where the old norm is zero. About 10⁻³ is usual.
    #[serde(with = "number", default)]
    pub update_ratio: Option<f64>,
}

impl Spread {
    /// How the numbers of a tensor are spread.
    pub fn of(numbers: &[f32]) -> Spread {
        let (norm, not_finite) = norm(numbers);
        let every = numbers.len().div_ceil(MOST).max(1);
        let mut seen: Vec<f32> = numbers.iter().step_by(every).copied().collect();
        if not_finite > 0 {
            seen.retain(|x| x.is_finite());
        }
        let (count, sum) = (seen.len().max(1) as f64, total([&seen], |[x]| f64::from(x)));
        let mean = sum / count;
        let variance = (total([&seen], |[x]| square(x)) / count - mean * mean).max(0.0);
        let [low, high] = if seen.is_empty() { [0.0; 2] } else { range(&seen) };
        let mut bins = vec![0; BINS];
        let scale = BINS as f64 / (f64::from(high) - f64::from(low)).max(f64::MIN_POSITIVE);
        for &x in &seen {
            // Of an i32, which is ample, a processor makes a bin in one instruction.
            let bin = (scale * (f64::from(x) - f64::from(low))) as i32 as usize;
            bins[bin.min(BINS - 1)] += 1;
        }
        let (mean, deviation) = (mean as f32, variance.sqrt() as f32);
        Spread { range: [low, high], mean, deviation, norm, not_finite, bins }
    }
}

/// When to look, so that it takes little of the time.
pub(crate) struct Looks {
    /// The last step that was looked at, counted from 1.
    last: u64,
    /// The training time, in seconds, from which on there may be another look.
    due: f64,
    /// How long all looks took, in seconds.
    spent: f64,
    /// Whether they may take only so much of the time.
    is_frugal: bool,
    /// Where looks are taken if the training is on a GPU.
    aside: Option<Device>,
    /// What they are taken on.
    twin: Option<Twin>,
    plan: Layered,
}

impl Looks {
    /// Looks from `step` on.
    pub(crate) fn new(step: u64, is_frugal: bool) -> Looks {
        let plan = Layered::default();
        Looks { last: step, due: 0.0, spent: 0.0, is_frugal, aside: None, twin: None, plan }
    }

    /// The next step to be looked at, counted from 1, after `step` steps and so many seconds of training.
    pub(crate) fn next(&self, step: u64, seconds: f64) -> u64 {
        let first = (step + 1).next_power_of_two();
        if first <= FIRST {
            return first;
        }
        // A quarter further each time: as many looks for the first hundred steps as for the last half.
        let next = (self.last + self.last / 4 + 1).max(step + 1);
        if self.is_frugal && seconds < self.due {
            // It is asked again after each call of the plan, which this leaves as long as they are.
            return u64::MAX;
        }
        next
    }

    /// Takes the one step of `steps` on copies, and says what it is like inside.
    pub(crate) fn look(
        &mut self,
        network: &Network,
        optimizer: &Optimizer,
        steps: &Steps,
    ) -> Result<Vec<LayerInside>> {
        let device = match steps.device {
            Device::Cuda(_) => match &self.aside {
                Some(device) => device.clone(),
                None => self.aside.insert(Device::cpu(Some(1))?).clone(),
            },
            device => device.clone(),
        };
        let twin = self.twin.get_or_insert_with(|| Twin::new(network, optimizer));
        twin.take(network, optimizer);
        let steps = Steps { device: &device, ..*steps };
        self.plan.run(&mut twin.network, &mut twin.optimizer, &steps)?;
        let layers = inside(network, &twin.network);
        self.last = u64::from(steps.moment.step) + 1;
        Ok(layers)
    }

    /// Puts off the next look for what this one took, at so many seconds of training, and for what those before took more
    /// than their share.
    pub(crate) fn charge(&mut self, took: Duration, seconds: f64) {
        let took = took.min(MOST_CHARGED).as_secs_f64();
        let debt = (SHARE * self.spent - seconds).clamp(0.0, MOST_DEBT);
        self.due = seconds + debt + SHARE * took;
        self.spent += took;
    }
}

/// What a step from one network to the other was like.
fn inside(before: &Network, after: &Network) -> Vec<LayerInside> {
    let layers = before.layers().iter().zip(after.layers()).zip(before.summary().layers);
    let flows = after.activations().iter().zip(after.output_gradients());
    let mut insides = Vec::new();
    for (((old, new), row), (output, gradient)) in layers.zip(flows) {
        let pairs = old.parameters().iter().zip(new.parameters());
        insides.push(LayerInside {
            index: row.index,
            layer: row.layer,
            output: Spread::of(output.data()),
            gradient: Spread::of(gradient.data()),
            stuck: stuck(old.part(), output),
            parameters: pairs.map(|(old, new)| parameter(old, new)).collect(),
        });
    }
    insides
}

// ANCHOR: update_ratio
/// What a step did to a parameter.
fn parameter(old: &Parameter, new: &Parameter) -> ParameterInside {
    let (value, moved) = (Spread::of(old.value.data()), distance(&new.value, &old.value));
    let update_ratio = (value.norm > 0.0).then(|| moved / value.norm);
    let gradient = Spread::of(new.gradient.data());
    ParameterInside { name: old.name.to_string(), value, gradient, update_ratio }
}
// ANCHOR_END: update_ratio

/// ‖x‖ of the numbers that are finite, and how many are not.
fn norm(x: &[f32]) -> (f64, u64) {
    let sum = total([x], |[x]| square(x));
    // No sum of squares of finite f32 is beyond f64, so this is the only way to infinity.
    if sum.is_finite() {
        return (sum.sqrt(), 0);
    }
    let finite = total([x], |[x]| square(if x.is_finite() { x } else { 0.0 }));
    (finite.sqrt(), x.iter().map(|x| u64::from(!x.is_finite())).sum())
}

/// ‖a − b‖
fn distance(a: &Tensor, b: &Tensor) -> f64 {
    total([a.data(), b.data()], |[a, b]| square(a - b)).sqrt()
}

fn square(x: f32) -> f64 {
    f64::from(x) * f64::from(x)
}

/// How many units of an activation (b,o) say the same to every sample, and how many there are.
fn stuck(part: Part, output: &Tensor) -> Option<[u32; 2]> {
    let (Part::Activation(_), &[rows, units]) = (part, output.shape()) else { return None };
    if rows < 2 {
        return None;
    }
    let y = output.data();
    let is_stuck =
        |&unit: &usize| (1..rows).all(|row| (y[row * units + unit] - y[unit]).abs() <= 1e-6);
    Some([(0..units).filter(is_stuck).count() as u32, units as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the look after so many of this length, at this second of training, is due.
    fn due(count: u32, took: f64, seconds: f64) -> f64 {
        let mut looks = Looks::new(0, true);
        for _ in 0..count {
            looks.charge(Duration::from_secs_f64(took), seconds);
        }
        looks.last = 1000;
        assert_eq!(looks.next(1000, looks.due - 1e-6), u64::MAX);
        assert_eq!(looks.next(1000, looks.due), 1251);
        looks.due
    }

    #[test]
    fn later_looks_make_up_for_the_first() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(due(1, 0.001, 0.5), 0.5 + 0.2);
        // Seven looks of a millisecond are the share of 1.4 s.
        near(due(7, 0.001, 0.1), 1.4);
        // They were no more than that.
        near(due(7, 0.001, 5.0), 5.0 + 0.2);
        // Nobody waits for ever for what was slow.
        near(due(7, 1.0, 10.0), 10.0 + 2.0 + 200.0);
    }
}
