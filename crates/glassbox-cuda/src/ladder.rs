//! The product ladder: kernels for the same product on eleven rungs, each with one change that should make it faster.
//!
//! The kernels are in `ladder/matmul`, numbered files, to be read in order. Rung 8 has a second file, with smaller
//! tiles for outputs that make few. Rungs 1 to 8 give the bits of the definition. Rungs 9 to 11 multiply on tensor cores and state how far off they may be. Where the
//! result of a rung is infinite or NaN, it is the definition's, on every rung.

use crate::buffer::Buffer;
use crate::driver::{Error, Result};
use crate::engine::Engine;
use crate::launch::Image;
use crate::ops::{area, dim};

/// The first lesson, `ladder/vector_add.cu`.
pub static VECTOR_ADD: Image =
    Image { name: "vector_add", ptx: include_str!("../ptx/ladder/vector_add.ptx"), capability: 75 };

/// One way of computing a product.
pub struct Rung {
    /// Its number and name.
    pub name: &'static str,
    /// The kernel's text, from the folder of the crate.
    pub file: &'static str,
    /// The kernel's name in it.
    pub kernel: &'static str,
    /// What the driver gets.
    pub image: Image,
    /// Threads a block, in x and y.
    pub block: [u32; 2],
    /// What a block computes.
    pub tile: Tile,
    /// What it multiplies with.
    pub arithmetic: Arithmetic,
}

/// The part of the output that is a block's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// An element a thread, with the x of threads along the rows. The block may have any shape.
    ThreadsDown,
    /// An element a thread, with the x of threads along the columns. The block may have any shape.
    ThreadsAcross,
    /// A square of so many rows and columns. The block is as it is.
    Square(u32),
}

/// How factors are multiplied and products added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// A chain of fused multiply-adds of f32 in the order of the definition, with its bits.
    Chain,
    /// Factors rounded to tf32, on tensor cores.
    Tf32,
    /// Factors rounded to bf16, on tensor cores.
    Bf16,
    /// Factors split into two tf32 each, three products on tensor cores, every eight added as f32.
    Split,
}

macro_rules! rung {
    ($name:literal, $ending:literal, $capability:literal, $block:expr, $tile:expr, $arithmetic:ident) => {
        rung!($name, $name, $ending, $capability, $block, $tile, $arithmetic)
    };
    ($name:expr, $file:literal, $ending:literal, $capability:literal, $block:expr, $tile:expr, $arithmetic:ident) => {
        Rung {
            name: $name,
            file: concat!("ladder/matmul/", $file, $ending, ".cu"),
            kernel: concat!("matmul_", $name),
            image: Image {
                name: concat!("ladder/matmul/", $file),
                ptx: include_str!(concat!("../ptx/ladder/matmul/", $file, $ending, ".ptx")),
                capability: $capability,
            },
            block: $block,
            tile: $tile,
            arithmetic: Arithmetic::$arithmetic,
        }
    };
}

/// One of the tiles of a file of several.
macro_rules! smaller {
    ($side:literal, $threads:literal) => {
        rung!(
            concat!("08_smaller_tiles_", $side),
            "08_smaller_tiles",
            ".sm80",
            80,
            [$threads, 1],
            Tile::Square($side),
            Chain
        )
    };
}

/// The rungs, in order; the eighth with four sizes of tile.
pub static MATMUL: [Rung; 14] = [
    rung!("01_naive", "", 75, [32, 8], Tile::ThreadsDown, Chain),
    rung!("02_coalesced", "", 75, [32, 8], Tile::ThreadsAcross, Chain),
    rung!("03_tiled", "", 75, [256, 1], Tile::Square(16), Chain),
    rung!("04_register_1d", "", 75, [512, 1], Tile::Square(64), Chain),
    rung!("05_register_2d", "", 75, [256, 1], Tile::Square(128), Chain),
    rung!("06_vectorized", "", 75, [256, 1], Tile::Square(128), Chain),
    rung!("07_warp_tiled", "", 75, [256, 1], Tile::Square(128), Chain),
    rung!("08_double_buffered", ".sm80", 80, [256, 1], Tile::Square(128), Chain),
    smaller!(64, 128),
    smaller!(32, 64),
    smaller!(16, 64),
    rung!("09_tf32", ".sm80", 80, [256, 1], Tile::Square(128), Tf32),
    rung!("10_bf16", ".sm80", 80, [256, 1], Tile::Square(128), Bf16),
    rung!("11_split", ".sm80", 80, [256, 1], Tile::Square(128), Split),
];

/// Half a unit in the last place of f32, tf32 and bf16: what rounding a number may change, relative to it.
const F32: f64 = 1.0 / (1 << 24) as f64;
const TF32: f64 = 1.0 / (1 << 11) as f64;
const BF16: f64 = 1.0 / (1 << 8) as f64;

/// A whole unit of f32, which tensor cores lose where they cut off instead of rounding.
const CUT: f64 = 2.0 * F32;

/// How often they cut for each product, at most: the product, the sum so far, and the new sum.
const CUTS: f64 = 3.0;

impl Rung {
    /// Whether it gives the bits of the definition.
    pub fn is_exact(&self) -> bool {
        self.arithmetic == Arithmetic::Chain
    }

    /// Whether a block may have any shape.
    pub fn has_free_block(&self) -> bool {
        !matches!(self.tile, Tile::Square(_))
    }

    /// How far an element may be from the true sum of its `k` products, if the sum of their magnitudes is
    /// `magnitude` and neither they nor parts of factors underflow: for the split, factors are 0 or at least
    /// 2⁻¹⁰² in magnitude.
    ///
    /// NVIDIA does not say how its tensor cores round. Others measured (Fasi, Higham, Mikaitis and Pranesh,
    /// "Numerical behavior of NVIDIA tensor cores", 2021): they cut off, and products inside are exact. The
    /// bound allows for three cuts a product, in whatever order they are added.
    pub fn bound(&self, k: usize, magnitude: f64) -> f64 {
        let k = k as f64;
        let relative = match self.arithmetic {
            Arithmetic::Chain => over(k * F32),
            Arithmetic::Tf32 => both(over(2.0 * TF32), over(k * CUTS * CUT)),
            Arithmetic::Bf16 => both(over(2.0 * BF16), over(k * CUTS * CUT)),
            // A factor loses 2⁻²³ for want of a third part, small·small is 2⁻²², and the small products are
            // 2⁻¹⁰ of the big ones, so their cuts hardly count. Eight products make a sum.
            Arithmetic::Split => {
                let factors = over(2.0 * CUT + TF32 * TF32);
                let sums = over(8.0 * CUTS * CUT * (1.0 + 4.0 * TF32));
                both(factors, both(sums, over((k / 8.0).ceil() * F32)))
            }
        };
        relative * magnitude
    }

    /// How many blocks make an output of (m,n), with blocks of so many threads.
    fn blocks(&self, [x, y]: [u32; 2], [m, n]: [usize; 2]) -> usize {
        let [rows, columns] = match self.tile {
            Tile::ThreadsDown => [x, y],
            Tile::ThreadsAcross => [y, x],
            Tile::Square(side) => [side, side],
        };
        m.div_ceil(rows as usize) * n.div_ceil(columns as usize)
    }
}

/// (1 + u)ⁿ − 1 is at most this of n·u, whatever the signs (Higham's γ).
fn over(x: f64) -> f64 {
    x / (1.0 - x)
}

/// One relative error upon another.
fn both(x: f64, y: f64) -> f64 {
    x + y + x * y
}

/// out (m,n) = a (m,k) · b (k,n), in the way of a rung
///
/// # Errors
/// If the chip lacks what the rung needs, or the driver reports something.
pub fn matmul(
    engine: &Engine,
    rung: &'static Rung,
    out: &mut Buffer<f32>,
    a: &Buffer<f32>,
    b: &Buffer<f32>,
    dims: [usize; 3],
) -> Result<()> {
    matmul_in_blocks(engine, rung, rung.block, out, a, b, dims)
}

/// The same with blocks of another shape, for the rungs that take any.
///
/// # Errors
/// As above.
///
/// # Panics
/// If the rung takes no other shape than its own.
pub fn matmul_in_blocks(
    engine: &Engine,
    rung: &'static Rung,
    block: [u32; 2],
    out: &mut Buffer<f32>,
    a: &Buffer<f32>,
    b: &Buffer<f32>,
    [m, k, n]: [usize; 3],
) -> Result<()> {
    assert!(rung.has_free_block() || block == rung.block, "{}: blocks of {block:?}", rung.name);
    assert_eq!(
        (out.len(), a.len(), b.len()),
        (area(m, n), area(m, k), area(k, n)),
        "{}",
        rung.name
    );
    let context = engine.context();
    can_run(rung, context.name(), context.capability())?;
    if out.is_empty() {
        return Ok(());
    }
    let launch = engine.launch(&rung.image, rung.kernel)?;
    let launch =
        launch.grid([dim(rung.blocks(block, [m, n])), 1, 1]).block([block[0], block[1], 1]);
    // SAFETY: out (m,n), a (m,k) and b (k,n), and a block for each tile of the output.
    unsafe { launch.arg(out).arg(a).arg(b).arg(dim(m)).arg(dim(k)).arg(dim(n)).run() }
}

fn can_run(rung: &Rung, name: &str, capability: u32) -> Result<()> {
    let needed = rung.image.capability;
    if capability >= needed {
        return Ok(());
    }
    Err(Error::ChipTooOld { kernel: rung.kernel, name: name.to_string(), capability, needed })
}

/// So many blocks give each multiprocessor of a large chip one. Chips have between 14 and about 190.
const ENOUGH: usize = 108;

/// Chips whose tensor cores multiply tf32 several times faster than the other units multiply f32, by their data
/// sheets. On 86, 89 and 120 both rates are the same; of other chips too little is known.
const FAST_TF32: [u32; 2] = [80, 90];

/// The rung for a product on a chip of such a compute capability.
///
/// If not `exact`, the result may differ from the definition by what the arithmetic of f32 allows: rung 11
/// comes into question, but never tf32 or bf16, which have to be asked for.
///
/// A large tile reads memory least often, but its block runs on one multiprocessor: with few blocks the rest of the
/// chip is idle. So it is the largest tile that still gives enough blocks, and the smallest one where none does. An
/// output of one row uses no number of b twice; copies in shared memory would be in vain.
///
/// How many are enough from capability 80 on was measured on an H100, which has 132 multiprocessors: rung 8 in
/// `bench/results/gpu-nvidia-h100-80gb-hbm3.md`, and its smaller tiles in a scratch program (`SPEED.md`). Tiles of 128
/// and 64 win against those of half their side with 256 blocks, by 3 and 11 %, and lose with 64 by a third or more.
/// Tiles of 32 win with 100 and more, and lose with 64. The numbers between are estimates. Below 80 nothing was
/// measured: a block for each multiprocessor is enough there.
pub fn best(capability: u32, exact: bool, [m, _, n]: [usize; 3]) -> &'static Rung {
    let [_, coalesced, tiled, one_d, _, _, warp_tiled, ..] = &MATMUL;
    let [.., tile_128, tile_64, tile_32, tile_16, _, _, split] = &MATMUL;
    if m == 1 {
        return coalesced;
    }
    let is_split = !exact && FAST_TF32.contains(&capability);
    let large = if is_split { split } else { tile_128 };
    let (candidates, smallest) = match capability {
        80.. => (&[(large, 2 * ENOUGH), (tile_64, 2 * ENOUGH), (tile_32, 96)][..], tile_16),
        _ => (&[(warp_tiled, ENOUGH), (one_d, ENOUGH)][..], tiled),
    };
    let found = candidates.iter().find(|(rung, enough)| rung.blocks(rung.block, [m, n]) >= *enough);
    found.map_or(smallest, |(rung, _)| rung)
}

/// Whether a product with a factor that is turned takes the split product, which there also is for those. They have no
/// other tile that is as good, so fewer blocks are enough than in [`best`].
pub(crate) fn takes_split(capability: u32, exact: bool, [m, _, n]: [usize; 3]) -> bool {
    let [.., split] = &MATMUL;
    let is_enough = split.blocks(split.block, [m, n]) >= ENOUGH;
    !exact && FAST_TF32.contains(&capability) && m != 1 && is_enough
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(capability: u32, exact: bool, shapes: &[[usize; 3]]) -> Vec<&'static str> {
        shapes.iter().map(|&dims| best(capability, exact, dims).name).collect()
    }

    #[test]
    fn the_best_rung_has_the_largest_tile_that_fills_the_chip() {
        let [tile_64, tile_32, tile_16] =
            ["08_smaller_tiles_64", "08_smaller_tiles_32", "08_smaller_tiles_16"];
        // A shape, and what is best for it from capability 80 on; an empty name is the largest tile.
        let (shapes, rest): (Vec<_>, Vec<_>) = [
            ([4096; 3], ""),
            ([2048; 3], ""),
            ([1024; 3], tile_64),
            ([512; 3], tile_32),
            ([256; 3], tile_16),
            ([1024, 784, 128], tile_32),
            ([64, 784, 128], tile_16),
            ([64, 128, 10], tile_16),
            ([128, 64, 784], tile_32),
            ([1, 784, 4096], "02_coalesced"),
            // 12 tiles across and 18 down are 216 blocks, and a row or column more is one of blocks.
            ([2304, 1, 1536], ""),
            ([2176, 1, 1537], ""),
            ([2304, 1, 1408], tile_64),
            ([1152, 1, 768], tile_64),
            ([1152, 1, 704], tile_32),
            ([384, 1, 256], tile_32),
            ([384, 1, 224], tile_16),
        ]
        .into_iter()
        .unzip();
        for (capability, exact, large) in [
            (80, true, "08_double_buffered"),
            (86, false, "08_double_buffered"),
            (90, true, "08_double_buffered"),
            (90, false, "11_split"),
            (100, false, "08_double_buffered"),
            (120, false, "08_double_buffered"),
        ] {
            let expected: Vec<_> =
                rest.iter().map(|&name| if name.is_empty() { large } else { name }).collect();
            let found = names(capability, exact, &shapes);
            assert_eq!(found, expected, "{capability}, exact {exact}");
        }
    }

    #[test]
    fn an_older_chip_has_the_rungs_before_the_eighth() {
        let shapes =
            [[4096; 3], [1536, 1, 1152], [1408, 1, 1152], [1000; 3], [64, 784, 128], [1, 784, 128]];
        let [large, one, two] = ["07_warp_tiled", "04_register_1d", "03_tiled"];
        for exact in [true, false] {
            let found = names(75, exact, &shapes);
            assert_eq!(found, [large, large, one, one, two, "02_coalesced"], "exact {exact}");
        }
    }

    #[test]
    fn turned_factors_have_the_split_product_sooner() {
        let dims = [1536, 1, 1152];
        assert!(takes_split(90, false, dims));
        assert_eq!(best(90, false, dims).arithmetic, Arithmetic::Chain);
        for (capability, exact, dims) in [
            (90, true, dims),
            (86, false, dims),
            (90, false, [1408, 1, 1152]),
            (90, false, [1, 1, 1 << 20]),
        ] {
            assert!(!takes_split(capability, exact, dims), "{capability}, {exact}, {dims:?}");
        }
    }

    #[test]
    fn what_is_not_exact_is_still_as_good_as_f32() {
        for capability in [75, 80, 86, 89, 90, 100, 103, 120, 121] {
            for dims in [[1, 1, 1], [64, 784, 128], [512; 3], [1024; 3], [4096; 3]] {
                assert!(best(capability, true, dims).is_exact());
                let rung = best(capability, false, dims);
                assert!(matches!(rung.arithmetic, Arithmetic::Chain | Arithmetic::Split));
                assert!(rung.image.capability <= capability);
            }
        }
    }

    #[test]
    fn the_split_is_bounded_closer_than_a_long_chain() {
        let [first, .., tf32, bf16, last] = &MATMUL;
        let [chain, tf32, bf16, split] = [first, tf32, bf16, last].map(|rung| rung.bound(784, 1.0));
        assert!(split < chain && chain < tf32 && tf32 < bf16, "{split} {chain} {tf32} {bf16}");
        assert!(last.bound(8, 1.0) < 64.0 * F32);
    }

    #[test]
    fn an_old_chip_is_told_what_a_rung_needs() {
        assert!(can_run(&MATMUL[6], "T4", 75).is_ok());
        assert!(can_run(&MATMUL[7], "A100", 80).is_ok());
        let error = can_run(&MATMUL[7], "T4", 75).unwrap_err();
        let text = "matmul_08_double_buffered needs compute capability 8.0, and T4 has 7.5";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn names_are_those_of_the_files() {
        let number = |rung: &Rung| rung.name[..2].parse::<u32>().unwrap();
        let mut numbers: Vec<u32> = MATMUL.iter().map(number).collect();
        assert!(numbers.is_sorted());
        numbers.dedup();
        assert_eq!(numbers, Vec::from_iter(1..=11));
        for rung in &MATMUL {
            assert!(rung.image.ptx.contains(&format!(".entry {}(", rung.kernel)), "{}", rung.name);
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(rung.file);
            assert!(file.is_file(), "{}", rung.file);
        }
    }
}
