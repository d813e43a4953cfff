//! The operations: kernels and their launchers, a family a file.
//!
//! A function here has the name, the order of arguments and the bits of the one in
//! `glassbox_cpu::reference`. It queues its kernel and returns; what it needs of sizes it asserts.

pub mod activation;
pub mod bias;
pub mod elementwise;
pub mod loss;
pub mod matmul;
pub mod optim;
pub mod random;
pub mod samples;
pub mod softmax;

pub use activation::{Activation, activation, activation_backward};
pub use bias::{add_bias, add_bias_backward};
pub use elementwise::{add, add_scaled, copy, fill, mul, scale, sub, sum_of_squares, transpose};
pub use loss::{
    cross_entropy, cross_entropy_backward, mean_squared_error, mean_squared_error_backward,
    sum_in_order,
};
pub use matmul::{matmul, matmul_at, matmul_bt};
pub use optim::{AdamStep, adam, momentum, nesterov, sgd};
pub use random::{Stream, dropout, fill_uniform};
pub use samples::{argmax, count_equal, gather, gather_labels, one_hot};
pub use softmax::{log_softmax, log_softmax_backward, softmax, softmax_backward};

use crate::launch::Launch;

/// Threads a block of kernels that do an element at a time.
const THREADS: u32 = 256;

/// Blocks that fill every chip there is; threads take further elements in turn.
const MOST_BLOCKS: usize = 4096;

impl Launch<'_> {
    /// A thread for each of `n` elements, as far as that is useful. Without elements there is no launch.
    pub(crate) fn elements(self, n: usize) -> Self {
        let blocks = n.div_ceil(THREADS as usize).clamp(1, MOST_BLOCKS);
        self.grid([blocks as u32, 1, 1]).block([THREADS, 1, 1]).empty_if(n == 0)
    }

    /// A block for each of `b` rows of `o` numbers. Without numbers there is no launch.
    pub(crate) fn rows(self, [b, o]: [usize; 2]) -> Self {
        let threads = o.next_multiple_of(32).clamp(32, THREADS as usize);
        let blocks = b.clamp(1, 1 << 20) as u32;
        self.grid([blocks, 1, 1]).block([threads as u32, 1, 1]).empty_if(b == 0 || o == 0)
    }
}

/// A dimension as the kernels take it.
///
/// # Panics
/// If it is beyond what they count with.
pub(crate) fn dim(size: usize) -> u32 {
    assert!(size < 1 << 31, "a dimension of {size}");
    size as u32
}

/// How many numbers a matrix has.
pub(crate) fn area(rows: usize, columns: usize) -> usize {
    rows.checked_mul(columns).expect("a matrix larger than memory")
}
