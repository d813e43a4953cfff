//! What the tests on a device share: an engine, numbers to try, and the comparison of bits.
//!
//! The device is the simulated one, in the mode that `GLASSBOX_CUDA_SIM` names, or with
//! `GLASSBOX_CUDA_REAL=1` the machine's own.

#![allow(dead_code)] // not every test file uses everything

pub mod definition;

use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cuda::{Buffer, Engine, Error, Graph};
use std::io::Write;
use std::sync::{Arc, OnceLock};

/// The engine that all tests of a file share.
pub fn engine() -> &'static Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        glassbox_cuda_sim::install_default();
        let engine = Engine::open(0).expect("a device, simulated or real");
        // Where accesses are checked, they should be those of the buffer and not of what the pool rounds it up to.
        let is_checked = std::env::var("GLASSBOX_CUDA_SIM").is_ok_and(|mode| mode == "check");
        Arc::new(if is_checked { engine.without_pool().unwrap() } else { engine })
    })
}

/// Runs a test of this program in a process of its own, whose simulated driver heeds this environment, and fails if it
/// does or leaves graphs behind. A real driver does not fail when it is told to.
pub fn with(environment: &[(&str, &str)], test: &str) {
    if std::env::var_os("GLASSBOX_CUDA_REAL").is_some_and(|value| value == "1") {
        let skipped = writeln!(std::io::stderr(), "SKIPPED: {test} needs the simulated driver");
        return skipped.expect("stderr is open");
    }
    let (is_good, text) = glassbox_cuda_sim::run_alone(test, environment);
    assert!(is_good && !text.contains("graphs were not"), "{environment:?}\n{text}");
}

/// Launches the graph in the engine's stream, and waits.
pub fn carry_out(graph: &Graph, engine: &Engine) -> Result<(), Error> {
    // SAFETY: tests keep the graph and its memory until this returns; then the work is done, or the device is lost.
    unsafe { graph.launch(engine.stream())? };
    engine.synchronize()
}

/// Waits for what is queued in the stream of this handle.
pub fn wait_for(engine: &Engine, handle: u64) -> Result<(), Error> {
    // SAFETY: tests name streams of engines that they have, or default ones.
    unsafe { engine.wait_for_stream(handle) }
}

/// Numbers in [−1, 1) to try, the same for the same seed.
pub fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let stream = Philox::new(seed, Purpose::Test, 1, 0);
    (0..count as u64).map(|i| 2.0 * stream.uniform(i) - 1.0).collect()
}

/// The same, with zeros of both signs and, if `wild`, numbers that are none, subnormal, or nearly too large.
pub fn odd_numbers(seed: u64, count: usize, wild: bool) -> Vec<f32> {
    let stream = Philox::new(seed, Purpose::Test, 2, 0);
    let mut numbers = numbers(seed, count);
    for (i, x) in numbers.iter_mut().enumerate() {
        match stream.below(i as u64, if wild { 24 } else { 4 }) {
            0 => *x = 0.0,
            1 => *x = -0.0,
            4 => *x = f32::INFINITY,
            5 => *x = f32::NEG_INFINITY,
            6 => *x = f32::NAN,
            7 => *x *= 1e38,
            8 => *x *= 1e-42,
            _ => {}
        }
    }
    numbers
}

/// A buffer of these numbers.
pub fn up(numbers: &[f32]) -> Buffer<f32> {
    engine().upload(numbers).unwrap()
}

/// A buffer for so many numbers.
pub fn room(count: usize) -> Buffer<f32> {
    engine().buffer(count).unwrap()
}

/// Fails unless both have the same bits; a NaN is a NaN.
pub fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differ = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
    if let Some(place) = found.iter().zip(expected).position(differ) {
        let (a, b) = (found[place], expected[place]);
        panic!("{what}: element {place} of {} is {a:e}, defined {b:e}", found.len());
    }
}
