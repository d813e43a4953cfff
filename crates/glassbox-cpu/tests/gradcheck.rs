//! Every derivative of the definition against differences of the function itself, in `f64`.
//!
//! A backward function gets random `dy` and so computes the gradient of Σ dy·f(x). That is compared,
//! for each input element in turn, with central differences of f, the estimates of two step widths
//! combined so that their errors of second order cancel (Richardson): with H = 10⁻³ about 10⁻¹² is
//! left of the series, and 10⁻¹³ of rounding.
//!
//! **Tolerance**: 10⁻⁷ of the largest of |derivative|, |estimate| and Σ |dy·∂f|. The last is what
//! the derivative is a sum of; where its terms cancel, nobody knows more digits. To this comes what
//! rounding does to the differences, 16 ε Σ |dy·f| / H: it is about 10⁻¹¹, and matters only where a
//! derivative has all but vanished (a saturated softmax).
//!
//! **Kinks**: relu has no derivative at 0, and a difference across 0 estimates nothing. As in kann's
//! `kad_check_grad`, an error counts only if the curvature does not explain it; more sharply than
//! there, because the curvature of a smooth function does not matter. The bend f₊ + f₋ − 2f₀ of a
//! smooth function is four times as large over twice the width; what it misses of that is below
//! 10⁻⁹ H. A kink within H misses it by at least H times the error that the kink does to the estimate.
//! Nothing is loosened for it: a kink is judged by the function alone, kinks are counted, and a
//! single operation, whose inputs keep away from 0, may have none.

use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cpu::reference::*;

const TOLERANCE: f64 = 1e-7;
/// How far the input moves.
const H: f64 = 1e-3;
/// How many random shapes each operation is tried with.
const SHAPES: u32 = 60;

/// The elements that could not be checked because a kink is too near.
type Kinks = usize;

/// Compares the gradient `dx` of Σ dy·f(x) with differences of f, in every element of x.
fn check(
    f: impl Fn(&[f64]) -> Vec<f64>,
    x: &[f64],
    dy: &[f64],
    dx: &[f64],
) -> Result<Kinks, String> {
    assert_eq!(x.len(), dx.len());
    let (mut x, mut kinks, f0) = (x.to_vec(), 0, f(x));
    for i in 0..x.len() {
        let here = x[i];
        let mut at = |distance: f64| {
            x[i] = here + distance;
            f(&x)
        };
        let ends = [H, H / 2.0, H / 4.0].map(|h| [at(h), at(-h)]);
        x[i] = here;
        kinks += judge(dx[i], dy, &f0, &ends).map_err(|error| format!("element {i}: {error}"))?;
    }
    Ok(kinks)
}

/// What f gives at a distance to either side.
type Ends = [Vec<f64>; 2];

/// Compares one derivative with the values of f at H, H / 2 and H / 4.
fn judge(dx: f64, dy: &[f64], f0: &[f64], ends: &[Ends; 3]) -> Result<Kinks, String> {
    let estimate = (4.0 * slope(dy, &ends[1], H / 2.0) - slope(dy, &ends[0], H)) / 3.0;
    let scale = dx.abs().max(estimate.abs()).max(sum_of_terms(dy, &ends[0]) / (2.0 * H));
    let rounding = 16.0 * f64::EPSILON * size(dy, f0) / H;
    let error = (dx - estimate).abs();
    if error <= TOLERANCE * scale + rounding {
        Ok(0)
    } else if error <= kink(dy, f0, ends) / H {
        Ok(1)
    } else {
        Err(format!("the derivative is {estimate:e}, not {dx:e}"))
    }
}

/// Σ dy·(f₊ − f₋) / 2h. The difference comes first: outputs that do not depend on x drop out.
fn slope(dy: &[f64], [plus, minus]: &Ends, h: f64) -> f64 {
    (0..dy.len()).map(|j| dy[j] * (plus[j] - minus[j])).sum::<f64>() / (2.0 * h)
}

/// Σ |dy·(f₊ − f₋)|
fn sum_of_terms(dy: &[f64], [plus, minus]: &Ends) -> f64 {
    (0..dy.len()).map(|j| (dy[j] * (plus[j] - minus[j])).abs()).sum()
}

/// Σ |dy·f|
fn size(dy: &[f64], f: &[f64]) -> f64 {
    dy.iter().zip(f).map(|(dy, f)| (dy * f).abs()).sum()
}

/// Σ |dy·(bend − 4 bend over half the width)|, of H and of H / 2. One of the two alone would be
/// blind to a kink at a third of its width.
fn kink(dy: &[f64], f0: &[f64], ends: &[Ends; 3]) -> f64 {
    let bend = |width: usize, j: usize| ends[width][0][j] + ends[width][1][j] - 2.0 * f0[j];
    let misses = |width, j| (dy[j] * (bend(width, j) - 4.0 * bend(width + 1, j))).abs();
    (0..dy.len()).map(|j| misses(0, j) + misses(1, j)).sum()
}

/// The random things of one case.
struct Case {
    number: u32,
    vectors: u32,
}

impl Case {
    /// A side from 1 to 9, or, one time in eight, 10 to 17.
    fn side(&mut self) -> usize {
        let stream = self.next();
        let least = if stream.below(0, 8) == 0 { 10 } else { 1 };
        least + stream.below(1, if least == 1 { 9 } else { 8 }) as usize
    }

    /// Numbers in [−2, 2).
    fn vector(&mut self, len: usize) -> Vec<f64> {
        let mut vector = vec![0.0; len];
        fill_uniform(&mut vector, 2.0, self.next());
        vector
    }

    /// Numbers with 10 H ≤ |x| < 2 + 10 H: no step from them crosses a kink at 0.
    fn vector_away_from_0(&mut self, len: usize) -> Vec<f64> {
        let away = |x: f64| x + (10.0 * H).copysign(x);
        self.vector(len).into_iter().map(away).collect()
    }

    fn labels(&mut self, b: usize, o: usize) -> Vec<u32> {
        let stream = self.next();
        (0..b).map(|row| stream.below(row as u64, o as u32)).collect()
    }

    /// A stream of its own for everything that is drawn.
    fn next(&mut self) -> Philox {
        self.vectors += 1;
        Philox::new(6, Purpose::Test, self.number, self.vectors)
    }
}

/// Runs a check on many cases; none may be wrong, and none may touch a kink.
fn on_many_cases(check: impl Fn(&mut Case) -> Result<Kinks, String>) {
    for number in 0..SHAPES {
        let result = check(&mut Case { number, vectors: 0 });
        assert_eq!(result, Ok(0), "case {number}");
    }
}

/// Whether at least one case finds that a derivative is wrong.
fn is_caught(check: impl Fn(&mut Case) -> Result<Kinks, String>) -> bool {
    (0..SHAPES).any(|number| check(&mut Case { number, vectors: 0 }).is_err())
}

/// What an operation writes to an output of this length.
fn output(len: usize, op: impl FnOnce(&mut [f64])) -> Vec<f64> {
    // Not zeros: an operation has to overwrite what it finds.
    let mut out = vec![f64::NAN; len];
    op(&mut out);
    out
}

/// The product of a dense layer: out (m,n) = x (m,k) · w (k,n), dx = dy · wᵀ, dw = xᵀ · dy.
#[test]
fn products() {
    on_many_cases(|case| {
        let [m, k, n] = [(); 3].map(|()| case.side());
        let [x, w, dy] = [m * k, k * n, m * n].map(|len| case.vector(len));
        let product = |x: &[f64], w: &[f64]| output(m * n, |out| matmul(out, x, w, [m, k, n]));
        let dx = output(m * k, |dx| matmul_bt(dx, &dy, &w, [m, n, k]));
        let dw = output(k * n, |dw| matmul_at(dw, &x, &dy, [k, m, n]));
        check(|x| product(x, &w), &x, &dy, &dx)?;
        check(|w| product(&x, w), &w, &dy, &dw)
    });
}

/// The products with one factor transposed are differentiable too, by the other two.
#[test]
fn transposed_products() {
    on_many_cases(|case| {
        let [m, k, n] = [(); 3].map(|()| case.side());
        let [a, b, dy] = [m * k, k * n, m * n].map(|len| case.vector(len));
        let at = |a: &[f64]| output(m * n, |out| matmul_at(out, a, &b, [m, k, n]));
        let bt = |b: &[f64]| output(m * n, |out| matmul_bt(out, &a, b, [m, k, n]));
        // out = aᵀ·b: da (k,m) = b · dyᵀ. out = a·bᵀ: db (n,k) = dyᵀ · a.
        let da = output(k * m, |da| matmul_bt(da, &b, &dy, [k, n, m]));
        let db = output(n * k, |db| matmul_at(db, &dy, &a, [n, m, k]));
        check(at, &a, &dy, &da)?;
        check(bt, &b, &dy, &db)
    });
}

#[test]
fn biases() {
    on_many_cases(|case| {
        let [b, o] = [(); 2].map(|()| case.side());
        let [x, bias, dy] = [b * o, o, b * o].map(|len| case.vector(len));
        let add = |x: &[f64], bias: &[f64]| {
            let mut out = x.to_vec();
            add_bias(&mut out, bias, [b, o]);
            out
        };
        let dbias = output(o, |dbias| add_bias_backward(dbias, &dy, [b, o]));
        check(|x| add(x, &bias), &x, &dy, &dy)?;
        check(|bias| add(&x, bias), &bias, &dy, &dbias)
    });
}

/// Checks an activation, whose derivative is scaled by `factor`.
fn check_activation(case: &mut Case, kind: Activation, factor: f64) -> Result<Kinks, String> {
    let len = case.side() * case.side();
    let (x, dy) = (case.vector_away_from_0(len), case.vector(len));
    let f = |x: &[f64]| output(len, |out| activation(kind, out, x));
    let mut dx = output(len, |dx| activation_backward(kind, dx, &dy, &x, &f(&x)));
    scale(&mut dx, factor);
    check(f, &x, &dy, &dx)
}

const ACTIVATIONS: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu(0.01),
    Activation::LeakyRelu(-0.5),
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Gelu,
];

#[test]
fn activations() {
    for kind in ACTIVATIONS {
        on_many_cases(|case| check_activation(case, kind, 1.0));
    }
}

#[test]
fn softmaxes() {
    on_many_cases(|case| {
        let [b, o] = [(); 2].map(|()| case.side());
        let [x, dy] = [(); 2].map(|()| case.vector(b * o));
        let f = |x: &[f64]| output(b * o, |out| softmax(out, x, [b, o]));
        let dx = output(b * o, |dx| softmax_backward(dx, &dy, &f(&x), [b, o]));
        check(f, &x, &dy, &dx)
    });
}

#[test]
fn log_softmaxes() {
    on_many_cases(|case| {
        let [b, o] = [(); 2].map(|()| case.side());
        let [x, dy] = [(); 2].map(|()| case.vector(b * o));
        let f = |x: &[f64]| output(b * o, |out| log_softmax(out, x, [b, o]));
        let dx = output(b * o, |dx| log_softmax_backward(dx, &dy, &f(&x), [b, o]));
        check(f, &x, &dy, &dx)
    });
}

/// Checks cross-entropy against the derivative with another reduction.
fn check_cross_entropy(case: &mut Case, loss: Reduction, d: Reduction) -> Result<Kinks, String> {
    let [b, o] = [(); 2].map(|()| case.side());
    let (x, labels) = (case.vector(b * o), case.labels(b, o));
    let f = |x: &[f64]| vec![cross_entropy(x, &labels, [b, o], loss)];
    let dx = output(b * o, |dx| cross_entropy_backward(dx, &x, &labels, [b, o], d));
    check(f, &x, &[1.0], &dx)
}

/// Checks mean squared error against the derivative with another reduction.
fn check_squared_error(case: &mut Case, loss: Reduction, d: Reduction) -> Result<Kinks, String> {
    let len = case.side() * case.side();
    let [y, t] = [(); 2].map(|()| case.vector(len));
    let f = |y: &[f64]| vec![mean_squared_error(y, &t, loss)];
    let dy = output(len, |dy| mean_squared_error_backward(dy, &y, &t, d));
    check(f, &y, &[1.0], &dy)
}

#[test]
fn losses() {
    for reduction in [Reduction::Mean, Reduction::Sum] {
        on_many_cases(|case| check_cross_entropy(case, reduction, reduction));
        on_many_cases(|case| check_squared_error(case, reduction, reduction));
    }
}

#[test]
fn dropouts() {
    for p in [0.0, 0.25, 0.5, 0.9] {
        on_many_cases(|case| {
            let len = case.side() * case.side();
            let ([x, dy], stream) = ([(); 2].map(|()| case.vector(len)), case.next());
            let dx = output(len, |dx| dropout_backward(dx, &dy, p, stream));
            check(|x| output(len, |out| dropout(out, x, p, stream)), &x, &dy, &dx)
        });
    }
}

/// A whole network, input (b,i) to loss: dense, relu, dense, cross-entropy. The gradient of the
/// first weights passes through everything. Returns how many of them there are, too.
fn check_network(case: &mut Case) -> Result<(Kinks, usize), String> {
    let [b, i, h, o] = [(); 4].map(|()| case.side());
    let [x, w1, bias, w2] = [b * i, i * h, h, h * o].map(|len| case.vector(len));
    let labels = case.labels(b, o);
    let hidden = |w1: &[f64]| {
        let mut z = output(b * h, |z| matmul(z, &x, w1, [b, i, h]));
        add_bias(&mut z, &bias, [b, h]);
        let y = output(b * h, |y| activation(Activation::Relu, y, &z));
        (z, y)
    };
    let logits = |y: &[f64]| output(b * o, |out| matmul(out, y, &w2, [b, h, o]));
    let loss = |w1: &[f64]| {
        let logits = logits(&hidden(w1).1);
        vec![cross_entropy(&logits, &labels, [b, o], Reduction::Mean)]
    };
    let (z, y) = hidden(&w1);
    let dlogits = output(b * o, |d| {
        cross_entropy_backward(d, &logits(&y), &labels, [b, o], Reduction::Mean);
    });
    let dy = output(b * h, |dy| matmul_bt(dy, &dlogits, &w2, [b, o, h]));
    let dz = output(b * h, |dz| activation_backward(Activation::Relu, dz, &dy, &z, &y));
    let dw1 = output(i * h, |dw1| matmul_at(dw1, &x, &dz, [i, b, h]));
    Ok((check(loss, &w1, &[1.0], &dw1)?, w1.len()))
}

#[test]
fn a_network() {
    let cases = (0..SHAPES).map(|number| check_network(&mut Case { number, vectors: 0 }).unwrap());
    let (kinks, weights) = cases.reduce(|a, b| (a.0 + b.0, a.1 + b.1)).unwrap();
    // Hidden inputs are not kept away from 0, and now and then one is within H of it.
    assert!(0 < kinks && 50 * kinks < weights, "{kinks} kinks in {weights} weights");
}

#[test]
fn a_wrong_derivative_is_caught() {
    use Reduction::{Mean, Sum};
    for kind in ACTIVATIONS {
        assert!(is_caught(|case| check_activation(case, kind, -1.0)), "{kind:?}: the wrong sign");
        assert!(is_caught(|case| check_activation(case, kind, 1.0 + 1e-6)), "{kind:?}: 1e-6 more");
    }
    assert!(is_caught(|case| check_cross_entropy(case, Mean, Sum)), "1/b is missing");
    assert!(is_caught(|case| check_cross_entropy(case, Sum, Mean)), "1/b is too much");
    assert!(is_caught(|case| check_squared_error(case, Mean, Sum)), "1/n is missing");
    assert!(is_caught(|case| {
        let [x, dy] = [(); 2].map(|()| case.vector(6));
        let f = |x: &[f64]| output(6, |out| softmax(out, x, [2, 3]));
        let dx = output(6, |dx| mul(dx, &dy, &f(&x)));
        check(f, &x, &dy, &dx)
    }));
}

/// A kink excuses the error it makes, wherever it is, and no other.
#[test]
fn a_kink_is_no_error_and_no_excuse() {
    let f = |x: &[f64]| output(x.len(), |out| activation(Activation::Relu, out, x));
    for part in 1..20 {
        let near = f64::from(part) / 20.0 * H;
        let x = [1.0, near, -1.0, -near];
        assert_eq!(check(f, &x, &[1.0; 4], &[1.0, 1.0, 0.0, 0.0]), Ok(2), "{part}/20 H");
        assert!(check(f, &x, &[1.0; 4], &[0.0, 1.0, 0.0, 0.0]).is_err());
        assert!(check(f, &x, &[1.0; 4], &[1.0, 3.0, 0.0, 0.0]).is_err());
    }
    assert!(check(f, &[1.0], &[1.0], &[f64::NAN]).is_err());
}
