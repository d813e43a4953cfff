//! What changes about a network: its numbers, and where and how they learn.

use crate::gpu::DeviceMatrix;
use glassbox::cuda::Inputs;
use glassbox::device::Cuda;
use glassbox::plan::{Batches, Layered, Steps};
use glassbox::{Error, Loss, Moment, Optimizer, Plan, Rule, Samples};
use std::sync::Arc;

/// What changes about a network. It is locked for as long as a step takes, and never while Python code runs.
pub struct State {
    pub network: glassbox::Network,
    /// The optimizer of `train_batch`, whose memory lasts as long as the rule stays the same.
    optimizer: Option<(Rule, f32, Optimizer)>,
    /// Where `train_batch` trains on a GPU.
    on_gpu: Option<OnGpu>,
    /// Steps of `train_batch`, which dropout depends on.
    pub step: u32,
    /// The process in which a training has it, if one does: a child that was forked meanwhile has a copy of its own.
    pub trained_by: Option<u32>,
}

/// The network on a GPU, between two batches.
struct OnGpu {
    batches: Batches,
    /// What it was made for: the name and number of a device, and a loss.
    device: (&'static str, usize),
    loss: Loss,
    /// Whether it has learned what the network on the host has not.
    is_ahead: bool,
}

impl State {
    /// A network that has not learned.
    pub fn new(network: glassbox::Network) -> State {
        State { network, optimizer: None, on_gpu: None, step: 0, trained_by: None }
    }

    /// Brings back what the network has learned on a GPU. If it fails, that is lost: the network is what it was when
    /// somebody last looked, and can be used.
    pub fn settle(&mut self) -> glassbox::Result<()> {
        let (Some(gpu), Some((_, _, optimizer))) = (&mut self.on_gpu, &mut self.optimizer) else {
            return Ok(());
        };
        if gpu.is_ahead {
            let stored = gpu.batches.store(&mut self.network, optimizer);
            gpu.is_ahead = false;
            if stored.is_err() {
                (self.on_gpu, self.optimizer) = (None, None);
            }
            return stored;
        }
        Ok(())
    }

    /// The network becomes another. What lies on a GPU is out of date, and so is the optimizer's memory.
    pub fn set(&mut self, network: glassbox::Network) {
        self.network = network;
        (self.on_gpu, self.optimizer) = (None, None);
    }
}

/// A batch to learn from, and where it is.
pub enum Batch<'a> {
    Here(Arc<Samples>),
    OnDevice(&'a DeviceMatrix, &'a [u32]),
}

impl State {
    /// The optimizer of that rule: the one at work, or a new one.
    pub fn take_rule(&mut self, rule: Rule, decay: f32) -> glassbox::Result<()> {
        if self.optimizer.as_ref().is_some_and(|(same, d, _)| *same == rule && *d == decay) {
            return Ok(());
        }
        self.settle()?;
        self.on_gpu = None;
        self.optimizer = Some((rule, decay, Optimizer::new(rule, decay, &self.network)));
        Ok(())
    }

    /// Whether a GPU takes whole steps of the network.
    pub fn fits_gpu(&self, loss: Loss) -> bool {
        Batches::takes(&self.network, loss)
    }

    /// A step on the host, or operation by operation. Returns the loss.
    pub fn step_here(
        &mut self,
        device: &glassbox::Device,
        samples: &Arc<Samples>,
        loss: Loss,
        lr: f32,
        moment: Moment,
    ) -> glassbox::Result<f64> {
        glassbox::evaluate::check_widths(&self.network, samples)?;
        self.settle()?;
        self.on_gpu = None;
        let (_, _, optimizer) = self.optimizer.as_mut().expect("a rule was taken");
        let order: Vec<u32> = (0..samples.len() as u32).collect();
        let steps = Steps {
            device,
            loss,
            samples,
            order: &order,
            batch: order.len().max(1),
            rates: &[lr],
            clip: None,
            moment,
        };
        let results = Layered::default().run(&mut self.network, optimizer, &steps)?;
        results.first().map(|result| result.loss).ok_or_else(no_samples)
    }

    /// A step on a GPU, where the network stays. Returns the loss.
    pub fn step_on_gpu(
        &mut self,
        gpu: &Cuda,
        batch: &Batch,
        loss: Loss,
        lr: f32,
        moment: Moment,
        room: usize,
    ) -> glassbox::Result<f64> {
        let device = glassbox::Device::Cuda(gpu.clone());
        let gathered;
        let (x, labels) = match batch {
            Batch::OnDevice(x, labels) => (Inputs::Device(x.ready(gpu)?), *labels),
            Batch::Here(samples) => {
                glassbox::evaluate::check_widths(&self.network, samples)?;
                gathered = samples.inputs.whole(&glassbox::Device::Reference, samples.width)?;
                let labels = samples.labels().ok_or_else(no_samples)?;
                (Inputs::Host(gathered.data()), labels)
            }
        };
        if labels.is_empty() {
            return Err(no_samples());
        }
        let place = (device.name(), gpu.engine().context().ordinal());
        let is_fit = |gpu: &OnGpu| {
            gpu.device == place && gpu.loss == loss && gpu.batches.rows() >= labels.len()
        };
        if !self.on_gpu.as_ref().is_some_and(is_fit) {
            self.settle()?;
            self.on_gpu = None;
            let (_, _, optimizer) = self.optimizer.as_ref().expect("a rule was taken");
            let rows = room.max(labels.len());
            let batches = Batches::new(&device, &self.network, optimizer, loss, rows)?;
            self.on_gpu = Some(OnGpu { batches, device: place, loss, is_ahead: false });
        }
        let (Some(on_gpu), Some((_, _, optimizer))) = (&mut self.on_gpu, &mut self.optimizer)
        else {
            unreachable!("both were made");
        };
        let found = on_gpu.batches.step(optimizer, x, labels, lr, moment);
        if on_gpu.batches.is_broken() {
            // What it holds is neither the old network nor the new one.
            (self.on_gpu, self.optimizer) = (None, None);
            return found.map(|found| found.loss);
        }
        let found = found?;
        on_gpu.is_ahead |= found.loss.is_finite();
        Ok(found.loss)
    }
}

fn no_samples() -> Error {
    let (what, hint) = ("a step of no samples", "give at least one row");
    Error::Refused { what, hint }
}
