//! Whole steps of a multilayer perceptron in one call of the engine.

use super::{NO_PIXELS, Plan, StepResult, Steps, arrays, cannot, check_samples, made, matched};
use crate::device::Device;
use crate::error::Result;
use crate::layers::Part;
use crate::loss::{Loss, Reduction};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::tensor::Tensor;
use glassbox_cpu::fused;
use glassbox_cpu::reference::Activation;

/// Whole steps, for networks of dense layers with activations between them.
///
/// The gradients and activations of a step pass by unseen: after a run, those of the network are
/// the ones of whatever looked at it last.
pub struct Fused;

impl Plan for Fused {
    fn name(&self) -> &'static str {
        "fused"
    }

    fn run(
        &mut self,
        network: &mut Network,
        optimizer: &mut Optimizer,
        steps: &Steps,
    ) -> Result<Vec<StepResult>> {
        let obstacle = obstacle(network, steps.loss, steps.clip, steps.device);
        let (Device::Cpu(engine), None) = (steps.device, &obstacle) else {
            return Err(cannot("fused", obstacle.unwrap_or_default(), "use --plan layered"));
        };
        let labels = check_samples(network, steps)?;
        let Some(pixels) = steps.samples.pixels() else {
            return Err(cannot("fused", NO_PIXELS.to_string(), "use --plan layered"));
        };
        let (order, rules) = matched(optimizer, steps);
        let mut layers = layers(network, optimizer.memory_mut());
        let job = fused::Steps {
            pixels,
            inputs: steps.samples.width,
            labels,
            order,
            // A batch larger than there are samples is one of all of them.
            batch: steps.batch.min(order.len().max(1)),
            reduction: steps.loss.reduction().into(),
            rules: &rules,
        };
        let outcomes = fused::train(engine, &job, &mut layers);
        drop(layers);
        let result = |outcome: fused::Outcome| StepResult {
            loss: outcome.loss.into(),
            correct: outcome.correct,
            count: outcome.count,
        };
        Ok(made(optimizer, outcomes.into_iter().map(result).collect()))
    }
}

/// Fills `out` (b,o) with the network's outputs for images in one call of the engine, if there is a
/// call for this network and device. Returns whether there is.
pub(super) fn infer(
    network: &mut Network,
    device: &Device,
    pixels: &[u8],
    out: &mut Tensor,
) -> bool {
    let loss = Loss::CrossEntropy(Reduction::Mean);
    let (Device::Cpu(engine), None) = (device, obstacle(network, loss, None, device)) else {
        return false;
    };
    let inputs = network.input_width();
    let layers = layers(network, &mut []);
    fused::infer(engine, out.data_mut(), pixels, inputs, &layers);
    true
}

/// Why the fused plan cannot carry a run out, if it cannot.
pub(super) fn obstacle(
    network: &Network,
    loss: Loss,
    clip: Option<f32>,
    device: &Device,
) -> Option<String> {
    if !matches!(device, Device::Cpu(_)) {
        return Some("only the device cpu has the fused plan".to_string());
    }
    if clip.is_some() {
        return Some("clipping needs all gradients before the first is used".to_string());
    }
    if !matches!(loss, Loss::CrossEntropy(_)) {
        return Some("the fused plan has the cross-entropy alone".to_string());
    }
    if network.parameters().any(|(_, parameter)| parameter.value.is_f64()) {
        return Some("the fused plan computes in f32".to_string());
    }
    perceptron(network).is_none().then(|| {
        format!("{network} is not made of dense layers with at most one activation after each")
    })
}

/// The output features and the activation of each dense layer, if there are no others.
fn perceptron(network: &Network) -> Option<Vec<(usize, Option<Activation>)>> {
    let mut shape: Vec<(usize, Option<Activation>)> = Vec::new();
    for layer in network.layers() {
        match (layer.part(), shape.last_mut()) {
            (Part::Dense, _) => shape.push((layer.width(0), None)),
            (Part::Activation(kind), Some((_, none @ None))) => *none = Some(kind),
            _ => return None,
        }
    }
    Some(shape)
}

/// The layers of a perceptron as the engine takes them, with the optimizer's memory of their
/// parameters, as far as there is any.
fn layers<'a>(network: &'a mut Network, memory: &'a mut [Vec<Tensor>]) -> Vec<fused::Layer<'a>> {
    let shape = perceptron(network).unwrap_or_default();
    let mut arrays = arrays(network, memory);
    let layer = |(outputs, activation)| {
        let mut next = || arrays.next().unwrap_or_default();
        let (weight, bias) = (next(), next());
        fused::Layer { outputs, activation, weight, bias }
    };
    shape.into_iter().map(layer).collect()
}
