//! Between data and numbers: pixels become inputs, outputs become decisions.

use super::Real;
use crate::area;

/// out (b,i) = the rows `order` (b) of pixels (n,i), divided by 255
///
/// # Panics
/// If an index is out of range.
pub fn gather<F: Real>(out: &mut [F], pixels: &[u8], order: &[u32], i: usize) {
    assert_eq!(out.len(), area(order.len(), i), "gather");
    for (row, &sample) in order.iter().enumerate() {
        let pixels = &pixels[sample as usize * i..][..i];
        for j in 0..i {
            out[row * i + j] = F::from_f64(pixels[j].into()) / F::from_f64(255.0);
        }
    }
}

/// out (b) = the column of the largest element in each row of x (b,o); the first, if several are.
/// A row that holds a NaN has no largest element: its answer is `u32::MAX`, which is no class.
pub fn argmax<F: Real>(out: &mut [u32], x: &[F], [b, o]: [usize; 2]) {
    assert_eq!((out.len(), x.len()), (b, area(b, o)), "argmax");
    for row in 0..b {
        let x = &x[row * o..][..o];
        let mut best = 0;
        for j in 0..o {
            if x[best] < x[j] {
                best = j;
            }
        }
        let is_ordered = x.iter().all(|x| x.partial_cmp(x).is_some());
        out[row] = if is_ordered { best as u32 } else { u32::MAX };
    }
}
