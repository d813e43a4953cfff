//! Correct kernels run, give what they should, and nobody complains.

mod common;

use common::{Argument, Driver, SUCCESS};
use glassbox_cuda_sim::Mode;

const MODES: [Mode; 2] = [Mode::Fast, Mode::Check];

#[test]
fn a_sum_of_vectors() {
    for mode in MODES {
        let driver = Driver::start(mode);
        let a: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        let (x, y) = (driver.upload(&a), driver.upload(&a));
        let out = driver.allocate(4000);
        let arguments =
            [Argument::Memory(x), Argument::Memory(y), Argument::Memory(out), Argument::Size(1000)];
        assert_eq!(driver.run("add", 3, 64, &arguments), SUCCESS, "{}", driver.report());
        let sums: Vec<f32> = driver.download(out);
        assert!(sums.iter().enumerate().all(|(i, &sum)| sum == 2.0 * i as f32));
    }
}

#[test]
fn a_tiled_product() {
    for mode in MODES {
        let driver = Driver::start(mode);
        let [m, k, n] = [64, 784, 128];
        let a: Vec<f32> = (0..m * k).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i * 5 % 11) as f32 - 5.0).collect();
        let (x, y) = (driver.upload(&a), driver.upload(&b));
        let out = driver.allocate(4 * m * n);
        let sizes = [m, k, n].map(|size| Argument::Unsigned(size as u32));
        let [am, ak, an] = sizes;
        let arguments =
            [Argument::Memory(x), Argument::Memory(y), Argument::Memory(out), am, ak, an];
        let start = std::time::Instant::now();
        let grid = [n.div_ceil(16), m.div_ceil(16), 1];
        let name = "multiply_tiled";
        assert_eq!(driver.launch_in(0, name, grid, [16, 16, 1], 0, &arguments), SUCCESS);
        assert_eq!(driver.call("cuCtxSynchronize", &[]), SUCCESS, "{}", driver.report());
        println!("{mode:?}: {:?}", start.elapsed());
        let product: Vec<f32> = driver.download(out);
        for (i, &value) in product.iter().enumerate() {
            let (row, column) = (i / n, i % n);
            let expected: f32 = (0..k).map(|j| a[row * k + j] * b[j * n + column]).sum();
            assert_eq!(value, expected, "row {row}, column {column}");
        }
    }
}
