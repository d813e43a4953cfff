//! Losses: softmax with cross-entropy, and mean squared error.
//!
//! A sum of losses stays on the device. What the definition calls the reduction is a factor here: 1 for the
//! sum, one over the number of losses for the mean.

use super::{area, dim};
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::launch::Image;

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "loss", ptx: include_str!("../../ptx/loss.ptx"), capability: 75 };

/// losses (b) = −ln softmax(logits)[label] of each row of logits (b,o); `room` (b,o) holds the exponentials
///
/// Labels are trusted to be below o.
pub fn cross_entropy(
    engine: &Engine,
    losses: &mut Buffer<f32>,
    room: &mut Buffer<f32>,
    logits: &Buffer<f32>,
    labels: &Buffer<u32>,
    [b, o]: [usize; 2],
) -> Result<()> {
    let n = area(b, o);
    assert_eq!((losses.len(), labels.len()), (b, b), "cross_entropy");
    assert_eq!((room.len(), logits.len()), (n, n), "cross_entropy");
    let launch = engine.launch(&IMAGE, "cross_entropy")?.rows([b, o]);
    // SAFETY: losses and labels (b), room and logits (b,o).
    unsafe { launch.arg(losses).arg(room).arg(logits).arg(labels).arg(dim(b)).arg(dim(o)).run() }
}

/// dlogits (b,o) = (softmax(logits) − one-hot(labels)) · scale
///
/// Labels are trusted to be below o.
pub fn cross_entropy_backward(
    engine: &Engine,
    dlogits: &mut Buffer<f32>,
    logits: &Buffer<f32>,
    labels: &Buffer<u32>,
    scale: f32,
    [b, o]: [usize; 2],
) -> Result<()> {
    let n = area(b, o);
    assert_eq!((dlogits.len(), logits.len(), labels.len()), (n, n, b), "cross_entropy_backward");
    let launch = engine.launch(&IMAGE, "cross_entropy_backward")?.rows([b, o]);
    // SAFETY: dlogits and logits (b,o), labels (b).
    unsafe { launch.arg(dlogits).arg(logits).arg(labels).arg(scale).arg(dim(b)).arg(dim(o)).run() }
}

/// out (1) = Σ x in ascending order
pub fn sum_in_order(engine: &Engine, out: &mut Buffer<f32>, x: &Buffer<f32>) -> Result<()> {
    assert_eq!(out.len(), 1, "sum_in_order");
    let launch = engine.launch(&IMAGE, "sum_in_order")?;
    // SAFETY: out (1) and x (n).
    unsafe { launch.arg(out).arg(x).arg(x.len() as u64).run() }
}

/// out (1) = Σ (y − t)² in ascending order
pub fn mean_squared_error(
    engine: &Engine,
    out: &mut Buffer<f32>,
    y: &Buffer<f32>,
    t: &Buffer<f32>,
) -> Result<()> {
    assert_eq!((out.len(), y.len()), (1, t.len()), "mean_squared_error");
    let launch = engine.launch(&IMAGE, "mean_squared_error")?;
    // SAFETY: out (1), y and t (n).
    unsafe { launch.arg(out).arg(y).arg(t).arg(y.len() as u64).run() }
}

/// dy = (y − t) · scale
pub fn mean_squared_error_backward(
    engine: &Engine,
    dy: &mut Buffer<f32>,
    y: &Buffer<f32>,
    t: &Buffer<f32>,
    scale: f32,
) -> Result<()> {
    let n = dy.len();
    assert_eq!((y.len(), t.len()), (n, n), "mean_squared_error_backward");
    let launch = engine.launch(&IMAGE, "mean_squared_error_backward")?.elements(n);
    // SAFETY: all (n).
    unsafe { launch.arg(dy).arg(y).arg(t).arg(scale).arg(n as u64).run() }
}
