//! The arithmetic of Glassbox on one NVIDIA GPU: hand-written kernels, and nothing needed but the driver.
//!
//! Each family of operations has its kernels and its launchers side by side: `ops/softmax.cu` and
//! `ops/softmax.rs`. Kernels are kept as PTX beside their text and translated by the driver for the chip
//! that is there, so neither building nor running needs a toolkit.
//!
//! **Exact.** The kernels of [`ops`] give the bits of the definition, `glassbox_cpu::reference`: an output
//! element is one chain of fused multiply-adds in the same order, and exp, ln and tanh are the same
//! polynomials. Faster ways that round otherwise have names of their own and state a bound: see [`ladder`].
//!
//! What goes wrong on the device is an [`Error`] with the facts; sizes that do not fit are our mistake, and
//! asserted.

mod buffer;
mod driver;
mod engine;
mod infer;
mod inputs;
pub mod ladder;
mod launch;
pub mod ops;
mod pool;
pub mod train;

pub use buffer::Buffer;
pub use driver::{
    Context, Element, Error, Event, Graph, Result, SYMBOLS, Stream, device_count, version,
};
pub use engine::Engine;
pub use infer::{infer, infer_numbers};
pub use inputs::{DevicePointer, Inputs};
pub use launch::{Argument, Image, Launch};
