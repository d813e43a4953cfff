//! Layers: what a network is made of. Forward and backward are neighbours in each file.
//!
//! The network owns what flows between layers; a layer owns its parameters and their gradients. So
//! a layer reads `x` and `y`, its input and output, wherever backward needs them again.

mod activation;
mod dense;
mod dropout;
mod softmax;

pub use activation::ActivationLayer;
pub use dense::Dense;
pub use dropout::Dropout;
pub use softmax::{LogSoftmax, Softmax};

use crate::device::Device;
use crate::error::Result;
use crate::tensor::Tensor;
use glassbox_cpu::reference::Activation;

/// One layer of a network.
pub trait Layer: Send + Sync {
    /// The layer in the text of a network, as in `784-128-relu-10`.
    fn text(&self) -> String;

    /// Output features for `input` input features.
    fn width(&self, input: usize) -> usize {
        input
    }

    /// Multiplications and additions of one sample's forward pass.
    fn flops(&self, input: usize) -> u64 {
        input as u64
    }

    /// y (b,o) = the layer's function of x (b,i)
    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()>;

    /// Fills the gradients of the parameters, and `dx` (b,i) if it is wanted, from `dy` (b,o).
    fn backward(
        &mut self,
        pass: &Pass,
        dx: Option<&mut Tensor>,
        dy: &Tensor,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()>;

    /// What a plan that takes whole steps needs to know of the layer.
    fn part(&self) -> Part {
        Part::Other
    }

    /// What is learned, if anything.
    fn parameters(&self) -> &[Parameter] {
        &[]
    }

    /// What is learned, to be changed.
    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut []
    }

    /// A copy.
    fn boxed_clone(&self) -> Box<dyn Layer>;
}

/// A layer as plans that take whole steps see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// x·W + b
    Dense,
    /// A function of each element.
    Activation(Activation),
    /// Leaves out each element with this probability.
    Dropout(f32),
    /// e^x / Σ e^x of each row.
    Softmax,
    /// Its logarithm.
    LogSoftmax,
    /// Something else.
    Other,
}

/// A tensor that is learned.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// `weight` or `bias`, PyTorch's names.
    pub name: &'static str,
    /// What it is.
    pub value: Tensor,
    /// The gradient of the loss with respect to it, of the last backward pass.
    pub gradient: Tensor,
}

impl Parameter {
    /// A parameter with no gradient yet.
    pub fn new(name: &'static str, value: Tensor) -> Parameter {
        let gradient = value.zeros_like(value.shape());
        Parameter { name, value, gradient }
    }
}

/// What a layer is told about the pass it takes part in.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The moment in training; `None` at inference.
    pub moment: Option<Moment>,
    /// The position of the layer in the network.
    pub layer: u32,
}

/// A moment in training: what random numbers depend on, beside their purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The seed of the run.
    pub seed: u64,
    /// The step, counted from 0 over the whole run.
    pub step: u32,
}
