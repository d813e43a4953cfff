//! The linear template that a sample meets: for a network of dense layers and relus, each output is template · x +
//! constant.
//!
//! A relu lets a unit through or it does not. For one sample, what is let through is known, so layer after layer is a
//! product with a matrix: with W₁ (i,h), a diagonal S of ones and zeros, and W₂ (h,o), the outputs are
//! x·(W₁·S·W₂) + (b₁·S·W₂ + b₂). A column of the first bracket has the shape of the input, and can be looked at
//! (Montúfar et al. 2014, "On the number of linear regions of deep neural networks").
//!
//! Templates are computed in f64 from what the f32 pass lets through. That the sum agrees with the network is stated
//! with a bound for each output, see [`bound`].

mod bound;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::layers::{Layer, Part};
use crate::network::Network;
use crate::tensor::Tensor;
use glassbox_cpu::reference::Activation;
use serde::Serialize;

/// What one output of a network is for one sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Template {
    /// The template (i).
    pub weights: Vec<f64>,
    /// What the biases come to.
    pub constant: f64,
    /// template · x
    pub product: f64,
    /// template · x + constant
    pub sum: f64,
    /// The output as the network computes it, in f32.
    pub output: f32,
    /// The output as the network computes it in f64.
    pub output_f64: f64,
    /// The most that [`output`](Template::output) and [`sum`](Template::sum) can be apart, by the roundings of both.
    pub bound: f64,
    /// The most that [`output_f64`](Template::output_f64) and [`sum`](Template::sum) can be apart: by their roundings,
    /// and by units so near their kink that f32 and f64 take different sides.
    pub bound_f64: f64,
}

/// The templates of all outputs of a network for one sample, and what made them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Templates {
    /// One for each output.
    pub outputs: Vec<Template>,
    /// The activations on the way, in order.
    pub gates: Vec<Gate>,
}

/// How many units of an activation a sample passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// The layer, counted from 0.
    pub layer: usize,
    /// Units whose input is positive.
    pub open: usize,
    /// All units.
    pub units: usize,
}

/// A layer at one sample: linear.
enum Piece {
    /// y = x·W + b, with W (i,o).
    Dense { weight: Vec<f64>, bias: Vec<f64> },
    /// y = s · x, unit by unit, with the slopes that the f32 and the f64 pass take.
    Gate { slopes: Vec<f64>, slopes_f64: Vec<f64> },
    /// y = x
    Same,
}

/// A network at one sample: what it computes in f32 and in f64, and what that makes of its layers.
struct Pass {
    /// The input, and the output of each layer, in f32.
    flow: Vec<Vec<f32>>,
    /// The same in f64.
    flow_f64: Vec<Vec<f64>>,
    pieces: Vec<Piece>,
}

/// The templates of a network for one sample x (1,i), at inference: nothing is dropped out.
///
/// ```
/// # use glassbox::{Init, Network, Tensor, template::templates};
/// let network = Network::new("3-5-relu-2", Init::He, 7)?;
/// let found = templates(&network, &Tensor::new(&[1, 3], vec![0.5, 0.0, -1.0])?)?;
/// for output in &found.outputs {
///     assert!((f64::from(output.output) - output.sum).abs() <= output.bound);
/// }
/// # Ok::<(), glassbox::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotLinear`] names the first layer that is not linear on either side of a kink, as a sigmoid. Numbers that
/// are not finite have no template, and x has to be one sample of the network.
pub fn templates(network: &Network, x: &Tensor) -> Result<Templates> {
    let pass = Pass::new(network, x)?;
    let (last, inputs) = (pass.pieces.len(), pass.flow[0].len());
    let outputs = pass.flow[last].len();
    // ANCHOR: templates
    // matrix (u,o): how the outputs of the network depend on those of the layer.
    let mut matrix = vec![0.0; outputs * outputs];
    (0..outputs).for_each(|c| matrix[c * outputs + c] = 1.0);
    let (mut constant, mut kinks) = (vec![0.0; outputs], vec![0.0; outputs]);
    for (index, piece) in pass.pieces.iter().enumerate().rev() {
        match piece {
            Piece::Dense { weight, bias } => {
                add_product(&mut constant, bias, &matrix);
                let mut before = vec![0.0; pass.flow[index].len() * outputs];
                let rows = before.chunks_exact_mut(outputs).zip(weight.chunks_exact(bias.len()));
                rows.for_each(|(before, weight)| add_product(before, weight, &matrix));
                matrix = before;
            }
            Piece::Gate { slopes, slopes_f64 } => {
                let z = &pass.flow_f64[index];
                for (unit, row) in matrix.chunks_exact_mut(outputs).enumerate() {
                    let apart = ((slopes_f64[unit] - slopes[unit]) * z[unit]).abs();
                    kinks.iter_mut().zip(&*row).for_each(|(kink, to)| *kink += apart * to.abs());
                    row.iter_mut().for_each(|to| *to *= slopes[unit]);
                }
            }
            Piece::Same => {}
        }
    }
    // ANCHOR_END: templates
    let mut products = vec![0.0; outputs];
    add_product(&mut products, &pass.flow_f64[0], &matrix);
    let bounds = bound::bounds(&pass);
    let template = |c: usize| Template {
        weights: (0..inputs).map(|i| matrix[i * outputs + c]).collect(),
        constant: constant[c],
        product: products[c],
        sum: products[c] + constant[c],
        output: pass.flow[last][c],
        output_f64: pass.flow_f64[last][c],
        bound: bounds[c].f32,
        bound_f64: bounds[c].f64 + kinks[c] * bound::WIDER,
    };
    let outputs: Vec<Template> = (0..outputs).map(template).collect();
    if outputs.iter().any(|output| !output.sum.is_finite() || !output.bound.is_finite()) {
        return Err(not_finite());
    }
    Ok(Templates { outputs, gates: pass.gates() })
}

/// out (o) += a (u) · matrix (u,o); a unit that is zero contributes nothing.
fn add_product(out: &mut [f64], a: &[f64], matrix: &[f64]) {
    for (&a, row) in a.iter().zip(matrix.chunks_exact(out.len())).filter(|(a, _)| **a != 0.0) {
        out.iter_mut().zip(row).for_each(|(out, b)| *out += a * b);
    }
}

/// An error, which names the first layer that is not linear on either side of a kink, if there is one.
///
/// # Errors
/// [`Error::NotLinear`]
pub fn check(network: &Network) -> Result<()> {
    let mut layers = network.layers().iter().enumerate();
    layers.try_for_each(|(index, layer)| slope(index, layer.as_ref()).map(|_| ()))
}

impl Piece {
    /// A layer at its inputs, in f32 and in f64; `slope` is that left of its kink, if it has one.
    fn new(layer: &dyn Layer, slope: Option<f64>, x: &[f32], x_f64: &[f64]) -> Piece {
        match (layer.parameters(), slope) {
            ([weight, bias], _) => {
                Piece::Dense { weight: weight.value.values(), bias: bias.value.values() }
            }
            (_, Some(slope)) => {
                let at = |is_open: bool| if is_open { 1.0 } else { slope };
                let slopes = x.iter().map(|x| at(*x > 0.0)).collect();
                Piece::Gate { slopes, slopes_f64: x_f64.iter().map(|x| at(*x > 0.0)).collect() }
            }
            _ => Piece::Same,
        }
    }
}

impl Pass {
    fn new(network: &Network, x: &Tensor) -> Result<Pass> {
        let layers = network.layers().iter().enumerate();
        let slopes: Vec<Option<f64>> =
            layers.map(|(index, layer)| slope(index, layer.as_ref())).collect::<Result<_>>()?;
        if x.is_f64() {
            let what = "a template is that of an f32 pass, and this sample is in f64";
            return Err(Error::Refused { what, hint: "give the network that trains, and f32" });
        }
        if x.shape() != [1, network.input_width()] {
            let shapes = vec![x.shape().to_vec(), vec![1, network.input_width()]];
            let hint = "a template is that of one sample, a row as wide as the network's input";
            return Err(Error::Shape { op: "templates", shapes, hint });
        }
        let (mut single, mut double) = (network.clone(), network.to_f64());
        single.forward(&Device::Reference, x)?;
        double.forward(&Device::Reference, &x.to_f64())?;
        let all = || std::iter::once(x).chain(single.activations());
        if network.first_not_finite().is_some() || !all().all(Tensor::is_finite) {
            return Err(not_finite());
        }
        let flow: Vec<Vec<f32>> = all().map(|tensor| tensor.data().to_vec()).collect();
        let flow_f64: Vec<Vec<f64>> = std::iter::once(x.values())
            .chain(double.activations().iter().map(Tensor::values))
            .collect();
        let layers = network.layers().iter().zip(slopes).enumerate();
        let pieces = layers.map(|(index, (layer, slope))| {
            Piece::new(layer.as_ref(), slope, &flow[index], &flow_f64[index])
        });
        let pieces = pieces.collect();
        Ok(Pass { flow, flow_f64, pieces })
    }

    fn gates(&self) -> Vec<Gate> {
        let pieces = self.pieces.iter().enumerate();
        let gates = pieces.filter(|(_, piece)| matches!(piece, Piece::Gate { .. }));
        let gate = |(layer, _): (usize, &Piece)| {
            let inputs = &self.flow[layer];
            let open = inputs.iter().filter(|x| **x > 0.0).count();
            Gate { layer, open, units: inputs.len() }
        };
        gates.map(gate).collect()
    }
}

/// The slope of a layer left of its kink, if it has one; an error if it is not linear on both sides.
fn slope(index: usize, layer: &dyn Layer) -> Result<Option<f64>> {
    let reason = match layer.part() {
        Part::Dense | Part::Dropout(_) => return Ok(None),
        Part::Activation(Activation::Relu) => return Ok(Some(0.0)),
        Part::Activation(Activation::LeakyRelu(slope)) => return Ok(Some(slope.into())),
        Part::Activation(_) => "it bends everywhere, not only at 0",
        Part::Softmax | Part::LogSoftmax => "each of its outputs depends on all of its inputs",
        Part::Other => "nothing is known of it",
    };
    Err(Error::NotLinear { layer: index, text: layer.text(), reason })
}

fn not_finite() -> Error {
    Error::Refused {
        what: "there is no template where a number is not finite: of the input, the parameters, or what they come to",
        hint: "find out where infinities or NaN came from: glassbox diagnose RUN",
    }
}
