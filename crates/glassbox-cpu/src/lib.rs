//! The arithmetic of Glassbox on a CPU.
//!
//! Two engines with the same files, the same function names and the same bits:
//!
//! - [`reference`] is **the definition**: plain loops, generic over `f32` and `f64`, never optimised.
//! - [`fast`] is what training runs on: SIMD, cache blocks, threads.
//!
//! [`fused`] takes whole training steps at once, on the loops of `fast` and with the same bits.
//!
//! # Conventions
//! Everything here works on slices. A matrix is row-major and contiguous, and its sizes come last.
//! The output comes first, then the inputs. Letters mean the same everywhere:
//!
//! | letter | meaning |
//! |---|---|
//! | `m, k, n` | a product: `out (m,n) = a (m,k) · b (k,n)` |
//! | `b` | batch, the number of samples |
//! | `i`, `o` | input and output features of a layer |
//! | `dx` | the gradient of the loss with respect to `x` |
//!
//! A wrong length is a mistake of ours, not of a user's: functions here `assert!` their sizes.
//! The library above checks what users give it and returns errors.

/// Rows times columns, the length of a matrix. A product that wraps round would make a wrong length
/// look right, and fast code trusts lengths.
///
/// # Panics
/// If no slice is that long.
#[track_caller]
fn area(rows: usize, columns: usize) -> usize {
    rows.checked_mul(columns).expect("a matrix of these sizes is larger than memory")
}

pub mod fast;
pub mod fused;
pub mod reference;
