//! What 64-bit arithmetic and a finite difference say to a number of a step.

use super::{Quantity, What};
use crate::device::Device;
use crate::error::Result;
use crate::layers::Pass;
use crate::loss::{Loss, Targets};
use crate::network::Network;
use crate::tensor::Tensor;

/// How far a number is moved, relative to itself or to 1: the cube root of the rounding of f64, at which rounding and
/// curvature disturb a central difference least (Press et al., Numerical Recipes, 3rd edition, section 5.7).
const STEP: f64 = 6e-6;

/// The number in f64, and the finite difference if it is a derivative.
pub(super) fn of(
    network: &Network,
    loss: Loss,
    x: &Tensor,
    targets: Targets,
    quantity: &Quantity,
) -> Result<(f64, Option<f64>)> {
    let mut values = None;
    let targets = targets.to_f64(&mut values);
    let (mut network, x) = (network.to_f64(), x.to_f64());
    network.forward(&Device::Reference, &x)?;
    network.backward(&Device::Reference, loss, &x, targets, None)?;
    let tensor = match quantity.what {
        What::Output => &network.activations()[quantity.layer],
        What::Gradient => &network.output_gradients()[quantity.layer],
        What::Weight => &network.layers()[quantity.layer].parameters()[0].gradient,
        What::Bias => &network.layers()[quantity.layer].parameters()[1].gradient,
    };
    let truth = tensor.get(quantity.index(tensor.shape()));
    let difference = match quantity.what {
        What::Output => return Ok((truth, None)),
        What::Gradient => {
            let outputs = network.activations()[quantity.layer].clone();
            central(&outputs, quantity, &mut |outputs| {
                after(&network, quantity.layer + 1, outputs, loss, targets)
            })?
        }
        What::Weight | What::Bias => {
            let which = usize::from(quantity.what == What::Bias);
            let mut moved = network.clone();
            let value = network.layers()[quantity.layer].parameters()[which].value.clone();
            central(&value, quantity, &mut |value| {
                let before: usize =
                    network.layers()[..quantity.layer].iter().map(|l| l.parameters().len()).sum();
                let parameter = moved.parameters_mut().nth(before + which);
                parameter.expect("the network has it").value = value.clone();
                let outputs = moved.forward(&Device::Reference, &x)?;
                loss.forward(&Device::Reference, outputs, targets)
            })?
        }
    };
    Ok((truth, Some(difference)))
}

/// (L(x + h) − L(x − h)) / 2h, where x is the quantity's place in a tensor.
fn central(
    tensor: &Tensor,
    quantity: &Quantity,
    loss: &mut dyn FnMut(&Tensor) -> Result<f64>,
) -> Result<f64> {
    let (index, mut moved) = (quantity.index(tensor.shape()), tensor.clone());
    let x = tensor.get(index);
    let h = STEP * x.abs().max(1.0);
    let mut at = |x: f64| {
        moved.set(index, x);
        loss(&moved)
    };
    // Between the two that were really taken, since x + h is rounded.
    let (high, low) = (x + h, x - h);
    Ok((at(high)? - at(low)?) / (high - low))
}

/// The loss of what the layers from `first` on make of outputs.
fn after(
    network: &Network,
    first: usize,
    outputs: &Tensor,
    loss: Loss,
    targets: Targets,
) -> Result<f64> {
    let (rows, mut flow) = (outputs.shape()[0], outputs.clone());
    for (index, layer) in network.layers().iter().enumerate().skip(first) {
        let mut next = flow.zeros_like(&[rows, layer.width(flow.shape()[1])]);
        let pass = Pass { device: &Device::Reference, moment: None, layer: index as u32 };
        layer.forward(&pass, &mut next, &flow)?;
        flow = next;
    }
    loss.forward(&Device::Reference, &flow, targets)
}
