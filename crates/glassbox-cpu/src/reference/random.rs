//! Random fills and dropout: what Philox numbers become.

use super::Real;
use super::philox::Philox;

/// out = uniform in [−limit, limit), a multiple of limit · 2⁻²³
pub fn fill_uniform<F: Real>(out: &mut [F], limit: F, stream: Philox) {
    for (i, out) in out.iter_mut().enumerate() {
        // 2u − 1 is exact: u is a multiple of 2⁻²⁴ below 1.
        *out = F::from_f64((2.0 * stream.uniform(i as u64) - 1.0).into()) * limit;
    }
}

/// out = x / (1 − p) where the stream's number for the element is at least p, and 0 elsewhere
/// (Srivastava et al. 2014, scaled while training so that inference needs nothing)
pub fn dropout<F: Real>(out: &mut [F], x: &[F], p: f32, stream: Philox) {
    assert_eq!(out.len(), x.len(), "dropout");
    let scale = F::ONE / (F::ONE - F::from_f64(p.into()));
    for (i, (out, &x)) in out.iter_mut().zip(x).enumerate() {
        *out = if stream.uniform(i as u64) < p { F::ZERO } else { x * scale };
    }
}

/// dx from dy: the same elements are kept, with the same factor. The mask is not stored; the
/// counter gives it again.
pub fn dropout_backward<F: Real>(dx: &mut [F], dy: &[F], p: f32, stream: Philox) {
    dropout(dx, dy, p, stream);
}
