//! Operations on all elements alike, the transpose, and the sum of squares.

use super::{area, dim};
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::launch::Image;

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "elementwise", ptx: include_str!("../../ptx/elementwise.ptx"), capability: 75 };

/// The side of a tile of `transpose`.
const TILE: usize = 32;

/// out = value
pub fn fill(engine: &Engine, out: &mut Buffer<f32>, value: f32) -> Result<()> {
    let n = out.len();
    let launch = engine.launch(&IMAGE, "fill")?.elements(n);
    // SAFETY: out (n).
    unsafe { launch.arg(out).arg(value).arg(n as u64).run() }
}

/// out = x
pub fn copy(_: &Engine, out: &mut Buffer<f32>, x: &Buffer<f32>) -> Result<()> {
    out.copy_from(x)
}

/// out = a + b
pub fn add(engine: &Engine, out: &mut Buffer<f32>, a: &Buffer<f32>, b: &Buffer<f32>) -> Result<()> {
    two("add", engine, out, a, b)
}

/// out = a − b
pub fn sub(engine: &Engine, out: &mut Buffer<f32>, a: &Buffer<f32>, b: &Buffer<f32>) -> Result<()> {
    two("sub", engine, out, a, b)
}

/// out = a · b, element by element
pub fn mul(engine: &Engine, out: &mut Buffer<f32>, a: &Buffer<f32>, b: &Buffer<f32>) -> Result<()> {
    two("mul", engine, out, a, b)
}

fn two(
    kernel: &'static str,
    engine: &Engine,
    out: &mut Buffer<f32>,
    a: &Buffer<f32>,
    b: &Buffer<f32>,
) -> Result<()> {
    let n = out.len();
    assert_eq!((a.len(), b.len()), (n, n), "{kernel}");
    let launch = engine.launch(&IMAGE, kernel)?.elements(n);
    // SAFETY: all (n).
    unsafe { launch.arg(out).arg(a).arg(b).arg(n as u64).run() }
}

/// x ·= factor
pub fn scale(engine: &Engine, x: &mut Buffer<f32>, factor: f32) -> Result<()> {
    let n = x.len();
    let launch = engine.launch(&IMAGE, "scale")?.elements(n);
    // SAFETY: x (n).
    unsafe { launch.arg(x).arg(factor).arg(n as u64).run() }
}

/// x += factor · y
pub fn add_scaled(
    engine: &Engine,
    x: &mut Buffer<f32>,
    factor: f32,
    y: &Buffer<f32>,
) -> Result<()> {
    let n = x.len();
    assert_eq!(y.len(), n, "add_scaled");
    let launch = engine.launch(&IMAGE, "add_scaled")?.elements(n);
    // SAFETY: both (n).
    unsafe { launch.arg(x).arg(factor).arg(y).arg(n as u64).run() }
}

/// out (n,m) = a (m,n) transposed
pub fn transpose(
    engine: &Engine,
    out: &mut Buffer<f32>,
    a: &Buffer<f32>,
    [m, n]: [usize; 2],
) -> Result<()> {
    assert_eq!((out.len(), a.len()), (area(m, n), area(m, n)), "transpose");
    if a.is_empty() {
        return Ok(());
    }
    let tiles = m.div_ceil(TILE) * n.div_ceil(TILE);
    let launch = engine.launch(&IMAGE, "transpose")?.grid([dim(tiles), 1, 1]).block([256, 1, 1]);
    // SAFETY: out (n,m) and a (m,n); a block for each tile.
    unsafe { launch.arg(out).arg(a).arg(dim(m)).arg(dim(n)).run() }
}

/// out (1) = Σ x², in the sixteen chains of the definition
pub fn sum_of_squares(engine: &Engine, out: &mut Buffer<f32>, x: &Buffer<f32>) -> Result<()> {
    assert_eq!(out.len(), 1, "sum_of_squares");
    let launch = engine.launch(&IMAGE, "sum_of_squares")?.block([32, 1, 1]);
    // SAFETY: out (1) and x (n).
    unsafe { launch.arg(out).arg(x).arg(x.len() as u64).run() }
}
