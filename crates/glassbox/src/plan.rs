//! How a run of steps is carried out on a device.
//!
//! The trainer hands a plan not one step but a run of them, so that a plan may do many in one call.
//! Every plan gives the same bits; they differ in speed and in what they can carry out.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::layers::Moment;
use crate::loss::{Loss, Targets};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::samples::Samples;
use crate::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A plan as users name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanName {
    /// The fastest that can carry the run out.
    #[default]
    Auto,
    /// Operation by operation, through the op table.
    Layered,
    /// Whole steps in one call.
    Fused,
}

/// A run of steps: consecutive batches of one epoch.
pub struct Steps<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// What to make small.
    pub loss: Loss,
    /// All samples.
    pub samples: &'a Samples,
    /// The samples to take, in order; the last batch may be smaller than the others.
    pub order: &'a [u32],
    /// Samples a step.
    pub batch: usize,
    /// The learning rate of each step.
    pub rates: &'a [f32],
    /// The largest norm of the gradients together.
    pub clip: Option<f32>,
    /// The moment of the first step.
    pub moment: Moment,
}

/// What a step saw, before it changed the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepResult {
    /// The loss of the batch, reduced as the loss says.
    pub loss: f64,
    /// Samples that were classified rightly.
    pub correct: u32,
    /// Samples.
    pub count: u32,
}

/// A way of carrying out steps.
pub trait Plan: Send {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Carries out the steps. It ends early after a step whose loss is not finite.
    fn run(
        &mut self,
        network: &mut Network,
        optimizer: &mut Optimizer,
        steps: &Steps,
    ) -> Result<Vec<StepResult>>;
}

impl PlanName {
    /// The plan of that name, and a line that says why if the choice was left to us.
    pub fn choose(self) -> Result<(Box<dyn Plan>, Option<&'static str>)> {
        match self {
            PlanName::Layered => Ok((Box::new(Layered::default()), None)),
            PlanName::Auto => {
                let reason = "plan layered: the only one of this version";
                Ok((Box::new(Layered::default()), Some(reason)))
            }
            PlanName::Fused => Err(Error::Setting {
                setting: "--plan",
                value: self.to_string(),
                reason: "this version of Glassbox has no fused plan".to_string(),
                hint: "use --plan layered".to_string(),
            }),
        }
    }
}

impl fmt::Display for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            PlanName::Auto => "auto",
            PlanName::Layered => "layered",
            PlanName::Fused => "fused",
        })
    }
}

/// Operation by operation: a training step as the course explains it.
#[derive(Default)]
pub struct Layered {
    x: Option<Tensor>,
    labels: Vec<u32>,
    answers: Vec<u32>,
}

impl Plan for Layered {
    fn name(&self) -> &'static str {
        "layered"
    }

    fn run(
        &mut self,
        network: &mut Network,
        optimizer: &mut Optimizer,
        steps: &Steps,
    ) -> Result<Vec<StepResult>> {
        let mut results = Vec::with_capacity(steps.rates.len());
        let mut moment = steps.moment;
        for (order, &rate) in steps.order.chunks(steps.batch).zip(steps.rates) {
            let result = self.step(network, optimizer, steps, order, rate, moment)?;
            results.push(result);
            if !result.loss.is_finite() {
                break;
            }
            moment.step += 1;
        }
        Ok(results)
    }
}

impl Layered {
    /// One step: forward, loss, backward, update.
    fn step(
        &mut self,
        network: &mut Network,
        optimizer: &mut Optimizer,
        steps: &Steps,
        order: &[u32],
        rate: f32,
        moment: Moment,
    ) -> Result<StepResult> {
        let Steps { device, loss, samples, .. } = *steps;
        let x = self.x.get_or_insert_with(|| Tensor::zeros(&[0, samples.width]));
        x.set_rows(order.len());
        device.gather(x, &samples.pixels, order)?;
        self.labels.clear();
        self.labels.extend(order.iter().map(|&sample| samples.labels[sample as usize]));

        let logits = network.forward_at(device, x, Some(moment))?;
        device.argmax(&mut self.answers, logits)?;
        let targets = Targets::Classes(&self.labels);
        let value = network.backward(device, loss, x, targets, Some(moment))?;
        if value.is_finite() {
            if let Some(limit) = steps.clip {
                Optimizer::clip(device, network, limit)?;
            }
            optimizer.step(device, network, rate)?;
        }
        let correct = self.answers.iter().zip(&self.labels).filter(|(a, b)| a == b).count();
        Ok(StepResult { loss: value, correct: correct as u32, count: order.len() as u32 })
    }
}
