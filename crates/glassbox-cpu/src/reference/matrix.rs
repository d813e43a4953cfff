//! A matrix for learning with: rows and columns of numbers that know their shape.
//!
//! It owns its numbers, makes a new matrix for every result, and answers sizes that do not fit with
//! an error. The arithmetic is the definition's: [`dot`](Matrix::dot) calls
//! [`matmul`](super::matmul()), `+` calls [`add`](super::add()), and so on. Networks do not train on it:
//! they work on slices that are used over and over.

mod display;

use super::{Real, add, matmul, mul, sub, transpose};
use std::ops::{Add, Mul, Sub};

/// A matrix of `f32` or, to check those, of `f64`; row-major: a row lies next to its elements,
/// and the rows one after the other.
///
/// ```
/// use glassbox_cpu::reference::Matrix;
///
/// let a: Matrix = Matrix::from_rows(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
/// let b: Matrix = Matrix::from_rows(&[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])?;
/// assert_eq!(a.shape(), (2, 3));
/// assert_eq!(a.dot(&b)?, Matrix::from_rows(&[[4.0, 5.0], [10.0, 11.0]])?);
/// assert_eq!((&a + &a)?, a.apply(|x| 2.0 * x));
/// # Ok::<(), glassbox_cpu::reference::MatrixError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Matrix<F: Real = f32> {
    rows: usize,
    columns: usize,
    data: Vec<F>,
}

/// Shapes that do not fit, and other wrong sizes. (rows, columns) throughout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatrixError {
    /// A row that is not as long as the first.
    Ragged {
        /// The number of the row, from 0.
        row: usize,
        /// How long it is.
        length: usize,
        /// How long the first row is.
        expected: usize,
    },
    /// Two matrices that an operation cannot join.
    Shapes {
        /// The operation.
        op: &'static str,
        /// The shape of the left matrix.
        left: (usize, usize),
        /// The shape of the right matrix.
        right: (usize, usize),
        /// What must hold.
        hint: &'static str,
    },
    /// A place outside the matrix.
    Outside {
        /// The row asked for.
        row: usize,
        /// The column asked for.
        column: usize,
        /// The shape of the matrix.
        shape: (usize, usize),
    },
    /// More numbers than the memory holds.
    TooLarge {
        /// The shape asked for.
        shape: (usize, usize),
    },
}

impl<F: Real> Matrix<F> {
    /// The matrix with these rows: arrays, vectors or slices, all of one length.
    ///
    /// ```
    /// # use glassbox_cpu::reference::Matrix;
    /// let ragged: Result<Matrix, _> = Matrix::from_rows(&[vec![1.0, 2.0], vec![3.0]]);
    /// let expected = "row 1 has length 1 where row 0 has 2 (hint: make all rows equally long)";
    /// assert_eq!(ragged.unwrap_err().to_string(), expected);
    /// ```
    pub fn from_rows<R: AsRef<[F]>>(rows: &[R]) -> Result<Matrix<F>, MatrixError> {
        let expected = rows.first().map_or(0, |row| row.as_ref().len());
        let mut data = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            let length = row.as_ref().len();
            if length != expected {
                return Err(MatrixError::Ragged { row: i, length, expected });
            }
            data.extend_from_slice(row.as_ref());
        }
        Ok(Matrix { rows: rows.len(), columns: expected, data })
    }

    /// A matrix of zeros.
    ///
    /// ```
    /// # use glassbox_cpu::reference::Matrix;
    /// assert_eq!(Matrix::<f32>::zeros(1, 2)?, Matrix::from_rows(&[[0.0, 0.0]])?);
    /// assert!(Matrix::<f32>::zeros(usize::MAX, 2).is_err());
    /// # Ok::<(), glassbox_cpu::reference::MatrixError>(())
    /// ```
    pub fn zeros(rows: usize, columns: usize) -> Result<Matrix<F>, MatrixError> {
        let too_large = MatrixError::TooLarge { shape: (rows, columns) };
        let Some(len) = rows.checked_mul(columns) else { return Err(too_large) };
        let mut data = Vec::new();
        data.try_reserve_exact(len).map_err(|_| too_large)?;
        data.resize(len, F::ZERO);
        Ok(Matrix { rows, columns, data })
    }

    /// (rows, columns)
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// All elements, row after row.
    pub fn as_slice(&self) -> &[F] {
        &self.data
    }

    /// The element in a row and a column, both counted from 0.
    pub fn get(&self, row: usize, column: usize) -> Result<F, MatrixError> {
        Ok(self.data[self.place(row, column)?])
    }

    /// Gives the element in a row and a column another value.
    pub fn set(&mut self, row: usize, column: usize, value: F) -> Result<(), MatrixError> {
        let place = self.place(row, column)?;
        self.data[place] = value;
        Ok(())
    }

    /// The matrix product self (m,k) · other (k,n). Element (i, j) is row i of the one times
    /// column j of the other, added up.
    pub fn dot(&self, other: &Matrix<F>) -> Result<Matrix<F>, MatrixError> {
        if self.columns != other.rows {
            return Err(self.misfit("dot", other, DOT_HINT));
        }
        let sizes = [self.rows, self.columns, other.columns];
        filled(self.rows, other.columns, |out| matmul(out, &self.data, &other.data, sizes))
    }

    /// Rows become columns: element (i, j) moves to (j, i).
    #[doc(alias = "T")]
    pub fn transpose(&self) -> Matrix<F> {
        let mut data = self.data.clone();
        // A matrix without elements may still have more rows than can be counted through.
        if !data.is_empty() {
            transpose(&mut data, &self.data, [self.rows, self.columns]);
        }
        Matrix { rows: self.columns, columns: self.rows, data }
    }

    /// The matrix of f(x) for every element x.
    pub fn apply(&self, f: impl FnMut(F) -> F) -> Matrix<F> {
        let (rows, columns) = self.shape();
        Matrix { rows, columns, data: self.data.iter().copied().map(f).collect() }
    }

    /// Where in `data` an element is.
    fn place(&self, row: usize, column: usize) -> Result<usize, MatrixError> {
        if row < self.rows && column < self.columns {
            Ok(row * self.columns + column)
        } else {
            Err(MatrixError::Outside { row, column, shape: self.shape() })
        }
    }

    /// The result of an operation on elements in the same place.
    fn elementwise(
        &self,
        op: &'static str,
        other: &Matrix<F>,
        f: fn(&mut [F], &[F], &[F]),
    ) -> Result<Matrix<F>, MatrixError> {
        if self.shape() != other.shape() {
            return Err(self.misfit(op, other, ELEMENTWISE_HINT));
        }
        filled(self.rows, self.columns, |out| f(out, &self.data, &other.data))
    }

    fn misfit(&self, op: &'static str, other: &Matrix<F>, hint: &'static str) -> MatrixError {
        MatrixError::Shapes { op, left: self.shape(), right: other.shape(), hint }
    }
}

const DOT_HINT: &str = "the left one needs as many columns as the right one has rows; \
                        should one of them be transposed?";
const ELEMENTWISE_HINT: &str = "both need the same shape; nothing is repeated to fill up";

/// A matrix of zeros, then filled, unless there is nothing to fill.
fn filled<F: Real>(
    rows: usize,
    columns: usize,
    fill: impl FnOnce(&mut [F]),
) -> Result<Matrix<F>, MatrixError> {
    let mut out = Matrix::zeros(rows, columns)?;
    if !out.data.is_empty() {
        fill(&mut out.data);
    }
    Ok(out)
}

impl<F: Real> Add for &Matrix<F> {
    type Output = Result<Matrix<F>, MatrixError>;

    fn add(self, other: &Matrix<F>) -> Self::Output {
        self.elementwise("+", other, add)
    }
}

impl<F: Real> Sub for &Matrix<F> {
    type Output = Result<Matrix<F>, MatrixError>;

    fn sub(self, other: &Matrix<F>) -> Self::Output {
        self.elementwise("-", other, sub)
    }
}

/// Element by element; the matrix product is [`Matrix::dot`].
impl<F: Real> Mul for &Matrix<F> {
    type Output = Result<Matrix<F>, MatrixError>;

    fn mul(self, other: &Matrix<F>) -> Self::Output {
        self.elementwise("*", other, mul)
    }
}

#[cfg(test)]
mod tests;
