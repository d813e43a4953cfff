//! An NVIDIA GPU as a device of the op table: operands go there for each operation, and the result comes back.
//!
//! That is right for every network and slow for all: most of the time is the way there and back. Plans that take
//! whole steps keep everything on the device, see `plan/cuda.rs`.

use super::DeviceName;
use crate::error::Result;
use glassbox_cpu::reference::loss::{gradient_scale, reduce};
use glassbox_cpu::reference::philox::Philox;
use glassbox_cpu::reference::{self, AdamStep, Reduction};
use glassbox_cuda::ops::{self, Stream};
use glassbox_cuda::{Buffer, Engine};
use std::sync::Arc;

/// A GPU that was opened.
#[derive(Clone)]
pub struct Cuda {
    pub(crate) engine: Arc<Engine>,
    /// What it was asked for as.
    pub(crate) name: DeviceName,
}

/// An activation as the engine names it.
pub(crate) fn activation(kind: reference::Activation) -> ops::Activation {
    match kind {
        reference::Activation::Relu => ops::Activation::Relu,
        reference::Activation::LeakyRelu(slope) => ops::Activation::LeakyRelu(slope),
        reference::Activation::Sigmoid => ops::Activation::Sigmoid,
        reference::Activation::Tanh => ops::Activation::Tanh,
        reference::Activation::Gelu => ops::Activation::Gelu,
    }
}

/// A step of Adam as the engine names it.
pub(crate) fn adam_step(step: &AdamStep) -> ops::AdamStep {
    let AdamStep { beta1, beta2, epsilon, step_size, sqrt_correction, keep } = *step;
    ops::AdamStep { beta1, beta2, epsilon, step_size, sqrt_correction, keep }
}

fn stream(stream: Philox) -> Stream {
    let (key, words) = stream.words();
    Stream { key, words }
}

type Product = fn(
    &Engine,
    &mut Buffer<f32>,
    &Buffer<f32>,
    &Buffer<f32>,
    [usize; 3],
) -> glassbox_cuda::Result<()>;

type Rows = fn(&Engine, &mut Buffer<f32>, &Buffer<f32>, [usize; 2]) -> glassbox_cuda::Result<()>;

type RowsBackward = fn(
    &Engine,
    &mut Buffer<f32>,
    &Buffer<f32>,
    &Buffer<f32>,
    [usize; 2],
) -> glassbox_cuda::Result<()>;

type Velocity = fn(
    &Engine,
    &mut Buffer<f32>,
    &mut Buffer<f32>,
    &Buffer<f32>,
    f32,
    f32,
) -> glassbox_cuda::Result<()>;

impl Cuda {
    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn up(&self, numbers: &[f32]) -> Result<Buffer<f32>> {
        Ok(self.engine.upload(numbers)?)
    }

    fn labels(&self, labels: &[u32]) -> Result<Buffer<u32>> {
        Ok(self.engine.upload(labels)?)
    }

    /// What `op` writes into a buffer as long as `out`.
    fn compute(
        &self,
        out: &mut [f32],
        op: impl FnOnce(&Engine, &mut Buffer<f32>) -> glassbox_cuda::Result<()>,
    ) -> Result<()> {
        let mut buffer = self.engine.buffer(out.len())?;
        op(&self.engine, &mut buffer)?;
        Ok(buffer.read(out)?)
    }

    /// What `op` makes of `x`.
    fn change(
        &self,
        x: &mut [f32],
        op: impl FnOnce(&Engine, &mut Buffer<f32>) -> glassbox_cuda::Result<()>,
    ) -> Result<()> {
        let mut buffer = self.up(x)?;
        op(&self.engine, &mut buffer)?;
        Ok(buffer.read(x)?)
    }

    /// The one number that `op` writes.
    fn number(
        &self,
        op: impl FnOnce(&Engine, &mut Buffer<f32>) -> glassbox_cuda::Result<()>,
    ) -> Result<f32> {
        let mut number = [0.0];
        self.compute(&mut number, op)?;
        Ok(number[0])
    }

    fn product(
        &self,
        op: Product,
        out: &mut [f32],
        a: &[f32],
        b: &[f32],
        dims: [usize; 3],
    ) -> Result<()> {
        let (a, b) = (self.up(a)?, self.up(b)?);
        self.compute(out, |engine, out| op(engine, out, &a, &b, dims))
    }

    pub(super) fn matmul(
        &self,
        out: &mut [f32],
        a: &[f32],
        b: &[f32],
        dims: [usize; 3],
    ) -> Result<()> {
        self.product(ops::matmul, out, a, b, dims)
    }

    pub(super) fn matmul_at(
        &self,
        out: &mut [f32],
        a: &[f32],
        b: &[f32],
        dims: [usize; 3],
    ) -> Result<()> {
        self.product(ops::matmul_at, out, a, b, dims)
    }

    pub(super) fn matmul_bt(
        &self,
        out: &mut [f32],
        a: &[f32],
        b: &[f32],
        dims: [usize; 3],
    ) -> Result<()> {
        self.product(ops::matmul_bt, out, a, b, dims)
    }

    pub(super) fn add_bias(&self, x: &mut [f32], bias: &[f32], dims: [usize; 2]) -> Result<()> {
        let bias = self.up(bias)?;
        self.change(x, |engine, x| ops::add_bias(engine, x, &bias, dims))
    }

    pub(super) fn add_bias_backward(
        &self,
        db: &mut [f32],
        dx: &[f32],
        dims: [usize; 2],
    ) -> Result<()> {
        let dx = self.up(dx)?;
        self.compute(db, |engine, db| ops::add_bias_backward(engine, db, &dx, dims))
    }

    pub(super) fn activation(
        &self,
        kind: reference::Activation,
        out: &mut [f32],
        x: &[f32],
    ) -> Result<()> {
        let x = self.up(x)?;
        self.compute(out, |engine, out| ops::activation(engine, activation(kind), out, &x))
    }

    pub(super) fn activation_backward(
        &self,
        kind: reference::Activation,
        dx: &mut [f32],
        dy: &[f32],
        x: &[f32],
        y: &[f32],
    ) -> Result<()> {
        let (dy, x, y) = (self.up(dy)?, self.up(x)?, self.up(y)?);
        self.compute(dx, |engine, dx| {
            ops::activation_backward(engine, activation(kind), dx, &dy, &x, &y)
        })
    }

    pub(super) fn softmax(&self, out: &mut [f32], x: &[f32], dims: [usize; 2]) -> Result<()> {
        self.rows(ops::softmax, out, x, dims)
    }

    pub(super) fn softmax_backward(
        &self,
        dx: &mut [f32],
        dy: &[f32],
        y: &[f32],
        dims: [usize; 2],
    ) -> Result<()> {
        self.rows_backward(ops::softmax_backward, dx, dy, y, dims)
    }

    pub(super) fn log_softmax(&self, out: &mut [f32], x: &[f32], dims: [usize; 2]) -> Result<()> {
        self.rows(ops::log_softmax, out, x, dims)
    }

    pub(super) fn log_softmax_backward(
        &self,
        dx: &mut [f32],
        dy: &[f32],
        y: &[f32],
        dims: [usize; 2],
    ) -> Result<()> {
        self.rows_backward(ops::log_softmax_backward, dx, dy, y, dims)
    }

    fn rows(&self, op: Rows, out: &mut [f32], x: &[f32], dims: [usize; 2]) -> Result<()> {
        let x = self.up(x)?;
        self.compute(out, |engine, out| op(engine, out, &x, dims))
    }

    fn rows_backward(
        &self,
        op: RowsBackward,
        dx: &mut [f32],
        dy: &[f32],
        y: &[f32],
        dims: [usize; 2],
    ) -> Result<()> {
        let (dy, y) = (self.up(dy)?, self.up(y)?);
        self.compute(dx, |engine, dx| op(engine, dx, &dy, &y, dims))
    }

    pub(super) fn cross_entropy(
        &self,
        x: &[f32],
        labels: &[u32],
        dims: [usize; 2],
        r: Reduction,
    ) -> Result<f32> {
        let [b, o] = dims;
        let (x, labels) = (self.up(x)?, self.labels(labels)?);
        let (mut losses, mut room) = (self.engine.buffer(b)?, self.engine.buffer(b * o)?);
        let sum = self.number(|engine, sum| {
            ops::cross_entropy(engine, &mut losses, &mut room, &x, &labels, dims)?;
            ops::sum_in_order(engine, sum, &losses)
        })?;
        Ok(reduce(sum, b, r))
    }

    pub(super) fn cross_entropy_backward(
        &self,
        d: &mut [f32],
        x: &[f32],
        labels: &[u32],
        dims: [usize; 2],
        r: Reduction,
    ) -> Result<()> {
        let (x, labels, scale) =
            (self.up(x)?, self.labels(labels)?, gradient_scale(1.0, dims[0], r));
        self.compute(d, |engine, d| {
            ops::cross_entropy_backward(engine, d, &x, &labels, scale, dims)
        })
    }

    pub(super) fn mean_squared_error(&self, y: &[f32], t: &[f32], r: Reduction) -> Result<f32> {
        let (count, y, t) = (y.len(), self.up(y)?, self.up(t)?);
        let sum = self.number(|engine, sum| ops::mean_squared_error(engine, sum, &y, &t))?;
        Ok(reduce(sum, count, r))
    }

    pub(super) fn mean_squared_error_backward(
        &self,
        dy: &mut [f32],
        y: &[f32],
        t: &[f32],
        r: Reduction,
    ) -> Result<()> {
        let scale = gradient_scale(2.0, y.len(), r);
        let (y, t) = (self.up(y)?, self.up(t)?);
        self.compute(dy, |engine, dy| ops::mean_squared_error_backward(engine, dy, &y, &t, scale))
    }

    pub(super) fn sgd(&self, w: &mut [f32], g: &[f32], lr: f32) -> Result<()> {
        let g = self.up(g)?;
        self.change(w, |engine, w| ops::sgd(engine, w, &g, lr))
    }

    pub(super) fn momentum(
        &self,
        w: &mut [f32],
        v: &mut [f32],
        g: &[f32],
        lr: f32,
        mu: f32,
    ) -> Result<()> {
        self.with_velocity(ops::momentum, w, v, g, lr, mu)
    }

    pub(super) fn nesterov(
        &self,
        w: &mut [f32],
        v: &mut [f32],
        g: &[f32],
        lr: f32,
        mu: f32,
    ) -> Result<()> {
        self.with_velocity(ops::nesterov, w, v, g, lr, mu)
    }

    fn with_velocity(
        &self,
        op: Velocity,
        w: &mut [f32],
        v: &mut [f32],
        g: &[f32],
        lr: f32,
        mu: f32,
    ) -> Result<()> {
        let (mut velocity, g) = (self.up(v)?, self.up(g)?);
        self.change(w, |engine, w| op(engine, w, &mut velocity, &g, lr, mu))?;
        Ok(velocity.read(v)?)
    }

    pub(super) fn adam(
        &self,
        w: &mut [f32],
        m: &mut [f32],
        v: &mut [f32],
        g: &[f32],
        step: &AdamStep,
    ) -> Result<()> {
        let (mut first, mut second, g) = (self.up(m)?, self.up(v)?, self.up(g)?);
        let step = adam_step(step);
        self.change(w, |engine, w| ops::adam(engine, w, &mut first, &mut second, &g, &step))?;
        first.read(m)?;
        Ok(second.read(v)?)
    }

    pub(super) fn dropout(&self, out: &mut [f32], x: &[f32], p: f32, s: Philox) -> Result<()> {
        let x = self.up(x)?;
        self.compute(out, |engine, out| ops::dropout(engine, out, &x, p, stream(s)))
    }

    pub(super) fn fill_uniform(&self, out: &mut [f32], limit: f32, s: Philox) -> Result<()> {
        self.compute(out, |engine, out| ops::fill_uniform(engine, out, limit, stream(s)))
    }

    pub(super) fn scale(&self, x: &mut [f32], factor: f32) -> Result<()> {
        self.change(x, |engine, x| ops::scale(engine, x, factor))
    }

    pub(super) fn add_scaled(&self, x: &mut [f32], factor: f32, y: &[f32]) -> Result<()> {
        let y = self.up(y)?;
        self.change(x, |engine, x| ops::add_scaled(engine, x, factor, &y))
    }

    pub(super) fn sum_of_squares(&self, x: &[f32]) -> Result<f32> {
        let x = self.up(x)?;
        self.number(|engine, sum| ops::sum_of_squares(engine, sum, &x))
    }

    pub(super) fn gather(
        &self,
        out: &mut [f32],
        pixels: &[u8],
        order: &[u32],
        i: usize,
    ) -> Result<()> {
        let (pixels, order) = (self.engine.upload(pixels)?, self.labels(order)?);
        self.compute(out, |engine, out| ops::gather(engine, out, &pixels, &order, i))
    }

    pub(super) fn argmax(&self, out: &mut [u32], x: &[f32], [b, o]: [usize; 2]) -> Result<()> {
        let (mut answers, x) = (self.engine.buffer(b)?, self.up(x)?);
        ops::argmax(&self.engine, &mut answers, &x, [b, o])?;
        Ok(answers.read(out)?)
    }
}
