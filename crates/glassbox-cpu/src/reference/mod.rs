//! The definition of every operation: plain loops, generic over `f32` and `f64`, never optimised.
//!
//! Every faster way of computing the same thing is judged by this one, and has to give the same
//! bits. Three rules make that possible:
//!
//! 1. **A sum is a chain.** An output element is `acc = a.mul_add(b, acc)` over ascending `k`.
//!    Fast code may compute many elements at once; it may not reorder one chain.
//! 2. **A zero contributes nothing.** A term with a factor that is exactly zero is left out,
//!    whatever it meets (infinities and NaN too), and a sum that ends as −0 is returned as +0. So
//!    code that skips zeros and code that does not agree, see [`matmul`].
//! 3. **exp, ln and tanh are ours** ([`math`]), made of operations that IEEE 754 rounds correctly,
//!    so that they are the same on every machine.
//!
//! A NaN is a NaN: its sign and payload are not part of the definition.

pub mod math;
pub mod philox;
mod real;

pub mod activation;
pub mod bias;
pub mod elementwise;
pub mod loss;
pub mod matmul;
pub mod matrix;
pub mod optim;
pub mod random;
pub mod samples;
pub mod softmax;

pub use activation::{Activation, activation, activation_backward};
pub use bias::{add_bias, add_bias_backward};
pub use elementwise::{add, add_scaled, mul, scale, sub, sum_of_squares, transpose};
pub use loss::{
    Reduction, cross_entropy, cross_entropy_backward, mean_squared_error,
    mean_squared_error_backward,
};
pub use matmul::{matmul, matmul_at, matmul_bt};
pub use matrix::{Matrix, MatrixError};
pub use optim::{AdamStep, adam, momentum, nesterov, sgd};
pub use random::{dropout, dropout_backward, fill_uniform};
pub use real::Real;
pub use samples::{argmax, gather};
pub use softmax::{log_softmax, log_softmax_backward, softmax, softmax_backward};
