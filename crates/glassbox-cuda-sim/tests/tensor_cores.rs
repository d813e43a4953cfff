//! The twins of tensor-core instructions against plain products.

#![cfg(target_os = "linux")]

mod common;

use common::Argument::Memory;
use common::{Driver, MODES, SUCCESS};

/// Small whole numbers, of which every sum is exact.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7 + seed * 3 + i / 5) % 17) as f32 - 8.0).collect()
}

/// a (m,k) * b (k,n)
fn product(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    let element = |i: usize| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum();
    (0..m * n).map(element).collect()
}

fn bf16(value: f32) -> u16 {
    (value.to_bits() >> 16) as u16
}

/// Where d's element is: lane and register, for both shapes.
fn d_place(row: usize, column: usize) -> usize {
    (row % 8 * 4 + column / 2) * 4 + row / 8 * 2 + column % 2
}

fn run(name: &str, a: &[u32], b: &[u32], d: &[f32]) -> [Vec<f32>; 2] {
    MODES.map(|mode| {
        let driver = Driver::start(mode);
        let [a, b] = [a, b].map(|values| driver.upload(values));
        let d = driver.upload(d);
        let arguments = [Memory(a), Memory(b), Memory(d)];
        assert_eq!(driver.run(name, 1, 32, &arguments), SUCCESS, "{}", driver.report());
        driver.download(d)
    })
}

#[test]
fn bf16_of_16_8_16() {
    let (a, b) = (numbers(16 * 16, 1), numbers(16 * 8, 2));
    let (mut a_held, mut b_held) = ([0u32; 128], [0u32; 64]);
    for (i, &value) in a.iter().enumerate() {
        let (row, k) = (i / 16, i % 16);
        // The manual: a0 a1 are rows 0..8 and columns 0..8, a2 a3 rows 8..16, a4 to a7 the same of columns 8..16.
        let place = (row % 8 * 4 + k % 8 / 2) * 4 + row / 8 + k / 8 * 2;
        a_held[place] |= u32::from(bf16(value)) << (k % 2 * 16);
    }
    for (i, &value) in b.iter().enumerate() {
        let (k, column) = (i / 8, i % 8);
        b_held[(column * 4 + k % 8 / 2) * 2 + k / 8] |= u32::from(bf16(value)) << (k % 2 * 16);
    }
    for d in run("one_mma_bf16", &a_held, &b_held, &[0.5; 128]) {
        for (i, &expected) in product(&a, &b, [16, 16, 8]).iter().enumerate() {
            assert_eq!(d[d_place(i / 8, i % 8)], expected + 0.5, "element {i}");
        }
    }
}

#[test]
fn tf32_of_16_8_8() {
    let (a, b) = (numbers(16 * 8, 3), numbers(8 * 8, 4));
    let (mut a_held, mut b_held) = ([0u32; 128], [0u32; 64]);
    // The last 13 bits are not looked at.
    let held = |value: f32| value.to_bits() | 0x1abc;
    for (i, &value) in a.iter().enumerate() {
        let (row, k) = (i / 8, i % 8);
        a_held[(row % 8 * 4 + k % 4) * 4 + row / 8 + k / 4 * 2] = held(value);
    }
    for (i, &value) in b.iter().enumerate() {
        let (k, column) = (i / 8, i % 8);
        b_held[(column * 4 + k % 4) * 2 + k / 4] = held(value);
    }
    for d in run("one_mma_tf32", &a_held, &b_held, &[1.0; 128]) {
        for (i, &expected) in product(&a, &b, [16, 8, 8]).iter().enumerate() {
            assert_eq!(d[d_place(i / 8, i % 8)], expected + 1.0, "element {i}");
        }
    }
}

#[test]
fn products_by_way_of_ldmatrix() {
    let (a, b) = (numbers(16 * 16, 5), numbers(16 * 8, 6));
    let expected = product(&a, &b, [16, 16, 8]);
    let transposed: Vec<f32> = (0..8 * 16).map(|i| b[i % 16 * 8 + i / 16]).collect();
    for (name, b) in [("product_by_ldmatrix", &transposed), ("product_by_ldmatrix_trans", &b)] {
        for mode in MODES {
            let driver = Driver::start(mode);
            let [x, y] = [&a, b].map(|values| {
                driver.upload(&values.iter().map(|&value| bf16(value)).collect::<Vec<u16>>())
            });
            let d = driver.allocate(16 * 8 * 4);
            let result = driver.run(name, 1, 32, &[Memory(x), Memory(y), Memory(d)]);
            assert_eq!(result, SUCCESS, "{}", driver.report());
            assert_eq!(driver.download::<f32>(d), expected, "{name}");
        }
    }
}
