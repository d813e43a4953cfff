//! Losses: softmax with cross-entropy, and mean squared error.

use super::Engine;
use super::each::{Elementwise, each};
use super::softmax::{Exponentials, by_rows, softmax};
use super::vector::Vector;
use crate::area;
use crate::reference::loss::reduce;
use crate::reference::{self, Reduction};

/// The loss of logits (b,o) whose right classes are `labels` (b): −ln softmax(logits)[label],
/// summed over the rows in ascending order, and divided by b if the reduction is the mean.
///
/// # Panics
/// If a label is not below `o`.
pub fn cross_entropy(
    engine: &Engine,
    logits: &[f32],
    labels: &[u32],
    [b, o]: [usize; 2],
    reduction: Reduction,
) -> f32 {
    assert_eq!((logits.len(), labels.len()), (area(b, o), b), "cross_entropy");
    // A row of the table is the exponentials of a row of logits, and then its loss.
    let mut table = vec![0.0; b * (o + 1)];
    by_rows(engine, &mut table, [b, o + 1], &|row_of_table, row| {
        let (exponentials, loss) = row_of_table.split_at_mut(o);
        let x = &logits[row * o..][..o];
        let (max, sum) = engine.simd.run(Exponentials { out: exponentials, x });
        loss[0] = reference::math::ln(sum) - (x[labels[row] as usize] - max);
    });
    let sum = table.chunks(o + 1).fold(0.0, |sum, row| sum + row[o]);
    reduce(sum, b, reduction)
}

/// dlogits (b,o) = softmax(logits) − one-hot(labels), divided by b if the reduction is the mean
pub fn cross_entropy_backward(
    engine: &Engine,
    dlogits: &mut [f32],
    logits: &[f32],
    labels: &[u32],
    [b, o]: [usize; 2],
    reduction: Reduction,
) {
    assert_eq!(labels.len(), b, "cross_entropy_backward");
    softmax(engine, dlogits, logits, [b, o]);
    for (row, &label) in labels.iter().enumerate() {
        dlogits[row * o..][..o][label as usize] -= 1.0;
    }
    if reduction == Reduction::Mean {
        super::scale(engine, dlogits, 1.0 / b as f32);
    }
}

/// The loss of predictions y against targets t: one chain, which no register can shorten.
pub fn mean_squared_error(_: &Engine, y: &[f32], t: &[f32], reduction: Reduction) -> f32 {
    reference::mean_squared_error(y, t, reduction)
}

/// dy = 2 (y − t), divided by the number of elements if the reduction is the mean
pub fn mean_squared_error_backward(
    engine: &Engine,
    dy: &mut [f32],
    y: &[f32],
    t: &[f32],
    reduction: Reduction,
) {
    let scale = match reduction {
        Reduction::Mean => 2.0 / t.len() as f32,
        Reduction::Sum => 2.0,
    };
    each(engine, [dy], [y, t], ScaledDifference(scale));
}

#[derive(Clone, Copy)]
struct ScaledDifference(f32);

impl Elementwise<1, 2> for ScaledDifference {
    #[inline(always)]
    unsafe fn apply<V: Vector>(self, _: [V; 1], [y, t]: [V; 2]) -> [V; 1] {
        // SAFETY: the caller promises the instructions.
        unsafe { [y.sub(t).mul(V::splat(self.0))] }
    }
}
