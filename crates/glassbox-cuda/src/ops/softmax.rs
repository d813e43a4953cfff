//! Softmax and log-softmax over the rows of a matrix.

use super::{area, dim};
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::launch::Image;

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "softmax", ptx: include_str!("../../ptx/softmax.ptx"), capability: 75 };

/// out (b,o) = e^x / Σ e^x in each row
pub fn softmax(
    engine: &Engine,
    out: &mut Buffer<f32>,
    x: &Buffer<f32>,
    dims: [usize; 2],
) -> Result<()> {
    forward("softmax", engine, out, x, dims)
}

/// dx = y · (dy − Σ dy·y) in each row, where y (b,o) is the output of [`softmax`]
pub fn softmax_backward(
    engine: &Engine,
    dx: &mut Buffer<f32>,
    dy: &Buffer<f32>,
    y: &Buffer<f32>,
    dims: [usize; 2],
) -> Result<()> {
    backward("softmax_backward", engine, dx, dy, y, dims)
}

/// out (b,o) = x − max − ln Σ e^(x − max) in each row
pub fn log_softmax(
    engine: &Engine,
    out: &mut Buffer<f32>,
    x: &Buffer<f32>,
    dims: [usize; 2],
) -> Result<()> {
    forward("log_softmax", engine, out, x, dims)
}

/// dx = dy − e^y · Σ dy in each row, where y (b,o) is the output of [`log_softmax`]
pub fn log_softmax_backward(
    engine: &Engine,
    dx: &mut Buffer<f32>,
    dy: &Buffer<f32>,
    y: &Buffer<f32>,
    dims: [usize; 2],
) -> Result<()> {
    backward("log_softmax_backward", engine, dx, dy, y, dims)
}

fn forward(
    kernel: &'static str,
    engine: &Engine,
    out: &mut Buffer<f32>,
    x: &Buffer<f32>,
    [b, o]: [usize; 2],
) -> Result<()> {
    assert_eq!((out.len(), x.len()), (area(b, o), area(b, o)), "{kernel}");
    let launch = engine.launch(&IMAGE, kernel)?.rows([b, o]);
    // SAFETY: both (b,o).
    unsafe { launch.arg(out).arg(x).arg(dim(b)).arg(dim(o)).run() }
}

fn backward(
    kernel: &'static str,
    engine: &Engine,
    dx: &mut Buffer<f32>,
    dy: &Buffer<f32>,
    y: &Buffer<f32>,
    [b, o]: [usize; 2],
) -> Result<()> {
    let n = area(b, o);
    assert_eq!((dx.len(), dy.len(), y.len()), (n, n, n), "{kernel}");
    let launch = engine.launch(&IMAGE, kernel)?.rows([b, o]);
    // SAFETY: all (b,o).
    unsafe { launch.arg(dx).arg(dy).arg(y).arg(dim(b)).arg(dim(o)).run() }
}
