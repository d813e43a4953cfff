//! Softmax and log-softmax over the rows of a matrix.
//!
//! The largest element of a row is subtracted first, so that no exponential overflows. Sums run
//! over the columns in ascending order.

use super::Real;
use crate::area;

/// out (b,o) = e^x / Σ e^x in each row
pub fn softmax<F: Real>(out: &mut [F], x: &[F], [b, o]: [usize; 2]) {
    assert_eq!((out.len(), x.len()), (area(b, o), area(b, o)), "softmax");
    for row in 0..b {
        let (out, x) = (&mut out[row * o..][..o], &x[row * o..][..o]);
        let max = maximum(x);
        let mut sum = F::ZERO;
        for j in 0..o {
            out[j] = (x[j] - max).exp();
            sum += out[j];
        }
        for out in out {
            *out = *out / sum;
        }
    }
}

/// dx = y · (dy − Σ dy·y) in each row, where y (b,o) is the output of [`softmax`]
pub fn softmax_backward<F: Real>(dx: &mut [F], dy: &[F], y: &[F], [b, o]: [usize; 2]) {
    assert_eq!(
        (dx.len(), dy.len(), y.len()),
        (area(b, o), area(b, o), area(b, o)),
        "softmax_backward"
    );
    for row in 0..b {
        let start = row * o;
        let mut dot = F::ZERO;
        for j in start..start + o {
            dot = dy[j].mul_add(y[j], dot);
        }
        for j in start..start + o {
            dx[j] = y[j] * (dy[j] - dot);
        }
    }
}

/// out (b,o) = x − max − ln Σ e^(x − max) in each row
pub fn log_softmax<F: Real>(out: &mut [F], x: &[F], [b, o]: [usize; 2]) {
    assert_eq!((out.len(), x.len()), (area(b, o), area(b, o)), "log_softmax");
    for row in 0..b {
        let (out, x) = (&mut out[row * o..][..o], &x[row * o..][..o]);
        let (max, ln_sum) = max_and_ln_sum(x);
        for j in 0..o {
            out[j] = (x[j] - max) - ln_sum;
        }
    }
}

/// dx = dy − e^y · Σ dy in each row, where y (b,o) is the output of [`log_softmax`]
pub fn log_softmax_backward<F: Real>(dx: &mut [F], dy: &[F], y: &[F], [b, o]: [usize; 2]) {
    assert_eq!(
        (dx.len(), dy.len(), y.len()),
        (area(b, o), area(b, o), area(b, o)),
        "log_softmax_backward"
    );
    for row in 0..b {
        let start = row * o;
        let mut sum = F::ZERO;
        for j in start..start + o {
            sum += dy[j];
        }
        for j in start..start + o {
            dx[j] = (-y[j].exp()).mul_add(sum, dy[j]);
        }
    }
}

/// The largest element of a row, and ln Σ e^(x − max).
pub(super) fn max_and_ln_sum<F: Real>(x: &[F]) -> (F, F) {
    let max = maximum(x);
    let mut sum = F::ZERO;
    for &x in x {
        sum += (x - max).exp();
    }
    (max, sum.ln())
}

/// The largest element. A NaN is passed over here and returns through `x − max`.
fn maximum<F: Real>(x: &[F]) -> F {
    let mut max = F::NEG_INFINITY;
    for &x in x {
        if max < x {
            max = x;
        }
    }
    max
}
