//! Every rung of the ladder at every kind of shape: the exact ones give the bits of the definition, and all of them
//! are within their bound of the true sums.

mod common;

use common::{assert_same, engine, numbers, odd_numbers, room, up};
use glassbox_cpu::reference;
use glassbox_cuda::ladder::{self, MATMUL, Rung, VECTOR_ADD};

/// (m,k,n): one, primes, around each tile and each depth, skinny, and with rows that are aligned or not.
/// Tiles have sides of 16, 32, 64 and 128, depths of 8, 16, 32 and 64.
const SHAPES: [[usize; 3]; 27] = [
    [1, 1, 1],
    [2, 0, 3],
    [7, 11, 13],
    [1, 37, 130],
    [130, 37, 1],
    [33, 1, 65],
    [15, 7, 17],
    [16, 16, 16],
    [17, 15, 15],
    [31, 9, 33],
    [32, 64, 32],
    [63, 8, 65],
    [64, 32, 64],
    [65, 33, 63],
    [4, 12, 6],
    [5, 6, 12],
    [6, 10, 10],
    [127, 16, 129],
    [128, 32, 128],
    [129, 17, 127],
    [132, 4, 130],
    [8, 98, 16],
    [16, 196, 32],
    [3, 31, 257],
    [33, 63, 31],
    [36, 128, 36],
    [18, 65, 34],
];

/// Blocks for the rungs that take any, most of them no powers of two.
const BLOCKS: [[u32; 2]; 6] = [[1, 1], [16, 16], [7, 5], [33, 3], [1, 37], [100, 10]];

/// A product by a rung, in blocks of such a shape.
fn product(
    rung: &'static Rung,
    block: [u32; 2],
    a: &[f32],
    b: &[f32],
    dims: [usize; 3],
) -> Vec<f32> {
    let mut out = room(dims[0] * dims[2]);
    ladder::matmul_in_blocks(engine(), rung, block, &mut out, &up(a), &up(b), dims).unwrap();
    out.download().unwrap()
}

/// Fails unless each element is within the rung's bound of the sum in f64, or has the definition's bits.
fn assert_near(rung: &Rung, found: &[f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) {
    let mut defined = vec![0.0; m * n];
    reference::matmul(&mut defined, a, b, [m, k, n]);
    for (place, (&found, &defined)) in found.iter().zip(&defined).enumerate() {
        let terms = (0..k).map(|p| (a[place / n * k + p], b[p * n + place % n]));
        let terms = terms.filter(|&(x, y)| x != 0.0 && y != 0.0);
        let terms: Vec<f64> = terms.map(|(x, y)| f64::from(x) * f64::from(y)).collect();
        let (truth, magnitude): (f64, f64) =
            (terms.iter().sum(), terms.iter().map(|x| x.abs()).sum());
        let is_near = (f64::from(found) - truth).abs() <= rung.bound(k, magnitude);
        let is_same = found.to_bits() == defined.to_bits() || found.is_nan() && defined.is_nan();
        assert!(
            is_near || is_same,
            "{}, {m}×{k}×{n}, element {place}: {found:e} is not near {truth:e}",
            rung.name
        );
    }
}

#[test]
fn every_rung_at_every_shape() {
    for dims in SHAPES {
        let [m, k, n] = dims;
        let (a, b) = (numbers(1, m * k), numbers(2, k * n));
        let mut defined = vec![0.0; m * n];
        reference::matmul(&mut defined, &a, &b, dims);
        for rung in &MATMUL {
            let found = product(rung, rung.block, &a, &b, dims);
            assert_near(rung, &found, &a, &b, dims);
            if rung.is_exact() {
                assert_same(&found, &defined, &format!("{}, {dims:?}", rung.name));
            }
        }
    }
}

#[test]
fn zeros_infinities_and_nan() {
    for dims in [[1, 1, 1], [5, 3, 2], [17, 15, 15], [16, 40, 20], [65, 33, 63], [129, 17, 130]] {
        let [m, k, n] = dims;
        for wild in [false, true] {
            let (a, b) = (odd_numbers(3, m * k, wild), odd_numbers(4, k * n, wild));
            let mut defined = vec![0.0; m * n];
            reference::matmul(&mut defined, &a, &b, dims);
            for rung in MATMUL.iter().filter(|rung| rung.is_exact()) {
                let found = product(rung, rung.block, &a, &b, dims);
                assert_same(&found, &defined, &format!("{}, {dims:?}, wild {wild}", rung.name));
            }
            // The bound does not hold for factors whose parts underflow.
            let [a, b] = [a, b].map(without_tiny);
            for rung in MATMUL.iter().filter(|rung| !rung.is_exact()) {
                assert_near(rung, &product(rung, rung.block, &a, &b, dims), &a, &b, dims);
            }
        }
    }
}

fn without_tiny(numbers: Vec<f32>) -> Vec<f32> {
    numbers.iter().map(|&x| if x.abs() < 1e-30 { 0.0 * x } else { x }).collect()
}

/// A GPU's own NaN has all bits set: an addition to its bits, as rounding is one, makes a zero of it.
#[test]
fn a_nan_of_all_ones() {
    let nan = f32::from_bits(0x7fff_ffff);
    for rung in &MATMUL {
        for (a, b) in [([nan, 1.0], [1.0, 1.0]), ([1.0, 1.0], [1.0, nan])] {
            let found = product(rung, rung.block, &a, &b, [1, 2, 1]);
            assert!(found[0].is_nan(), "{}: {found:?}", rung.name);
        }
    }
}

/// Zero times infinity is nothing: one such element among others, in each place that a thread stores at once.
#[test]
fn a_single_element_is_mended() {
    for rung in &MATMUL {
        for [n, place] in [8, 6, 5].into_iter().flat_map(|n| (0..n).map(move |place| [n, place])) {
            let mut b = vec![1.0; n];
            b[place] = f32::INFINITY;
            let found = product(rung, rung.block, &[0.0], &b, [1, 1, n]);
            assert_same(&found, &vec![0.0; n], &format!("{}, {place} of {n}", rung.name));
        }
    }
}

/// Products that underflow leave −0 behind. Zeros that fill up a step would hide it: 64 is a multiple of every depth.
#[test]
fn a_sum_is_never_negative_zero() {
    for rung in &MATMUL {
        for [k, n] in [[1, 5], [64, 8], [64, 6], [64, 5]] {
            let (a, b) = (vec![-1e-30; 7 * k], vec![1e-30; k * n]);
            let found = product(rung, rung.block, &a, &b, [7, k, n]);
            assert_same(&found, &vec![0.0; 7 * n], rung.name);
        }
    }
}

/// What a factor becomes: bf16 ties go to even, tf32 ties away from zero, and what would round to infinity stays.
#[test]
fn factors_are_rounded_to_nearest() {
    let one_and = |power: i32, times: f32| 1.0 + times * 2.0f32.powi(power);
    let bf16 = [
        (one_and(-8, 1.0), 1.0),
        (one_and(-8, 3.0), one_and(-6, 1.0)),
        (one_and(-8, 1.0) + f32::EPSILON, one_and(-7, 1.0)),
        (one_and(-8, 3.0) - f32::EPSILON, one_and(-7, 1.0)),
        (f32::MAX, f32::MAX),
    ];
    let tf32 = [
        (one_and(-11, 1.0), one_and(-10, 1.0)),
        (one_and(-11, 3.0), one_and(-9, 1.0)),
        (one_and(-11, 1.0) - f32::EPSILON, 1.0),
        (one_and(-11, 3.0) + f32::EPSILON, one_and(-9, 1.0)),
        (f32::MAX, f32::MAX),
    ];
    let [.., tf32_rung, bf16_rung, _] = &MATMUL;
    for (rung, pairs) in [(bf16_rung, bf16), (tf32_rung, tf32)] {
        let (a, expected): (Vec<f32>, Vec<f32>) =
            pairs.into_iter().flat_map(|(x, y)| [(x, y), (-x, -y)]).unzip();
        let found = product(rung, rung.block, &a, &[1.0], [a.len(), 1, 1]);
        assert_same(&found, &expected, rung.name);
        let found = product(rung, rung.block, &[1.0], &a, [1, 1, a.len()]);
        assert_same(&found, &expected, rung.name);
    }
}

/// Sums of many products that nearly cancel: an error in a small part shows.
#[test]
fn the_split_keeps_what_tf32_loses() {
    let dims @ [m, k, n] = [20, 300, 24];
    let (a, mut b) = (numbers(5, m * k), numbers(6, k * n));
    let mut a: Vec<f32> = a.iter().map(|x| 1.0 + x / 512.0).collect();
    b.iter_mut().for_each(|x| *x = 1.0 + *x / 512.0);
    a.iter_mut().skip(1).step_by(2).for_each(|x| *x = -*x);
    let [.., tf32, _, split] = &MATMUL;
    let error = |found: &[f32]| {
        let truth = |place: usize| {
            let terms =
                (0..k).map(|p| f64::from(a[place / n * k + p]) * f64::from(b[p * n + place % n]));
            terms.sum::<f64>()
        };
        let errors =
            found.iter().enumerate().map(|(place, &x)| (f64::from(x) - truth(place)).abs());
        errors.fold(0.0, f64::max)
    };
    let [coarse, fine] = [tf32, split].map(|rung| {
        let found = product(rung, rung.block, &a, &b, dims);
        assert_near(rung, &found, &a, &b, dims);
        error(&found)
    });
    assert!(fine < coarse / 50.0, "tf32 {coarse:e}, split {fine:e}");
}

#[test]
fn blocks_of_any_shape() {
    for rung in MATMUL.iter().filter(|rung| rung.has_free_block()) {
        for dims in [[1, 3, 1], [13, 5, 40], [40, 9, 11]] {
            let [m, k, n] = dims;
            let (a, b) = (odd_numbers(7, m * k, true), odd_numbers(8, k * n, true));
            let mut defined = vec![0.0; m * n];
            reference::matmul(&mut defined, &a, &b, dims);
            for block in BLOCKS {
                let found = product(rung, block, &a, &b, dims);
                assert_same(&found, &defined, &format!("{}, {dims:?}, {block:?}", rung.name));
            }
        }
    }
}

#[test]
fn nothing_to_compute() {
    for rung in &MATMUL {
        assert!(product(rung, rung.block, &[], &[0.0; 12], [0, 3, 4]).is_empty());
        assert!(product(rung, rung.block, &[0.0; 12], &[], [4, 3, 0]).is_empty());
    }
}

#[test]
fn vector_add_with_any_grid_and_block() {
    for n in [1, 31, 33, 1000] {
        let (a, b) = (odd_numbers(9, n, true), odd_numbers(10, n, true));
        let mut expected = vec![0.0; n];
        reference::add(&mut expected, &a, &b);
        for [grid, block] in [[1, 1], [1, 1024], [3, 7], [2, 33], [10, 256]] {
            let (a, b, mut out) = (up(&a), up(&b), room(n));
            let launch = engine().launch(&VECTOR_ADD, "vector_add").unwrap();
            let launch = launch.grid([grid, 1, 1]).block([block, 1, 1]);
            // SAFETY: three buffers of n numbers.
            unsafe { launch.arg(&mut out).arg(&a).arg(&b).arg(n as u64).run().unwrap() };
            let what = format!("vector_add, {n} elements, {grid} blocks of {block}");
            assert_same(&out.download().unwrap(), &expected, &what);
        }
    }
}
