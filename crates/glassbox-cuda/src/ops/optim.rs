//! Optimizers, in order of increasing complexity.

use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::launch::Image;

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "optim", ptx: include_str!("../../ptx/optim.ptx"), capability: 75 };

/// The numbers of one step of Adam or AdamW, see `glassbox_cpu::reference::AdamStep`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// How much of the first moment is kept.
    pub beta1: f32,
    /// How much of the second moment is kept.
    pub beta2: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// lr / (1 − β₁ᵗ)
    pub step_size: f32,
    /// √(1 − β₂ᵗ)
    pub sqrt_correction: f32,
    /// 1 − lr · weight decay, which AdamW multiplies the weights by first. 1 in Adam.
    pub keep: f32,
}

/// w −= lr · g
pub fn sgd(engine: &Engine, w: &mut Buffer<f32>, g: &Buffer<f32>, lr: f32) -> Result<()> {
    let n = w.len();
    assert_eq!(g.len(), n, "sgd");
    let launch = engine.launch(&IMAGE, "sgd")?.elements(n);
    // SAFETY: both (n).
    unsafe { launch.arg(w).arg(g).arg(lr).arg(n as u64).run() }
}

/// v = μ v + g;  w −= lr · v
pub fn momentum(
    engine: &Engine,
    w: &mut Buffer<f32>,
    v: &mut Buffer<f32>,
    g: &Buffer<f32>,
    lr: f32,
    mu: f32,
) -> Result<()> {
    with_velocity("momentum", engine, w, v, g, lr, mu)
}

/// v = μ v + g;  w −= lr · (g + μ v)
pub fn nesterov(
    engine: &Engine,
    w: &mut Buffer<f32>,
    v: &mut Buffer<f32>,
    g: &Buffer<f32>,
    lr: f32,
    mu: f32,
) -> Result<()> {
    with_velocity("nesterov", engine, w, v, g, lr, mu)
}

fn with_velocity(
    kernel: &'static str,
    engine: &Engine,
    w: &mut Buffer<f32>,
    v: &mut Buffer<f32>,
    g: &Buffer<f32>,
    lr: f32,
    mu: f32,
) -> Result<()> {
    let n = w.len();
    assert_eq!((v.len(), g.len()), (n, n), "{kernel}");
    let launch = engine.launch(&IMAGE, kernel)?.elements(n);
    // SAFETY: all (n).
    unsafe { launch.arg(w).arg(v).arg(g).arg(lr).arg(mu).arg(n as u64).run() }
}

/// One step of Adam or AdamW on w, with its moments m and v
pub fn adam(
    engine: &Engine,
    w: &mut Buffer<f32>,
    m: &mut Buffer<f32>,
    v: &mut Buffer<f32>,
    g: &Buffer<f32>,
    step: &AdamStep,
) -> Result<()> {
    let n = w.len();
    assert_eq!((m.len(), v.len(), g.len()), (n, n, n), "adam");
    let launch = engine.launch(&IMAGE, "adam")?.elements(n).arg(w).arg(m).arg(v).arg(g);
    let launch = launch.arg(step.beta1).arg(step.beta2).arg(step.epsilon);
    let launch = launch.arg(step.step_size).arg(step.sqrt_correction).arg(step.keep);
    // SAFETY: all (n).
    unsafe { launch.arg(n as u64).run() }
}
