//! Operation by operation: a training step as the course explains it.

use super::{Plan, StepResult, Steps};
use crate::device::Device;
use crate::error::Result;
use crate::layers::Moment;
use crate::loss::Targets;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::samples::Batch;
use crate::tensor::Tensor;

/// One operation after the other, through the op table.
#[derive(Default)]
pub struct Layered {
    x: Option<Tensor>,
    batch: Option<Batch>,
    said: Vec<u32>,
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
        if !matches!(steps.device, Device::Cuda(_)) {
            return self.steps(network, optimizer, steps);
        }
        // A GPU may be lost between the updates of two parameters.
        let before = (network.clone(), optimizer.clone());
        self.steps(network, optimizer, steps).inspect_err(|_| (*network, *optimizer) = before)
    }
}

impl Layered {
    fn steps(
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
        samples.gather(device, x, order)?;
        let batch = self.batch.get_or_insert_with(|| Batch::of(samples));
        batch.gather(samples, order)?;
        let targets = batch.targets();

        let outputs = network.forward_at(device, x, Some(moment))?;
        let correct = match targets {
            Targets::Classes(labels) => {
                device.argmax(&mut self.said, outputs)?;
                self.said.iter().zip(labels).filter(|(said, label)| said == label).count()
            }
            Targets::Values(_) => 0,
        };
        let value = network.backward(device, loss, x, targets, Some(moment))?;
        if value.is_finite() {
            if let Some(limit) = steps.clip {
                Optimizer::clip(device, network, limit)?;
            }
            optimizer.step(device, network, rate)?;
        }
        Ok(StepResult { loss: value, correct: correct as u32, count: order.len() as u32 })
    }
}
