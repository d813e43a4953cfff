//! The NaN watch: keeps a sound state of the run, from which steps are made again when a number is no longer finite.
//!
//! While all is well it costs a copy of the parameters now and then, at most a hundredth of the time. When a loss or a
//! parameter is not finite, the steps since are made again on the copy, operation by operation, with the same bits, and
//! every tensor of each step is looked at: so the first one is found, also where a gradient was lost a step before the
//! loss showed it.

use super::{RateChange, Trainer};
use crate::device::Device;
use crate::diagnose::{Culprit, NotFinite, examine, round};
use crate::error::{Error, Result};
use crate::layers::Moment;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::plan::{Layered, Plan, Steps};
use crate::samples::Samples;
use crate::tensor::Tensor;
use crate::twin::Twin;
use std::time::{Duration, Instant};

/// Of a learning rate above 1 a tenth is no cure; this one suits every optimizer and reduction.
const SMALL_RATE: f64 = 1e-3;

/// The last sound state.
#[derive(Default)]
pub(super) struct Watch {
    kept: Option<Kept>,
    /// When to keep another.
    due: Option<Instant>,
}

struct Kept {
    twin: Twin,
    step: u64,
}

impl Watch {
    /// Keeps the state if it is time to. Returns whether it is sound; only sound ones are kept.
    pub fn keep(&mut self, network: &Network, optimizer: &Optimizer, step: u64) -> bool {
        let begun = Instant::now();
        if self.due.is_some_and(|due| begun < due) {
            return true;
        }
        let is_sound = network.first_not_finite().is_none();
        if is_sound || self.kept.is_none() {
            match &mut self.kept {
                Some(kept) => {
                    kept.twin.take(network, optimizer);
                    kept.step = step;
                }
                None => self.kept = Some(Kept { twin: Twin::new(network, optimizer), step }),
            }
        }
        self.due = Some(Instant::now() + 100 * begun.elapsed().max(Duration::from_micros(1)));
        is_sound
    }
}

impl Trainer {
    /// The error that training ran into NaN or infinities, in steps up to `last`: what shows it, where it began, and what
    /// is left of the run.
    pub(super) fn diverged(&self, what: String, last: u64) -> Error {
        let origin = self.origin(last).ok().flatten();
        let change = self.progress.rates.last().filter(|change| change.factor > 1.0);
        let left = match (self.saved, change) {
            (Some(step), Some(change)) if step > change.step => {
                format!("the checkpoint of step {step} is finite, but was trained with that rate")
            }
            (Some(step), _) => format!("the checkpoint of step {step} is sound"),
            (None, _) => "there is no checkpoint yet".to_string(),
        };
        let or = match self.settings.reduction {
            crate::Reduction::Mean => "inputs around 0 with a deviation around 1",
            crate::Reduction::Sum => "--reduction mean",
        };
        let cure = match origin.as_ref().map(|origin| &origin.tensor) {
            Some(Culprit::Input) => "take what is not finite out of the inputs".to_string(),
            Some(Culprit::Parameter(_)) => {
                "training began with it: begin with a network that is finite".to_string()
            }
            // Whoever begins again with a smaller rate would still have the factor after a resume.
            _ if let Some(RateChange { factor, .. }) = change => {
                let how = match self.saved {
                    Some(_) => "go on with --resume and --rate-factor 1".to_string(),
                    None => format!("try a factor of {}", round(f64::from(*factor) / 10.0)),
                };
                format!("the learning rate was multiplied by {factor}: {how}, or {or}")
            }
            _ => {
                let tenth = f64::from(self.settings.lr) / 10.0;
                let (rate, how) = match self.settings.lr > 1.0 {
                    true => (SMALL_RATE, "a far smaller learning rate"),
                    false => (tenth, "a learning rate ten times smaller"),
                };
                format!("try {how}, --lr {}, or {or}", round(rate))
            }
        };
        let (what, step) = match origin {
            Some(origin) => (format!("{what}: {origin},"), origin.step),
            None => (what, self.progress.step),
        };
        Error::Diverged { what, step, hint: format!("{cure}; {left}") }
    }

    /// Makes the steps since the last sound state again, up to `last`, and finds the first tensor that is not finite.
    fn origin(&self, last: u64) -> Result<Option<NotFinite>> {
        let Some(kept) = &self.watch.kept else { return Ok(None) };
        let device = match &self.device {
            Device::Cuda(_) => Device::cpu(Some(1))?,
            device => device.clone(),
        };
        let (mut before, mut optimizer) = (kept.twin.network.clone(), kept.twin.optimizer.clone());
        let mut x = Tensor::zeros(&[0, self.training.width]);
        let mut order = (0, Vec::new());
        for step in kept.step..last {
            let epoch = (step / self.steps_per_epoch()) as u32;
            if order.1.is_empty() || order.0 != epoch {
                order = (epoch, self.order(epoch));
            }
            let first = (step % self.steps_per_epoch()) as usize * self.settings.batch;
            let end = order.1.len().min(first.saturating_add(self.settings.batch));
            let batch = &order.1[first..end];
            let steps = Steps {
                device: &device,
                loss: self.settings.loss(),
                samples: &self.training,
                order: batch,
                batch: self.settings.batch,
                rates: &[self.rate(step)],
                clip: self.settings.clip,
                moment: Moment { seed: self.settings.seed, step: step as u32 },
            };
            x.set_rows(batch.len());
            self.training.gather(&device, &mut x, batch)?;
            let mut after = before.clone();
            // Clipping refuses gradients that are not finite; what it saw is in the network.
            let results = Layered::default().run(&mut after, &mut optimizer, &steps);
            let loss = match &results {
                Ok(results) => results.first().map_or(0.0, |result| result.loss),
                Err(_) => 0.0,
            };
            if let Some(mut found) = examine(&before, &after, &x, batch, loss, step + 1) {
                found.sample = found.sample.map(|sample| self.sample_before_split(sample));
                return Ok(Some(found));
            }
            results?;
            before = after;
        }
        Ok(None)
    }

    fn sample_before_split(&self, index: u32) -> u32 {
        let all = self.training.len() + self.validation.as_ref().map_or(0, Samples::len);
        Samples::before_split(index, all, self.settings.validation, self.settings.seed)
    }
}
