//! Losses: softmax with cross-entropy, and mean squared error.

use super::Real;
use super::softmax::{max_and_ln_sum, softmax};
use crate::area;

/// How the losses of a batch become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean: what libraries use. The learning rate does not depend on the batch size.
    Mean,
    /// Their sum: what the week-2 formula says. The gradient grows with the batch.
    Sum,
}

/// The loss of logits (b,o) whose right classes are `labels` (b): −ln softmax(logits)[label],
/// summed over the rows in ascending order, and divided by b if the reduction is the mean.
///
/// # Panics
/// If a label is not below `o`.
pub fn cross_entropy<F: Real>(
    logits: &[F],
    labels: &[u32],
    [b, o]: [usize; 2],
    reduction: Reduction,
) -> F {
    assert_eq!((logits.len(), labels.len()), (area(b, o), b), "cross_entropy");
    let mut sum = F::ZERO;
    for (row, &label) in labels.iter().enumerate() {
        let x = &logits[row * o..][..o];
        let (max, ln_sum) = max_and_ln_sum(x);
        sum += ln_sum - (x[label as usize] - max);
    }
    reduce(sum, b, reduction)
}

/// dlogits (b,o) = softmax(logits) − one-hot(labels), divided by b if the reduction is the mean
pub fn cross_entropy_backward<F: Real>(
    dlogits: &mut [F],
    logits: &[F],
    labels: &[u32],
    [b, o]: [usize; 2],
    reduction: Reduction,
) {
    assert_eq!(labels.len(), b, "cross_entropy_backward");
    softmax(dlogits, logits, [b, o]);
    for (row, &label) in labels.iter().enumerate() {
        let d = &mut dlogits[row * o..][..o];
        d[label as usize] = d[label as usize] - F::ONE;
    }
    scale_mean(dlogits, F::ONE, b, reduction);
}

/// The loss of predictions y against targets t of any same shape: Σ (y − t)² in ascending order,
/// divided by the number of elements if the reduction is the mean.
pub fn mean_squared_error<F: Real>(y: &[F], t: &[F], reduction: Reduction) -> F {
    assert_eq!(y.len(), t.len(), "mean_squared_error");
    let mut sum = F::ZERO;
    for (&y, &t) in y.iter().zip(t) {
        sum = (y - t).mul_add(y - t, sum);
    }
    reduce(sum, y.len(), reduction)
}

/// dy = 2 (y − t), divided by the number of elements if the reduction is the mean
pub fn mean_squared_error_backward<F: Real>(dy: &mut [F], y: &[F], t: &[F], reduction: Reduction) {
    assert_eq!((dy.len(), y.len()), (t.len(), t.len()), "mean_squared_error_backward");
    for i in 0..y.len() {
        dy[i] = y[i] - t[i];
    }
    scale_mean(dy, F::from_f64(2.0), t.len(), reduction);
}

/// The mean of no losses at all is 0, as their sum is.
pub fn reduce<F: Real>(sum: F, count: usize, reduction: Reduction) -> F {
    match reduction {
        Reduction::Mean if count > 0 => sum / F::from_f64(count as f64),
        _ => sum,
    }
}

/// What the gradient of each of `count` losses is multiplied by: factor / count for the mean, factor for the sum.
pub fn gradient_scale<F: Real>(factor: F, count: usize, reduction: Reduction) -> F {
    match reduction {
        Reduction::Mean => factor / F::from_f64(count as f64),
        Reduction::Sum => factor,
    }
}

/// d · [`gradient_scale`]
fn scale_mean<F: Real>(d: &mut [F], factor: F, count: usize, reduction: Reduction) {
    let scale = gradient_scale(factor, count, reduction);
    for d in d {
        *d = *d * scale;
    }
}
