//! Times a training step of 784-128-10 at batch 64 on the GPU: an object of JSON a line. With `--quick`, few steps.
//!
//! The time is that of a clock on the wall for a whole epoch, with the order of the images going up and the losses
//! coming down, divided by its steps. `bench/gpu/torch_steps.py` prints the same of PyTorch.
#![allow(clippy::print_stdout)]

use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cuda::ops::Activation;
use glassbox_cuda::train::{Data, Optimizer, Part, Rule, Session, Steps, Way};
use glassbox_cuda::{Engine, Result};
use std::sync::Arc;
use std::time::Instant;

const INPUTS: usize = 784;
const HIDDEN: usize = 128;
const CLASSES: usize = 10;
const BATCH: usize = 64;
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let images = if is_quick { 3 * BATCH } else { 60_000 };
    let engine = Engine::open(0)?;
    let stream = Philox::new(0, Purpose::Test, 0, 0);
    // As many zeros as MNIST has, since a way may skip them.
    let pixel = |bits: u32| if bits % 100 < 19 { (bits >> 8) as u8 } else { 0 };
    let pixels: Vec<u8> = (0..(images * INPUTS) as u64).map(|i| pixel(stream.bits(i))).collect();
    let labels: Vec<u32> = (0..images as u64).map(|i| stream.below(i, CLASSES as u32)).collect();
    let data = Arc::new(Data::new(&engine, &pixels, &labels, INPUTS)?);
    for way in [Way::Fused, Way::Layered] {
        time(&engine, &data, way)?;
    }
    Ok(())
}

fn time(engine: &Engine, data: &Arc<Data>, way: Way) -> Result<()> {
    let parts = [
        Part::Dense { outputs: HIDDEN },
        Part::Activation(Activation::Relu),
        Part::Dense { outputs: CLASSES },
    ];
    let mut session = Session::new(engine, data, &parts, 0, BATCH, true, 0)?;
    if way == Way::Layered {
        session.set_layered();
    }
    let stream = Philox::new(1, Purpose::Test, 0, 0);
    let weights = |len: usize| -> Vec<f32> {
        (0..len as u64).map(|i| 0.1 * stream.uniform(i) - 0.05).collect()
    };
    let arrays = [INPUTS * HIDDEN, HIDDEN, HIDDEN * CLASSES, CLASSES].map(weights);
    session.load(&arrays.each_ref().map(Vec::as_slice))?;

    let order = Philox::new(2, Purpose::Shuffle, 0, 0).permutation(data.len() as u32);
    let rule = Rule { optimizer: Optimizer::Sgd { lr: 0.01 }, decay: 0.0 };
    let rules = vec![rule; data.len().div_ceil(BATCH)];
    let mut microseconds = Vec::new();
    // The first round records the step.
    for round in 0..=ROUNDS {
        let start = Instant::now();
        let first = (round * rules.len()) as u32;
        session.run(&Steps { order: &order, rules: &rules, seed: 0, first })?;
        microseconds.push(start.elapsed().as_secs_f64() * 1e6 / rules.len() as f64);
    }
    microseconds.remove(0);
    microseconds.sort_by(f64::total_cmp);
    let (median, steps) = (microseconds[ROUNDS / 2], rules.len());
    println!(
        "{{\"name\": \"glassbox {}\", \"microseconds\": {median:.3}, \"steps_a_round\": {steps}}}",
        format!("{way:?}").to_lowercase()
    );
    Ok(())
}
