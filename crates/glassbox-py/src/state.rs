//! What changes about a network: its numbers, and where and how they learn.

use crate::arrays::on_device;
use crate::gpu::DeviceMatrix;
use glassbox::cuda::Inputs;
use glassbox::device::Cuda;
use glassbox::plan::{Batches, Layered, Steps};
use glassbox::{Error, Loss, Moment, Optimizer, Plan, Rule, Samples};
use pyo3::Py;
use std::sync::Arc;

/// What changes about a network. It is locked for as long as a step of a small network takes, and never while Python code
/// runs; what takes longer is done on a copy.
pub struct State {
    pub network: glassbox::Network,
    /// The optimizer of `train_batch`, whose memory lasts as long as the rule stays the same.
    optimizer: Option<(Rule, f32, Optimizer)>,
    /// Where `train_batch` trains on a GPU.
    on_gpu: Option<OnGpu>,
    /// Steps of `train_batch`, which dropout depends on.
    step: u32,
    /// Who changes it, and in which process: a child that was forked meanwhile has a network of its own.
    changed_by: Option<(Changer, u32)>,
}

/// Who has a network for longer than it is locked.
#[derive(Clone, Copy, PartialEq)]
pub enum Changer {
    /// A training, during which nobody else changes it.
    Fit,
    /// A long step, for whose end others wait.
    Step,
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
        State { network, optimizer: None, on_gpu: None, step: 0, changed_by: None }
    }

    /// Who changes it at the moment.
    pub fn changer(&self) -> Option<Changer> {
        let (changer, process) = self.changed_by?;
        (process == std::process::id()).then_some(changer)
    }

    /// Says who does.
    pub fn set_changer(&mut self, changer: Option<Changer>) {
        self.changed_by = changer.map(|changer| (changer, std::process::id()));
    }

    /// A copy that can learn apart from it. Numbers are shared until one of the two changes.
    pub fn copy(&mut self) -> glassbox::Result<State> {
        self.settle()?;
        let (network, optimizer) = (self.network.clone(), self.optimizer.clone());
        Ok(State { network, optimizer, on_gpu: None, step: self.step, changed_by: None })
    }

    /// Takes over what a copy has learned.
    pub fn take(&mut self, copy: State) {
        *self = State { changed_by: self.changed_by, ..copy };
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

/// How a step is made.
#[derive(Clone, Copy)]
pub struct Learning {
    pub rule: Rule,
    pub weight_decay: f32,
    pub loss: Loss,
    pub lr: f32,
    pub seed: u64,
    /// How many rows a batch may have that is still to come.
    pub room: usize,
}

/// A batch to learn from, and where it is.
pub enum Batch {
    Here(Arc<Samples>),
    OnDevice(Py<DeviceMatrix>, Vec<u32>),
}

impl State {
    /// The optimizer of that rule: the one at work, or a new one.
    fn take_rule(&mut self, rule: Rule, decay: f32) -> glassbox::Result<()> {
        if self.optimizer.as_ref().is_some_and(|(same, d, _)| *same == rule && *d == decay) {
            return Ok(());
        }
        self.settle()?;
        self.on_gpu = None;
        self.optimizer = Some((rule, decay, Optimizer::new(rule, decay, &self.network)));
        Ok(())
    }

    /// A step. Returns the loss before it; one that is not finite changes nothing, and is an error.
    pub fn step(
        &mut self,
        device: &glassbox::Device,
        batch: &Batch,
        learning: &Learning,
    ) -> glassbox::Result<f64> {
        let Learning { rule, weight_decay, loss, lr, seed, room } = *learning;
        self.take_rule(rule, weight_decay)?;
        let moment = Moment { seed, step: self.step };
        let found = match (device, batch) {
            (glassbox::Device::Cuda(gpu), batch) if Batches::takes(&self.network, loss) => {
                self.step_on_gpu(gpu, batch, loss, lr, moment, room)?
            }
            (device, Batch::Here(samples)) => self.step_here(device, samples, loss, lr, moment)?,
            (_, Batch::OnDevice(..)) => return Err(on_device()),
        };
        if !found.is_finite() {
            let what = format!("the loss became {found}");
            let hint = "nothing was changed; try a smaller learning rate, and look at the inputs";
            let (step, hint) = (u64::from(moment.step) + 1, hint.to_string());
            return Err(Error::Diverged { what, step, hint });
        }
        self.step = self.step.wrapping_add(1);
        Ok(found)
    }

    /// A step on the host, or operation by operation. Returns the loss.
    fn step_here(
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
    fn step_on_gpu(
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
            Batch::OnDevice(x, labels) => (Inputs::Device(x.get().ready(gpu)?), &labels[..]),
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
