//! Every fast operation gives the bits of its definition: on every instruction set of this CPU,
//! with 1, 2, 3 and 5 threads, on odd shapes, with zeros, and with numbers that are none.

use glassbox_cpu::fast::{self, Engine, Simd};
use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cpu::reference::{self, Activation, AdamStep, Reduction};

const THREADS: [usize; 4] = [1, 2, 3, 5];

/// Lengths around every register width, and one that takes several tasks.
const LENGTHS: [usize; 12] = [0, 1, 2, 7, 8, 9, 15, 16, 17, 101, 784, 40_001];

/// (rows, columns) for everything that works by rows.
const SHAPES: [[usize; 2]; 12] = [
    [0, 0],
    [0, 5],
    [5, 0],
    [1, 1],
    [1, 10],
    [3, 7],
    [64, 10],
    [17, 16],
    [16, 17],
    [5, 129],
    [301, 83],
    [2, 5003],
];

const ACTIVATIONS: [Activation; 5] = [
    Activation::Relu,
    Activation::LeakyRelu(0.01),
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Gelu,
];

/// Calls `test` with an engine for every instruction set and number of threads.
fn on_every_engine(test: impl Fn(&Engine)) {
    for simd in every_simd() {
        for threads in THREADS {
            test(&Engine::new(simd, threads));
        }
    }
}

/// Every instruction set of this CPU, and the tiles of the widest in plain Rust.
fn every_simd() -> Vec<Simd> {
    [Simd::available(), vec![Simd::portable_wide()]].concat()
}

/// What the numbers of a test are like.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Plain,
    /// Nineteen of twenty are zero, of either sign: products skip them, whatever the registers.
    Zeros,
    /// One of sixteen is infinite, NaN, subnormal or the largest there is.
    Odd,
    /// Nineteen of twenty are zero, and half of the others odd: what skips zeros must skip nothing else.
    OddAmongZeros,
}

const KINDS: [Kind; 4] = [Kind::Plain, Kind::Zeros, Kind::Odd, Kind::OddAmongZeros];

fn numbers(kind: Kind, len: usize, seed: u64) -> Vec<f32> {
    let stream = Philox::new(seed, Purpose::Test, kind as u32, 0);
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40, -1e-40, -0.0, 1e-30];
    let number = |i: usize| {
        let (x, dice) = (4.0 * stream.uniform(2 * i as u64) - 2.0, stream.bits(2 * i as u64 + 1));
        match (kind, dice % 80) {
            (Kind::Zeros | Kind::OddAmongZeros, 0..72) => 0.0,
            (Kind::OddAmongZeros, 72..76) => odd[(dice >> 8) as usize % odd.len()],
            (Kind::Zeros, 72..76) => -0.0,
            (Kind::Odd, 0..5) => odd[(dice >> 8) as usize % odd.len()],
            _ => x,
        }
    };
    (0..len).map(number).collect()
}

/// The same bits, save that a NaN is a NaN.
fn assert_same(found: &[f32], expected: &[f32], what: &str, engine: &Engine) {
    assert_eq!(found.len(), expected.len());
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    if let Some(i) = (0..found.len()).find(|&i| !same(found[i], expected[i])) {
        let (simd, threads) = (engine.simd(), engine.threads());
        let (found, expected) = (found[i], expected[i]);
        panic!("{what}, {simd}, {threads} threads, element {i}: {found:e}, defined {expected:e}");
    }
}

#[test]
fn products() {
    let sides = [0, 1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 17, 31, 33, 64, 65];
    let stream = Philox::new(0, Purpose::Test, 99, 0);
    let side = |i: u64| sides[stream.below(i, sides.len() as u32) as usize];
    let mut shapes: Vec<_> =
        (0..120).map(|i| [side(3 * i), side(3 * i + 1), side(3 * i + 2)]).collect();
    // The network's own, then one slab of terms and more, many columns, one row, long chains.
    shapes.extend([[64, 784, 128], [784, 64, 128], [64, 128, 10], [128, 64, 10], [64, 10, 128]]);
    shapes.extend([[5, 257, 19], [3, 513, 4100], [1, 784, 128], [90, 1030, 140], [9, 300, 500]]);
    // More rows and columns than one task copies.
    shapes.push([115, 513, 258]);
    for kind in KINDS {
        for (case, &[m, k, n]) in shapes.iter().enumerate() {
            let (a, b) = (numbers(kind, m * k, case as u64), numbers(kind, k * n, !(case as u64)));
            let has_zeros = matches!(kind, Kind::Zeros | Kind::OddAmongZeros);
            let b = if has_zeros { numbers(Kind::Odd, k * n, 1) } else { b };
            let mut expected = [(); 3].map(|()| vec![0.5; m * n]);
            reference::matmul(&mut expected[0], &a, &b, [m, k, n]);
            reference::matmul_at(&mut expected[1], &a, &b, [m, k, n]);
            reference::matmul_bt(&mut expected[2], &a, &b, [m, k, n]);
            for simd in every_simd() {
                let engine = &Engine::new(simd, THREADS[case % THREADS.len()]);
                let mut out = vec![0.25; m * n];
                let what = |form| format!("{form} {m}x{k}x{n} {kind:?}");
                fast::matmul(engine, &mut out, &a, &b, [m, k, n]);
                assert_same(&out, &expected[0], &what("matmul"), engine);
                fast::matmul_at(engine, &mut out, &a, &b, [m, k, n]);
                assert_same(&out, &expected[1], &what("matmul_at"), engine);
                fast::matmul_bt(engine, &mut out, &a, &b, [m, k, n]);
                assert_same(&out, &expected[2], &what("matmul_bt"), engine);
            }
        }
    }
}

/// Runs `test` on every engine, kind of numbers, and length.
fn for_lengths(test: impl Fn(&Engine, usize, &dyn Fn(u64) -> Vec<f32>)) {
    on_every_engine(|engine| {
        for kind in KINDS {
            for len in LENGTHS {
                test(engine, len, &|seed| numbers(kind, len, seed));
            }
        }
    });
}

/// Runs `test` on every engine, kind of numbers, and shape.
fn for_shapes(test: impl Fn(&Engine, [usize; 2], &dyn Fn(u64, usize) -> Vec<f32>)) {
    on_every_engine(|engine| {
        for kind in KINDS {
            for shape in SHAPES {
                test(engine, shape, &|seed, len| numbers(kind, len, seed));
            }
        }
    });
}

#[test]
fn activations() {
    for_lengths(|engine, len, numbers| {
        let (x, dy) = (numbers(1), numbers(2));
        let x: Vec<_> = x.iter().map(|x| 8.0 * x).collect();
        for kind in ACTIVATIONS {
            let [mut y, mut expected] = [(); 2].map(|()| vec![0.5; len]);
            reference::activation(kind, &mut expected, &x);
            fast::activation(engine, kind, &mut y, &x);
            assert_same(&y, &expected, &format!("{kind:?}"), engine);
            let [mut dx, mut expected] = [(); 2].map(|()| vec![0.5; len]);
            reference::activation_backward(kind, &mut expected, &dy, &x, &y);
            fast::activation_backward(engine, kind, &mut dx, &dy, &x, &y);
            assert_same(&dx, &expected, &format!("{kind:?} backward"), engine);
        }
    });
}

#[test]
fn elementwise() {
    for_lengths(|engine, len, numbers| {
        let (a, b) = (numbers(1), numbers(2));
        let [mut out, mut expected] = [(); 2].map(|()| vec![0.5; len]);
        reference::add(&mut expected, &a, &b);
        fast::add(engine, &mut out, &a, &b);
        assert_same(&out, &expected, "add", engine);
        reference::sub(&mut expected, &a, &b);
        fast::sub(engine, &mut out, &a, &b);
        assert_same(&out, &expected, "sub", engine);
        reference::mul(&mut expected, &a, &b);
        fast::mul(engine, &mut out, &a, &b);
        assert_same(&out, &expected, "mul", engine);
        reference::scale(&mut expected, 0.3);
        fast::scale(engine, &mut out, 0.3);
        assert_same(&out, &expected, "scale", engine);
        reference::add_scaled(&mut expected, -0.7, &a);
        fast::add_scaled(engine, &mut out, -0.7, &a);
        assert_same(&out, &expected, "add_scaled", engine);
        let (found, expected) = (fast::sum_of_squares(engine, &a), reference::sum_of_squares(&a));
        assert_same(&[found], &[expected], "sum_of_squares", engine);
    });
}

#[test]
fn bias_and_transpose() {
    for_shapes(|engine, [b, o], numbers| {
        let (x, bias) = (numbers(1, b * o), numbers(2, o));
        let [mut y, mut expected] = [x.clone(), x.clone()];
        reference::add_bias(&mut expected, &bias, [b, o]);
        fast::add_bias(engine, &mut y, &bias, [b, o]);
        assert_same(&y, &expected, "add_bias", engine);
        let [mut dbias, mut expected] = [(); 2].map(|()| vec![0.5; o]);
        reference::add_bias_backward(&mut expected, &x, [b, o]);
        fast::add_bias_backward(engine, &mut dbias, &x, [b, o]);
        assert_same(&dbias, &expected, "add_bias_backward", engine);
        let [mut turned, mut expected] = [(); 2].map(|()| vec![0.5; b * o]);
        reference::transpose(&mut expected, &x, [b, o]);
        fast::transpose(engine, &mut turned, &x, [b, o]);
        assert_same(&turned, &expected, "transpose", engine);
    });
}

#[test]
fn softmaxes() {
    for_shapes(|engine, [b, o], numbers| {
        let (x, dy) = (numbers(1, b * o), numbers(2, b * o));
        let [mut y, mut expected] = [(); 2].map(|()| vec![0.5; b * o]);
        let [mut dx, mut dexpected] = [(); 2].map(|()| vec![0.5; b * o]);
        reference::softmax(&mut expected, &x, [b, o]);
        fast::softmax(engine, &mut y, &x, [b, o]);
        assert_same(&y, &expected, "softmax", engine);
        reference::softmax_backward(&mut dexpected, &dy, &y, [b, o]);
        fast::softmax_backward(engine, &mut dx, &dy, &y, [b, o]);
        assert_same(&dx, &dexpected, "softmax_backward", engine);
        reference::log_softmax(&mut expected, &x, [b, o]);
        fast::log_softmax(engine, &mut y, &x, [b, o]);
        assert_same(&y, &expected, "log_softmax", engine);
        reference::log_softmax_backward(&mut dexpected, &dy, &y, [b, o]);
        fast::log_softmax_backward(engine, &mut dx, &dy, &y, [b, o]);
        assert_same(&dx, &dexpected, "log_softmax_backward", engine);
    });
}

#[test]
fn losses() {
    for_shapes(|engine, [b, o], numbers| {
        let (y, t) = (numbers(1, b * o), numbers(2, b * o));
        let labels: Vec<u32> = (0..b).map(|row| (7 * row % o.max(1)) as u32).collect();
        let [mut d, mut dexpected] = [(); 2].map(|()| vec![0.5; b * o]);
        for reduction in [Reduction::Mean, Reduction::Sum] {
            if o > 0 {
                let expected = reference::cross_entropy(&y, &labels, [b, o], reduction);
                let found = fast::cross_entropy(engine, &y, &labels, [b, o], reduction);
                assert_same(&[found], &[expected], "cross_entropy", engine);
                let shape = [b, o];
                reference::cross_entropy_backward(&mut dexpected, &y, &labels, shape, reduction);
                fast::cross_entropy_backward(engine, &mut d, &y, &labels, shape, reduction);
                assert_same(&d, &dexpected, "cross_entropy_backward", engine);
            }
            let expected = reference::mean_squared_error(&y, &t, reduction);
            let found = fast::mean_squared_error(engine, &y, &t, reduction);
            assert_same(&[found], &[expected], "mean_squared_error", engine);
            reference::mean_squared_error_backward(&mut dexpected, &y, &t, reduction);
            fast::mean_squared_error_backward(engine, &mut d, &y, &t, reduction);
            assert_same(&d, &dexpected, "mean_squared_error_backward", engine);
        }
    });
}

#[test]
fn optimizers() {
    for_lengths(|engine, _, numbers| {
        let g = numbers(1);
        let start = [numbers(2), numbers(3), numbers(4).iter().map(|v| v.abs()).collect()];
        let [mut found, mut expected] = [start.clone(), start];
        let step = AdamStep::new(1e-3, [0.9, 0.999], 1e-8, 0.01, 7);
        for which in ["sgd", "momentum", "nesterov", "adam"] {
            let ([w, m, v], [we, me, ve]) = (&mut found, &mut expected);
            match which {
                "sgd" => (fast::sgd(engine, w, &g, 0.1), reference::sgd(we, &g, 0.1)),
                "momentum" => (
                    fast::momentum(engine, w, m, &g, 0.1, 0.9),
                    reference::momentum(we, me, &g, 0.1, 0.9),
                ),
                "nesterov" => (
                    fast::nesterov(engine, w, m, &g, 0.1, 0.9),
                    reference::nesterov(we, me, &g, 0.1, 0.9),
                ),
                _ => {
                    (fast::adam(engine, w, m, v, &g, &step), reference::adam(we, me, ve, &g, &step))
                }
            };
            for (found, expected) in found.iter().zip(&expected) {
                assert_same(found, expected, which, engine);
            }
        }
    });
}

#[test]
fn random_numbers() {
    for_lengths(|engine, len, numbers| {
        let (x, stream) = (numbers(1), Philox::new(9, Purpose::Dropout, 2, 3));
        let [mut out, mut expected] = [(); 2].map(|()| vec![0.5; len]);
        reference::fill_uniform(&mut expected, 0.3, stream);
        fast::fill_uniform(engine, &mut out, 0.3, stream);
        assert_same(&out, &expected, "fill_uniform", engine);
        for p in [0.0, 0.2, 0.5] {
            reference::dropout(&mut expected, &x, p, stream);
            fast::dropout(engine, &mut out, &x, p, stream);
            assert_same(&out, &expected, "dropout", engine);
            reference::dropout_backward(&mut expected, &x, p, stream);
            fast::dropout_backward(engine, &mut out, &x, p, stream);
            assert_same(&out, &expected, "dropout_backward", engine);
        }
    });
}

#[test]
fn samples() {
    for_shapes(|engine, [b, i], numbers| {
        let pixels: Vec<u8> = (0..(b + 3) * i).map(|p| (p * 37 % 256) as u8).collect();
        let order: Vec<u32> = (0..b as u32).map(|row| row * 5 % (b as u32 + 3)).collect();
        let [mut out, mut expected] = [(); 2].map(|()| vec![0.5; b * i]);
        reference::gather(&mut expected, &pixels, &order, i);
        fast::gather(engine, &mut out, &pixels, &order, i);
        assert_same(&out, &expected, "gather", engine);
        if i > 0 {
            let [mut found, mut expected] = [(); 2].map(|()| vec![0; b]);
            reference::argmax(&mut expected, &numbers(1, b * i), [b, i]);
            fast::argmax(engine, &mut found, &numbers(1, b * i), [b, i]);
            assert_eq!(found, expected, "argmax");
        }
    });
}

#[test]
#[should_panic(expected = "larger than memory")]
fn sizes_whose_product_wraps_round_are_refused() {
    let engine = Engine::new(Simd::best(), 1);
    fast::add_bias(&engine, &mut [], &[1.0; 4], [1 << 62, 4]);
}
