//! Dropout: while training, a random share of the elements is left out.

use super::{Layer, Part, Pass};
use crate::device::Device;
use crate::error::Result;
use crate::tensor::Tensor;
use glassbox_cpu::reference::philox::{Philox, Purpose};

/// Leaves out each element with probability `p`, and scales the others by 1 / (1 − p).
///
/// Which elements is a function of the seed, the layer and the step, so that backward knows them
/// without a mask, and a resumed run leaves out the same ones.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The probability, below 1.
    pub p: f32,
}

impl Dropout {
    /// out = x or its share that is kept; the same for dx and dy.
    fn apply(self, pass: &Pass, out: &mut Tensor, x: &Tensor) -> Result<()> {
        let device: &Device = pass.device;
        match pass.moment {
            Some(moment) => {
                let stream = Philox::new(moment.seed, Purpose::Dropout, moment.step, pass.layer);
                device.dropout(out, x, self.p, stream)
            }
            None => device.copy(out, x),
        }
    }
}

impl Layer for Dropout {
    fn text(&self) -> String {
        format!("dropout{}", self.p)
    }

    /// y = x / (1 − p) where the element is kept, 0 elsewhere; y = x at inference
    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()> {
        self.apply(pass, y, x)
    }

    /// dx = dy / (1 − p) where the element was kept, 0 elsewhere
    fn backward(
        &mut self,
        pass: &Pass,
        dx: Option<&mut Tensor>,
        dy: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<()> {
        match dx {
            Some(dx) => self.apply(pass, dx, dy),
            None => Ok(()),
        }
    }

    fn part(&self) -> Part {
        Part::Dropout(self.p)
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(*self)
    }
}
