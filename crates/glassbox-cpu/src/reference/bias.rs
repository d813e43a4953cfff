//! The bias of a dense layer: one number added to each column.

use super::Real;
use crate::area;

/// x (b,o) += bias (o)
pub fn add_bias<F: Real>(x: &mut [F], bias: &[F], [b, o]: [usize; 2]) {
    assert_eq!((x.len(), bias.len()), (area(b, o), o), "add_bias");
    for row in 0..b {
        for j in 0..o {
            x[row * o + j] += bias[j];
        }
    }
}

/// dbias (o) = the column sums of dx (b,o), rows in ascending order
pub fn add_bias_backward<F: Real>(dbias: &mut [F], dx: &[F], [b, o]: [usize; 2]) {
    assert_eq!((dbias.len(), dx.len()), (o, area(b, o)), "add_bias_backward");
    for j in 0..o {
        let mut sum = F::ZERO;
        for row in 0..b {
            sum += dx[row * o + j];
        }
        dbias[j] = sum;
    }
}
