//! Every operation on the device gives the bits of the definition: on odd shapes, with zeros, infinities and NaN.

mod common;

use common::{assert_same, engine, numbers, odd_numbers, room, up};
use glassbox_cpu::reference;
use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cuda::ladder;
use glassbox_cuda::ops::{self, Activation, AdamStep, Stream};

/// Lengths around a warp, a block and a grid's step.
const LENGTHS: [usize; 8] = [1, 2, 31, 33, 127, 256, 257, 1000];

/// Rows and columns: one, primes, around a warp and a tile.
const MATRICES: [[usize; 2]; 9] =
    [[1, 1], [1, 10], [7, 1], [3, 17], [16, 16], [13, 33], [31, 64], [5, 257], [65, 10]];

#[test]
fn elementwise_operations() {
    let e = engine();
    for n in LENGTHS {
        let (a, b) = (odd_numbers(1, n, true), odd_numbers(2, n, true));
        let (da, db, mut out, mut expected) = (up(&a), up(&b), room(n), vec![0.0; n]);
        ops::add(e, &mut out, &da, &db).unwrap();
        reference::add(&mut expected, &a, &b);
        assert_same(&out.download().unwrap(), &expected, "add");
        ops::sub(e, &mut out, &da, &db).unwrap();
        reference::sub(&mut expected, &a, &b);
        assert_same(&out.download().unwrap(), &expected, "sub");
        ops::mul(e, &mut out, &da, &db).unwrap();
        reference::mul(&mut expected, &a, &b);
        assert_same(&out.download().unwrap(), &expected, "mul");
        let (mut x, mut expected) = (up(&a), a.clone());
        ops::scale(e, &mut x, 0.3).unwrap();
        reference::scale(&mut expected, 0.3);
        assert_same(&x.download().unwrap(), &expected, "scale");
        ops::add_scaled(e, &mut x, -0.7, &db).unwrap();
        reference::add_scaled(&mut expected, -0.7, &b);
        assert_same(&x.download().unwrap(), &expected, "add_scaled");
        ops::fill(e, &mut out, 2.5).unwrap();
        assert_same(&out.download().unwrap(), &vec![2.5; n], "fill");
        ops::copy(e, &mut out, &da).unwrap();
        assert_same(&out.download().unwrap(), &a, "copy");
    }
}

#[test]
fn the_sum_of_squares() {
    for n in [0, 1, 15, 16, 17, 1000] {
        let (x, mut out) = (numbers(3, n), room(1));
        ops::sum_of_squares(engine(), &mut out, &up(&x)).unwrap();
        let expected = [reference::sum_of_squares(&x)];
        assert_same(&out.download().unwrap(), &expected, "sum_of_squares");
    }
}

#[test]
fn the_transpose() {
    for [m, n] in MATRICES {
        let (a, mut out, mut expected) = (numbers(4, m * n), room(m * n), vec![0.0; m * n]);
        ops::transpose(engine(), &mut out, &up(&a), [m, n]).unwrap();
        reference::transpose(&mut expected, &a, [m, n]);
        assert_same(&out.download().unwrap(), &expected, &format!("transpose {m}×{n}"));
    }
}

#[test]
fn the_bias() {
    for [b, o] in MATRICES {
        let (x, bias) = (odd_numbers(5, b * o, true), odd_numbers(6, o, true));
        let (mut found, mut expected) = (up(&x), x.clone());
        ops::add_bias(engine(), &mut found, &up(&bias), [b, o]).unwrap();
        reference::add_bias(&mut expected, &bias, [b, o]);
        assert_same(&found.download().unwrap(), &expected, "add_bias");
        let (mut found, mut expected) = (room(o), vec![0.0; o]);
        ops::add_bias_backward(engine(), &mut found, &up(&x), [b, o]).unwrap();
        reference::add_bias_backward(&mut expected, &x, [b, o]);
        assert_same(&found.download().unwrap(), &expected, "add_bias_backward");
    }
}

#[test]
fn activations() {
    let kinds = [
        (Activation::Relu, reference::Activation::Relu),
        (Activation::LeakyRelu(-0.1), reference::Activation::LeakyRelu(-0.1)),
        (Activation::Sigmoid, reference::Activation::Sigmoid),
        (Activation::Tanh, reference::Activation::Tanh),
        (Activation::Gelu, reference::Activation::Gelu),
    ];
    // Numbers of every size, and those where the functions change their way.
    let mut x: Vec<f32> = (0..1500).map(|i| f32::from_bits(i * 2_863_311)).collect();
    x.extend(x.clone().iter().map(|x| -x));
    x.extend([0.0, -0.0, 9.02, -9.02, 88.8, -104.1, 1e-39, f32::INFINITY, f32::NAN, f32::MAX]);
    let (n, dy) = (x.len(), odd_numbers(7, x.len(), true));
    let (dx, ddy) = (up(&x), up(&dy));
    for (kind, defined) in kinds {
        let (mut out, mut y) = (room(n), vec![0.0; n]);
        ops::activation(engine(), kind, &mut out, &dx).unwrap();
        reference::activation(defined, &mut y, &x);
        assert_same(&out.download().unwrap(), &y, &format!("{kind:?}"));
        let (mut found, mut expected) = (room(n), vec![0.0; n]);
        ops::activation_backward(engine(), kind, &mut found, &ddy, &dx, &up(&y)).unwrap();
        reference::activation_backward(defined, &mut expected, &dy, &x, &y);
        assert_same(&found.download().unwrap(), &expected, &format!("{kind:?} backward"));
    }
}

#[test]
fn softmax_and_log_softmax() {
    let e = engine();
    for [b, o] in MATRICES {
        for wild in [false, true] {
            let n = b * o;
            let x: Vec<f32> = odd_numbers(8, n, wild).iter().map(|x| 20.0 * x).collect();
            let (dx, dy) = (up(&x), odd_numbers(9, n, wild));
            let (mut out, mut y) = (room(n), vec![0.0; n]);
            let (mut found, mut expected) = (room(n), vec![0.0; n]);
            let what = format!("{b}×{o}, wild {wild}");
            ops::softmax(e, &mut out, &dx, [b, o]).unwrap();
            reference::softmax(&mut y, &x, [b, o]);
            assert_same(&out.download().unwrap(), &y, &format!("softmax {what}"));
            ops::softmax_backward(e, &mut found, &up(&dy), &up(&y), [b, o]).unwrap();
            reference::softmax_backward(&mut expected, &dy, &y, [b, o]);
            assert_same(&found.download().unwrap(), &expected, &format!("softmax back {what}"));
            ops::log_softmax(e, &mut out, &dx, [b, o]).unwrap();
            reference::log_softmax(&mut y, &x, [b, o]);
            assert_same(&out.download().unwrap(), &y, &format!("log_softmax {what}"));
            ops::log_softmax_backward(e, &mut found, &up(&dy), &up(&y), [b, o]).unwrap();
            reference::log_softmax_backward(&mut expected, &dy, &y, [b, o]);
            assert_same(&found.download().unwrap(), &expected, &format!("log back {what}"));
        }
    }
}

#[test]
fn losses() {
    let e = engine();
    for [b, o] in MATRICES {
        for wild in [false, true] {
            let (n, what) = (b * o, format!("{b}×{o}, wild {wild}"));
            let x: Vec<f32> = odd_numbers(10, n, wild).iter().map(|x| 9.0 * x).collect();
            let labels: Vec<u32> = (0..b).map(|row| (row * 7 % o) as u32).collect();
            let (dx, dlabels) = (up(&x), e.upload(&labels).unwrap());
            let (mut losses, mut sum, mut space) = (room(b), room(1), room(n));
            ops::cross_entropy(e, &mut losses, &mut space, &dx, &dlabels, [b, o]).unwrap();
            ops::sum_in_order(e, &mut sum, &losses).unwrap();
            let expected =
                [reference::cross_entropy(&x, &labels, [b, o], reference::Reduction::Sum)];
            assert_same(&sum.download().unwrap(), &expected, &format!("cross_entropy {what}"));
            let (mut found, mut expected) = (room(n), vec![0.0; n]);
            let scale = 1.0 / b as f32;
            ops::cross_entropy_backward(e, &mut found, &dx, &dlabels, scale, [b, o]).unwrap();
            let mean = reference::Reduction::Mean;
            reference::cross_entropy_backward(&mut expected, &x, &labels, [b, o], mean);
            assert_same(&found.download().unwrap(), &expected, &format!("its gradient {what}"));

            let t = odd_numbers(11, n, wild);
            ops::mean_squared_error(e, &mut sum, &dx, &up(&t)).unwrap();
            let expected = [reference::mean_squared_error(&x, &t, reference::Reduction::Sum)];
            assert_same(&sum.download().unwrap(), &expected, &format!("squared error {what}"));
            let mut expected = vec![0.0; n];
            ops::mean_squared_error_backward(e, &mut found, &dx, &up(&t), 2.0 / n as f32).unwrap();
            reference::mean_squared_error_backward(&mut expected, &x, &t, mean);
            assert_same(&found.download().unwrap(), &expected, &format!("its gradient {what}"));
        }
    }
}

#[test]
fn products_in_three_forms() {
    let e = engine();
    let shapes = [
        [1, 1, 1],
        [1, 5, 1],
        [2, 1, 3],
        [15, 16, 17],
        [16, 17, 15],
        [17, 33, 16],
        [7, 50, 11],
        [33, 2, 65],
    ];
    for [m, k, n] in shapes {
        for wild in [false, true] {
            let (a, b) = (odd_numbers(12, m * k, wild), odd_numbers(13, k * n, wild));
            let (da, db) = (up(&a), up(&b));
            let (mut out, mut expected) = (room(m * n), vec![0.0; m * n]);
            let what = format!("{m}×{k}×{n}, wild {wild}");
            ops::matmul(e, &mut out, &da, &db, [m, k, n]).unwrap();
            reference::matmul(&mut expected, &a, &b, [m, k, n]);
            assert_same(&out.download().unwrap(), &expected, &format!("matmul {what}"));
            ops::matmul_at(e, &mut out, &da, &db, [m, k, n]).unwrap();
            reference::matmul_at(&mut expected, &a, &b, [m, k, n]);
            assert_same(&out.download().unwrap(), &expected, &format!("matmul_at {what}"));
            ops::matmul_bt(e, &mut out, &da, &db, [m, k, n]).unwrap();
            reference::matmul_bt(&mut expected, &a, &b, [m, k, n]);
            assert_same(&out.download().unwrap(), &expected, &format!("matmul_bt {what}"));
        }
    }
}

/// Products that underflow to −0 are +0, where the last tile is full and where it is not.
#[test]
fn products_that_vanish() {
    for [m, k, n] in [[3, 2, 5], [3, 16, 5]] {
        let (e, a, b) = (engine(), up(&vec![1e-30; m * k]), up(&vec![-1e-30; k * n]));
        let (mut out, zeros) = (room(m * n), vec![0.0; m * n]);
        ops::matmul(e, &mut out, &a, &b, [m, k, n]).unwrap();
        assert_same(&out.download().unwrap(), &zeros, "matmul");
        ops::matmul_at(e, &mut out, &a, &b, [m, k, n]).unwrap();
        assert_same(&out.download().unwrap(), &zeros, "matmul_at");
        ops::matmul_bt(e, &mut out, &a, &b, [m, k, n]).unwrap();
        assert_same(&out.download().unwrap(), &zeros, "matmul_bt");
    }
}

#[test]
fn large_products() {
    // Enough tiles of 64×64 for the other kernel, which little memory and few terms make quick.
    let (e, [m, k, n]) = (engine(), [961, 3, 961]);
    let (a, b) = (odd_numbers(14, m * k, true), odd_numbers(15, k * n, true));
    let (da, db, mut out) = (up(&a), up(&b), room(m * n));
    let mut expected = vec![0.0; m * n];
    ops::matmul(e, &mut out, &da, &db, [m, k, n]).unwrap();
    reference::matmul(&mut expected, &a, &b, [m, k, n]);
    assert_same(&out.download().unwrap(), &expected, "matmul_large");
    ops::matmul_at(e, &mut out, &da, &db, [m, k, n]).unwrap();
    reference::matmul_at(&mut expected, &a, &b, [m, k, n]);
    assert_same(&out.download().unwrap(), &expected, "matmul_at_large");
    ops::matmul_bt(e, &mut out, &da, &db, [m, k, n]).unwrap();
    reference::matmul_bt(&mut expected, &a, &b, [m, k, n]);
    assert_same(&out.download().unwrap(), &expected, "matmul_bt_large");
}

#[test]
fn optimizers() {
    let e = engine();
    for n in [1, 33, 300] {
        let [w, m, v, g] = [16, 17, 18, 19].map(|seed| numbers(seed, n));
        let v: Vec<f32> = v.iter().map(|v| v.abs()).collect();
        let dg = up(&g);
        let (mut found, mut expected) = (up(&w), w.clone());
        ops::sgd(e, &mut found, &dg, 0.1).unwrap();
        reference::sgd(&mut expected, &g, 0.1);
        assert_same(&found.download().unwrap(), &expected, "sgd");
        let (mut found, mut dm, mut expected, mut em) = (up(&w), up(&m), w.clone(), m.clone());
        ops::momentum(e, &mut found, &mut dm, &dg, 0.1, 0.9).unwrap();
        reference::momentum(&mut expected, &mut em, &g, 0.1, 0.9);
        assert_same(&found.download().unwrap(), &expected, "momentum");
        assert_same(&dm.download().unwrap(), &em, "momentum, v");
        ops::nesterov(e, &mut found, &mut dm, &dg, 0.1, 0.9).unwrap();
        reference::nesterov(&mut expected, &mut em, &g, 0.1, 0.9);
        assert_same(&found.download().unwrap(), &expected, "nesterov");
        assert_same(&dm.download().unwrap(), &em, "nesterov, v");
        let (mut found, mut dm, mut dv) = (up(&w), up(&m), up(&v));
        let (mut expected, mut em, mut ev) = (w.clone(), m.clone(), v.clone());
        let step = reference::AdamStep::new(0.01, [0.9, 0.999], 1e-8, 0.1, 3);
        ops::adam(e, &mut found, &mut dm, &mut dv, &dg, &adam(step)).unwrap();
        reference::adam(&mut expected, &mut em, &mut ev, &g, &step);
        assert_same(&found.download().unwrap(), &expected, "adam");
        assert_same(&dm.download().unwrap(), &em, "adam, m");
        assert_same(&dv.download().unwrap(), &ev, "adam, v");
    }
}

fn adam(s: reference::AdamStep) -> AdamStep {
    let reference::AdamStep { beta1, beta2, epsilon, step_size, sqrt_correction, keep } = s;
    AdamStep { beta1, beta2, epsilon, step_size, sqrt_correction, keep }
}

#[test]
fn random_numbers() {
    let (seed, epoch, step) = (0x1234_5678_9abc_def0, 5, 7);
    let defined = Philox::new(seed, Purpose::Dropout, epoch, step);
    let stream = Stream {
        key: [seed as u32, (seed >> 32) as u32],
        words: [step, epoch, Purpose::Dropout as u32],
    };
    for n in LENGTHS {
        let (mut found, mut expected) = (room(n), vec![0.0; n]);
        ops::fill_uniform(engine(), &mut found, 0.3, stream).unwrap();
        reference::fill_uniform(&mut expected, 0.3, defined);
        assert_same(&found.download().unwrap(), &expected, "fill_uniform");
        let x = odd_numbers(20, n, true);
        ops::dropout(engine(), &mut found, &up(&x), 0.4, stream).unwrap();
        reference::dropout(&mut expected, &x, 0.4, defined);
        assert_same(&found.download().unwrap(), &expected, "dropout");
        // An element whose number is the probability itself is kept.
        let p = defined.uniform(n as u64 / 2);
        ops::dropout(engine(), &mut found, &up(&x), p, stream).unwrap();
        reference::dropout(&mut expected, &x, p, defined);
        assert_same(&found.download().unwrap(), &expected, "dropout at the probability");
    }
}

#[test]
fn samples() {
    let e = engine();
    for [b, i] in MATRICES {
        let images = 2 * b + 1;
        let pixels: Vec<u8> = (0..images * i).map(|x| (x * 37 % 256) as u8).collect();
        let order: Vec<u32> = (0..b).map(|row| (row * 5 % images) as u32).collect();
        let (dpixels, dorder) = (e.upload(&pixels).unwrap(), e.upload(&order).unwrap());
        let (mut found, mut expected) = (room(b * i), vec![0.0; b * i]);
        ops::gather(e, &mut found, &dpixels, &dorder, i).unwrap();
        reference::gather(&mut expected, &pixels, &order, i);
        assert_same(&found.download().unwrap(), &expected, "gather");

        let all: Vec<u32> = (0..images).map(|image| (image * 3 % i) as u32).collect();
        let mut labels = e.buffer(b).unwrap();
        ops::gather_labels(e, &mut labels, &e.upload(&all).unwrap(), &dorder).unwrap();
        let chosen: Vec<u32> = order.iter().map(|&image| all[image as usize]).collect();
        assert_eq!(labels.download().unwrap(), chosen);
        ops::one_hot(e, &mut found, &labels, [b, i]).unwrap();
        let hot = |place: usize| if chosen[place / i] as usize == place % i { 1.0 } else { 0.0 };
        let expected: Vec<f32> = (0..b * i).map(hot).collect();
        assert_same(&found.download().unwrap(), &expected, "one_hot");

        let x = odd_numbers(21, b * i, true);
        let (mut answers, mut defined) = (e.buffer(b).unwrap(), vec![0; b]);
        ops::argmax(e, &mut answers, &up(&x), [b, i]).unwrap();
        reference::argmax(&mut defined, &x, [b, i]);
        assert_eq!(answers.download().unwrap(), defined, "argmax {b}×{i}");
        let mut count = e.zeros(1).unwrap();
        ops::count_equal(e, &mut count, &answers, &labels).unwrap();
        let equal = defined.iter().zip(&chosen).filter(|(a, b)| a == b).count() as u32;
        assert_eq!(count.download().unwrap(), [equal]);
    }
}

/// Products by an engine that may take tensor cores: within the bound of the split product, and by the definition where
/// they are not finite.
#[test]
fn fast_products() {
    let fast = engine().beside().unwrap().fast();
    let [.., split] = &ladder::MATMUL;
    // As few tiles as make it worth while, the last ones not full; terms of one step and a bit.
    let [m, k, n] = [1665, 9, 1921];
    let (mut a, b) = (numbers(22, m * k), numbers(23, k * n));
    a[3] = f32::INFINITY;
    let (da, db, mut out) = (up(&a), up(&b), room(m * n));
    for (name, is_at, is_bt) in
        [("a·b", false, false), ("aᵀ·b", true, false), ("a·bᵀ", false, true)]
    {
        match (is_at, is_bt) {
            (true, _) => ops::matmul_at(&fast, &mut out, &da, &db, [m, k, n]).unwrap(),
            (_, true) => ops::matmul_bt(&fast, &mut out, &da, &db, [m, k, n]).unwrap(),
            _ => ops::matmul(&fast, &mut out, &da, &db, [m, k, n]).unwrap(),
        }
        fast.synchronize().unwrap();
        let found = out.download().unwrap();
        let mut differs = false;
        for i in (0..m).step_by(7).chain([m - 1]) {
            for j in (0..n).step_by(5).chain([n - 1]) {
                let x = |p: usize| if is_at { a[p * m + i] } else { a[i * k + p] };
                let y = |p: usize| if is_bt { b[j * k + p] } else { b[p * n + j] };
                let terms = (0..k).map(|p| (f64::from(x(p)), f64::from(y(p))));
                let sum: f64 = terms.clone().map(|(x, y)| x * y).sum();
                let magnitude = terms.map(|(x, y)| (x * y).abs()).sum();
                let found = f64::from(found[i * n + j]);
                if sum.is_finite() {
                    let bound = split.bound(k, magnitude);
                    assert!((found - sum).abs() <= bound, "{name}, ({i},{j}): {found} for {sum}");
                } else {
                    assert_eq!(found, sum, "{name}, ({i},{j})");
                }
                let chain = reference::matmul::chain((0..k).map(|p| (x(p), y(p))));
                differs |= f64::from(chain) != found;
            }
        }
        // If every bit were that of a chain, it would not have been the split product.
        assert!(differs, "{name}");
    }
}
