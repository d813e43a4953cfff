//! Activation layers: relu, leaky relu, sigmoid, tanh, gelu.

use super::{Layer, Part, Pass};
use crate::error::Result;
use crate::tensor::Tensor;
use glassbox_cpu::reference::Activation;

/// A layer that applies a function to each element.
#[derive(Clone, Copy, Debug)]
pub struct ActivationLayer(pub Activation);

impl Layer for ActivationLayer {
    fn text(&self) -> String {
        match self.0 {
            Activation::Relu => "relu".to_string(),
            Activation::LeakyRelu(slope) => format!("leaky{slope}"),
            Activation::Sigmoid => "sigmoid".to_string(),
            Activation::Tanh => "tanh".to_string(),
            Activation::Gelu => "gelu".to_string(),
        }
    }

    /// y = f(x)
    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()> {
        pass.device.activation(self.0, y, x)
    }

    /// dx = dy · f′(x)
    fn backward(
        &mut self,
        pass: &Pass,
        dx: Option<&mut Tensor>,
        dy: &Tensor,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        match dx {
            Some(dx) => pass.device.activation_backward(self.0, dx, dy, x, y),
            None => Ok(()),
        }
    }

    fn part(&self) -> Part {
        Part::Activation(self.0)
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(*self)
    }
}
