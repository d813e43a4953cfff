//! Activation functions, each with its derivative beside it.

use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::launch::Image;

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "activation", ptx: include_str!("../../ptx/activation.ptx"), capability: 75 };

/// Which activation function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(0, x)
    Relu,
    /// x where positive, slope · x elsewhere
    LeakyRelu(f32),
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// x · Φ(x), in the tanh form.
    Gelu,
}

/// The number of no activation, for kernels that have one built in.
pub(crate) const NONE: u32 = 0;

impl Activation {
    /// Its number in `activation.cuh`, and its slope.
    pub(crate) fn code(self) -> (u32, f32) {
        match self {
            Activation::Relu => (1, 0.0),
            Activation::LeakyRelu(slope) => (2, slope),
            Activation::Sigmoid => (3, 0.0),
            Activation::Tanh => (4, 0.0),
            Activation::Gelu => (5, 0.0),
        }
    }
}

/// out = f(x), element by element
pub fn activation(
    engine: &Engine,
    kind: Activation,
    out: &mut Buffer<f32>,
    x: &Buffer<f32>,
) -> Result<()> {
    let n = out.len();
    assert_eq!(x.len(), n, "activation");
    let (kind, slope) = kind.code();
    let launch = engine.launch(&IMAGE, "activation")?.elements(n);
    // SAFETY: both (n).
    unsafe { launch.arg(out).arg(x).arg(kind).arg(slope).arg(n as u64).run() }
}

/// dx = dy · f′(x), where y = f(x)
pub fn activation_backward(
    engine: &Engine,
    kind: Activation,
    dx: &mut Buffer<f32>,
    dy: &Buffer<f32>,
    x: &Buffer<f32>,
    y: &Buffer<f32>,
) -> Result<()> {
    let n = dx.len();
    assert_eq!((dy.len(), x.len(), y.len()), (n, n, n), "activation_backward");
    let (kind, slope) = kind.code();
    let launch = engine.launch(&IMAGE, "activation_backward")?.elements(n);
    // SAFETY: all (n).
    unsafe { launch.arg(dx).arg(dy).arg(x).arg(y).arg(kind).arg(slope).arg(n as u64).run() }
}
