//! The three matrix products of a network: a·b, aᵀ·b and a·bᵀ.
//!
//! An output element is one chain of fused multiply-adds over ascending `k`, [`chain`]. The chain
//! leaves out terms with a zero factor. For finite numbers that changes nothing but the sign of a
//! zero: `fma(0, b, acc)` is `acc`, save that −0 becomes +0, and a chain that ends as −0 is
//! returned as +0. For infinities and NaN it is a decision: a zero contributes nothing, whatever it
//! meets. So code that skips zeros agrees with this definition always, and code that does not skip
//! agrees wherever its result is finite, because one infinite or NaN factor would have made it
//! infinite or NaN for good. Fast code computes an element that is not finite again, by [`chain`].

use super::Real;
use crate::area;

/// out (m,n) = a (m,k) · b (k,n)
pub fn matmul<F: Real>(out: &mut [F], a: &[F], b: &[F], [m, k, n]: [usize; 3]) {
    assert_eq!((out.len(), a.len(), b.len()), (area(m, n), area(m, k), area(k, n)), "matmul");
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = chain((0..k).map(|p| (a[i * k + p], b[p * n + j])));
        }
    }
}

/// out (m,n) = aᵀ · b, with a (k,m) and b (k,n)
pub fn matmul_at<F: Real>(out: &mut [F], a: &[F], b: &[F], [m, k, n]: [usize; 3]) {
    assert_eq!((out.len(), a.len(), b.len()), (area(m, n), area(k, m), area(k, n)), "matmul_at");
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = chain((0..k).map(|p| (a[p * m + i], b[p * n + j])));
        }
    }
}

/// out (m,n) = a · bᵀ, with a (m,k) and b (n,k)
pub fn matmul_bt<F: Real>(out: &mut [F], a: &[F], b: &[F], [m, k, n]: [usize; 3]) {
    assert_eq!((out.len(), a.len(), b.len()), (area(m, n), area(m, k), area(n, k)), "matmul_bt");
    for i in 0..m {
        for j in 0..n {
            out[i * n + j] = chain((0..k).map(|p| (a[i * k + p], b[j * k + p])));
        }
    }
}

/// Σ a·b in the order of the terms, those with a zero factor left out. Never −0.
pub fn chain<F: Real>(terms: impl Iterator<Item = (F, F)>) -> F {
    let mut acc = F::ZERO;
    for (a, b) in terms {
        if a != F::ZERO && b != F::ZERO {
            acc = a.mul_add(b, acc);
        }
    }
    // A product that underflows can leave −0 behind; −0 + 0 is +0.
    acc + F::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_by_hand() {
        let (a, b) = ([1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [7.0f32, 8.0, 9.0, 10.0, 11.0, 12.0]);
        let mut out = [0.0; 4];
        matmul(&mut out, &a, &b, [2, 3, 2]);
        assert_eq!(out, [58.0, 64.0, 139.0, 154.0]);
    }

    #[test]
    fn a_zero_contributes_nothing_whatever_it_meets() {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for zero in [0.0, -0.0] {
                assert_eq!(chain([(zero, odd), (odd, zero), (2.0, 3.0)].into_iter()), 6.0);
            }
        }
        assert!(chain([(1.0, f32::NAN)].into_iter()).is_nan());
    }

    #[test]
    fn a_sum_is_never_negative_zero() {
        let underflow = chain([(-1e-30f32, 1e-30f32)].into_iter());
        assert_eq!(underflow.to_bits(), 0.0f32.to_bits());
        assert_eq!(chain(std::iter::empty::<(f32, f32)>()).to_bits(), 0);
    }
}
