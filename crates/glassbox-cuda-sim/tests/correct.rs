//! Correct kernels run, give what they should, and nobody complains: in both modes, and in any order of threads.

#![cfg(target_os = "linux")]

mod common;

use common::Argument::{Memory, Size, Unsigned};
use common::{Argument, Driver, MODES, SUCCESS};
use glassbox_cuda_sim::{Mode, run_alone};

/// The order is read once in a process, so each has one of its own.
#[test]
fn in_any_order_of_threads() {
    for order in ["forward", "backward", "shuffled:1", "shuffled:2"] {
        let (is_good, text) = run_alone("all_kernels", &[("GLASSBOX_SIM_ORDER", order)]);
        assert!(is_good, "{order}:\n{text}");
    }
}

/// The way to switch fibers on processors for which there is no faster one.
#[test]
fn with_the_fibers_of_the_c_library() {
    let environment = [
        ("CXXFLAGS", "-DGLASSBOX_SIM_UCONTEXT"),
        ("GLASSBOX_SIM_TEST_FOLDER", "ucontext"),
        ("MODE", "fast"),
    ];
    let (is_good, text) = run_alone("all_kernels", &environment);
    assert!(is_good, "{text}");
}

#[test]
#[ignore = "in_any_order_of_threads runs it"]
fn all_kernels() {
    let asked = std::env::var("MODE").ok();
    let is_asked = |mode: &Mode| asked.as_ref().is_none_or(|asked| asked == mode.name());
    for mode in MODES.into_iter().filter(is_asked) {
        let driver = Driver::start(mode);
        sums_and_products(&driver, mode);
        shared_memory(&driver);
        warps(&driver);
        atomics(&driver);
        copies_and_constants(&driver);
        assert_eq!(driver.report(), "");
    }
}

fn run(driver: &Driver, name: &str, grid: [usize; 3], block: [usize; 3], arguments: &[Argument]) {
    assert_eq!(driver.launch_in(0, name, grid, block, 256, arguments), SUCCESS, "{name}");
    assert_eq!(driver.call("cuCtxSynchronize", &[]), SUCCESS, "{name}: {}", driver.report());
}

fn sums_and_products(driver: &Driver, mode: Mode) {
    let a: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let (x, out) = (driver.upload(&a), driver.allocate(4000));
    run(driver, "add", [3, 1, 1], [50, 1, 1], &[Memory(x), Memory(x), Memory(out), Size(1000)]);
    let sums: Vec<f32> = driver.download(out);
    assert!(sums.iter().enumerate().all(|(i, &sum)| sum == 2.0 * i as f32), "{mode:?}");
    for (name, side) in [("multiply_tiled", 16), ("multiply_small_tiles", 4)] {
        for [m, k, n] in [[1, 1, 1], [17, 33, 15], [20, 37, 50]] {
            product(driver, name, side, [m, k, n]);
        }
    }
}

fn product(driver: &Driver, name: &str, side: usize, [m, k, n]: [usize; 3]) {
    let a: Vec<f32> = (0..m * k).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i * 5 % 11) as f32 - 5.0).collect();
    let (x, y, out) = (driver.upload(&a), driver.upload(&b), driver.allocate(4 * m * n));
    let [am, ak, an] = [m, k, n].map(|size| Unsigned(size as u32));
    let grid = [n.div_ceil(side), m.div_ceil(side), 1];
    run(driver, name, grid, [side, side, 1], &[Memory(x), Memory(y), Memory(out), am, ak, an]);
    let product: Vec<f32> = driver.download(out);
    for (i, &value) in product.iter().enumerate() {
        let (row, column) = (i / n, i % n);
        let expected: f32 = (0..k).map(|j| a[row * k + j] * b[j * n + column]).sum();
        assert_eq!(value, expected, "row {row}, column {column}");
    }
}

fn shared_memory(driver: &Driver) {
    let values: Vec<f32> = (0..50).map(|i| i as f32).collect();
    let (x, out) = (driver.upload(&values), driver.allocate(200));
    run(driver, "reverse", [1, 1, 1], [50, 1, 1], &[Memory(x), Memory(out)]);
    let mut reversed: Vec<f32> = driver.download(out);
    reversed.reverse();
    assert_eq!(reversed, values);
    let out = driver.allocate(12);
    run(driver, "count_positive", [1, 1, 1], [50, 1, 1], &[Memory(x), Memory(out)]);
    assert_eq!(driver.download::<i32>(out), [49, 0, 1]);
}

fn warps(driver: &Driver) {
    let out = driver.allocate(128);
    let launch = |name, threads: usize| -> Vec<u32> {
        run(driver, name, [1, 1, 1], [threads, 1, 1], &[Memory(out)]);
        driver.download(out)
    };
    let numbers = |f: fn(u32) -> u32| -> Vec<u32> { (0..32).map(f).collect() };
    assert_eq!(launch("halves", 32), numbers(|i| if i < 16 { i ^ 1 } else { i ^ 2 }));
    assert_eq!(launch("exchange_in_warp", 32), numbers(|i| ((31 - i) ^ 1) * 10));
    assert_eq!(launch("exchange_in_pairs", 32), numbers(|i| (i ^ 1) + 100));
    assert_eq!(launch("sum_of_lanes", 32)[0], 31 * 16);
    assert_eq!(launch("leave_early", 32)[..20], [0x55555; 20]);
}

fn atomics(driver: &Driver) {
    let bytes: Vec<u8> = (0..=255).collect();
    let (x, counts) = (driver.upload(&bytes), driver.upload(&[0u32; 16]));
    run(driver, "histogram", [3, 1, 1], [40, 1, 1], &[Memory(x), Memory(counts), Unsigned(256)]);
    assert_eq!(driver.download::<u32>(counts), [16; 16]);
    let out = driver.allocate(64);
    run(driver, "write_bytes", [2, 1, 1], [32, 1, 1], &[Memory(out)]);
    let expected: Vec<u8> = (0..64).map(|i| i % 32 * 3).collect();
    assert_eq!(driver.download::<u8>(out), expected);
    let (x, parts) = (driver.upload(&[0.5f32; 192]), driver.allocate(768));
    let (finished, out) = (driver.upload(&[0u32]), driver.allocate(4));
    for _ in 0..2 {
        let arguments = [Memory(x), Memory(parts), Memory(finished), Memory(out)];
        run(driver, "sum_by_last_block", [6, 1, 1], [32, 1, 1], &arguments);
        assert_eq!(driver.download::<f32>(out), [192.0]);
        assert_eq!(driver.download::<u32>(finished), [0]);
    }
}

fn copies_and_constants(driver: &Driver) {
    let values: Vec<f32> = (0..300).map(|i| i as f32).collect();
    let (x, out) = (driver.upload(&values), driver.allocate(128));
    let arguments = [Memory(x), Memory(out), Unsigned(3), Unsigned(300)];
    run(driver, "sum_by_copies", [1, 1, 1], [32, 1, 1], &arguments);
    let sum: f32 = driver.download::<f32>(out).iter().sum();
    assert_eq!(sum, values.iter().sum());
    let range = Argument::Bytes([3u32, 29, 2f32.to_bits()].map(u32::to_le_bytes).concat());
    let out = driver.upload(&[0f32; 32]);
    run(driver, "look_up", [1, 1, 1], [32, 1, 1], &[Memory(out), range]);
    let found: Vec<f32> = driver.download(out);
    let table = [1.0, 1000.0, 100.0, 10.0];
    for (i, &value) in found.iter().enumerate() {
        let expected = if (3..29).contains(&i) { 2.0 * table[i % 4] } else { 0.0 };
        assert_eq!(value, expected, "thread {i}");
    }
}
