//! Networks of every kind of part, in several runs of one session, give the bits of the definition.

mod common;

use common::definition::Definition;
use common::{assert_same, engine};
use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cpu::reference::samples;
use glassbox_cuda::ops::Activation;
use glassbox_cuda::train::{Data, Optimizer, Part, Rule, Session, Steps, Way};
use std::sync::Arc;

const INPUTS: usize = 12;
const CLASSES: usize = 4;
const IMAGES: usize = 11;
const BATCH: usize = 4;

/// Pixels, of which many are zero, and labels.
fn images() -> (Vec<u8>, Vec<u32>) {
    let stream = Philox::new(9, Purpose::Test, 4, 0);
    let pixel = |i| if stream.below(i, 3) == 0 { 0 } else { stream.bits(i) as u8 };
    let pixels = (0..(IMAGES * INPUTS) as u64).map(pixel).collect();
    // All classes occur, since the data's classes are as many as its labels tell.
    (pixels, (0..IMAGES).map(|image| (image % CLASSES) as u32).collect())
}

/// What one run of steps is given.
#[derive(Clone, Copy)]
struct Run<'a> {
    order: &'a [u32],
    lr: f32,
    seed: u64,
    first: u32,
}

/// Takes the steps by the definition, and returns their losses.
fn run_by_definition(definition: &mut Definition, run: Run) -> Vec<f32> {
    let (pixels, labels) = images();
    let batches = run.order.chunks(BATCH).zip(run.first..);
    let step = |(rows, step): (&[u32], u32)| {
        let mut x = vec![0.0; rows.len() * INPUTS];
        samples::gather(&mut x, &pixels, rows, INPUTS);
        let labels: Vec<u32> = rows.iter().map(|&row| labels[row as usize]).collect();
        definition.step(x, &labels, step, run.lr, run.seed)
    };
    batches.map(step).collect()
}

/// Takes the runs one after another in one session, in both ways where there are two, and compares after each.
fn check(parts: &[Part], runs: &[Run]) {
    let (pixels, labels) = images();
    let data = Arc::new(Data::new(engine(), &pixels, &labels, INPUTS).unwrap());
    let mut session = Session::new(engine(), &data, parts, 0, BATCH, true).unwrap();
    let ways = if session.way() == Way::Fused { 2 } else { 1 };
    for way in 0..ways {
        if way == 1 {
            session.set_layered();
        }
        let mut definition = Definition::new(parts, INPUTS);
        session.load(&definition.arrays.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        for (number, &run) in runs.iter().enumerate() {
            let what = format!("{parts:?}, {:?}, run {number}", session.way());
            let expected = run_by_definition(&mut definition, run);
            let rule = Rule { optimizer: Optimizer::Sgd { lr: run.lr }, decay: 0.0 };
            let rules = vec![rule; run.order.len().div_ceil(BATCH)];
            let steps = Steps { order: run.order, rules: &rules, seed: run.seed, first: run.first };
            let outcomes = session.run(&steps).unwrap();
            let losses: Vec<f32> = outcomes.iter().map(|outcome| outcome.loss).collect();
            assert_same(&losses, &expected, &what);
            let mut found = definition.arrays.clone();
            session
                .store(&mut found.iter_mut().map(|array| &mut array[..]).collect::<Vec<_>>())
                .unwrap();
            for (found, expected) in found.iter().zip(&definition.arrays) {
                assert_same(found, expected, &what);
            }
        }
    }
}

const TANH: Part = Part::Activation(Activation::Tanh);
const HIDDEN: Part = Part::Dense { outputs: 9 };
const LAST: Part = Part::Dense { outputs: CLASSES };

/// Batches of four and one of three; then fewer steps in another order; then two of which the last is smaller again.
const ORDERS: [&[u32]; 3] =
    [&[3, 1, 4, 10, 5, 9, 2, 6, 8, 7, 0], &[10, 9, 8, 7], &[0, 2, 4, 6, 8, 10]];

fn runs(seeds: [u64; 3], firsts: [u32; 3]) -> [Run<'static>; 3] {
    [0, 1, 2].map(|i| Run { order: ORDERS[i], lr: 0.5, seed: seeds[i], first: firsts[i] })
}

#[test]
fn several_runs_of_one_session() {
    check(&[HIDDEN, TANH, LAST], &runs([0; 3], [0, 3, 4]));
    check(&[HIDDEN, TANH, Part::Dense { outputs: 5 }, TANH, LAST], &runs([0; 3], [0, 3, 4]));
}

#[test]
fn dropout_depends_on_the_step_of_the_whole_training() {
    let parts = [Part::Dropout { p: 0.2 }, HIDDEN, TANH, Part::Dropout { p: 0.5 }, LAST];
    check(&parts, &runs([7; 3], [0, 3, 4]));
    check(&parts, &runs([7; 3], [1000, 2, 2]));
}

#[test]
fn dropout_depends_on_the_seed() {
    let parts = [HIDDEN, Part::Dropout { p: 0.5 }, TANH, LAST];
    // Seeds that differ in the low word, and in the high one.
    check(&parts, &runs([7, 8, 8 + (1 << 40)], [0, 3, 4]));
    check(&parts, &runs([8 + (1 << 40), 8, 8], [0, 3, 4]));
}

#[test]
fn softmax_as_a_part() {
    for part in [Part::Softmax, Part::LogSoftmax] {
        check(&[HIDDEN, TANH, LAST, part], &runs([0; 3], [0; 3]));
        check(&[HIDDEN, part, Part::Dropout { p: 0.3 }, LAST], &runs([5; 3], [1, 4, 5]));
    }
}
