//! The op table: every operation once, its shapes checked, an arm for each device.
//!
//! This is the table of contents of the arithmetic. `reference` is the definition, in `f32` and in
//! `f64`; `cpu` is the fast engine, which gives the same bits.

mod choose;
mod cuda;
mod shapes;

pub use choose::DeviceName;
pub use cuda::Cuda;
pub(crate) use cuda::{activation, adam_step};

use crate::error::{Error, Result};
use crate::tensor::Storage::{F32, F64};
use crate::tensor::Tensor;
use glassbox_cpu::fast::{self, Engine};
use glassbox_cpu::reference::philox::Philox;
use glassbox_cpu::reference::{self, Activation, AdamStep, Reduction};
use shapes::{check_labels, fits, same};
use std::sync::Arc;

/// Where operations are carried out.
#[derive(Clone)]
pub enum Device {
    /// The definition: plain loops, for reading and for judging the others.
    Reference,
    /// The fast engine.
    Cpu(Arc<Engine>),
    /// An NVIDIA GPU. Here it gets its operands for each operation and gives the result back; plans keep them there.
    Cuda(Cuda),
}

impl Device {
    /// out (m,n) = a (m,k) · b (k,n)
    pub fn matmul(&self, out: &mut Tensor, a: &Tensor, b: &Tensor) -> Result<()> {
        let ([m, k], [k2, n]) = (a.matrix("matmul")?, b.matrix("matmul")?);
        fits("matmul", k == k2 && out.shape() == [m, n], &[out, a, b], "(m,n) = (m,k)·(k,n)")?;
        match (self, &mut out.storage, &a.storage, &b.storage) {
            (Device::Reference, F32(out), F32(a), F32(b)) => {
                reference::matmul(out, a, b, [m, k, n])
            }
            (Device::Reference, F64(out), F64(a), F64(b)) => {
                reference::matmul(out, a, b, [m, k, n])
            }
            (Device::Cpu(cpu), F32(out), F32(a), F32(b)) => fast::matmul(cpu, out, a, b, [m, k, n]),
            (Device::Cuda(gpu), F32(out), F32(a), F32(b)) => gpu.matmul(out, a, b, [m, k, n])?,
            _ => return self.elsewhere("matmul"),
        }
        Ok(())
    }

    /// out (m,n) = aᵀ · b, with a (k,m) and b (k,n)
    pub fn matmul_at(&self, out: &mut Tensor, a: &Tensor, b: &Tensor) -> Result<()> {
        let ([k, m], [k2, n]) = (a.matrix("matmul_at")?, b.matrix("matmul_at")?);
        fits("matmul_at", k == k2 && out.shape() == [m, n], &[out, a, b], "(m,n) = (k,m)ᵀ·(k,n)")?;
        let dims = [m, k, n];
        match (self, &mut out.storage, &a.storage, &b.storage) {
            (Device::Reference, F32(out), F32(a), F32(b)) => reference::matmul_at(out, a, b, dims),
            (Device::Reference, F64(out), F64(a), F64(b)) => reference::matmul_at(out, a, b, dims),
            (Device::Cpu(cpu), F32(out), F32(a), F32(b)) => fast::matmul_at(cpu, out, a, b, dims),
            (Device::Cuda(gpu), F32(out), F32(a), F32(b)) => gpu.matmul_at(out, a, b, dims)?,
            _ => return self.elsewhere("matmul_at"),
        }
        Ok(())
    }

    /// out (m,n) = a · bᵀ, with a (m,k) and b (n,k)
    pub fn matmul_bt(&self, out: &mut Tensor, a: &Tensor, b: &Tensor) -> Result<()> {
        let ([m, k], [n, k2]) = (a.matrix("matmul_bt")?, b.matrix("matmul_bt")?);
        fits("matmul_bt", k == k2 && out.shape() == [m, n], &[out, a, b], "(m,n) = (m,k)·(n,k)ᵀ")?;
        let dims = [m, k, n];
        match (self, &mut out.storage, &a.storage, &b.storage) {
            (Device::Reference, F32(out), F32(a), F32(b)) => reference::matmul_bt(out, a, b, dims),
            (Device::Reference, F64(out), F64(a), F64(b)) => reference::matmul_bt(out, a, b, dims),
            (Device::Cpu(cpu), F32(out), F32(a), F32(b)) => fast::matmul_bt(cpu, out, a, b, dims),
            (Device::Cuda(gpu), F32(out), F32(a), F32(b)) => gpu.matmul_bt(out, a, b, dims)?,
            _ => return self.elsewhere("matmul_bt"),
        }
        Ok(())
    }

    /// x (b,o) += bias (o)
    pub fn add_bias(&self, x: &mut Tensor, bias: &Tensor) -> Result<()> {
        let dims = x.matrix("add_bias")?;
        fits("add_bias", bias.shape() == [dims[1]], &[x, bias], "(b,o) and (o)")?;
        match (self, &mut x.storage, &bias.storage) {
            (Device::Reference, F32(x), F32(bias)) => reference::add_bias(x, bias, dims),
            (Device::Reference, F64(x), F64(bias)) => reference::add_bias(x, bias, dims),
            (Device::Cpu(cpu), F32(x), F32(bias)) => fast::add_bias(cpu, x, bias, dims),
            (Device::Cuda(gpu), F32(x), F32(bias)) => gpu.add_bias(x, bias, dims)?,
            _ => return self.elsewhere("add_bias"),
        }
        Ok(())
    }

    /// dbias (o) = the column sums of dx (b,o)
    pub fn add_bias_backward(&self, dbias: &mut Tensor, dx: &Tensor) -> Result<()> {
        let dims = dx.matrix("add_bias_backward")?;
        fits("add_bias_backward", dbias.shape() == [dims[1]], &[dbias, dx], "(o) and (b,o)")?;
        match (self, &mut dbias.storage, &dx.storage) {
            (Device::Reference, F32(db), F32(dx)) => reference::add_bias_backward(db, dx, dims),
            (Device::Reference, F64(db), F64(dx)) => reference::add_bias_backward(db, dx, dims),
            (Device::Cpu(cpu), F32(db), F32(dx)) => fast::add_bias_backward(cpu, db, dx, dims),
            (Device::Cuda(gpu), F32(db), F32(dx)) => gpu.add_bias_backward(db, dx, dims)?,
            _ => return self.elsewhere("add_bias_backward"),
        }
        Ok(())
    }

    /// out = f(x), element by element
    pub fn activation(&self, kind: Activation, out: &mut Tensor, x: &Tensor) -> Result<()> {
        same("activation", &[out, x])?;
        match (self, &mut out.storage, &x.storage) {
            (Device::Reference, F32(out), F32(x)) => reference::activation(kind, out, x),
            (Device::Reference, F64(out), F64(x)) => reference::activation(kind, out, x),
            (Device::Cpu(cpu), F32(out), F32(x)) => fast::activation(cpu, kind, out, x),
            (Device::Cuda(gpu), F32(out), F32(x)) => gpu.activation(kind, out, x)?,
            _ => return self.elsewhere("activation"),
        }
        Ok(())
    }

    /// dx = dy · f′(x), where y = f(x)
    pub fn activation_backward(
        &self,
        kind: Activation,
        dx: &mut Tensor,
        dy: &Tensor,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        same("activation_backward", &[dx, dy, x, y])?;
        match (self, &mut dx.storage, &dy.storage, &x.storage, &y.storage) {
            (Device::Reference, F32(dx), F32(dy), F32(x), F32(y)) => {
                reference::activation_backward(kind, dx, dy, x, y);
            }
            (Device::Reference, F64(dx), F64(dy), F64(x), F64(y)) => {
                reference::activation_backward(kind, dx, dy, x, y);
            }
            (Device::Cpu(cpu), F32(dx), F32(dy), F32(x), F32(y)) => {
                fast::activation_backward(cpu, kind, dx, dy, x, y);
            }
            (Device::Cuda(gpu), F32(dx), F32(dy), F32(x), F32(y)) => {
                gpu.activation_backward(kind, dx, dy, x, y)?
            }
            _ => return self.elsewhere("activation_backward"),
        }
        Ok(())
    }

    /// out (b,o) = softmax of each row of x
    pub fn softmax(&self, out: &mut Tensor, x: &Tensor) -> Result<()> {
        same("softmax", &[out, x])?;
        let dims = x.matrix("softmax")?;
        match (self, &mut out.storage, &x.storage) {
            (Device::Reference, F32(out), F32(x)) => reference::softmax(out, x, dims),
            (Device::Reference, F64(out), F64(x)) => reference::softmax(out, x, dims),
            (Device::Cpu(cpu), F32(out), F32(x)) => fast::softmax(cpu, out, x, dims),
            (Device::Cuda(gpu), F32(out), F32(x)) => gpu.softmax(out, x, dims)?,
            _ => return self.elsewhere("softmax"),
        }
        Ok(())
    }

    /// dx from dy, where y = softmax(x)
    pub fn softmax_backward(&self, dx: &mut Tensor, dy: &Tensor, y: &Tensor) -> Result<()> {
        same("softmax_backward", &[dx, dy, y])?;
        let dims = y.matrix("softmax_backward")?;
        match (self, &mut dx.storage, &dy.storage, &y.storage) {
            (Device::Reference, F32(dx), F32(dy), F32(y)) => {
                reference::softmax_backward(dx, dy, y, dims);
            }
            (Device::Reference, F64(dx), F64(dy), F64(y)) => {
                reference::softmax_backward(dx, dy, y, dims);
            }
            (Device::Cpu(cpu), F32(dx), F32(dy), F32(y)) => {
                fast::softmax_backward(cpu, dx, dy, y, dims);
            }
            (Device::Cuda(gpu), F32(dx), F32(dy), F32(y)) => {
                gpu.softmax_backward(dx, dy, y, dims)?
            }
            _ => return self.elsewhere("softmax_backward"),
        }
        Ok(())
    }

    /// out (b,o) = ln softmax of each row of x
    pub fn log_softmax(&self, out: &mut Tensor, x: &Tensor) -> Result<()> {
        same("log_softmax", &[out, x])?;
        let dims = x.matrix("log_softmax")?;
        match (self, &mut out.storage, &x.storage) {
            (Device::Reference, F32(out), F32(x)) => reference::log_softmax(out, x, dims),
            (Device::Reference, F64(out), F64(x)) => reference::log_softmax(out, x, dims),
            (Device::Cpu(cpu), F32(out), F32(x)) => fast::log_softmax(cpu, out, x, dims),
            (Device::Cuda(gpu), F32(out), F32(x)) => gpu.log_softmax(out, x, dims)?,
            _ => return self.elsewhere("log_softmax"),
        }
        Ok(())
    }

    /// dx from dy, where y = log_softmax(x)
    pub fn log_softmax_backward(&self, dx: &mut Tensor, dy: &Tensor, y: &Tensor) -> Result<()> {
        same("log_softmax_backward", &[dx, dy, y])?;
        let dims = y.matrix("log_softmax_backward")?;
        match (self, &mut dx.storage, &dy.storage, &y.storage) {
            (Device::Reference, F32(dx), F32(dy), F32(y)) => {
                reference::log_softmax_backward(dx, dy, y, dims);
            }
            (Device::Reference, F64(dx), F64(dy), F64(y)) => {
                reference::log_softmax_backward(dx, dy, y, dims);
            }
            (Device::Cpu(cpu), F32(dx), F32(dy), F32(y)) => {
                fast::log_softmax_backward(cpu, dx, dy, y, dims);
            }
            (Device::Cuda(gpu), F32(dx), F32(dy), F32(y)) => {
                gpu.log_softmax_backward(dx, dy, y, dims)?
            }
            _ => return self.elsewhere("log_softmax_backward"),
        }
        Ok(())
    }

    /// The cross-entropy of logits (b,o) whose right classes are `labels` (b)
    pub fn cross_entropy(&self, logits: &Tensor, labels: &[u32], r: Reduction) -> Result<f64> {
        let dims = check_labels("cross_entropy", logits, labels)?;
        Ok(match (self, &logits.storage) {
            (Device::Reference, F32(x)) => reference::cross_entropy(x, labels, dims, r).into(),
            (Device::Reference, F64(x)) => reference::cross_entropy(x, labels, dims, r),
            (Device::Cpu(cpu), F32(x)) => fast::cross_entropy(cpu, x, labels, dims, r).into(),
            (Device::Cuda(gpu), F32(x)) => gpu.cross_entropy(x, labels, dims, r)?.into(),
            _ => return self.elsewhere("cross_entropy"),
        })
    }

    /// dlogits (b,o) = softmax(logits) − one-hot(labels), reduced
    pub fn cross_entropy_backward(
        &self,
        dlogits: &mut Tensor,
        logits: &Tensor,
        labels: &[u32],
        r: Reduction,
    ) -> Result<()> {
        same("cross_entropy_backward", &[dlogits, logits])?;
        let dims = check_labels("cross_entropy_backward", logits, labels)?;
        match (self, &mut dlogits.storage, &logits.storage) {
            (Device::Reference, F32(d), F32(x)) => {
                reference::cross_entropy_backward(d, x, labels, dims, r);
            }
            (Device::Reference, F64(d), F64(x)) => {
                reference::cross_entropy_backward(d, x, labels, dims, r);
            }
            (Device::Cpu(cpu), F32(d), F32(x)) => {
                fast::cross_entropy_backward(cpu, d, x, labels, dims, r);
            }
            (Device::Cuda(gpu), F32(d), F32(x)) => {
                gpu.cross_entropy_backward(d, x, labels, dims, r)?
            }
            _ => return self.elsewhere("cross_entropy_backward"),
        }
        Ok(())
    }

    /// Σ (y − t)², reduced
    pub fn mean_squared_error(&self, y: &Tensor, t: &Tensor, r: Reduction) -> Result<f64> {
        same("mean_squared_error", &[y, t])?;
        Ok(match (self, &y.storage, &t.storage) {
            (Device::Reference, F32(y), F32(t)) => reference::mean_squared_error(y, t, r).into(),
            (Device::Reference, F64(y), F64(t)) => reference::mean_squared_error(y, t, r),
            (Device::Cpu(cpu), F32(y), F32(t)) => fast::mean_squared_error(cpu, y, t, r).into(),
            (Device::Cuda(gpu), F32(y), F32(t)) => gpu.mean_squared_error(y, t, r)?.into(),
            _ => return self.elsewhere("mean_squared_error"),
        })
    }

    /// dy = 2 (y − t), reduced
    pub fn mean_squared_error_backward(
        &self,
        dy: &mut Tensor,
        y: &Tensor,
        t: &Tensor,
        r: Reduction,
    ) -> Result<()> {
        same("mean_squared_error_backward", &[dy, y, t])?;
        match (self, &mut dy.storage, &y.storage, &t.storage) {
            (Device::Reference, F32(dy), F32(y), F32(t)) => {
                reference::mean_squared_error_backward(dy, y, t, r);
            }
            (Device::Reference, F64(dy), F64(y), F64(t)) => {
                reference::mean_squared_error_backward(dy, y, t, r);
            }
            (Device::Cpu(cpu), F32(dy), F32(y), F32(t)) => {
                fast::mean_squared_error_backward(cpu, dy, y, t, r);
            }
            (Device::Cuda(gpu), F32(dy), F32(y), F32(t)) => {
                gpu.mean_squared_error_backward(dy, y, t, r)?
            }
            _ => return self.elsewhere("mean_squared_error_backward"),
        }
        Ok(())
    }

    /// w −= lr · g
    pub fn sgd(&self, w: &mut Tensor, g: &Tensor, lr: f32) -> Result<()> {
        same("sgd", &[w, g])?;
        match (self, &mut w.storage, &g.storage) {
            (Device::Reference, F32(w), F32(g)) => reference::sgd(w, g, lr),
            (Device::Reference, F64(w), F64(g)) => reference::sgd(w, g, lr.into()),
            (Device::Cpu(cpu), F32(w), F32(g)) => fast::sgd(cpu, w, g, lr),
            (Device::Cuda(gpu), F32(w), F32(g)) => gpu.sgd(w, g, lr)?,
            _ => return self.elsewhere("sgd"),
        }
        Ok(())
    }

    /// v = μ v + g;  w −= lr · v
    pub fn momentum(
        &self,
        w: &mut Tensor,
        v: &mut Tensor,
        g: &Tensor,
        lr: f32,
        mu: f32,
    ) -> Result<()> {
        same("momentum", &[w, v, g])?;
        match (self, &mut w.storage, &mut v.storage, &g.storage) {
            (Device::Reference, F32(w), F32(v), F32(g)) => reference::momentum(w, v, g, lr, mu),
            (Device::Cpu(cpu), F32(w), F32(v), F32(g)) => fast::momentum(cpu, w, v, g, lr, mu),
            (Device::Cuda(gpu), F32(w), F32(v), F32(g)) => gpu.momentum(w, v, g, lr, mu)?,
            _ => return self.elsewhere("momentum"),
        }
        Ok(())
    }

    /// v = μ v + g;  w −= lr · (g + μ v)
    pub fn nesterov(
        &self,
        w: &mut Tensor,
        v: &mut Tensor,
        g: &Tensor,
        lr: f32,
        mu: f32,
    ) -> Result<()> {
        same("nesterov", &[w, v, g])?;
        match (self, &mut w.storage, &mut v.storage, &g.storage) {
            (Device::Reference, F32(w), F32(v), F32(g)) => reference::nesterov(w, v, g, lr, mu),
            (Device::Cpu(cpu), F32(w), F32(v), F32(g)) => fast::nesterov(cpu, w, v, g, lr, mu),
            (Device::Cuda(gpu), F32(w), F32(v), F32(g)) => gpu.nesterov(w, v, g, lr, mu)?,
            _ => return self.elsewhere("nesterov"),
        }
        Ok(())
    }

    /// One step of Adam or AdamW on w, with its moments m and v
    pub fn adam(
        &self,
        w: &mut Tensor,
        m: &mut Tensor,
        v: &mut Tensor,
        g: &Tensor,
        step: &AdamStep,
    ) -> Result<()> {
        same("adam", &[w, m, v, g])?;
        match (self, &mut w.storage, &mut m.storage, &mut v.storage, &g.storage) {
            (Device::Reference, F32(w), F32(m), F32(v), F32(g)) => {
                reference::adam(w, m, v, g, step)
            }
            (Device::Cpu(cpu), F32(w), F32(m), F32(v), F32(g)) => fast::adam(cpu, w, m, v, g, step),
            (Device::Cuda(gpu), F32(w), F32(m), F32(v), F32(g)) => gpu.adam(w, m, v, g, step)?,
            _ => return self.elsewhere("adam"),
        }
        Ok(())
    }

    /// out = x / (1 − p) where the stream keeps the element, 0 elsewhere; on dy it gives dx
    pub fn dropout(&self, out: &mut Tensor, x: &Tensor, p: f32, stream: Philox) -> Result<()> {
        same("dropout", &[out, x])?;
        match (self, &mut out.storage, &x.storage) {
            (Device::Reference, F32(out), F32(x)) => reference::dropout(out, x, p, stream),
            (Device::Reference, F64(out), F64(x)) => reference::dropout(out, x, p, stream),
            (Device::Cpu(cpu), F32(out), F32(x)) => fast::dropout(cpu, out, x, p, stream),
            (Device::Cuda(gpu), F32(out), F32(x)) => gpu.dropout(out, x, p, stream)?,
            _ => return self.elsewhere("dropout"),
        }
        Ok(())
    }

    /// out = x
    pub fn copy(&self, out: &mut Tensor, x: &Tensor) -> Result<()> {
        same("copy", &[out, x])?;
        match (self, &mut out.storage, &x.storage) {
            (Device::Reference | Device::Cpu(_) | Device::Cuda(_), F32(out), F32(x)) => {
                out.copy_from_slice(x);
            }
            (Device::Reference, F64(out), F64(x)) => out.copy_from_slice(x),
            _ => return self.elsewhere("copy"),
        }
        Ok(())
    }

    /// out = uniform in [−limit, limit)
    pub fn fill_uniform(&self, out: &mut Tensor, limit: f32, stream: Philox) -> Result<()> {
        match (self, &mut out.storage) {
            (Device::Reference, F32(out)) => reference::fill_uniform(out, limit, stream),
            (Device::Reference, F64(out)) => reference::fill_uniform(out, limit.into(), stream),
            (Device::Cpu(cpu), F32(out)) => fast::fill_uniform(cpu, out, limit, stream),
            (Device::Cuda(gpu), F32(out)) => gpu.fill_uniform(out, limit, stream)?,
            _ => return self.elsewhere("fill_uniform"),
        }
        Ok(())
    }

    /// x ·= factor
    pub fn scale(&self, x: &mut Tensor, factor: f32) -> Result<()> {
        match (self, &mut x.storage) {
            (Device::Reference, F32(x)) => reference::scale(x, factor),
            (Device::Reference, F64(x)) => reference::scale(x, factor.into()),
            (Device::Cpu(cpu), F32(x)) => fast::scale(cpu, x, factor),
            (Device::Cuda(gpu), F32(x)) => gpu.scale(x, factor)?,
            _ => return self.elsewhere("scale"),
        }
        Ok(())
    }

    /// x += factor · y
    pub fn add_scaled(&self, x: &mut Tensor, factor: f32, y: &Tensor) -> Result<()> {
        same("add_scaled", &[x, y])?;
        match (self, &mut x.storage, &y.storage) {
            (Device::Reference, F32(x), F32(y)) => reference::add_scaled(x, factor, y),
            (Device::Reference, F64(x), F64(y)) => reference::add_scaled(x, factor.into(), y),
            (Device::Cpu(cpu), F32(x), F32(y)) => fast::add_scaled(cpu, x, factor, y),
            (Device::Cuda(gpu), F32(x), F32(y)) => gpu.add_scaled(x, factor, y)?,
            _ => return self.elsewhere("add_scaled"),
        }
        Ok(())
    }

    /// Σ x²
    pub fn sum_of_squares(&self, x: &Tensor) -> Result<f64> {
        Ok(match (self, &x.storage) {
            (Device::Reference, F32(x)) => reference::sum_of_squares(x).into(),
            (Device::Reference, F64(x)) => reference::sum_of_squares(x),
            (Device::Cpu(cpu), F32(x)) => fast::sum_of_squares(cpu, x).into(),
            (Device::Cuda(gpu), F32(x)) => gpu.sum_of_squares(x)?.into(),
            _ => return self.elsewhere("sum_of_squares"),
        })
    }

    /// out (b,i) = the rows `order` (b) of pixels (n,i), divided by 255
    pub fn gather(&self, out: &mut Tensor, pixels: &[u8], order: &[u32]) -> Result<()> {
        let [b, i] = out.matrix("gather")?;
        let rows = pixels.len().checked_div(i).unwrap_or(0);
        let is_fit = b == order.len() && order.iter().all(|&row| (row as usize) < rows);
        fits("gather", is_fit, &[out], "one row of the output for each sample, which must exist")?;
        match (self, &mut out.storage) {
            (Device::Reference, F32(out)) => reference::gather(out, pixels, order, i),
            (Device::Reference, F64(out)) => reference::gather(out, pixels, order, i),
            (Device::Cpu(cpu), F32(out)) => fast::gather(cpu, out, pixels, order, i),
            (Device::Cuda(gpu), F32(out)) => gpu.gather(out, pixels, order, i)?,
            _ => return self.elsewhere("gather"),
        }
        Ok(())
    }

    /// out (b) = the column of the largest element of each row of x; `u32::MAX` if it holds a NaN
    pub fn argmax(&self, out: &mut Vec<u32>, x: &Tensor) -> Result<()> {
        let [b, o] = x.matrix("argmax")?;
        fits("argmax", o > 0, &[x], "at least one column")?;
        out.resize(b, 0);
        match (self, &x.storage) {
            (Device::Reference, F32(x)) => reference::argmax(out, x, [b, o]),
            (Device::Reference, F64(x)) => reference::argmax(out, x, [b, o]),
            (Device::Cpu(cpu), F32(x)) => fast::argmax(cpu, out, x, [b, o]),
            (Device::Cuda(gpu), F32(x)) => gpu.argmax(out, x, [b, o])?,
            _ => return self.elsewhere("argmax"),
        }
        Ok(())
    }

    fn elsewhere<T>(&self, op: &'static str) -> Result<T> {
        Err(Error::Elsewhere { op, device: self.name() })
    }
}
