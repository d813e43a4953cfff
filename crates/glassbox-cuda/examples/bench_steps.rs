//! How long a training step takes: `bench_steps [--json] [--quick]`, on device 0.
//!
//! 784-128-relu-10, batches of 64, plain gradient descent, images of which a fifth of the pixels are not zero, in both
//! ways of taking a step, and in the fused one also with its kernels one after the other. A round is an epoch's worth of
//! steps in one call, with what is copied before and after. On the simulated driver the times mean nothing.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use glassbox_cuda::ops::Activation;
use glassbox_cuda::train::{Data, Optimizer, Part, Rule, Session, Steps};
use glassbox_cuda::{Engine, Result};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

const INPUTS: usize = 784;
const HIDDEN: usize = 128;
const CLASSES: usize = 10;
const BATCH: usize = 64;
const ROUNDS: usize = 7;

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

/// Numbers that look random: a linear congruential generator (Knuth, MMIX).
fn random(count: usize) -> impl Iterator<Item = u32> {
    let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(Some(7_u64), next).map(|state| (state >> 33) as u32).take(count)
}

fn measure(json: bool, quick: bool) -> Result<()> {
    let engine = Engine::open(0)?;
    let images = if quick { 3 * BATCH } else { 938 * BATCH };
    let pixel = |bits: u32| if bits.is_multiple_of(5) { (bits >> 8) as u8 } else { 0 };
    let pixels: Vec<u8> = random(images * INPUTS).map(pixel).collect();
    let labels: Vec<u32> = random(images).map(|bits| bits % CLASSES as u32).collect();
    let data = Arc::new(Data::new(&engine, &pixels, &labels, INPUTS)?);
    let parts = [
        Part::Dense { outputs: HIDDEN },
        Part::Activation(Activation::Relu),
        Part::Dense { outputs: CLASSES },
    ];
    let mut session = Session::new(&engine, &data, &parts, 0, BATCH, true)?;
    for way in ["fused", "fused in turn", "layered"] {
        match way {
            // Elsewhere that is how they are anyway.
            "fused in turn" if !session.starts_early() => continue,
            "fused in turn" => session.set_in_turn(),
            "layered" => session.set_layered(),
            _ => {}
        }
        let seconds = time(&mut session, images, if quick { 1 } else { ROUNDS })?;
        if json {
            println!("{{\"name\":\"step {way}\",\"way\":\"{way}\",\"seconds\":{seconds:e}}}");
        } else {
            println!("{way:<13} {:>8.2} µs a step", 1e6 * seconds);
        }
    }
    Ok(())
}

/// Seconds a step, the median of the rounds after the first.
fn time(session: &mut Session, images: usize, rounds: usize) -> Result<f64> {
    let order: Vec<u32> = (0..images as u32).collect();
    let steps = images.div_ceil(BATCH);
    let rules = vec![Rule { optimizer: Optimizer::Sgd { lr: 0.01 }, decay: 0.0 }; steps];
    let drawn =
        |count: usize| random(count).map(|bits| bits as f32 / 2e10 - 0.05).collect::<Vec<_>>();
    let arrays =
        [drawn(INPUTS * HIDDEN), vec![0.0; HIDDEN], drawn(HIDDEN * CLASSES), vec![0.0; CLASSES]];
    let arrays: Vec<&[f32]> = arrays.iter().map(|array| &array[..]).collect();
    let mut seconds = Vec::new();
    for _ in 0..=rounds {
        session.load(&arrays)?;
        let start = Instant::now();
        session.run(&Steps { order: &order, rules: &rules, seed: 0, first: 0 })?;
        seconds.push(start.elapsed().as_secs_f64() / steps as f64);
    }
    let mut seconds = seconds.split_off(1);
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}
