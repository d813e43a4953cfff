//! Batches that somebody hands over one by one, on a GPU: the parameters stay there from one to the next.

use super::cuda::{engine_rule, obstacle, parts, store_whole};
use super::{StepResult, arrays, cannot};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::layers::Moment;
use crate::loss::{Loss, Reduction};
use crate::network::Network;
use crate::optim::Optimizer;
use crate::tensor::Tensor;
use glassbox_cuda::Inputs;
use glassbox_cuda::train::{Data, Session, Steps};
use std::collections::HashSet;
use std::sync::Arc;

/// Each size of a batch has buffers and a recorded step of its own, so there are not to be any number of them.
const SIZES: usize = 8;

/// A network in training on a GPU, a batch at a time.
///
/// The network on the host is what it was when this began or at the last [`store`](Batches::store). What was learned
/// since is lost with the GPU.
pub struct Batches {
    session: Session,
    rows: usize,
    width: usize,
    outputs: usize,
    sizes: HashSet<usize>,
    came_back: Vec<f32>,
    is_broken: bool,
}

impl Batches {
    /// Room for batches of up to `rows` samples. The network and the optimizer's memory go to the device.
    ///
    /// # Errors
    /// If the device is no GPU, or its engine cannot take whole steps of such a network and loss.
    pub fn new(
        device: &Device,
        network: &Network,
        optimizer: &Optimizer,
        loss: Loss,
        rows: usize,
    ) -> Result<Batches> {
        let obstacle = obstacle(network, loss, None);
        let (Device::Cuda(gpu), None, Some(parts)) = (device, &obstacle, parts(network)) else {
            let reason = obstacle.unwrap_or("the device is another".to_string());
            return Err(cannot("this", reason, "use --plan layered"));
        };
        let (width, outputs) = (network.input_width(), network.output_width());
        let data = Arc::new(Data::room(&gpu.engine, rows, width, outputs)?);
        let memories = optimizer.rule().memory().len();
        let is_mean = loss.reduction() == Reduction::Mean;
        let mut session = Session::new(&gpu.engine, &data, &parts, memories, rows, is_mean)?;
        drop(data);
        let memory = optimizer.memory().iter();
        let arrays = network.parameters().zip(memory).flat_map(|((_, parameter), memory)| {
            std::iter::once(&parameter.value).chain(memory).map(Tensor::data)
        });
        session.load(&arrays.collect::<Vec<_>>())?;
        let (sizes, came_back) = (HashSet::new(), Vec::new());
        Ok(Batches { session, rows, width, outputs, sizes, came_back, is_broken: false })
    }

    /// Whether an engine of a GPU can take whole steps of such a network and loss.
    pub fn takes(network: &Network, loss: Loss) -> bool {
        obstacle(network, loss, None).is_none()
    }

    /// How many samples a batch has room for.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// One step on the inputs x (b,i), which may lie on the device, and the class of each row.
    ///
    /// A loss that is not finite changes nothing.
    pub fn step(
        &mut self,
        optimizer: &mut Optimizer,
        x: Inputs,
        labels: &[u32],
        rate: f32,
        moment: Moment,
    ) -> Result<StepResult> {
        let b = labels.len();
        if b == 0 || b > self.rows || x.len() != b * self.width {
            let shapes = vec![vec![x.len()], vec![b], vec![self.rows, self.width]];
            let hint =
                "inputs (b·i) and labels (b) of a batch of 1 to as many rows as there is room for";
            return Err(Error::Shape { op: "batch", shapes, hint });
        }
        let classes = self.outputs;
        if let Some((row, &label)) =
            labels.iter().enumerate().find(|(_, l)| **l as usize >= classes)
        {
            return Err(Error::Label { row, label, classes });
        }
        if self.sizes.insert(b) && self.sizes.len() > SIZES {
            self.session.forget();
            self.sizes = HashSet::from([b]);
        }
        self.session.set_batch(x, labels)?;
        let rule = engine_rule(optimizer.fused_rule(rate, optimizer.steps() + 1));
        let order: Vec<u32> = (0..b as u32).collect();
        let steps = Steps { order: &order, rules: &[rule], seed: moment.seed, first: moment.step };
        let outcome = match self.session.run(&steps) {
            Ok(outcomes) => outcomes[0],
            Err(error) => {
                self.is_broken = true;
                return Err(error.into());
            }
        };
        let loss = f64::from(outcome.loss);
        optimizer.advance(u64::from(loss.is_finite()));
        Ok(StepResult { loss, correct: outcome.correct, count: outcome.count })
    }

    /// Whether a step failed on the device: then nobody knows what lies there, and nothing should be taken from it.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Copies the parameters and the optimizer's memory back, all or none.
    pub fn store(&mut self, network: &mut Network, optimizer: &mut Optimizer) -> Result<()> {
        let mut arrays: Vec<_> = arrays(network, optimizer.memory_mut()).flatten().collect();
        store_whole(&self.session, &mut arrays, &mut self.came_back)
    }
}
