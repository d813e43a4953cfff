//! How a matrix and its errors are printed.

use super::{Matrix, MatrixError};
use crate::reference::Real;
use std::fmt;

/// Matrices with more elements than this are shortened, as in NumPy.
const PRINTED_WHOLE: usize = 1000;
/// How many rows and columns of a shortened matrix are printed at each end.
const EDGE: usize = 3;
/// How many decimals are printed unless the format says so.
const DECIMALS: usize = 4;

/// Rows in brackets, columns aligned, four decimals at most, or as many as `{:.2}` asks for. Of a
/// large matrix only the corners are printed.
///
/// ```
/// # use glassbox_cpu::reference::Matrix;
/// let a: Matrix = Matrix::from_rows(&[[1.0, -20.0], [0.5, 1.0 / 3.0]])?;
/// assert_eq!(a.to_string(), "[[  1.0000 -20.0000]\n [  0.5000   0.3333]]");
/// assert_eq!(format!("{a:.1}"), "[[  1.0 -20.0]\n [  0.5   0.3]]");
/// # Ok::<(), glassbox_cpu::reference::MatrixError>(())
/// ```
impl<F: Real> fmt::Display for Matrix<F> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.data.is_empty() {
            return write!(f, "[] ({} x {})", self.rows, self.columns);
        }
        let shorten = self.data.len() > PRINTED_WHOLE;
        let [rows, columns] = [self.rows, self.columns].map(|n| shown(n, shorten));
        let row = |i: &usize| -> Vec<Option<f64>> {
            columns.iter().map(|j| j.map(|j| self.data[i * self.columns + j].to_f64())).collect()
        };
        let values: Vec<f64> = rows.iter().flatten().flat_map(row).flatten().collect();
        let style = Style::of(&values, f.precision());
        for (line, i) in rows.iter().enumerate() {
            let start = if line == 0 { "[" } else { "\n " };
            let text = i.map_or("...".to_string(), |i| style.row(&row(&i)));
            write!(f, "{start}{text}")?;
        }
        write!(f, "]")
    }
}

/// The shape, and the numbers as [`Display`](fmt::Display) shows them: a failed assertion about a
/// large matrix stays readable.
impl<F: Real> fmt::Debug for Matrix<F> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Matrix {} x {}\n{self}", self.rows, self.columns)
    }
}

/// The numbers 0 to n − 1; if it has to be shortened, the first and last of them with a gap between.
fn shown(n: usize, shorten: bool) -> Vec<Option<usize>> {
    if shorten && n > 2 * EDGE {
        let (first, last) = (0..EDGE, n - EDGE..n);
        first.map(Some).chain([None]).chain(last.map(Some)).collect()
    } else {
        (0..n).map(Some).collect()
    }
}

/// How all numbers of a matrix are written alike, so that they can be compared at a glance.
struct Style {
    decimals: usize,
    /// As in 1.5e-7.
    scientific: bool,
    width: usize,
}

impl Style {
    /// The plainest style for these values: no decimals if all are whole, an exponent (as in NumPy)
    /// only if one is very small or very large.
    fn of(values: &[f64], precision: Option<usize>) -> Style {
        let is_extreme = |x: &f64| *x != 0.0 && x.is_finite() && !(1e-4..1e8).contains(&x.abs());
        let scientific = values.iter().any(is_extreme);
        let whole = !scientific && values.iter().all(|x| !x.is_finite() || x.fract() == 0.0);
        let decimals = precision.unwrap_or(if whole { 0 } else { DECIMALS });
        let style = Style { decimals, scientific, width: 0 };
        let width = values.iter().map(|&x| style.number(x).len()).max().unwrap_or(0);
        Style { width, ..style }
    }

    fn number(&self, x: f64) -> String {
        let Style { decimals, width, .. } = *self;
        match self.scientific {
            true => format!("{x:width$.decimals$e}"),
            false => format!("{x:width$.decimals$}"),
        }
    }

    /// A row in brackets; `None` is a gap.
    fn row(&self, row: &[Option<f64>]) -> String {
        let cell = |x: &Option<f64>| x.map_or("...".to_string(), |x| self.number(x));
        format!("[{}]", row.iter().map(cell).collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for MatrixError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            MatrixError::Ragged { row, length, expected } => write!(
                f,
                "row {row} has length {length} where row 0 has {expected} \
                 (hint: make all rows equally long)"
            ),
            MatrixError::Shapes { op, left: (m, k), right: (p, n), hint } => {
                write!(f, "{op} of {m} x {k} and {p} x {n} (hint: {hint})")
            }
            MatrixError::Outside { row, column, shape: (rows, columns) } => write!(
                f,
                "there is no row {row}, column {column} in {rows} x {columns} \
                 (hint: both are counted from 0)"
            ),
            MatrixError::TooLarge { shape: (rows, columns) } => write!(
                f,
                "{rows} x {columns} numbers do not fit in memory (hint: work in smaller pieces)"
            ),
        }
    }
}

impl std::error::Error for MatrixError {}
