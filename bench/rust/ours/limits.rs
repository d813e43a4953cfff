//! What the machine can do at most: fused multiply-adds a second, and bytes read from memory a
//! second. No program that trains can be faster than both allow.

use crate::common::{self, Arguments};
use serde_json::json;
use std::hint::black_box;

/// Multiply-adds of a call, in each of the chains.
const LENGTH: usize = 100_000;

/// Independent chains, more than the latency of a multiply-add takes.
const CHAINS: usize = 12;

/// Far larger than any cache.
const FLOATS: usize = 64 << 20;

/// Measures with `--threads` threads at once.
pub fn run(arguments: &Arguments) {
    let (threads, samples) = (arguments.number("threads", 1), arguments.number("samples", 7));
    let (lanes, name) = multiply_adds();
    let flops = (2 * lanes * CHAINS * LENGTH * threads) as f64;
    let gflops = at_once(threads, samples, || {
        multiply_adds();
    });
    let numbers = vec![1.0f32; FLOATS / threads];
    let bytes = (4 * numbers.len() * threads) as f64;
    let copies: Vec<Vec<f32>> = (0..threads).map(|_| numbers.clone()).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let gigabytes = at_once(threads, samples, || {
        let turn = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        black_box(sum(&copies[turn % threads]));
    });
    let rates = |work: f64, seconds: Vec<f64>| -> Vec<f64> {
        seconds.iter().map(|seconds| 1e-9 * work / seconds).collect()
    };
    let version = format!("{name}, {lanes} lanes");
    let (gflops, gigabytes) = (rates(flops, gflops), rates(bytes, gigabytes));
    common::print(
        &json!({"version": version, "gflops": gflops, "gigabytes_per_second": gigabytes}),
    );
}

/// Seconds that all threads together take for one call each.
fn at_once(threads: usize, samples: usize, work: impl Fn() + Sync) -> Vec<f64> {
    common::timed(samples, 0.1, || {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(&work);
            }
            work();
        });
    })
}

/// Sixteen sums side by side, which the compiler keeps in registers.
fn sum(numbers: &[f32]) -> f32 {
    let mut sums = [0.0f32; 64];
    for row in numbers.chunks_exact(64) {
        for (sum, number) in sums.iter_mut().zip(row) {
            *sum += number;
        }
    }
    sums.iter().sum()
}

/// Lanes of a register, and which instructions these are.
#[cfg(target_arch = "x86_64")]
fn multiply_adds() -> (usize, &'static str) {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor was asked.
        unsafe { chains_of_16() };
        return (16, "avx512");
    }
    assert!(is_x86_feature_detected!("fma"), "no multiply-add instruction is known here");
    // SAFETY: the processor was asked.
    unsafe { chains_of_8() };
    (8, "fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_adds() -> (usize, &'static str) {
    panic!("the limits are measured on x86-64 only")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn chains_of_16() {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_set1_ps};
    let (factor, mut sums) = (black_box(_mm512_set1_ps(0.5)), [_mm512_set1_ps(1.0); CHAINS]);
    for _ in 0..LENGTH {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, factor);
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn chains_of_8() {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps};
    let (factor, mut sums) = (black_box(_mm256_set1_ps(0.5)), [_mm256_set1_ps(1.0); CHAINS]);
    for _ in 0..LENGTH {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, factor);
        }
    }
    black_box(sums);
}
