//! Times every rung of the product ladder on the GPU: an object of JSON a line. With `--quick`, small and few.
//!
//! `bench/gpu/torch_products.py` prints the same of cuBLAS, for the same shapes and in the same way.
#![allow(clippy::print_stdout)]

use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cuda::{Buffer, Engine, Result, ladder};
use std::time::{Duration, Instant};

/// Rows of the first factor, what is summed over, columns of the second.
type Shape = [usize; 3];

/// Squares, and the products of 784-128-10 at batch 64.
const SHAPES: [Shape; 8] = [
    [256; 3],
    [512; 3],
    [1024; 3],
    [2048; 3],
    [4096; 3],
    [64, 784, 128],
    [784, 64, 128],
    [64, 128, 10],
];
const QUICK: [Shape; 2] = [[64; 3], [33, 20, 17]];
/// How often a timing is repeated, unless that takes too long, and how long one lasts.
const SAMPLES: usize = 15;
const LONGEST: Duration = Duration::from_secs(2);
const SAMPLE: f64 = 0.01;

fn main() -> Result<()> {
    let engine = Engine::open(0)?;
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let capability = engine.context().capability();
    for &shape in if is_quick { &QUICK[..] } else { &SHAPES } {
        for rung in ladder::MATMUL.iter().filter(|rung| rung.image.capability <= capability) {
            let best = std::ptr::eq(ladder::best(capability, engine.is_exact(), shape), rung);
            time(&engine, rung, shape, if best { " (taken)" } else { "" })?;
        }
    }
    Ok(())
}

fn time(engine: &Engine, rung: &'static ladder::Rung, [m, k, n]: Shape, note: &str) -> Result<()> {
    let (a, b) = (numbers(engine, 0, m * k)?, numbers(engine, 1, k * n)?);
    let mut out = engine.buffer(m * n)?;
    let mut run = |count: usize| -> Result<f64> {
        let start = engine.mark()?;
        for _ in 0..count {
            ladder::matmul(engine, rung, &mut out, &a, &b, [m, k, n])?;
        }
        Ok(engine.mark()?.since(&start)?.as_secs_f64() / count as f64)
    };
    run(1)?;
    let count = (SAMPLE / run(1)?.max(1e-6)).ceil().clamp(1.0, 10_000.0) as usize;
    let (begun, mut seconds) = (Instant::now(), Vec::new());
    while seconds.is_empty() || seconds.len() < SAMPLES && begun.elapsed() < LONGEST {
        seconds.push(run(count)?);
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let tflops = 2e-12 * (m * k * n) as f64 / median;
    let (name, samples) = (rung.name, seconds.len());
    println!(
        "{{\"name\": \"{name}{note}\", \"shape\": \"{m}x{k}x{n}\", \"seconds\": {median:e}, \
         \"tflops\": {tflops:e}, \"samples\": {samples}}}"
    );
    Ok(())
}

fn numbers(engine: &Engine, seed: u64, count: usize) -> Result<Buffer<f32>> {
    let stream = Philox::new(seed, Purpose::Test, 0, 0);
    let numbers: Vec<f32> = (0..count as u64).map(|i| 2.0 * stream.uniform(i) - 1.0).collect();
    engine.upload(&numbers)
}
