//! Products in three forms, with the bits of the definition.

use super::{area, dim};
use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::ladder;
use crate::launch::Image;

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "matmul", ptx: include_str!("../../ptx/matmul.ptx"), capability: 75 };

/// The same on tensor cores, as exact as `f32` is.
static SPLIT: Image =
    Image { name: "matmul.sm80", ptx: include_str!("../../ptx/matmul.sm80.ptx"), capability: 80 };

/// Threads a block, of all kernels.
const THREADS: u32 = 256;

/// The sides of the tiles; the last is that of the split product.
const SMALL: usize = 16;
const LARGE: usize = 64;
const SPLIT_TILE: usize = 128;

/// So many large tiles keep a chip busy: two for each of the multiprocessors that today's large ones have.
/// Below that small tiles spread the work further.
const ENOUGH: usize = 256;

/// out (m,n) = a (m,k) · b (k,n), by the rung of the ladder that fits chip and shape
pub fn matmul(
    engine: &Engine,
    out: &mut Buffer<f32>,
    a: &Buffer<f32>,
    b: &Buffer<f32>,
    dims: [usize; 3],
) -> Result<()> {
    let rung = ladder::best(engine.context().capability(), engine.is_exact(), dims);
    ladder::matmul(engine, rung, out, a, b, dims)
}

/// out (m,n) = aᵀ · b, with a (k,m) and b (k,n)
pub fn matmul_at(
    engine: &Engine,
    out: &mut Buffer<f32>,
    a: &Buffer<f32>,
    b: &Buffer<f32>,
    dims: [usize; 3],
) -> Result<()> {
    product(["matmul_at", "matmul_at_large", "matmul_at_split"], engine, out, a, b, dims)
}

/// out (m,n) = a · bᵀ, with a (m,k) and b (n,k)
pub fn matmul_bt(
    engine: &Engine,
    out: &mut Buffer<f32>,
    a: &Buffer<f32>,
    b: &Buffer<f32>,
    dims: [usize; 3],
) -> Result<()> {
    product(["matmul_bt", "matmul_bt_large", "matmul_bt_split"], engine, out, a, b, dims)
}

fn product(
    [small, large, split]: [&'static str; 3],
    engine: &Engine,
    out: &mut Buffer<f32>,
    a: &Buffer<f32>,
    b: &Buffer<f32>,
    [m, k, n]: [usize; 3],
) -> Result<()> {
    assert_eq!((out.len(), a.len(), b.len()), (area(m, n), area(m, k), area(k, n)), "{small}");
    if out.is_empty() {
        return Ok(());
    }
    let tiles = |side| m.div_ceil(side) * n.div_ceil(side);
    let takes_split =
        ladder::takes_split(engine.context().capability(), engine.is_exact(), [m, k, n]);
    let (image, kernel, tiles) = if takes_split {
        (&SPLIT, split, tiles(SPLIT_TILE))
    } else if tiles(LARGE) >= ENOUGH {
        (&IMAGE, large, tiles(LARGE))
    } else {
        (&IMAGE, small, tiles(SMALL))
    };
    let launch = engine.launch(image, kernel)?.grid([dim(tiles), 1, 1]).block([THREADS, 1, 1]);
    // SAFETY: out (m,n), and a and b of the shapes that the kernel takes; a block for each tile.
    unsafe { launch.arg(out).arg(a).arg(b).arg(dim(m)).arg(dim(k)).arg(dim(n)).run() }
}
