//! The bias of a dense layer: one number added to each column.

use super::{area, dim};
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::launch::Image;

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "bias", ptx: include_str!("../../ptx/bias.ptx"), capability: 75 };

/// x (b,o) += bias (o)
pub fn add_bias(
    engine: &Engine,
    x: &mut Buffer<f32>,
    bias: &Buffer<f32>,
    [b, o]: [usize; 2],
) -> Result<()> {
    assert_eq!((x.len(), bias.len()), (area(b, o), o), "add_bias");
    let launch = engine.launch(&IMAGE, "add_bias")?.elements(x.len());
    // SAFETY: x (b,o) and bias (o).
    unsafe { launch.arg(x).arg(bias).arg(dim(b)).arg(dim(o)).run() }
}

/// dbias (o) = the column sums of dx (b,o), rows in ascending order
pub fn add_bias_backward(
    engine: &Engine,
    dbias: &mut Buffer<f32>,
    dx: &Buffer<f32>,
    [b, o]: [usize; 2],
) -> Result<()> {
    assert_eq!((dbias.len(), dx.len()), (o, area(b, o)), "add_bias_backward");
    let launch = engine.launch(&IMAGE, "add_bias_backward")?.elements(o);
    // SAFETY: dbias (o) and dx (b,o).
    unsafe { launch.arg(dbias).arg(dx).arg(dim(b)).arg(dim(o)).run() }
}
