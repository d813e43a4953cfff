//! Whole runs of steps on a GPU: the samples, the parameters and the optimizer's memory stay there.

use super::{Plan, StepResult, Steps, arrays, cannot, check_samples, made, matched};
use crate::device::{Cuda, Device, activation, adam_step};
use crate::error::{Error, Result};
use crate::layers::Part;
use crate::loss::{Loss, Reduction};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::samples::{Inputs, Samples};
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
    samples: Arc<Samples>,
    /// The samples there, which stay while the rest changes.
    data: Arc<Data>,
    session: Option<(MadeFor, Session)>,
    /// What comes back from there: see [`store_whole`].
    came_back: Vec<f32>,
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

    /// Room on the GPU for these steps: that of the last run as far as it fits.
    fn training(
        &mut self,
        gpu: &Cuda,
        samples: &Arc<Samples>,
        made_for: MadeFor,
    ) -> Result<(&mut Session, &mut Vec<f32>)> {
        if !self.training.as_ref().is_some_and(|t| Arc::ptr_eq(&t.samples, samples)) {
            // The old one first: both may not fit.
            self.training = None;
            let (engine, width) = (&gpu.engine, samples.width);
            let labels = samples.labels().expect("they were checked");
            let data = Arc::new(match &samples.inputs {
                Inputs::Pixels(pixels) => Data::new(engine, pixels, labels, width)?,
                Inputs::Numbers(numbers) => Data::from_numbers(engine, numbers, labels, width)?,
            });
            let (samples, came_back) = (samples.clone(), Vec::new());
            self.training = Some(Training { samples, data, session: None, came_back });
        }
        let training = self.training.as_mut().expect("it was just made");
        if training.session.as_ref().is_none_or(|(made, _)| *made != made_for) {
            training.session = None;
            let MadeFor { parts, memories, batch, reduction } = &made_for;
            let (engine, data) = (&gpu.engine, &training.data);
            let is_mean = *reduction == Reduction::Mean;
            let mut session = Session::new(engine, data, parts, *memories, *batch, is_mean)?;
            if self.layered {
                session.set_layered();
            }
            training.session = Some((made_for, session));
        }
        let (_, session) = training.session.as_mut().expect("it was just made");
        Ok((session, &mut training.came_back))
    }
}

/// Copies the parameters and the optimizer's memory back, all or none: they come into `scratch` first, and so a GPU
/// that is lost between two of them leaves a network that is wholly the old one.
pub(super) fn store_whole(
    session: &Session,
    arrays: &mut [&mut [f32]],
    scratch: &mut Vec<f32>,
) -> Result<()> {
    scratch.resize(arrays.iter().map(|array| array.len()).sum(), 0.0);
    let mut rest = &mut scratch[..];
    let mut came_back: Vec<_> = arrays
        .iter()
        .map(|array| rest.split_off_mut(..array.len()).expect("there is room for all"))
        .collect();
    session.store(&mut came_back)?;
    arrays.iter_mut().zip(came_back).for_each(|(array, new)| array.copy_from_slice(new));
    Ok(())
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
        let (session, scratch) = self.training(gpu, steps.samples, made_for)?;
        let mut arrays: Vec<_> = arrays(network, optimizer.memory_mut()).flatten().collect();
        session.load(&arrays.iter().map(|array| &array[..]).collect::<Vec<_>>())?;
        let run = train::Steps {
            order,
            rules: &rules,
            seed: steps.moment.seed,
            first: steps.moment.step,
        };
        let outcomes = session.run(&run)?;
        store_whole(session, &mut arrays, scratch)?;
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
    let Some((parts, arrays)) = known(network) else { return Ok(false) };
    let inputs = network.input_width();
    glassbox_cuda::infer(&gpu.engine, out.data_mut(), pixels, inputs, &parts, &arrays)?;
    Ok(true)
}

/// The same for inputs that are numbers.
pub(super) fn infer_numbers(
    network: &mut Network,
    gpu: &Cuda,
    numbers: glassbox_cuda::Inputs,
    out: &mut Tensor,
) -> Result<bool> {
    let Some((parts, arrays)) = known(network) else { return Ok(false) };
    let inputs = network.input_width();
    glassbox_cuda::infer_numbers(&gpu.engine, out.data_mut(), numbers, inputs, &parts, &arrays)?;
    Ok(true)
}

/// The parts and parameters of a network that the engine knows.
fn known(network: &Network) -> Option<(Vec<train::Part>, Vec<&[f32]>)> {
    let is_f64 = network.parameters().any(|(_, parameter)| parameter.value.is_f64());
    let parts = parts(network).filter(|_| !is_f64)?;
    Some((parts, network.parameters().map(|(_, parameter)| parameter.value.data()).collect()))
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
pub(super) fn parts(network: &Network) -> Option<Vec<train::Part>> {
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
pub(super) fn engine_rule(rule: fused::Rule) -> train::Rule {
    let optimizer = match rule.optimizer {
        fused::Optimizer::Sgd { lr } => train::Optimizer::Sgd { lr },
        fused::Optimizer::Momentum { lr, mu } => train::Optimizer::Momentum { lr, mu },
        fused::Optimizer::Nesterov { lr, mu } => train::Optimizer::Nesterov { lr, mu },
        fused::Optimizer::Adam(step) => train::Optimizer::Adam(adam_step(&step)),
    };
    train::Rule { optimizer, decay: rule.decay }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, Moment, Rule};

    /// Images are most of what goes to a GPU, and none of what else may change about a run.
    #[test]
    fn the_samples_stay_while_batch_and_loss_change() {
        glassbox_cuda_sim::install_default();
        let device = Device::cuda(0).unwrap();
        let samples = Samples::images(vec![9; 24], vec![0; 6], 4, 3);
        let samples = Arc::new(samples);
        let mut network = Network::new("4-5-relu-3", Init::Xavier, 0).unwrap();
        let mut plan = OnGpu::new(false);
        let mut first = None;
        for (batch, reduction) in
            [(3, Reduction::Mean), (3, Reduction::Sum), (2, Reduction::Sum), (3, Reduction::Mean)]
        {
            let mut optimizer = Optimizer::new(Rule::Sgd, 0.0, &network);
            let steps = Steps {
                device: &device,
                loss: Loss::CrossEntropy(reduction),
                samples: &samples,
                order: &[0, 1, 2, 3, 4, 5],
                batch,
                rates: &[0.1; 2],
                clip: None,
                moment: Moment { seed: 0, step: 0 },
            };
            let results = plan.run(&mut network, &mut optimizer, &steps).unwrap();
            assert!(results.iter().all(|result| result.count as usize == batch));
            let data = plan.training.as_ref().unwrap().data.clone();
            assert!(Arc::ptr_eq(first.get_or_insert_with(|| data.clone()), &data));
        }
    }
}
