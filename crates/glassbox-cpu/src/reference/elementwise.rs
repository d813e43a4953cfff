//! Operations on all elements alike, the transpose, and the sum of squares.

use super::Real;
use crate::area;

/// out = a + b
pub fn add<F: Real>(out: &mut [F], a: &[F], b: &[F]) {
    assert_eq!((out.len(), a.len()), (b.len(), b.len()), "add");
    for i in 0..out.len() {
        out[i] = a[i] + b[i];
    }
}

/// out = a − b
pub fn sub<F: Real>(out: &mut [F], a: &[F], b: &[F]) {
    assert_eq!((out.len(), a.len()), (b.len(), b.len()), "sub");
    for i in 0..out.len() {
        out[i] = a[i] - b[i];
    }
}

/// out = a · b, element by element
pub fn mul<F: Real>(out: &mut [F], a: &[F], b: &[F]) {
    assert_eq!((out.len(), a.len()), (b.len(), b.len()), "mul");
    for i in 0..out.len() {
        out[i] = a[i] * b[i];
    }
}

/// x ·= factor
pub fn scale<F: Real>(x: &mut [F], factor: F) {
    for x in x {
        *x = *x * factor;
    }
}

/// x += factor · y
pub fn add_scaled<F: Real>(x: &mut [F], factor: F, y: &[F]) {
    assert_eq!(x.len(), y.len(), "add_scaled");
    for i in 0..x.len() {
        x[i] = factor.mul_add(y[i], x[i]);
    }
}

/// out (n,m) = a (m,n) transposed
pub fn transpose<F: Real>(out: &mut [F], a: &[F], [m, n]: [usize; 2]) {
    assert_eq!((out.len(), a.len()), (area(m, n), area(m, n)), "transpose");
    for i in 0..m {
        for j in 0..n {
            out[j * m + i] = a[i * n + j];
        }
    }
}

/// How many chains a long sum is made of.
pub const CHAINS: usize = 16;

/// Σ x². Long sums run in sixteen chains, element i in chain i mod 16, which are then added in
/// order: sixteen, so that the widest registers can do it, and the same sixteen without them.
pub fn sum_of_squares<F: Real>(x: &[F]) -> F {
    let mut chains = [F::ZERO; CHAINS];
    for (i, &x) in x.iter().enumerate() {
        chains[i % CHAINS] = x.mul_add(x, chains[i % CHAINS]);
    }
    let mut sum = F::ZERO;
    for chain in chains {
        sum += chain;
    }
    sum
}
