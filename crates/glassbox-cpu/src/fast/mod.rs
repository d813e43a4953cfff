//! The same operations as [`crate::reference`], file by file and bit by bit, made fast.
//!
//! What is allowed: computing many output elements at once (SIMD lanes, threads), keeping partial
//! sums in memory between blocks, skipping exact zeros. What is not: reordering the chain of one
//! element. See the three rules in [`crate::reference`].

pub(crate) mod dispatch;
pub(crate) mod each;
pub(crate) mod memory;
pub(crate) mod pool;
pub(crate) mod vector;

pub mod activation;
pub mod bias;
pub mod elementwise;
pub mod loss;
pub mod math;
pub mod matmul;
pub mod optim;
pub mod random;
pub mod samples;
pub mod softmax;

pub use activation::{activation, activation_backward};
pub use bias::{add_bias, add_bias_backward};
pub use dispatch::{NoSuchSimd, Simd};
pub use elementwise::{add, add_scaled, mul, scale, sub, sum_of_squares, transpose};
pub use loss::{
    cross_entropy, cross_entropy_backward, mean_squared_error, mean_squared_error_backward,
};
pub use matmul::{matmul, matmul_at, matmul_bt};
pub use optim::{adam, momentum, nesterov, sgd};
pub use random::{dropout, dropout_backward, fill_uniform};
pub use samples::{argmax, gather};
pub use softmax::{log_softmax, log_softmax_backward, softmax, softmax_backward};

use crate::fused::Pace;
use memory::Numbers;
use pool::{Pool, lock};
use std::sync::{Mutex, MutexGuard};

/// What fast operations run on: an instruction set, threads, and memory for copies.
pub struct Engine {
    simd: Simd,
    pub(crate) pool: Pool,
    scratch: Mutex<Numbers>,
    pub(crate) pace: Mutex<Pace>,
}

impl Engine {
    /// An engine with `threads` threads, the calling one included; at least one.
    pub fn new(simd: Simd, threads: usize) -> Engine {
        let pool = Pool::new(threads);
        let pace = Mutex::new(Pace::new(pool.threads()));
        Engine { simd, pool, scratch: Mutex::default(), pace }
    }

    /// The instruction set.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Memory that is kept between calls, because asking the system for it costs more than using it.
    fn scratch(&self) -> MutexGuard<'_, Numbers> {
        lock(&self.scratch)
    }
}
