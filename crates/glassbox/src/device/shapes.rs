//! What the op table checks before an operation begins.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// An error with all shapes, unless `is_fit`.
pub(super) fn fits(
    op: &'static str,
    is_fit: bool,
    tensors: &[&Tensor],
    hint: &'static str,
) -> Result<()> {
    if is_fit {
        return Ok(());
    }
    let shapes = tensors.iter().map(|tensor| tensor.shape().to_vec()).collect();
    Err(Error::Shape { op, shapes, hint })
}

/// An error unless all shapes are the same.
pub(super) fn same(op: &'static str, tensors: &[&Tensor]) -> Result<()> {
    let is_fit = tensors.iter().all(|tensor| tensor.shape() == tensors[0].shape());
    fits(op, is_fit, tensors, "all shapes must be the same; nothing is broadcast")
}

/// An error unless there is a label for each row, below the number of columns.
pub(super) fn check_labels(
    op: &'static str,
    logits: &Tensor,
    labels: &[u32],
) -> Result<[usize; 2]> {
    let [b, o] = logits.matrix(op)?;
    if labels.len() != b {
        let shapes = vec![vec![b, o], vec![labels.len()]];
        return Err(Error::Shape { op, shapes, hint: "one label for each row" });
    }
    match labels.iter().position(|&label| label as usize >= o) {
        Some(row) => Err(Error::Label { row, label: labels[row], classes: o }),
        None => Ok([b, o]),
    }
}
