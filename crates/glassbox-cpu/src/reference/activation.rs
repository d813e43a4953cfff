//! Activation functions, each with its derivative beside it.
//!
//! A pair is `name(x) -> y` and `name_backward(dy, x, y) -> dx`: the derivative may be written in
//! terms of the input or of the output, whichever is shorter.

use super::Real;

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

/// out (any shape) = f(x)
pub fn activation<F: Real>(kind: Activation, out: &mut [F], x: &[F]) {
    assert_eq!(out.len(), x.len(), "activation");
    for (out, &x) in out.iter_mut().zip(x) {
        *out = match kind {
            Activation::Relu => relu(x),
            Activation::LeakyRelu(slope) => leaky_relu(x, F::from_f64(slope.into())),
            Activation::Sigmoid => x.sigmoid(),
            Activation::Tanh => x.tanh(),
            Activation::Gelu => gelu(x),
        };
    }
}

/// dx = dy · f′(x), given the input x and the output y of [`activation`]
pub fn activation_backward<F: Real>(kind: Activation, dx: &mut [F], dy: &[F], x: &[F], y: &[F]) {
    assert_eq!((dx.len(), dy.len(), x.len()), (y.len(), y.len(), y.len()), "activation_backward");
    for (i, dx) in dx.iter_mut().enumerate() {
        let (dy, x, y) = (dy[i], x[i], y[i]);
        *dx = match kind {
            Activation::Relu => relu_backward(dy, x),
            Activation::LeakyRelu(slope) => leaky_relu_backward(dy, x, F::from_f64(slope.into())),
            Activation::Sigmoid => sigmoid_backward(dy, y),
            Activation::Tanh => tanh_backward(dy, y),
            Activation::Gelu => gelu_backward(dy, x),
        };
    }
}

/// max(0, x). A NaN stays NaN, so that it is seen.
pub fn relu<F: Real>(x: F) -> F {
    if x < F::ZERO { F::ZERO } else { x }
}

/// The slope at the kink is 0, as everywhere in the field.
pub fn relu_backward<F: Real>(dy: F, x: F) -> F {
    if F::ZERO < x { dy } else { F::ZERO }
}

/// x where it is positive, slope · x elsewhere (Maas, Hannun, Ng 2013).
pub fn leaky_relu<F: Real>(x: F, slope: F) -> F {
    if F::ZERO < x { x } else { slope * x }
}

/// The slope at the kink is that of the negative side.
pub fn leaky_relu_backward<F: Real>(dy: F, x: F, slope: F) -> F {
    if F::ZERO < x { dy } else { slope * dy }
}

/// s′ = s · (1 − s)
pub fn sigmoid_backward<F: Real>(dy: F, y: F) -> F {
    dy * (y * (F::ONE - y))
}

/// tanh′ = 1 − tanh²
pub fn tanh_backward<F: Real>(dy: F, y: F) -> F {
    dy * (-y).mul_add(y, F::ONE)
}

/// √(2/π), of the tanh form of gelu.
pub(crate) const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
/// The cubic coefficient of the tanh form of gelu.
pub(crate) const GELU_CUBIC: f64 = 0.044_715;

/// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))): Hendrycks, Gimpel 2016, the tanh form
/// (`torch.nn.GELU(approximate="tanh")`).
pub fn gelu<F: Real>(x: F) -> F {
    let half_x = F::from_f64(0.5) * x;
    half_x.mul_add(gelu_tanh(x), half_x)
}

/// With t = tanh(u): dx = dy · ((1 + t)/2 + x/2 · (1 − t²) · u′).
pub fn gelu_backward<F: Real>(dy: F, x: F) -> F {
    let half = F::from_f64(0.5);
    let t = gelu_tanh(x);
    let du = F::from_f64(3.0 * GELU_CUBIC * GELU_SCALE).mul_add(x * x, F::from_f64(GELU_SCALE));
    // Far out 1 − t² is 0 and x · u′ may overflow: the factors are taken in an order that cannot.
    let slope = ((-t).mul_add(t, F::ONE) * (half * x)) * du;
    dy * (half.mul_add(t, half) + slope)
}

/// tanh(√(2/π) · (x + 0.044715 x³))
fn gelu_tanh<F: Real>(x: F) -> F {
    let cubic = F::from_f64(GELU_CUBIC * GELU_SCALE).mul_add(x * x, F::from_f64(GELU_SCALE));
    (x * cubic).tanh()
}
