//! How a run of steps is carried out on a device.
//!
//! The trainer hands a plan not one step but a run of them, so that a plan may do many in one call.
//! Every plan gives the same bits; they differ in speed and in what they can carry out.

mod batches;
mod cuda;
mod fused;
mod layered;

pub use batches::Batches;
pub use cuda::OnGpu;
pub use fused::Fused;
pub use layered::Layered;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::layers::Moment;
use crate::loss::Loss;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::samples::Samples;
use crate::settings::Settings;
use crate::tensor::Tensor;
use glassbox_cpu::fused::Rule as RuleOfStep;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

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
    pub samples: &'a Arc<Samples>,
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
    /// Samples that were classified rightly; none where the answers are values.
    pub correct: u32,
    /// Samples.
    pub count: u32,
}

/// A way of carrying out steps.
///
/// If a GPU fails on the way, network and optimizer are as they were before the call.
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

/// What there is to choose from, for a network and a device.
struct Choice {
    /// Why there is no fused plan, if there is none.
    obstacle: Option<String>,
    fused: fn() -> Box<dyn Plan>,
    layered: fn() -> Box<dyn Plan>,
    /// Why the fused plan is a good one.
    why: &'static str,
}

impl Choice {
    fn on_cpu(network: &Network, settings: &Settings, device: &Device, are_pixels: bool) -> Choice {
        let obstacle = fused::obstacle(network, settings.loss(), settings.clip, device);
        Choice {
            obstacle: obstacle.or_else(|| (!are_pixels).then(|| NO_PIXELS.to_string())),
            fused: || Box::new(Fused),
            layered: || Box::new(Layered::default()),
            why: "plan fused: whole steps in one call, with the bits of plan layered",
        }
    }

    fn on_gpu(network: &Network, settings: &Settings, are_pixels: bool) -> Choice {
        let obstacle = cuda::obstacle(network, settings.loss(), settings.clip);
        let stays = obstacle.is_none();
        let has_not = || {
            format!(
                "{network}: the fused step takes one hidden layer, of at most 1024 units, and at most 32 outputs"
            )
        };
        let cannot_fuse = || match are_pixels {
            false => Some(NO_PIXELS.to_string()),
            true => (!cuda::has_fused(network)).then(has_not),
        };
        Choice {
            obstacle: match obstacle {
                Some(why) => {
                    Some(format!("{why}; each operation's operands go to the GPU and back"))
                }
                None => cannot_fuse(),
            },
            fused: || Box::new(OnGpu::new(false)),
            layered: if stays {
                || Box::new(OnGpu::new(true))
            } else {
                || Box::new(Layered::default())
            },
            why: "plan fused: a step in two kernels, with the bits of plan layered",
        }
    }
}

impl PlanName {
    /// The plan of that name for a run on images with these settings, and a line that says why if the
    /// choice was left to us.
    pub fn choose(
        self,
        settings: &Settings,
        device: &Device,
    ) -> Result<(Box<dyn Plan>, Option<String>)> {
        self.choose_where(true, settings, device)
    }

    /// The same, for a run on these samples, which may be numbers instead of pixels.
    pub fn choose_for(
        self,
        samples: &Samples,
        settings: &Settings,
        device: &Device,
    ) -> Result<(Box<dyn Plan>, Option<String>)> {
        self.choose_where(samples.pixels().is_some(), settings, device)
    }

    fn choose_where(
        self,
        are_pixels: bool,
        settings: &Settings,
        device: &Device,
    ) -> Result<(Box<dyn Plan>, Option<String>)> {
        let network = Network::new(&settings.model, Init::Zero, 0)?;
        let choice = match device {
            Device::Cuda(_) => Choice::on_gpu(&network, settings, are_pixels),
            _ => Choice::on_cpu(&network, settings, device, are_pixels),
        };
        match (self, choice.obstacle) {
            (PlanName::Layered, _) => Ok(((choice.layered)(), None)),
            (PlanName::Fused, None) => Ok(((choice.fused)(), None)),
            (PlanName::Fused, Some(obstacle)) => {
                Err(cannot(&self.to_string(), obstacle, "use --plan layered, or auto"))
            }
            (PlanName::Auto, None) => Ok(((choice.fused)(), Some(choice.why.to_string()))),
            (PlanName::Auto, Some(obstacle)) => {
                Ok(((choice.layered)(), Some(format!("plan layered: {obstacle}"))))
            }
        }
    }
}

/// Why whole steps do not take samples that are numbers.
const NO_PIXELS: &str = "the inputs are numbers, and whole steps take pixels, which are bytes";

/// The error that a plan cannot carry a run out.
fn cannot(plan: &str, reason: String, hint: &str) -> Error {
    Error::Setting { setting: "--plan", value: plan.to_string(), reason, hint: hint.to_string() }
}

/// The samples and the rules of those steps that have both.
fn matched<'a>(optimizer: &Optimizer, steps: &Steps<'a>) -> (&'a [u32], Vec<RuleOfStep>) {
    let first = optimizer.steps() + 1;
    let most = steps.rates.len().saturating_mul(steps.batch);
    let order = &steps.order[..steps.order.len().min(most)];
    let rates = &steps.rates[..order.len().div_ceil(steps.batch)];
    (order, (first..).zip(rates).map(|(t, &rate)| optimizer.fused_rule(rate, t)).collect())
}

/// Tells the optimizer of the steps that changed something.
fn made(optimizer: &mut Optimizer, results: Vec<StepResult>) -> Vec<StepResult> {
    let count = results.iter().filter(|result| result.loss.is_finite()).count();
    optimizer.advance(count as u64);
    results
}

/// The numbers of each parameter, followed by the optimizer's memory of it, as far as there is any.
fn arrays<'a>(
    network: &'a mut Network,
    memory: &'a mut [Vec<Tensor>],
) -> impl Iterator<Item = Vec<&'a mut [f32]>> {
    let mut memory = memory.iter_mut();
    network.parameters_mut().map(move |parameter| {
        let memory = memory.next().into_iter().flatten().map(Tensor::data_mut);
        std::iter::once(parameter.value.data_mut()).chain(memory).collect()
    })
}

/// Fills `out` (b,o) with the network's outputs for images in one call of an engine, if there is a call
/// for this network and device. Returns whether there is.
pub(crate) fn infer(
    network: &mut Network,
    device: &Device,
    pixels: &[u8],
    out: &mut Tensor,
) -> Result<bool> {
    match device {
        Device::Cuda(gpu) => cuda::infer(network, gpu, pixels, out),
        _ => Ok(fused::infer(network, device, pixels, out)),
    }
}

/// The same for inputs that are numbers, wherever they are.
pub(crate) fn infer_numbers(
    network: &mut Network,
    device: &Device,
    numbers: glassbox_cuda::Inputs,
    out: &mut Tensor,
) -> Result<bool> {
    match device {
        Device::Cuda(gpu) => cuda::infer_numbers(network, gpu, numbers, out),
        _ => Ok(false),
    }
}

/// The labels of steps for an engine, which trusts what it is given.
fn check_samples<'a>(network: &Network, steps: &Steps<'a>) -> Result<&'a [u32]> {
    let (samples, classes) = (steps.samples, network.output_width());
    let inputs = network.input_width();
    let Some(labels) = samples.labels() else { return Err(steps.loss.wrong_targets()) };
    if samples.width != inputs || samples.input_len() != inputs * labels.len() {
        return Err(Error::Shape {
            op: "steps",
            shapes: vec![vec![samples.len(), samples.width], vec![inputs, classes]],
            hint: "the samples are (n,i) for a network (i,o)",
        });
    }
    if steps.batch == 0 {
        let (what, hint) = ("a step of no samples", "use a batch of at least 1");
        return Err(Error::Refused { what, hint });
    }
    if let Some((row, &label)) = labels.iter().enumerate().find(|(_, l)| **l as usize >= classes) {
        return Err(Error::Label { row, label, classes });
    }
    if steps.order.iter().any(|&sample| sample as usize >= samples.len()) {
        let (what, hint) = ("a sample that does not exist", "give the order below samples.len()");
        return Err(Error::Refused { what, hint });
    }
    Ok(labels)
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
