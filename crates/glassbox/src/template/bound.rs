//! How far a template's sum and the network's output can be apart: running error bounds, for each output.
//!
//! With u = 2⁻²⁴, an f32 operation whose result is r is off by at most u·|r|, or by half of the smallest number where
//! it underflows. The network's own partial sums are at hand, so their sizes are added up as they are, which bounds
//! the error far more closely than the number of terms does (Higham, "Accuracy and Stability of Numerical
//! Algorithms", 2nd edition, section 3.3). Errors of a layer go through the weights of the next, at their worst.
//! What lets a unit through is that of the f32 pass in both, so no kink comes between.
//!
//! In f64, with v = 2⁻⁵³, every way from an input or a bias to an output makes fewer than n roundings, whichever way
//! the product is taken. So each result is off by at most γₙ = n·v / (1 − n·v) of the sum of all ways' sizes (ibid.,
//! section 3.1). Underflow in f64, of numbers below 10⁻³⁰⁰, is not counted.

use super::{Pass, Piece};

/// The unit roundoff of f32, and of f64.
const U: f64 = 1.0 / (1u64 << 24) as f64;
const V: f64 = 0.5 * f64::EPSILON;

/// Half of the smallest f32: 2⁻¹⁵⁰.
const UNDERFLOW: f64 = 0.5 * 1.401_298_464_324_817e-45;

/// Bounds are computed in f64 from terms that are not negative: widening them by this much covers 2³² roundings.
pub(super) const WIDER: f64 = 1.0 + 1.0 / (1u64 << 20) as f64;

/// The bounds of one output.
pub(super) struct Bounds {
    /// Between the output in f32 and the sum.
    pub f32: f64,
    /// Between the output in f64 and the sum, if f32 and f64 let the same units through.
    pub f64: f64,
}

/// The bounds of all outputs.
pub(super) fn bounds(pass: &Pass) -> Vec<Bounds> {
    let (mut errors, mut sizes) = (vec![0.0; pass.flow[0].len()], sizes_of(&pass.flow_f64[0]));
    for (index, piece) in pass.pieces.iter().enumerate() {
        match piece {
            Piece::Dense { weight, bias } => {
                errors = dense_errors(&errors, &pass.flow[index], weight, bias);
                sizes = dense_sizes(&sizes, weight, bias);
            }
            Piece::Gate { slopes, slopes_f64 } => {
                for (unit, &slope) in slopes.iter().enumerate() {
                    let y = f64::from(pass.flow[index + 1][unit]);
                    errors[unit] *= slope.abs();
                    // Only a slope other than 0 and 1 makes a product that is rounded.
                    errors[unit] += if slope == 1.0 || slope == 0.0 { 0.0 } else { rounding(y) };
                    sizes[unit] *= slope.abs().max(slopes_f64[unit].abs());
                }
            }
            Piece::Same => {}
        }
    }
    // Generously: a product, its sum over a layer's units, and what is added to that.
    let widths: usize = pass.flow.iter().map(|flow| 2 * flow.len() + 4).sum();
    let gamma = widths as f64 * V / (1.0 - widths as f64 * V);
    let bounds = |(error, size): (f64, f64)| Bounds {
        f32: (error + gamma * size) * WIDER,
        // That of the sum, that of the network, and that of what is said of kinks.
        f64: 3.0 * gamma * size * WIDER,
    };
    errors.into_iter().zip(sizes).map(bounds).collect()
}

/// By how much an f32 operation can be off whose result is `r`.
fn rounding(r: f64) -> f64 {
    U * r.abs() + UNDERFLOW
}

/// By how much the outputs of a dense layer can be off whose inputs `x`, in f32, are off by `errors`.
fn dense_errors(errors: &[f64], x: &[f32], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let o = bias.len();
    let output = |j: usize| {
        // The chain of the definition once more, since what it ran through is not kept.
        let (mut chain, mut error) = (0.0f32, 0.0);
        for (i, (&x, from)) in x.iter().zip(errors).enumerate() {
            let w = weight[i * o + j];
            error += from * w.abs();
            if x != 0.0 && w != 0.0 {
                chain = x.mul_add(w as f32, chain);
                error += rounding(chain.into());
            }
        }
        error + rounding((chain + bias[j] as f32).into())
    };
    (0..o).map(output).collect()
}

/// |x|·|W| + |b|: the sizes of all ways to each output.
fn dense_sizes(sizes: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut all = sizes_of(bias);
    for (&size, row) in sizes.iter().zip(weight.chunks_exact(bias.len())) {
        all.iter_mut().zip(row).for_each(|(all, w)| *all += size * w.abs());
    }
    all
}

fn sizes_of(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().map(|x| x.abs()).collect()
}
