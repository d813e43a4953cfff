//! Matrix products of Glassbox and of the crate `gemm`: GFLOP/s of each shape.
//!
//! Kinds: n is a·b, at is aᵀ·b, bt is a·bᵀ, each operand row by row as it lies.

use crate::common::{self, Arguments};
use gemm::Parallelism;
use glassbox::cpu::fast::{Engine, Simd, matmul, matmul_at, matmul_bt};
use serde_json::json;

/// Measures one of both: `--library glassbox` or `--library gemm`.
pub fn run(arguments: &Arguments) {
    let (threads, samples) = (arguments.number("threads", 1), arguments.number("samples", 7));
    let library = arguments.text("library", "glassbox");
    let engine = Engine::new(Simd::best(), threads);
    let mut shapes = Vec::new();
    for shape in arguments.text("shapes", "n:64:784:128").split(',') {
        let (kind, sizes) = shape.split_once(':').expect("a shape is KIND:M:K:N");
        let sizes: Vec<usize> = sizes.split(':').map(|n| n.parse().expect("a size")).collect();
        let [m, k, n] = sizes[..] else { panic!("{shape}: three sizes are expected") };
        let (a, b, mut out) = (dense(m * k, 1), dense(k * n, 2), vec![0.0; m * n]);
        let seconds = common::timed(samples, 0.02, || match (&*library, kind) {
            ("gemm", _) => theirs(&mut out, &a, &b, [m, k, n], kind, threads),
            (_, "at") => matmul_at(&engine, &mut out, &a, &b, [m, k, n]),
            (_, "bt") => matmul_bt(&engine, &mut out, &a, &b, [m, k, n]),
            _ => matmul(&engine, &mut out, &a, &b, [m, k, n]),
        });
        let flops = 2.0 * (m * k * n) as f64;
        let gflops: Vec<f64> = seconds.iter().map(|seconds| 1e-9 * flops / seconds).collect();
        // The sum shows that both compute the same.
        let sum: f64 = out.iter().map(|&x| f64::from(x)).sum();
        shapes.push(json!({"shape": shape, "gflops": gflops, "sum": sum}));
    }
    let version =
        if library == "gemm" { concat!("gemm ", env!("GEMM_VERSION")) } else { crate::VERSION };
    common::print(&json!({"version": version, "shapes": shapes}));
}

/// Numbers in -0.5..0.5, none of them zero, so that nothing can be skipped.
fn dense(count: usize, seed: u32) -> Vec<f32> {
    let number = |i: usize| {
        let mixed = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 8;
        (mixed as f32 + 0.5) / (1 << 24) as f32 - 0.5
    };
    (0..count).map(number).collect()
}

fn theirs(
    out: &mut [f32],
    a: &[f32],
    b: &[f32],
    [m, k, n]: [usize; 3],
    kind: &str,
    threads: usize,
) {
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    // The strides from a column to the next, and from a row to the next.
    let (a_column, a_row) = if kind == "at" { (m, 1) } else { (1, k) };
    let (b_column, b_row) = if kind == "bt" { (k, 1) } else { (1, n) };
    let [a_column, a_row, b_column, b_row] = [a_column, a_row, b_column, b_row].map(|s| s as isize);
    // SAFETY: the slices have m·n, m·k and k·n elements, and the strides stay within them.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_column,
            b_row,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
