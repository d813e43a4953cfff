//! Between data and numbers: pixels become inputs, outputs become decisions.

use super::{area, dim};
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::launch::Image;

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "samples", ptx: include_str!("../../ptx/samples.ptx"), capability: 75 };

/// out (b,i) = the rows `order` (b) of pixels (n,i), divided by 255
///
/// The order is trusted to name rows that exist; so is that of [`gather_labels`].
pub fn gather(
    engine: &Engine,
    out: &mut Buffer<f32>,
    pixels: &Buffer<u8>,
    order: &Buffer<u32>,
    i: usize,
) -> Result<()> {
    let b = order.len();
    assert_eq!(out.len(), area(b, i), "gather");
    let launch = engine.launch(&IMAGE, "gather")?.elements(out.len());
    // SAFETY: out (b,i), order (b), and the rows exist.
    unsafe { launch.arg(out).arg(pixels).arg(order).arg(dim(b)).arg(dim(i)).run() }
}

/// out (b) = the rows `order` (b) of labels
pub fn gather_labels(
    engine: &Engine,
    out: &mut Buffer<u32>,
    labels: &Buffer<u32>,
    order: &Buffer<u32>,
) -> Result<()> {
    let b = order.len();
    assert_eq!(out.len(), b, "gather_labels");
    let launch = engine.launch(&IMAGE, "gather_labels")?.elements(b);
    // SAFETY: out and order (b), and the rows exist.
    unsafe { launch.arg(out).arg(labels).arg(order).arg(dim(b)).run() }
}

/// out (b,o) = 1 in the column of each row's label, 0 elsewhere
pub fn one_hot(
    engine: &Engine,
    out: &mut Buffer<f32>,
    labels: &Buffer<u32>,
    [b, o]: [usize; 2],
) -> Result<()> {
    assert_eq!((out.len(), labels.len()), (area(b, o), b), "one_hot");
    let launch = engine.launch(&IMAGE, "one_hot")?.elements(out.len());
    // SAFETY: out (b,o) and labels (b).
    unsafe { launch.arg(out).arg(labels).arg(dim(b)).arg(dim(o)).run() }
}

/// out (b) = the column of the largest element of each row of x (b,o); `u32::MAX` if it holds a NaN
pub fn argmax(
    engine: &Engine,
    out: &mut Buffer<u32>,
    x: &Buffer<f32>,
    [b, o]: [usize; 2],
) -> Result<()> {
    assert_eq!((out.len(), x.len()), (b, area(b, o)), "argmax");
    let launch = engine.launch(&IMAGE, "argmax")?.elements(b).empty_if(x.is_empty());
    // SAFETY: out (b) and x (b,o).
    unsafe { launch.arg(out).arg(x).arg(dim(b)).arg(dim(o)).run() }
}

/// out (1) += how many answers (b) are the labels (b)
pub fn count_equal(
    engine: &Engine,
    out: &mut Buffer<u32>,
    answers: &Buffer<u32>,
    labels: &Buffer<u32>,
) -> Result<()> {
    let b = answers.len();
    assert_eq!((out.len(), labels.len()), (1, b), "count_equal");
    let launch = engine.launch(&IMAGE, "count_equal")?.elements(b);
    // SAFETY: out (1), answers and labels (b).
    unsafe { launch.arg(out).arg(answers).arg(labels).arg(dim(b)).run() }
}
