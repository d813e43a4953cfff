//! The same operations as [`crate::reference`], file by file and bit by bit, made fast.
//!
//! What is allowed: computing many output elements at once (SIMD lanes, threads), keeping partial
//! sums in memory between blocks, skipping exact zeros. What is not: reordering the chain of one
//! element. See the three rules in [`crate::reference`].

mod dispatch;
mod vector;

pub use dispatch::{NoSuchSimd, Simd};
