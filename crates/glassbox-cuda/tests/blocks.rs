//! Kernels that take blocks and grids of any size give the same bits with all of them.

mod common;

use common::{assert_same, engine, numbers, odd_numbers, room, up};
use glassbox_cpu::reference;
use glassbox_cuda::ops::{
    activation, bias, elementwise, loss, matmul, optim, random, samples, softmax,
};
use glassbox_cuda::{Buffer, Image, Launch};

/// Blocks and their threads: one of each, odd numbers, a warp more or less one, and as many threads as there can be.
const SHAPES: [[u32; 2]; 7] = [[2, 256], [1, 1], [3, 7], [2, 31], [5, 33], [1, 1000], [2, 1024]];

/// Launches a kernel in every shape. `run` gives it its arguments, launches it, and reads what it wrote.
fn check(image: &'static Image, kernel: &'static str, run: impl Fn(Launch) -> Vec<f32>) {
    let shaped = |[grid, block]: [u32; 2]| {
        let launch = engine().launch(image, kernel).unwrap();
        run(launch.grid([grid, 1, 1]).block([block, 1, 1]))
    };
    let expected = shaped(SHAPES[0]);
    assert!(expected.iter().any(|x| *x != 0.0), "{kernel} did nothing");
    for shape in &SHAPES[1..] {
        let what = format!("{kernel}, {} blocks of {}", shape[0], shape[1]);
        assert_same(&shaped(*shape), &expected, &what);
    }
}

/// The same for a kernel that uses one block.
fn check_one_block(image: &'static Image, kernel: &'static str, run: impl Fn(Launch) -> Vec<f32>) {
    check(image, kernel, |launch| run(launch.grid([1, 1, 1])));
}

/// Launches, and reads what was written.
fn wrote(launch: Launch, out: &Buffer<f32>) -> Vec<f32> {
    // SAFETY: each call below gives the kernel what its text says.
    unsafe { launch.run().unwrap() };
    out.download().unwrap()
}

const N: usize = 517;
const B: usize = 9;
const O: usize = 37;

#[test]
fn elements() {
    let n = N as u64;
    let (a, b) = (up(&odd_numbers(1, N, false)), up(&odd_numbers(2, N, false)));
    for kernel in ["add", "sub", "mul"] {
        check(&elementwise::IMAGE, kernel, |launch| {
            let mut out = room(N);
            wrote(launch.arg(&mut out).arg(&a).arg(&b).arg(n), &out)
        });
    }
    check(&elementwise::IMAGE, "fill", |launch| {
        let mut out = room(N);
        wrote(launch.arg(&mut out).arg(1.5_f32).arg(n), &out)
    });
    check(&elementwise::IMAGE, "scale", |launch| {
        let mut x = up(&numbers(3, N));
        wrote(launch.arg(&mut x).arg(1.5_f32).arg(n), &x)
    });
    check(&elementwise::IMAGE, "add_scaled", |launch| {
        let mut x = up(&numbers(3, N));
        wrote(launch.arg(&mut x).arg(1.5_f32).arg(&b).arg(n), &x)
    });
    for kind in 1..=5_u32 {
        check(&activation::IMAGE, "activation", |launch| {
            let mut out = room(N);
            wrote(launch.arg(&mut out).arg(&a).arg(kind).arg(0.1_f32).arg(n), &out)
        });
        check(&activation::IMAGE, "activation_backward", |launch| {
            let mut dx = room(N);
            let launch = launch.arg(&mut dx).arg(&b).arg(&a).arg(&a);
            wrote(launch.arg(kind).arg(0.1_f32).arg(n), &dx)
        });
    }
    check(&loss::IMAGE, "mean_squared_error_backward", |launch| {
        let mut dy = room(N);
        wrote(launch.arg(&mut dy).arg(&a).arg(&b).arg(0.25_f32).arg(n), &dy)
    });
}

#[test]
fn updates() {
    let (n, g) = (N as u64, up(&numbers(4, N)));
    check(&optim::IMAGE, "sgd", |launch| {
        let mut w = up(&numbers(5, N));
        wrote(launch.arg(&mut w).arg(&g).arg(0.1_f32).arg(n), &w)
    });
    for kernel in ["momentum", "nesterov"] {
        check(&optim::IMAGE, kernel, |launch| {
            let (mut w, mut v) = (up(&numbers(5, N)), up(&numbers(6, N)));
            let launch = launch.arg(&mut w).arg(&mut v).arg(&g).arg(0.1_f32).arg(0.9_f32).arg(n);
            [wrote(launch, &w), v.download().unwrap()].concat()
        });
    }
    check(&optim::IMAGE, "adam", |launch| {
        let (mut w, mut m) = (up(&numbers(5, N)), up(&numbers(6, N)));
        let mut v = engine().zeros(N).unwrap();
        let launch = launch.arg(&mut w).arg(&mut m).arg(&mut v).arg(&g);
        let step = [0.9, 0.999, 1e-8, 0.01, 0.5, 0.99_f32];
        let launch = step.into_iter().fold(launch, |launch, number| launch.arg(number));
        [wrote(launch.arg(n), &w), m.download().unwrap(), v.download().unwrap()].concat()
    });
}

#[test]
fn random_numbers() {
    let n = N as u64;
    let stream = [1, 2, 3, 4, 5_u32];
    check(&random::IMAGE, "fill_uniform", |launch| {
        let mut out = room(N);
        let launch = launch.arg(&mut out).arg(0.5_f32);
        let launch = stream.into_iter().fold(launch, |launch, word| launch.arg(word));
        wrote(launch.arg(n), &out)
    });
    let x = up(&numbers(7, N));
    check(&random::IMAGE, "dropout", |launch| {
        let mut out = room(N);
        let launch = launch.arg(&mut out).arg(&x).arg(0.5_f32);
        let launch = stream.into_iter().fold(launch, |launch, word| launch.arg(word));
        wrote(launch.arg(n), &out)
    });
}

#[test]
fn rows() {
    let (b, o) = (B as u32, O as u32);
    let (x, y) = (up(&odd_numbers(8, B * O, false)), up(&odd_numbers(9, B * O, false)));
    for kernel in ["softmax", "log_softmax"] {
        check(&softmax::IMAGE, kernel, |launch| {
            let mut out = room(B * O);
            wrote(launch.arg(&mut out).arg(&x).arg(b).arg(o), &out)
        });
    }
    for kernel in ["softmax_backward", "log_softmax_backward"] {
        check(&softmax::IMAGE, kernel, |launch| {
            let mut dx = room(B * O);
            wrote(launch.arg(&mut dx).arg(&x).arg(&y).arg(b).arg(o), &dx)
        });
    }
    let labels: Vec<u32> = (0..b).map(|row| row * 5 % o).collect();
    let labels = engine().upload(&labels).unwrap();
    check(&loss::IMAGE, "cross_entropy", |launch| {
        let (mut losses, mut space) = (room(B), room(B * O));
        let launch = launch.arg(&mut losses).arg(&mut space).arg(&x).arg(&labels);
        wrote(launch.arg(b).arg(o), &losses)
    });
    check(&loss::IMAGE, "cross_entropy_backward", |launch| {
        let mut d = room(B * O);
        wrote(launch.arg(&mut d).arg(&x).arg(&labels).arg(0.5_f32).arg(b).arg(o), &d)
    });
    let offsets = up(&numbers(10, O));
    check(&bias::IMAGE, "add_bias", |launch| {
        let mut x = up(&numbers(11, B * O));
        wrote(launch.arg(&mut x).arg(&offsets).arg(b).arg(o), &x)
    });
    check(&bias::IMAGE, "add_bias_backward", |launch| {
        let mut sums = room(O);
        wrote(launch.arg(&mut sums).arg(&x).arg(b).arg(o), &sums)
    });
    check(&samples::IMAGE, "one_hot", |launch| {
        let mut out = room(B * O);
        wrote(launch.arg(&mut out).arg(&labels).arg(b).arg(o), &out)
    });
}

#[test]
fn sums_and_tiles() {
    let x = up(&odd_numbers(12, N, false));
    check_one_block(&elementwise::IMAGE, "sum_of_squares", |launch| {
        let mut sum = room(1);
        wrote(launch.arg(&mut sum).arg(&x).arg(N as u64), &sum)
    });
    check(&loss::IMAGE, "sum_in_order", |launch| {
        let mut sum = room(1);
        wrote(launch.arg(&mut sum).arg(&x).arg(N as u64), &sum)
    });
    let y = up(&numbers(13, N));
    check(&loss::IMAGE, "mean_squared_error", |launch| {
        let mut sum = room(1);
        wrote(launch.arg(&mut sum).arg(&x).arg(&y).arg(N as u64), &sum)
    });
    // A block for each tile of 32×32, whatever its threads.
    let (m, n) = (47, 11);
    check(&elementwise::IMAGE, "transpose", |launch| {
        let mut out = room(N);
        wrote(launch.grid([2, 1, 1]).arg(&mut out).arg(&x).arg(m as u32).arg(n as u32), &out)
    });
}

#[test]
fn decisions() {
    let (b, o) = (B as u32, O as u32);
    let x = up(&odd_numbers(14, B * O, true));
    let as_numbers = |words: Vec<u32>| words.into_iter().map(|word| word as f32).collect();
    check(&samples::IMAGE, "argmax", |launch| {
        let mut out = engine().buffer::<u32>(B).unwrap();
        // SAFETY: out (b) and x (b,o).
        unsafe { launch.arg(&mut out).arg(&x).arg(b).arg(o).run().unwrap() };
        as_numbers(out.download().unwrap())
    });
    let answers: Vec<u32> = (0..N as u32).map(|i| i % 7).collect();
    let labels: Vec<u32> = (0..N as u32).map(|i| i % 5).collect();
    let (answers, labels) = (engine().upload(&answers).unwrap(), engine().upload(&labels).unwrap());
    check(&samples::IMAGE, "count_equal", |launch| {
        let mut count = engine().zeros::<u32>(1).unwrap();
        // SAFETY: a count, and as many answers as labels.
        unsafe { launch.arg(&mut count).arg(&answers).arg(&labels).arg(N as u32).run().unwrap() };
        as_numbers(count.download().unwrap())
    });
    let pixels: Vec<u8> = (0..B * O).map(|i| (i * 31 % 256) as u8).collect();
    let pixels = engine().upload(&pixels).unwrap();
    let order = engine().upload(&[3_u32, 0, 8, 8]).unwrap();
    check(&samples::IMAGE, "gather", |launch| {
        let mut out = room(4 * O);
        wrote(launch.arg(&mut out).arg(&pixels).arg(&order).arg(4_u32).arg(o), &out)
    });
    check(&samples::IMAGE, "gather_labels", |launch| {
        let mut out = engine().buffer::<u32>(4).unwrap();
        // SAFETY: out and order (4), whose rows exist.
        unsafe { launch.arg(&mut out).arg(&labels).arg(&order).arg(4_u32).run().unwrap() };
        as_numbers(out.download().unwrap())
    });
}

/// The tiles of large products, of which the last are not full, over several steps of k.
#[test]
fn large_tiles() {
    let [m, k, n] = [70, 37, 65];
    let (a, b) = (odd_numbers(15, m * k, true), odd_numbers(16, k * n, true));
    let (da, db, mut expected) = (up(&a), up(&b), vec![0.0; m * n]);
    for kernel in ["matmul_at_large", "matmul_bt_large"] {
        match kernel {
            "matmul_at_large" => reference::matmul_at(&mut expected, &a, &b, [m, k, n]),
            _ => reference::matmul_bt(&mut expected, &a, &b, [m, k, n]),
        }
        let mut out = room(m * n);
        let launch = engine().launch(&matmul::IMAGE, kernel).unwrap();
        let launch = launch.grid([4, 1, 1]).block([256, 1, 1]).arg(&mut out).arg(&da).arg(&db);
        let found = wrote(launch.arg(m as u32).arg(k as u32).arg(n as u32), &out);
        assert_same(&found, &expected, kernel);
    }
}
