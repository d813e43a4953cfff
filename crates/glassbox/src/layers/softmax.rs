//! Softmax and log-softmax as layers, for networks whose output is a distribution.
//!
//! A classifier needs neither: its loss takes the logits, which is exact where these would round.

use super::{Layer, Part, Pass};
use crate::error::Result;
use crate::tensor::Tensor;

/// y = e^x / Σ e^x in each row.
#[derive(Clone, Copy, Debug)]
pub struct Softmax;

impl Layer for Softmax {
    fn text(&self) -> String {
        "softmax".to_string()
    }

    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()> {
        pass.device.softmax(y, x)
    }

    fn backward(
        &mut self,
        pass: &Pass,
        dx: Option<&mut Tensor>,
        dy: &Tensor,
        _: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        match dx {
            Some(dx) => pass.device.softmax_backward(dx, dy, y),
            None => Ok(()),
        }
    }

    fn part(&self) -> Part {
        Part::Softmax
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(*self)
    }
}

/// y = ln softmax(x) in each row.
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax;

impl Layer for LogSoftmax {
    fn text(&self) -> String {
        "logsoftmax".to_string()
    }

    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()> {
        pass.device.log_softmax(y, x)
    }

    fn backward(
        &mut self,
        pass: &Pass,
        dx: Option<&mut Tensor>,
        dy: &Tensor,
        _: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        match dx {
            Some(dx) => pass.device.log_softmax_backward(dx, dy, y),
            None => Ok(()),
        }
    }

    fn part(&self) -> Part {
        Part::LogSoftmax
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(*self)
    }
}
