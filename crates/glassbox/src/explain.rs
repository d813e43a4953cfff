//! The open step: one number of a training step, with its formula, every number in it, the running sum, and what
//! 64-bit arithmetic and a finite difference say to it.

mod quantity;
mod truth;

pub use quantity::{Quantity, What};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::layers::Part;
use crate::loss::{Loss, Reduction, Targets};
use crate::network::Network;
use crate::tensor::Tensor;
use glassbox_cpu::reference::Activation;
use serde::Serialize;
use std::fmt;

/// One number of a step, explained.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What it is, `dL/dW2[17,3]`.
    pub what: String,
    /// How it is computed, `Σ_b a1[b,17] · dL/dz2[b,3]`.
    pub formula: String,
    /// The numbers in the formula, in the order in which they are added.
    pub terms: Vec<Term>,
    /// The number, as training computes it, in f32.
    pub value: f32,
    /// The same in f64, from the first layer on.
    pub truth: f64,
    /// (L(x + h) − L(x − h)) / 2h of the loss in f64, where the number is a derivative of it.
    pub difference: Option<f64>,
}

/// A term of a sum, or a single function value.
#[derive(Clone, Debug, Serialize)]
pub struct Term {
    /// Its factors by name, `a1[0,17]` and `dL/dz2[0,3]`.
    pub factors: Vec<(String, f32)>,
    /// Their product, rounded; in the sum it is not rounded by itself, but with the sum.
    pub product: f32,
    /// The sum so far.
    pub sum: f32,
    /// Whether it is left out because a factor is zero.
    pub is_skipped: bool,
}

/// What explains a number: a network that has made a step's forward and backward pass, and its batch.
struct Step<'a> {
    network: &'a Network,
    x: &'a Tensor,
    targets: Targets<'a>,
    loss: Loss,
}

/// Explains a number of the step that `network` makes on a batch x (b,i), at inference: nothing is dropped out.
///
/// # Errors
/// If there is no such number, or the batch is not one of the network.
pub fn explain(
    network: &Network,
    loss: Loss,
    x: &Tensor,
    targets: Targets,
    quantity: &Quantity,
) -> Result<Explanation> {
    let mut network = network.clone();
    network.forward(&Device::Reference, x)?;
    network.backward(&Device::Reference, loss, x, targets, None)?;
    quantity.check(&network, x.shape()[0])?;
    let step = Step { network: &network, x, targets, loss };
    let (formula, terms) = match quantity.what {
        What::Output => step.output(quantity),
        What::Gradient => step.gradient(quantity),
        What::Weight | What::Bias => step.parameter(quantity),
    };
    let value = quantity.value(&network);
    let (truth, difference) = truth::of(&network, loss, x, targets, quantity)?;
    Ok(Explanation { what: quantity.name(&network), formula, terms, value, truth, difference })
}

/// Adds products up as the definition does: fused, in order, without those with a zero.
fn chain(terms: Vec<Vec<(String, f32)>>) -> Vec<Term> {
    let mut sum = 0.0f32;
    let term = |factors: Vec<(String, f32)>| {
        let (a, b) = (factors[0].1, factors[1].1);
        let is_skipped = a == 0.0 || b == 0.0;
        if !is_skipped {
            sum = a.mul_add(b, sum);
        }
        Term { product: a * b, factors, sum, is_skipped }
    };
    terms.into_iter().map(term).collect()
}

/// A term that is added as it is.
fn plain(name: String, x: f32, sum: f32) -> Term {
    Term { factors: vec![(name, x)], product: x, sum: sum + x, is_skipped: false }
}

/// A single number that comes from others by no sum.
fn single(factors: Vec<(String, f32)>, value: f32) -> Vec<Term> {
    vec![Term { factors, product: value, sum: value, is_skipped: false }]
}

impl Step<'_> {
    /// The input (b,i) of a layer.
    fn input(&self, layer: usize) -> &Tensor {
        layer.checked_sub(1).map_or(self.x, |before| &self.network.activations()[before])
    }

    /// What the input of a layer is called, at a place.
    fn input_name(&self, layer: usize, [row, unit]: [usize; 2]) -> String {
        match layer {
            0 => format!("x[{row},{unit}]"),
            _ => Quantity::output(layer - 1, row, unit).name(self.network),
        }
    }

    fn part(&self, layer: usize) -> Part {
        self.network.layers()[layer].part()
    }

    /// y of a layer, from its input.
    fn output(&self, q: &Quantity) -> (String, Vec<Term>) {
        let (layer, [row, unit]) = (q.layer, q.place);
        let x = self.input(layer);
        let name = |unit| self.input_name(layer, [row, unit]);
        if let Part::Dense = self.part(layer) {
            let [weight, bias] = self.network.layers()[layer].parameters() else { unreachable!() };
            let (i, o) = (x.shape()[1], bias.value.len());
            let number = q.dense_number(self.network);
            let factors = |k: usize| {
                let w = weight.value.data()[k * o + unit];
                let w_name = format!("W{number}[{k},{unit}]");
                vec![(name(k), x.data()[row * i + k]), (w_name, w)]
            };
            let mut terms = chain((0..i).map(factors).collect());
            let sum = terms.last().map_or(0.0, |term| term.sum) + 0.0;
            terms.push(plain(format!("b{number}[{unit}]"), bias.value.data()[unit], sum));
            let formula = format!("Σ_k {} · W{number}[k,{unit}] + b{number}[{unit}]", {
                let any = self.input_name(layer, [row, 0]);
                any.replace(&format!("[{row},0]"), &format!("[{row},k]"))
            });
            return (formula, terms);
        }
        let width = x.shape()[1];
        let at = |unit: usize| (name(unit), x.data()[row * width + unit]);
        let function = match self.part(layer) {
            Part::Activation(kind) => function_of(kind),
            Part::Dropout(_) => "nothing is dropped out:".to_string(),
            Part::Softmax | Part::LogSoftmax => {
                let (text, y) = (self.network.layers()[layer].text(), q.value(self.network));
                let formula = format!("{text} of row {row} at {unit}");
                return (formula, single((0..width).map(at).collect(), y));
            }
            _ => self.network.layers()[layer].text(),
        };
        let formula = format!("{function} of {}", name(unit));
        (formula, single(vec![at(unit)], q.value(self.network)))
    }

    /// dL/dy of a layer, from what comes after it.
    fn gradient(&self, q: &Quantity) -> (String, Vec<Term>) {
        let (layer, [row, unit], value) = (q.layer, q.place, q.value(self.network));
        let after = layer + 1;
        if after == self.network.layers().len() {
            return self.loss_gradient(q);
        }
        let dy = &self.network.output_gradients()[after];
        let name = |unit| Quantity { what: What::Gradient, layer: after, place: [row, unit] };
        if let Part::Dense = self.part(after) {
            let [weight, _] = self.network.layers()[after].parameters() else { unreachable!() };
            let o = dy.shape()[1];
            let number = name(0).dense_number(self.network);
            let factors = |k: usize| {
                let w = weight.value.data()[unit * o + k];
                let dy = dy.data()[row * o + k];
                vec![(name(k).name(self.network), dy), (format!("W{number}[{unit},{k}]"), w)]
            };
            let any = name(0).name(self.network).replace(",0]", ",k]");
            return (
                format!("Σ_k {any} · W{number}[{unit},k]"),
                chain((0..o).map(factors).collect()),
            );
        }
        let width = dy.shape()[1];
        let input = self.input(after).data()[row * width + unit];
        let dy = (name(unit).name(self.network), dy.data()[row * width + unit]);
        let x = (self.input_name(after, [row, unit]), input);
        let formula = match self.part(after) {
            Part::Activation(kind) => format!("{} · {}′({})", dy.0, function_of(kind), x.0),
            _ => format!("{}, through {}", dy.0, self.network.layers()[after].text()),
        };
        (formula, single(vec![dy, x], value))
    }

    /// dL/dy of the last layer, from the loss.
    fn loss_gradient(&self, q: &Quantity) -> (String, Vec<Term>) {
        let ([row, unit], value) = (q.place, q.value(self.network));
        let name = Quantity::output(q.layer, row, unit).name(self.network);
        let outputs = &self.network.activations()[q.layer];
        let (rows, o) = (outputs.shape()[0], outputs.shape()[1]);
        let y = outputs.data()[row * o + unit];
        let mean = |count: usize| match self.loss.reduction() {
            Reduction::Mean => format!(" / {count}"),
            Reduction::Sum => String::new(),
        };
        match self.targets {
            Targets::Classes(labels) => {
                let is_class = f32::from(u8::from(labels[row] as usize == unit));
                let formula = format!(
                    "(softmax({})[{unit}] − {is_class}){}   (sample {row} is of class {})",
                    name.replace(&format!(",{unit}]"), ",·]"),
                    mean(rows),
                    labels[row],
                );
                let factors = (0..o).map(|k| {
                    let name = Quantity::output(q.layer, row, k).name(self.network);
                    (name, outputs.data()[row * o + k])
                });
                (formula, single(factors.collect(), value))
            }
            Targets::Values(values) => {
                let t = values.data()[row * o + unit];
                let formula = format!("2 · ({name} − t[{row},{unit}]){}", mean(rows * o));
                (formula, single(vec![(name, y), (format!("t[{row},{unit}]"), t)], value))
            }
        }
    }

    /// dL/dW or dL/db of a dense layer: a sum over the batch.
    fn parameter(&self, q: &Quantity) -> (String, Vec<Term>) {
        let (x, dy) = (self.input(q.layer), &self.network.output_gradients()[q.layer]);
        let (rows, i, o) = (x.shape()[0], x.shape()[1], dy.shape()[1]);
        let [input, output] = q.place;
        let dy_name = |row: usize| {
            Quantity { what: What::Gradient, layer: q.layer, place: [row, output] }
                .name(self.network)
        };
        let any = dy_name(0).replace("[0,", "[b,");
        if q.what == What::Bias {
            let mut sum = 0.0;
            let term = |row: usize| {
                let term = plain(dy_name(row), dy.data()[row * o + output], sum);
                sum = term.sum;
                term
            };
            return (format!("Σ_b {any}"), (0..rows).map(term).collect());
        }
        let factors = |row: usize| {
            let x = (self.input_name(q.layer, [row, input]), x.data()[row * i + input]);
            vec![x, (dy_name(row), dy.data()[row * o + output])]
        };
        let x_name = self.input_name(q.layer, [0, input]).replace("[0,", "[b,");
        (format!("Σ_b {x_name} · {any}"), chain((0..rows).map(factors).collect()))
    }
}

/// An activation as formulas have it.
fn function_of(kind: Activation) -> String {
    match kind {
        Activation::Relu => "relu".to_string(),
        Activation::LeakyRelu(slope) => format!("leaky{slope}"),
        Activation::Sigmoid => "sigmoid".to_string(),
        Activation::Tanh => "tanh".to_string(),
        Activation::Gelu => "gelu".to_string(),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{} = {}", self.what, self.formula)?;
        writeln!(f)?;
        let names = |term: &Term| {
            let names = term.factors.iter().map(|(name, x)| format!("{name} = {x:>14.7e}"));
            names.collect::<Vec<_>>().join("  ·  ")
        };
        let width = self.terms.iter().map(|term| names(term).chars().count()).max().unwrap_or(0);
        if self.terms.len() > 1 {
            writeln!(f, "{:width$}  {:>15}  {:>15}", "term", "product", "sum so far, f32")?;
        }
        for term in &self.terms {
            let text = names(term);
            let pad = width - text.chars().count();
            let product = match term.is_skipped {
                true => "zero: left out".to_string(),
                false => format!("{:.7e}", term.product),
            };
            writeln!(f, "{text}{:pad$}  {product:>15}  {:>15.7e}", "", term.sum)?;
        }
        writeln!(f)?;
        writeln!(f, "f32, as it trains   {:.9e}", self.value)?;
        write!(f, "f64, the truth      {:.17e}   (off by {:.1e})", self.truth, {
            (f64::from(self.value) - self.truth).abs()
        })?;
        match self.difference {
            Some(difference) => write!(f, "\nfinite difference   {difference:.17e}"),
            None => Ok(()),
        }
    }
}

/// The error that there is no such number.
fn no_such(text: String, reason: String) -> Error {
    let hint = "dL/dW2[17,3], dL/db2[3], z1[0,5], a1[0,5], dL/da1[0,5], or with PyTorch's names 2.weight[3,17]";
    let value = format!("{text:?}");
    Error::Setting { setting: "quantity", value, reason, hint: hint.to_string() }
}
