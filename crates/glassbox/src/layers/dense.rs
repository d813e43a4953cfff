//! The dense layer: y = x·W + b.

use super::{Layer, Parameter, Part, Pass};
use crate::error::Result;
use crate::tensor::Tensor;

/// A dense (fully connected) layer with weight (i,o) and bias (o).
///
/// Files hold the weight as PyTorch does, (o,i).
#[derive(Clone, Debug)]
pub struct Dense {
    parameters: [Parameter; 2],
}

impl Dense {
    /// A layer with this weight (i,o) and a bias of zeros.
    pub fn new(weight: Tensor) -> Result<Dense> {
        let [_, outputs] = weight.matrix("dense")?;
        let bias = weight.zeros_like(&[outputs]);
        let parameters = [Parameter::new("weight", weight), Parameter::new("bias", bias)];
        Ok(Dense { parameters })
    }

    /// Input and output features.
    fn sides(&self) -> [usize; 2] {
        self.parameters[0].value.matrix("dense").expect("a weight is a matrix")
    }
}

impl Layer for Dense {
    fn text(&self) -> String {
        self.sides()[1].to_string()
    }

    fn width(&self, _: usize) -> usize {
        self.sides()[1]
    }

    fn flops(&self, _: usize) -> u64 {
        let [i, o] = self.sides();
        (2 * i * o + o) as u64
    }

    /// y (b,o) = x (b,i) · W (i,o) + b (o)
    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()> {
        let [weight, bias] = &self.parameters;
        pass.device.matmul(y, x, &weight.value)?;
        pass.device.add_bias(y, &bias.value)
    }

    /// dW (i,o) = xᵀ · dy;  db (o) = column sums of dy;  dx (b,i) = dy · Wᵀ
    fn backward(
        &mut self,
        pass: &Pass,
        dx: Option<&mut Tensor>,
        dy: &Tensor,
        x: &Tensor,
        _: &Tensor,
    ) -> Result<()> {
        let [weight, bias] = &mut self.parameters;
        pass.device.matmul_at(&mut weight.gradient, x, dy)?;
        pass.device.add_bias_backward(&mut bias.gradient, dy)?;
        match dx {
            Some(dx) => pass.device.matmul_bt(dx, dy, &weight.value),
            None => Ok(()),
        }
    }

    fn part(&self) -> Part {
        Part::Dense
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}
