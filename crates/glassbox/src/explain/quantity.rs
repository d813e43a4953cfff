//! Which number of a step: `dL/dW2[17,3]`.

use super::no_such;
use crate::error::{Error, Result};
use crate::layers::Part;
use crate::network::Network;
use std::fmt;

/// A number of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// What it is.
    pub what: What,
    /// The layer, counted from 0.
    pub layer: usize,
    /// Sample and unit; of a weight, input and output; of a bias, 0 and output.
    pub place: [usize; 2],
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// An output of a layer.
    Output,
    /// The gradient of the loss with respect to an output.
    Gradient,
    /// That with respect to a weight.
    Weight,
    /// That with respect to a bias.
    Bias,
}

/// So many characters of what was asked for are said again where there is no such number.
const MOST_SHOWN: usize = 60;

impl Quantity {
    /// An output of a layer.
    pub(super) fn output(layer: usize, sample: usize, unit: usize) -> Quantity {
        Quantity { what: What::Output, layer, place: [sample, unit] }
    }

    /// The number that `text` names in a network.
    ///
    /// Dense layers count from 1: `z2[5,3]` is the output of the second for sample 5, `a1[5,17]` what is made of the
    /// first one's before the second gets it, `dL/dz2[5,3]` the gradient with respect to it, `W2[17,3]` and `b2[3]` the
    /// gradients with respect to weight (in, out) and bias. `2.weight[3,17]` names a weight as PyTorch does, (out, in).
    pub fn parse(text: &str, network: &Network) -> Result<Quantity> {
        // Whatever was given, what is said of it fits a line.
        let fail = |reason: &str| {
            let cut =
                text.char_indices().nth(MOST_SHOWN).map(|(at, _)| format!("{} …", &text[..at]));
            no_such(cut.unwrap_or(text.to_string()), reason.to_string())
        };
        let (name, places) = text
            .trim()
            .strip_suffix(']')
            .and_then(|text| text.split_once('['))
            .ok_or_else(|| fail("it ends with the place of a number in brackets"))?;
        let places: Vec<usize> = places
            .split(',')
            .map(|place| place.trim().parse().map_err(|_| fail("places are whole numbers from 0")))
            .collect::<Result<_>>()?;
        let (is_gradient, name) = match name.split_once('/') {
            Some((above, below)) if above.trim() == "dL" => {
                let name = below.trim().strip_prefix('d');
                (true, name.ok_or_else(|| fail("a gradient is dL/d and what it is by"))?)
            }
            _ => (false, name),
        };
        let name = name.trim();
        if let Some((layer, parameter)) = name.split_once('.') {
            let layer = layer.parse().map_err(|_| fail("a layer is a whole number from 0"))?;
            return match (parameter, &places[..]) {
                ("weight", &[o, i]) => Ok(Quantity { what: What::Weight, layer, place: [i, o] }),
                ("bias", &[o]) => Ok(Quantity { what: What::Bias, layer, place: [0, o] }),
                _ => Err(fail("a parameter is a weight[out,in] or a bias[out]")),
            };
        }
        let mut letters = name.chars();
        let letter = letters.next().ok_or_else(|| fail("it has no name"))?;
        let number =
            letters.as_str().parse().map_err(|_| fail("its name is a letter and a number"))?;
        let dense = dense(network, number)
            .ok_or_else(|| fail(&format!("{network} has no dense layer number {number}")))?;
        let flow = if is_gradient { What::Gradient } else { What::Output };
        let (what, layer) = match letter {
            'W' => (What::Weight, dense),
            'b' => (What::Bias, dense),
            'z' => (flow, dense),
            'a' => (flow, last_before_dense(network, dense)),
            _ => return Err(fail("its letter is one of W, b, z, a")),
        };
        match (what, &places[..]) {
            (What::Bias, &[o]) => Ok(Quantity { what, layer, place: [0, o] }),
            (What::Bias, _) => Err(fail("a bias has one place")),
            (_, &[row, unit]) => Ok(Quantity { what, layer, place: [row, unit] }),
            _ => Err(fail("it has two places")),
        }
    }

    /// An error unless the network has such a number, in a batch of so many samples.
    pub(super) fn check(&self, network: &Network, rows: usize) -> Result<()> {
        let fail =
            |reason: String| -> Result<(), Error> { Err(no_such(self.name(network), reason)) };
        let Some(layer) = network.layers().get(self.layer) else {
            return fail(format!("{network} has layers 0 to {}", network.layers().len() - 1));
        };
        let before = network.layers()[..self.layer].iter();
        let input = before.fold(network.input_width(), |width, layer| layer.width(width));
        let output = layer.width(input);
        let [first, second] = match self.what {
            What::Output | What::Gradient => [rows, output],
            What::Weight | What::Bias if layer.part() != Part::Dense => {
                return fail(format!("layer {} has no parameters", self.layer));
            }
            What::Weight => [input, output],
            What::Bias => [1, output],
        };
        if self.place[0] < first && self.place[1] < second {
            return Ok(());
        }
        fail(format!("there are {first} × {second} of them, counted from 0"))
    }

    /// The number, of a network that has made both passes.
    pub(super) fn value(&self, network: &Network) -> f32 {
        let tensor = match self.what {
            What::Output => &network.activations()[self.layer],
            What::Gradient => &network.output_gradients()[self.layer],
            What::Weight => &network.layers()[self.layer].parameters()[0].gradient,
            What::Bias => &network.layers()[self.layer].parameters()[1].gradient,
        };
        tensor.get(self.index(tensor.shape())) as f32
    }

    /// Where it lies in a tensor of that shape.
    pub(super) fn index(&self, shape: &[usize]) -> usize {
        self.place[0] * shape.last().copied().unwrap_or(1) + self.place[1]
    }

    /// The number of the dense layer, counted from 1, that it belongs to.
    pub(super) fn dense_number(&self, network: &Network) -> usize {
        network.layers()[..=self.layer].iter().filter(|layer| layer.part() == Part::Dense).count()
    }

    /// What it is called in a network: `dL/da1[5,17]`.
    pub(super) fn name(&self, network: &Network) -> String {
        let [first, second] = self.place;
        let number = match self.layer < network.layers().len() {
            true => self.dense_number(network),
            false => return self.to_string(),
        };
        let is_dense = network.layers()[self.layer].part() == Part::Dense;
        // Several layers may follow a dense one, and only the last of them has a letter of its own.
        let is_last = number > 0
            && dense(network, number)
                .is_some_and(|dense| last_before_dense(network, dense) == self.layer);
        let flow = match (is_dense, is_last) {
            (true, _) => format!("z{number}[{first},{second}]"),
            (false, true) => format!("a{number}[{first},{second}]"),
            (false, false) => format!("y{}[{first},{second}]", self.layer),
        };
        match self.what {
            What::Output => flow,
            What::Gradient => format!("dL/d{flow}"),
            What::Weight => format!("dL/dW{number}[{first},{second}]"),
            What::Bias => format!("dL/db{number}[{second}]"),
        }
    }
}

/// The place of dense layer `number`, counted from 1.
fn dense(network: &Network, number: usize) -> Option<usize> {
    let layers = network.layers().iter().enumerate();
    let mut dense = layers.filter(|(_, layer)| layer.part() == Part::Dense);
    dense.nth(number.checked_sub(1)?).map(|(index, _)| index)
}

/// The last layer before the next dense one.
fn last_before_dense(network: &Network, dense: usize) -> usize {
    let after = network.layers()[dense + 1..].iter();
    dense + after.take_while(|layer| layer.part() != Part::Dense).count()
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (layer, [first, second]) = (self.layer, self.place);
        match self.what {
            What::Output => write!(f, "output of layer {layer} [{first},{second}]"),
            What::Gradient => write!(f, "dL/d output of layer {layer} [{first},{second}]"),
            What::Weight => write!(f, "dL/d {layer}.weight[{second},{first}]"),
            What::Bias => write!(f, "dL/d {layer}.bias[{second}]"),
        }
    }
}
