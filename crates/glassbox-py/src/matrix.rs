//! Week 1's matrix, native, and week 8's product.

use crate::errors::to_python;
use crate::work::{check_memory, is_long, run_interruptibly};
use glassbox::cpu::reference::{self, MatrixError};
use glassbox::{Device, Tensor};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::sync::OnceLock;

/// A matrix of float32, row-major. Every operation makes a new one.
#[pyclass(frozen, eq, module = "glassbox")]
#[derive(PartialEq)]
pub struct Matrix(reference::Matrix<f32>);

#[pymethods]
impl Matrix {
    /// The matrix with these rows, all of one length.
    #[new]
    fn new(data: &Bound<'_, PyAny>) -> PyResult<Matrix> {
        let rows: Vec<Vec<f64>> = data.extract().map_err(|error: PyErr| {
            let text = format!("a matrix is a list of rows of numbers: {}", error.value(data.py()));
            match error.is_instance_of::<PyTypeError>(data.py()) {
                true => PyTypeError::new_err(text),
                false => PyValueError::new_err(text),
            }
        })?;
        let rows = rows.into_iter().map(|row| row.into_iter().map(single).collect());
        let rows = rows.collect::<PyResult<Vec<Vec<f32>>>>()?;
        Ok(Matrix(reference::Matrix::from_rows(&rows).map_err(refused)?))
    }

    /// The rows, as lists.
    #[getter]
    fn data(&self) -> Vec<Vec<f32>> {
        let (rows, columns) = self.0.shape();
        (0..rows).map(|row| self.0.as_slice()[row * columns..][..columns].to_vec()).collect()
    }

    /// (rows, columns)
    fn shape(&self) -> (usize, usize) {
        self.0.shape()
    }

    fn __add__(&self, other: &Matrix) -> PyResult<Matrix> {
        (&self.0 + &other.0).map(Matrix).map_err(refused)
    }

    fn __sub__(&self, other: &Matrix) -> PyResult<Matrix> {
        (&self.0 - &other.0).map(Matrix).map_err(refused)
    }

    /// Element by element.
    fn __mul__(&self, other: &Matrix) -> PyResult<Matrix> {
        (&self.0 * &other.0).map(Matrix).map_err(refused)
    }

    /// The matrix product, (m,k) · (k,n) = (m,n).
    fn dot(&self, py: Python, other: &Matrix) -> PyResult<Matrix> {
        let ((m, k), (k2, n)) = (self.0.shape(), other.0.shape());
        if k != k2 {
            // The definition has the words for it.
            return self.0.dot(&other.0).map(Matrix).map_err(refused);
        }
        let (a, b) = (self.0.as_slice().to_vec(), other.0.as_slice().to_vec());
        let product = product(py, Tensor::new(&[m, k], a), Tensor::new(&[k, n], b))?;
        let rows: Vec<&[f32]> = match n {
            0 => vec![&[][..]; m],
            _ => product.data().chunks(n).collect(),
        };
        Ok(Matrix(reference::Matrix::from_rows(&rows).map_err(refused)?))
    }

    /// The transpose.
    #[pyo3(name = "T")]
    fn transpose(&self) -> Matrix {
        Matrix(self.0.transpose())
    }

    /// The matrix of func(x) for each element x.
    fn apply(&self, py: Python, func: Bound<'_, PyAny>) -> PyResult<Matrix> {
        let mut failed = None;
        let call = |x: f32| -> PyResult<f32> { single(func.call1((f64::from(x),))?.extract()?) };
        let result = self.0.apply(|x| match &failed {
            None => call(x).unwrap_or_else(|error| {
                failed = Some(error);
                0.0
            }),
            Some(_) => 0.0,
        });
        py.check_signals()?;
        failed.map_or(Ok(Matrix(result)), Err)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, (Vec<Vec<f32>>,)) {
        (py.get_type::<Matrix>().into_any(), (self.data(),))
    }
}

/// a (m,k) · b (k,n) = (m,n)
#[pyfunction]
pub fn matmul<'py>(
    py: Python<'py>,
    a: PyReadonlyArray2<'py, f32>,
    b: PyReadonlyArray2<'py, f32>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let tensor = |array: &PyReadonlyArray2<f32>| -> PyResult<_> {
        Ok(Tensor::new(array.shape(), array.as_slice()?.to_vec()))
    };
    let product = product(py, tensor(&a)?, tensor(&b)?)?;
    let shape = [product.shape()[0], product.shape()[1]];
    product.into_data().into_pyarray(py).reshape(shape)
}

fn product(
    py: Python,
    a: glassbox::Result<Tensor>,
    b: glassbox::Result<Tensor>,
) -> PyResult<Tensor> {
    static CPU: OnceLock<Device> = OnceLock::new();
    let (a, b) = (a.map_err(to_python)?, b.map_err(to_python)?);
    // One thread: a learner's matrices are small, and threads do not survive a fork.
    let device = match CPU.get() {
        Some(device) => device,
        None => {
            let device = Device::cpu(Some(1)).map_err(to_python)?;
            CPU.get_or_init(|| device)
        }
    };
    let [m, k] = a.matrix("matmul").map_err(to_python)?;
    let [_, n] = b.matrix("matmul").map_err(to_python)?;
    let size = m.saturating_mul(n);
    check_memory(size)?;
    run_interruptibly(py, is_long(device, size.saturating_mul(k)), move |_| {
        let mut out = Tensor::zeros(&[m, n]);
        device.matmul(&mut out, &a, &b)?;
        Ok(out)
    })
}

/// The nearest float32, unless the number is beyond all of them.
fn single(x: f64) -> PyResult<f32> {
    let nearest = x as f32;
    if nearest.is_infinite() && x.is_finite() {
        let text = format!("{x:e} is beyond float32, whose largest number is 3.4e38");
        return Err(PyValueError::new_err(text));
    }
    Ok(nearest)
}

fn refused(error: MatrixError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
