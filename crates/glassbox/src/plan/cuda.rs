//! Whole runs of steps on a GPU: the samples, the parameters and the optimizer's memory stay there.

use super::{Plan, StepResult, Steps, arrays, cannot, check_samples, made, matched};
use crate::device::{Cuda, Device, activation, adam_step};
use crate::error::{Error, Result};
use crate::layers::Part;
use crate::loss::{Loss, Reduction};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::samples::Samples;
use crate::tensor::Tensor;
use glassbox_cpu::fused;
use glassbox_cuda::train::{self, Data, Session, Way};
use std::sync::Arc;

/// Runs of steps on a GPU, fused where its engine has that for the network and it was not declined.
pub struct OnGpu {
    layered: bool,
    training: Option<Training>,
}

/// What lies on the GPU, and what it was made for.
struct Training {
    session: Session,
    samples: Arc<Samples>,
    made_for: MadeFor,
}

#[derive(Clone, PartialEq)]
struct MadeFor {
    parts: Vec<train::Part>,
    memories: usize,
    batch: usize,
    reduction: Reduction,
}

impl OnGpu {
    /// A plan whose steps go operation by operation if `layered`.
    pub fn new(layered: bool) -> OnGpu {
        OnGpu { layered, training: None }
    }

    /// Room on the GPU for these steps: that of the last run if it fits.
    fn training(
        &mut self,
        gpu: &Cuda,
        samples: &Arc<Samples>,
        made_for: MadeFor,
    ) -> Result<&mut Training> {
        let is_fit = |training: &Training| {
            Arc::ptr_eq(&training.samples, samples) && training.made_for == made_for
        };
        if !self.training.as_ref().is_some_and(is_fit) {
            // The old one first: both may not fit.
            self.training = None;
            let (pixels, labels) = (&samples.pixels, &samples.labels);
            let data = Arc::new(Data::new(&gpu.engine, pixels, labels, samples.width)?);
            let MadeFor { parts, memories, batch, reduction } = &made_for;
            let is_mean = *reduction == Reduction::Mean;
            let engine = &gpu.engine;
            let mut session = Session::new(engine, &data, parts, *memories, *batch, is_mean)?;
            if self.layered {
                session.set_layered();
            }
            self.training = Some(Training { session, samples: samples.clone(), made_for });
        }
        Ok(self.training.as_mut().expect("it was just made"))
    }
}

impl Plan for OnGpu {
    fn name(&self) -> &'static str {
        if self.layered { "layered" } else { "fused" }
    }

    fn run(
        &mut self,
        network: &mut Network,
        optimizer: &mut Optimizer,
        steps: &Steps,
    ) -> Result<Vec<StepResult>> {
        let obstacle = obstacle(network, steps.loss, steps.clip);
        let (Device::Cuda(gpu), None) = (steps.device, &obstacle) else {
            let reason = obstacle.unwrap_or("the device is another".to_string());
            return Err(cannot("this", reason, "use --plan layered"));
        };
        check_samples(network, steps)?;
        if steps.order.len() > steps.samples.len() {
            let (what, hint) = ("a run of more than one epoch", "give each sample at most once");
            return Err(Error::Refused { what, hint });
        }
        if steps.order.is_empty() || steps.rates.is_empty() {
            return Ok(Vec::new());
        }
        let (order, rules) = matched(optimizer, steps);
        let rules: Vec<_> = rules.into_iter().map(engine_rule).collect();
        let made_for = MadeFor {
            parts: parts(network).unwrap_or_default(),
            memories: optimizer.rule().memory().len(),
            // A batch larger than there are samples is one of all of them.
            batch: steps.batch.min(steps.samples.len()),
            reduction: steps.loss.reduction(),
        };
        let session = &mut self.training(gpu, steps.samples, made_for)?.session;
        let mut arrays: Vec<_> = arrays(network, optimizer.memory_mut()).flatten().collect();
        session.load(&arrays.iter().map(|array| &array[..]).collect::<Vec<_>>())?;
        let run = train::Steps {
            order,
            rules: &rules,
            seed: steps.moment.seed,
            first: steps.moment.step,
        };
        let outcomes = session.run(&run)?;
        session.store(&mut arrays)?;
        drop(arrays);
        let result = |outcome: train::Outcome| StepResult {
            loss: outcome.loss.into(),
            correct: outcome.correct,
            count: outcome.count,
        };
        Ok(made(optimizer, outcomes.into_iter().map(result).collect()))
    }
}

/// Fills `out` (b,o) with the network's outputs for images in one call of the engine, if the network is one that it
/// knows. Returns whether it is.
pub(super) fn infer(
    network: &mut Network,
    gpu: &Cuda,
    pixels: &[u8],
    out: &mut Tensor,
) -> Result<bool> {
    let is_f64 = network.parameters().any(|(_, parameter)| parameter.value.is_f64());
    let (Some(parts), false) = (parts(network), is_f64) else { return Ok(false) };
    let inputs = network.input_width();
    let arrays: Vec<&[f32]> =
        network.parameters().map(|(_, parameter)| parameter.value.data()).collect();
    glassbox_cuda::infer(&gpu.engine, out.data_mut(), pixels, inputs, &parts, &arrays)?;
    Ok(true)
}

/// Why whole steps cannot be carried out on the GPU, if they cannot.
pub(super) fn obstacle(network: &Network, loss: Loss, clip: Option<f32>) -> Option<String> {
    if clip.is_some() {
        return Some("clipping needs all gradients before the first is used".to_string());
    }
    if !matches!(loss, Loss::CrossEntropy(_)) {
        return Some("whole steps have the cross-entropy alone".to_string());
    }
    if network.parameters().any(|(_, parameter)| parameter.value.is_f64()) {
        return Some("whole steps compute in f32".to_string());
    }
    let is_known = parts(network)
        .is_some_and(|parts| parts.iter().any(|part| matches!(part, train::Part::Dense { .. })));
    (!is_known).then(|| format!("{network} has layers that the GPU engine has not"))
}

/// Whether the engine has a fused step for the network.
pub(super) fn has_fused(network: &Network) -> bool {
    parts(network).is_some_and(|parts| train::way(&parts) == Way::Fused)
}

/// The layers as the engine knows them, if it knows all.
fn parts(network: &Network) -> Option<Vec<train::Part>> {
    let layers = network.layers().iter();
    layers
        .map(|layer| match layer.part() {
            Part::Dense => Some(train::Part::Dense { outputs: layer.width(0) }),
            Part::Activation(kind) => Some(train::Part::Activation(activation(kind))),
            Part::Dropout(p) => Some(train::Part::Dropout { p }),
            Part::Softmax => Some(train::Part::Softmax),
            Part::LogSoftmax => Some(train::Part::LogSoftmax),
            Part::Other => None,
        })
        .collect()
}

/// A rule as the engine names it.
fn engine_rule(rule: fused::Rule) -> train::Rule {
    let optimizer = match rule.optimizer {
        fused::Optimizer::Sgd { lr } => train::Optimizer::Sgd { lr },
        fused::Optimizer::Momentum { lr, mu } => train::Optimizer::Momentum { lr, mu },
        fused::Optimizer::Nesterov { lr, mu } => train::Optimizer::Nesterov { lr, mu },
        fused::Optimizer::Adam(step) => train::Optimizer::Adam(adam_step(&step)),
    };
    train::Rule { optimizer, decay: rule.decay }
}
