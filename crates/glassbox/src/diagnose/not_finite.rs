//! Where NaN or an infinity came from: the first tensor of a step that holds one.

use crate::layers::Layer;
use crate::network::Network;
use crate::tensor::Tensor;
use std::fmt;

/// The first tensor of a step that is not finite, in the order in which a step computes.
#[derive(Clone, Debug, PartialEq)]
pub struct NotFinite {
    /// The step, counted from 1.
    pub step: u64,
    /// Which tensor.
    pub tensor: Culprit,
    /// The layer's place in the network, if it is one's.
    pub layer: Option<usize>,
    /// What the layer is, `dense, 128 units`.
    pub is: String,
    /// How many of its numbers are NaN, and how many infinite.
    pub count: [usize; 2],
    /// The first of them: row and column of a matrix, the place in a vector.
    pub place: Vec<usize>,
    /// The sample that the row is of, if rows are samples.
    pub sample: Option<u32>,
}

/// A tensor of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The inputs of the batch.
    Input,
    /// A parameter of a layer before the step.
    Parameter(String),
    /// The outputs of a layer.
    Output,
    /// The loss, where all outputs are finite.
    Loss,
    /// The gradient of the loss with respect to the outputs of a layer.
    OutputGradient,
    /// The gradient of the loss with respect to a parameter.
    Gradient(String),
    /// A parameter after the step, whose gradient is finite.
    Update(String),
}

/// Finds the first tensor that is not finite of a step from the network `before` to the one `after`, on the inputs x
/// (b,i), which are the samples `order` (b), with this loss.
pub(crate) fn examine(
    before: &Network,
    after: &Network,
    x: &Tensor,
    order: &[u32],
    loss: f64,
    step: u64,
) -> Option<NotFinite> {
    let found = |tensor: Culprit, layer: Option<usize>, numbers: &Tensor| {
        if numbers.is_finite() {
            return None;
        }
        let x = |i: &usize| numbers.get(*i);
        let nan = (0..numbers.len()).filter(|i| x(i).is_nan()).count();
        let infinite = (0..numbers.len()).filter(|i| x(i).is_infinite()).count();
        let first = (0..numbers.len()).find(|i| !x(i).is_finite()).unwrap_or(0);
        let place = match *numbers.shape() {
            [_, columns] => vec![first / columns, first % columns],
            _ => vec![first],
        };
        let has_samples =
            matches!(tensor, Culprit::Input | Culprit::Output | Culprit::OutputGradient);
        let sample = order.get(place[0]).copied().filter(|_| has_samples);
        let is = layer.map_or(String::new(), |index| describe(before, index));
        Some(NotFinite { step, tensor, layer, is, count: [nan, infinite], place, sample })
    };
    let parameters = |layer: &dyn Layer, index, named: fn(String) -> Culprit| {
        let each = |p: &crate::Parameter| found(named(p.name.to_string()), Some(index), &p.value);
        layer.parameters().iter().find_map(each)
    };
    let layers = || before.layers().iter().zip(after.layers()).enumerate();
    let forward = || {
        layers().zip(after.activations()).find_map(|((index, (old, _)), output)| {
            parameters(&**old, index, Culprit::Parameter)
                .or_else(|| found(Culprit::Output, Some(index), output))
        })
    };
    let of_loss = || {
        let loss = Tensor::new(&[1], vec![loss as f32]).ok()?;
        found(Culprit::Loss, None, &loss)
    };
    let backward = || {
        let flows: Vec<_> = layers().zip(after.output_gradients()).collect();
        flows.into_iter().rev().find_map(|((index, (_, new)), gradient)| {
            found(Culprit::OutputGradient, Some(index), gradient).or_else(|| {
                new.parameters().iter().find_map(|p| {
                    found(Culprit::Gradient(p.name.to_string()), Some(index), &p.gradient)
                })
            })
        })
    };
    let updates =
        || layers().find_map(|(index, (_, new))| parameters(&**new, index, Culprit::Update));
    found(Culprit::Input, None, x)
        .or_else(forward)
        .or_else(of_loss)
        .or_else(backward)
        .or_else(updates)
}

/// A layer in words.
fn describe(network: &Network, index: usize) -> String {
    match network.summary().layers.into_iter().nth(index) {
        Some(row) => format!("{}, {} units", row.layer, row.shape[1]),
        None => String::new(),
    }
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let layer = match self.layer {
            Some(index) => format!("layer {index} ({})", self.is),
            None => String::new(),
        };
        match &self.tensor {
            Culprit::Input => write!(f, "the input has ")?,
            Culprit::Parameter(name) => write!(f, "before the step, the {name} of {layer} has ")?,
            Culprit::Output => write!(f, "the output of {layer} has ")?,
            Culprit::Loss => return write!(f, "the loss overflows, though the outputs are finite"),
            Culprit::OutputGradient => write!(f, "the gradient of the output of {layer} has ")?,
            Culprit::Gradient(name) => write!(f, "the gradient of the {name} of {layer} has ")?,
            Culprit::Update(name) => {
                write!(f, "from a finite gradient, the update of the {name} of {layer} makes ")?
            }
        }
        let [nan, infinite] = self.count;
        let infinities = match infinite {
            0 => None,
            1 => Some("1 infinity".to_string()),
            _ => Some(format!("{infinite} infinities")),
        };
        let nan = (nan > 0).then(|| format!("{nan} NaN"));
        let both: Vec<String> = nan.into_iter().chain(infinities).collect();
        write!(f, "{}, the first at ", both.join(" and "))?;
        match (self.sample, &self.place[..]) {
            (Some(sample), &[row, column]) => {
                let unit = if self.layer.is_some() { "unit" } else { "column" };
                write!(f, "row {row} of the batch (sample {sample}), {unit} {column}")
            }
            (_, &[row, column]) => write!(f, "input {row}, unit {column}"),
            (_, place) => write!(f, "unit {}", place.first().unwrap_or(&0)),
        }
    }
}
