//! exp, ln, tanh and sigmoid: how far from the truth they are, and that SIMD gives the same bits.
//!
//! `sampled` always runs. `exhaustive` takes minutes and goes over all 2³² inputs:
//! `cargo test --release -p glassbox-cpu --test math -- --ignored --nocapture`. With
//! `GLASSBOX_RECORD=1` it also writes its figures to `tests/math_exhaustive.md`. On x86-64
//! `RUSTFLAGS="-C target-feature=+fma"` makes it several times faster: without it the definition's
//! fused multiply-adds are calls into the system's library, which round the same way.

use glassbox_cpu::fast::{self, Simd};
use glassbox_cpu::reference;
use std::fmt::Write;
use std::ops::Range;
use std::process::Command;
use std::time::Instant;

/// One function in the three forms that are compared.
struct Function {
    name: &'static str,
    scalar: fn(f32) -> f32,
    slice: fn(Simd, &mut [f32], &[f32]),
    /// The same in `f64`, whose own error of an ulp or two is some 2⁻²⁸ of ours.
    truth: fn(f64) -> f64,
}

const FUNCTIONS: [Function; 4] = [
    Function { name: "exp", scalar: reference::math::exp, slice: fast::math::exp, truth: f64::exp },
    Function { name: "ln", scalar: reference::math::ln, slice: fast::math::ln, truth: f64::ln },
    Function {
        name: "tanh",
        scalar: reference::math::tanh,
        slice: fast::math::tanh,
        truth: f64::tanh,
    },
    Function {
        name: "sigmoid",
        scalar: reference::math::sigmoid,
        slice: fast::math::sigmoid,
        // No digits cancel here for any x, because e⁻ˣ is positive.
        truth: |x| 1.0 / (1.0 + (-x).exp()),
    },
];

/// What no function may reach. The contract says 2 ulp, the recipes do better.
const LARGEST_ERROR: f64 = 1.0;

/// Where a recipe changes course, or the result its kind.
const EDGES: [f32; 18] = [
    0.0,
    f32::MIN_POSITIVE,
    f32::INFINITY,
    2.0 / 3.0,
    1.0,
    4.0 / 3.0,
    0.346_573_6,
    0.173_286_8,
    1.039_720_8,
    16.64,
    17.33,
    8.664_34,
    9.010_913,
    9.02,
    87.336_54,
    88.722_84,
    103.972_08,
    104.0,
];

#[test]
fn sampled() {
    // A prime step spreads two million inputs over all exponents and both signs.
    let spread = (0..=u32::MAX).step_by(2039);
    let edges = EDGES.iter().flat_map(|x| [x.to_bits(), (-x).to_bits()]);
    let around =
        edges.flat_map(|bits| (0..200).map(move |d| bits.wrapping_add(d).wrapping_sub(100)));
    let inputs: Vec<f32> = spread.chain(around).map(f32::from_bits).collect();
    for function in &FUNCTIONS {
        let Worst { ulp, x, .. } = check(function, &inputs);
        assert!(ulp < LARGEST_ERROR, "{}: {ulp} ulp at {x:e}", function.name);
    }
}

#[test]
fn special_values() {
    use reference::math::{exp, ln, sigmoid, tanh};
    type Case = (fn(f32) -> f32, f32, f32);
    let (inf, smallest) = (f32::INFINITY, f32::from_bits(1));
    let cases: [Case; 22] = [
        (exp, 0.0, 1.0),
        (exp, -0.0, 1.0),
        (exp, inf, inf),
        (exp, -inf, 0.0),
        (exp, 88.722_84, inf),
        (exp, -103.5, smallest),
        (exp, -104.0, 0.0),
        (ln, 0.0, -inf),
        (ln, -0.0, -inf),
        (ln, 1.0, 0.0),
        (ln, inf, inf),
        (ln, smallest, -103.278_93),
        (tanh, 0.0, 0.0),
        (tanh, -0.0, -0.0),
        (tanh, smallest, smallest),
        (tanh, inf, 1.0),
        (tanh, -inf, -1.0),
        (sigmoid, 0.0, 0.5),
        (sigmoid, -0.0, 0.5),
        (sigmoid, inf, 1.0),
        (sigmoid, -inf, 0.0),
        (sigmoid, -103.5, smallest),
    ];
    for (function, x, expected) in cases {
        let y = function(x);
        assert_eq!(y.to_bits(), expected.to_bits(), "of {x:e}: {y:e}, expected {expected:e}");
    }
    for function in &FUNCTIONS {
        assert!((function.scalar)(f32::NAN).is_nan(), "{} of NaN", function.name);
    }
    assert!(ln(-smallest).is_nan() && ln(-1.0).is_nan() && ln(-inf).is_nan());
}

#[test]
fn slices_of_any_length() {
    for (n, simd) in (0..40).flat_map(|n| Simd::available().into_iter().map(move |s| (n, s))) {
        let x: Vec<f32> = (0..n).map(|i| i as f32 * 0.37 - 5.0).collect();
        for function in &FUNCTIONS {
            let expected: Vec<f32> = x.iter().map(|&x| (function.scalar)(x)).collect();
            // One number more than the function is given: it has to stay as it was.
            let mut out = vec![7.0; n + 1];
            (function.slice)(simd, &mut out[..n], &x);
            same_bits(function, simd, &x, &out[..n], &expected);
            assert_eq!(out[n], 7.0, "{} with {simd} wrote past its slice", function.name);
        }
    }
}

#[test]
#[ignore = "minutes: all 2³² inputs of four functions; use --release"]
#[expect(clippy::print_stdout, reason = "it is run by hand, to be read")]
fn exhaustive() {
    let mut table = String::new();
    for function in &FUNCTIONS {
        let start = Instant::now();
        let Worst { ulp, x, y } = over_all_inputs(function);
        let (name, bits, truth) = (function.name, x.to_bits(), (function.truth)(f64::from(x)));
        let row = format!("| {name} | {ulp:.4} | {x:e} (0x{bits:08x}) | {y:e} | {truth:e} |");
        println!("{row} {:.0} s", start.elapsed().as_secs_f64());
        writeln!(table, "{row}").unwrap();
        assert!(ulp < LARGEST_ERROR);
    }
    if std::env::var_os("GLASSBOX_RECORD").is_some_and(|value| value == "1") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/math_exhaustive.md");
        std::fs::write(path, record(&table)).unwrap();
    }
}

/// Splits the 2³² inputs over all processors, in pieces that fit a cache.
fn over_all_inputs(function: &Function) -> Worst {
    const PIECE: u64 = 1 << 12;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let share = (1u64 << 32).div_ceil(threads * PIECE) * PIECE;
    let work = |range: Range<u64>| {
        range.step_by(PIECE as usize).fold(Worst::NONE, |worst, start| {
            let bits = start..start + PIECE;
            let inputs: Vec<f32> = bits.map(|bits| f32::from_bits(bits as u32)).collect();
            worst.or(check(function, &inputs))
        })
    };
    std::thread::scope(|scope| {
        let ranges = (0..threads).map(|t| t * share..((t + 1) * share).min(1 << 32));
        let running: Vec<_> = ranges.map(|range| scope.spawn(move || work(range))).collect();
        running.into_iter().fold(Worst::NONE, |worst, thread| worst.or(thread.join().unwrap()))
    })
}

/// The text of `math_exhaustive.md`.
fn record(table: &str) -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown");
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().unwrap().stdout;
    let date = String::from_utf8(date).unwrap();
    let simd: Vec<_> = Simd::available().iter().map(|simd| simd.name()).collect();
    format!(
        "# exp, ln, tanh and sigmoid over all 2³² inputs\n\n\
        Written by the test `exhaustive` in `math.rs`. The error is in ulp of the true result; 0.5\n\
        is perfect rounding. For every input, {} gave the bits of the definition\n\
        (any NaN equals any NaN).\n\n\
        | function | largest error, ulp | at x | result | truth |\n\
        |---|---|---|---|---|\n{table}\n\
        CPU: {model}. Date: {}. Fused multiply-add of the definition: {}.\n",
        simd.join(" and "),
        date.trim(),
        if cfg!(target_feature = "fma") { "an instruction" } else { "a library call" }
    )
}

/// The input with the largest error.
#[derive(Clone, Copy)]
struct Worst {
    ulp: f64,
    x: f32,
    y: f32,
}

impl Worst {
    const NONE: Worst = Worst { ulp: -1.0, x: 0.0, y: 0.0 };

    fn or(self, other: Worst) -> Worst {
        if self.ulp < other.ulp { other } else { self }
    }
}

/// The worst of these inputs; panics where an instruction set differs from the definition.
fn check(function: &Function, inputs: &[f32]) -> Worst {
    let results: Vec<f32> = inputs.iter().map(|&x| (function.scalar)(x)).collect();
    let mut out = vec![0.0; inputs.len()];
    for simd in Simd::available() {
        (function.slice)(simd, &mut out, inputs);
        same_bits(function, simd, inputs, &out, &results);
    }
    inputs.iter().zip(&results).fold(Worst::NONE, |worst, (&x, &y)| {
        worst.or(Worst { ulp: error(y, (function.truth)(f64::from(x))), x, y })
    })
}

/// Panics where `out`, computed with `simd`, differs from what the definition gave.
fn same_bits(function: &Function, simd: Simd, x: &[f32], out: &[f32], expected: &[f32]) {
    for ((&x, &y), &expected) in x.iter().zip(out).zip(expected) {
        let same = y.to_bits() == expected.to_bits() || (y.is_nan() && expected.is_nan());
        assert!(same, "{} of {x:e}: {expected:e}, but {y:e} with {simd}", function.name);
    }
}

/// |y − truth| in ulp, the distance of neighbouring `f32` numbers at `truth`.
fn error(y: f32, truth: f64) -> f64 {
    // Half an ulp beyond the largest `f32`: from there on ∞ is right, and nothing else.
    let overflow = f64::from(f32::MAX) + 2f64.powi(103);
    if truth.is_nan() || truth.abs() >= overflow || !y.is_finite() {
        let right = if truth.is_nan() { y.is_nan() } else { y == truth as f32 };
        return if right { 0.0 } else { f64::INFINITY };
    }
    let exponent = ((truth.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    (f64::from(y) - truth).abs() * 2f64.powi(23 - exponent.max(-126))
}
