//! How fast each rung of the product ladder is: `bench_products [--json] [--quick]`, on device 0.
//!
//! Times are the device's own, between two events around many launches; the median of several rounds. On the simulated
//! driver they mean nothing.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use glassbox_cuda::ladder::{self, Rung};
use glassbox_cuda::{Engine, Result};
use std::process::ExitCode;
use std::time::Duration;

/// Squares, and the products of a step of 784-128-10 with 64 images.
const SHAPES: [[usize; 3]; 6] =
    [[512; 3], [1024; 3], [2048; 3], [4096; 3], [64, 784, 128], [1024, 784, 128]];
const QUICK: [[usize; 3]; 2] = [[33, 20, 65], [64, 78, 12]];

/// How long a round should take.
const ROUND: Duration = Duration::from_millis(50);
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    match measure(has("--json"), has("--quick")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error} (hint: {})", error.hint());
            ExitCode::from(3)
        }
    }
}

fn measure(json: bool, quick: bool) -> Result<()> {
    let engine = Engine::open(0)?;
    let shapes = if quick { &QUICK[..] } else { &SHAPES[..] };
    let capability = engine.context().capability();
    for &[m, k, n] in shapes {
        let best = ladder::best(capability, true, [m, k, n]).name;
        for rung in &ladder::MATMUL {
            if rung.image.capability > capability {
                continue;
            }
            let seconds = time(&engine, rung, [m, k, n], quick)?;
            let rate = 2.0 * (m * k * n) as f64 / seconds / 1e9;
            let name = rung.name;
            if json {
                println!(
                    "{{\"name\":\"{name} {m}x{k}x{n}\",\"rung\":\"{name}\",\"shape\":[{m},{k},{n}],\
                     \"seconds\":{seconds:e},\"gflops\":{rate:.1},\"is_best\":{}}}",
                    name == best
                );
            } else {
                let mark = if name == best { "  taken by the engine" } else { "" };
                println!(
                    "{m}×{k}×{n}  {name:<20} {:>10.2} µs {rate:>9.1} GFLOP/s{mark}",
                    1e6 * seconds
                );
            }
        }
    }
    Ok(())
}

/// Seconds a product, the median of the rounds.
fn time(engine: &Engine, rung: &'static Rung, [m, k, n]: [usize; 3], quick: bool) -> Result<f64> {
    let numbers =
        |count: usize| (0..count).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect::<Vec<_>>();
    let (a, b) = (engine.upload(&numbers(m * k))?, engine.upload(&numbers(k * n))?);
    let mut out = engine.buffer(m * n)?;
    let mut round = |count: usize| -> Result<f64> {
        let start = engine.mark()?;
        for _ in 0..count {
            ladder::matmul(engine, rung, &mut out, &a, &b, [m, k, n])?;
        }
        Ok(engine.mark()?.since(&start)?.as_secs_f64() / count as f64)
    };
    // The first launch loads the kernel, the second says how many make a round.
    round(1)?;
    let once = round(1)?;
    if quick {
        return Ok(once.max(1e-9));
    }
    let count = (ROUND.as_secs_f64() / once.max(1e-7)).clamp(1.0, 10_000.0) as usize;
    let mut rounds = (0..ROUNDS).map(|_| round(count)).collect::<Result<Vec<_>>>()?;
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}
