//! `Network`: a list of layers, and what flows between them.

mod parse;
mod state;
mod summary;

pub(crate) use parse::MOST_LAYERS;
pub(crate) use state::{from_array, to_array};
pub use summary::{LayerSummary, Summary};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::layers::{Layer, Moment, Parameter, Pass};
use crate::loss::{Loss, Targets};
use crate::tensor::Tensor;

/// A network: layers in sequence.
///
/// Its text names the width of the input and then each layer: `784-128-relu-10` has 784 inputs, a
/// dense layer of 128, a relu, and a dense layer of 10.
///
/// ```
/// # use glassbox::{Device, Init, Network, Tensor};
/// let mut network = Network::new("4-3-relu-2", Init::Xavier, 0)?;
/// let logits = network.forward(&Device::Reference, &Tensor::zeros(&[5, 4]))?;
/// assert_eq!(logits.shape(), [5, 2]);
/// # Ok::<(), glassbox::Error>(())
/// ```
pub struct Network {
    input: usize,
    layers: Vec<Box<dyn Layer>>,
    /// The output of each layer, of the last forward pass.
    outputs: Vec<Tensor>,
    /// The gradient of the loss with respect to each layer's output, of the last backward pass.
    gradients: Vec<Tensor>,
}

impl Network {
    /// The network that `text` names, its weights drawn from `seed`.
    pub fn new(text: &str, init: Init, seed: u64) -> Result<Network> {
        let (input, layers) = parse::parse(text, init, seed)?;
        Network::from_layers(input, layers)
    }

    /// A network of `input` inputs and these layers, at least one.
    pub fn from_layers(input: usize, layers: Vec<Box<dyn Layer>>) -> Result<Network> {
        if layers.is_empty() {
            let (text, reason) = (input.to_string(), "it has no layer".to_string());
            return Err(Error::Model { text, reason });
        }
        Ok(Network { input, layers, outputs: Vec::new(), gradients: Vec::new() })
    }

    /// The number of inputs.
    pub fn input_width(&self) -> usize {
        self.input
    }

    /// The number of outputs.
    pub fn output_width(&self) -> usize {
        self.layers.iter().fold(self.input, |width, layer| layer.width(width))
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Box<dyn Layer>] {
        &self.layers
    }

    /// Every parameter with its name on disk, `0.weight`, `0.bias`, `2.weight` …, in order.
    pub fn parameters(&self) -> impl Iterator<Item = (String, &Parameter)> {
        self.layers.iter().enumerate().flat_map(|(index, layer)| {
            layer.parameters().iter().map(move |p| (format!("{index}.{}", p.name), p))
        })
    }

    /// Every parameter, in order, to be changed.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        self.layers.iter_mut().flat_map(|layer| layer.parameters_mut())
    }

    /// Outputs (b,o) for inputs (b,i), as at inference: nothing is dropped out.
    pub fn forward(&mut self, device: &Device, x: &Tensor) -> Result<&Tensor> {
        self.forward_at(device, x, None)
    }

    /// Outputs (b,o) for inputs (b,i) at a moment in training, or at inference.
    pub fn forward_at(
        &mut self,
        device: &Device,
        x: &Tensor,
        moment: Option<Moment>,
    ) -> Result<&Tensor> {
        self.make_room(x.matrix("forward")?[0]);
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, after) = self.outputs.split_at_mut(index);
            let pass = Pass { device, moment, layer: index as u32 };
            layer.forward(&pass, &mut after[0], before.last().unwrap_or(x))?;
        }
        Ok(self.outputs.last().expect("a network has a layer"))
    }

    /// The loss of a batch, at the moment of the last [`forward_at`](Network::forward_at), and the
    /// gradients of all parameters.
    pub fn backward(
        &mut self,
        device: &Device,
        loss: Loss,
        x: &Tensor,
        targets: Targets,
        moment: Option<Moment>,
    ) -> Result<f64> {
        let rows = x.matrix("backward")?[0];
        let last = self.layers.len() - 1;
        if self.outputs.get(last).is_none_or(|output| output.shape()[0] != rows) {
            let (what, hint) =
                ("backward came before forward", "call forward_at with the same batch");
            return Err(Error::Refused { what, hint });
        }
        let output = &self.outputs[last];
        let value = loss.forward(device, output, targets)?;
        loss.backward(device, &mut self.gradients[last], output, targets)?;
        for index in (0..=last).rev() {
            let (before, after) = self.gradients.split_at_mut(index);
            let x = if index > 0 { &self.outputs[index - 1] } else { x };
            let pass = Pass { device, moment, layer: index as u32 };
            // Nothing learns from the gradient of the input, so it is not computed.
            self.layers[index].backward(
                &pass,
                before.last_mut(),
                &after[0],
                x,
                &self.outputs[index],
            )?;
        }
        Ok(value)
    }

    /// The output of each layer, of the last forward pass.
    pub fn activations(&self) -> &[Tensor] {
        &self.outputs
    }

    /// The gradient of the loss with respect to each layer's output, of the last backward pass.
    pub fn output_gradients(&self) -> &[Tensor] {
        &self.gradients
    }

    /// The same network, computing in `f64` on the reference device: what gradients are checked on.
    pub fn to_f64(&self) -> Network {
        let mut network = self.clone();
        for parameter in network.parameters_mut() {
            parameter.value = parameter.value.to_f64();
            parameter.gradient = parameter.gradient.to_f64();
        }
        network
    }

    /// Whether all parameters are finite; the name of the first that is not.
    pub fn first_not_finite(&self) -> Option<String> {
        let is_finite = |parameter: &Parameter| parameter.value.is_finite();
        self.parameters().find(|(_, parameter)| !is_finite(parameter)).map(|(name, _)| name)
    }

    /// Outputs and gradients for `rows` samples. Memory is kept when a batch is smaller.
    fn make_room(&mut self, rows: usize) {
        if self.outputs.is_empty() {
            let is_f64 = self.parameters().any(|(_, parameter)| parameter.value.is_f64());
            let mut width = self.input;
            let new = |width| {
                let tensor = Tensor::zeros(&[0, width]);
                if is_f64 { tensor.to_f64() } else { tensor }
            };
            let outputs = self.layers.iter().map(|layer| {
                width = layer.width(width);
                new(width)
            });
            self.outputs = outputs.collect();
            self.gradients = self.outputs.clone();
        }
        for tensor in self.outputs.iter_mut().chain(&mut self.gradients) {
            tensor.set_rows(rows);
        }
    }
}

impl Clone for Network {
    fn clone(&self) -> Network {
        let layers = self.layers.iter().map(|layer| layer.boxed_clone()).collect();
        Network { input: self.input, layers, outputs: Vec::new(), gradients: Vec::new() }
    }
}
