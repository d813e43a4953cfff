//! One sample on its way through a network: what every unit says to it, and what comes out.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::network::{LayerSummary, Network};
use crate::tensor::Tensor;
use serde::Serialize;

/// One sample on its way through a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flow {
    /// The layers, in order; the last one's outputs are the logits.
    pub layers: Vec<LayerFlow>,
    /// The softmax of the last layer's outputs.
    pub probabilities: Vec<f32>,
    /// The most probable class, the first of several; none where a probability is not a number.
    pub answer: Option<usize>,
}

/// What a layer says to a sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerFlow {
    /// Its place in the network, the prefix of its parameters' names.
    pub index: usize,
    /// What it is: `dense`, or its text.
    pub layer: String,
    /// The output of each unit.
    pub outputs: Vec<f32>,
}

impl Flow {
    /// The way of one sample x (1,i), at inference: nothing is dropped out.
    ///
    /// # Errors
    /// If x is not one sample of the network.
    pub fn new(network: &mut Network, device: &Device, x: &Tensor) -> Result<Flow> {
        if x.shape() != [1, network.input_width()] {
            let shapes = vec![x.shape().to_vec(), vec![1, network.input_width()]];
            let hint = "one sample, a row as wide as the network's input";
            return Err(Error::Shape { op: "flow", shapes, hint });
        }
        if x.is_f64() {
            let what = "the way of a sample is looked at in f32, and this one is in f64";
            return Err(Error::Refused { what, hint: "give the network that trains, and f32" });
        }
        let logits = network.forward(device, x)?;
        let mut shares = Tensor::zeros(logits.shape());
        device.softmax(&mut shares, logits)?;
        let layers = network.summary().layers.into_iter().zip(network.activations());
        let layer = |(row, outputs): (LayerSummary, &Tensor)| LayerFlow {
            index: row.index,
            layer: row.layer,
            outputs: outputs.data().to_vec(),
        };
        let layers = layers.map(layer).collect();
        let probabilities = shares.into_data();
        let answer = answer(&probabilities);
        Ok(Flow { layers, probabilities, answer })
    }

    /// The way of an image (i) of bytes, which are divided by 255.
    ///
    /// # Errors
    /// If it has other than as many pixels as the network has inputs.
    pub fn of_image(network: &mut Network, device: &Device, pixels: &[u8]) -> Result<Flow> {
        let mut x = Tensor::zeros(&[1, pixels.len()]);
        device.gather(&mut x, pixels, &[0])?;
        Flow::new(network, device, &x)
    }

    /// The classes, most probable first.
    pub fn ranked(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.probabilities.len()).collect();
        classes.sort_by(|&a, &b| self.probabilities[b].total_cmp(&self.probabilities[a]));
        classes
    }
}

fn answer(shares: &[f32]) -> Option<usize> {
    let is_number = shares.iter().all(|share| share.is_finite());
    let best = (0..shares.len()).max_by(|&a, &b| shares[a].total_cmp(&shares[b]).then(b.cmp(&a)));
    best.filter(|_| is_number)
}
