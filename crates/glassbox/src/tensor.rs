//! `Tensor`: numbers with a shape.
//!
//! Contiguous, row-major, of rank at most 4, without views and without implicit broadcasting: what
//! an operation sees is what lies in memory. Numbers are `f32`. The definition also computes in
//! `f64`, to check gradients with the very code that trains, so a tensor may hold those instead.

use crate::error::{Error, Result};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Numbers with a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    pub(crate) storage: Storage,
}

/// The numbers of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Storage {
    /// What trains.
    F32(Numbers),
    /// What checks.
    F64(Vec<f64>),
}

/// Numbers that others may look at without a copy: see [`Tensor::share`]. Whoever changes them while somebody looks
/// gets numbers of their own first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbers(Arc<Vec<f32>>);

impl Numbers {
    fn new(numbers: Vec<f32>) -> Numbers {
        Numbers(Arc::new(numbers))
    }
}

impl Deref for Numbers {
    type Target = Vec<f32>;

    fn deref(&self) -> &Vec<f32> {
        &self.0
    }
}

impl DerefMut for Numbers {
    fn deref_mut(&mut self) -> &mut Vec<f32> {
        Arc::make_mut(&mut self.0)
    }
}

impl Tensor {
    /// A tensor of `shape` with these numbers, rows first.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Result<Tensor> {
        let expected = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        if shape.len() > 4 || expected != Some(data.len()) {
            let (expected, found) = (expected.unwrap_or(usize::MAX), data.len());
            return Err(Error::Count { shape: shape.to_vec(), expected, found });
        }
        Ok(Tensor { shape: shape.to_vec(), storage: Storage::F32(Numbers::new(data)) })
    }

    /// A tensor of zeros.
    ///
    /// # Panics
    /// If the rank is above 4, or no memory could hold it.
    pub fn zeros(shape: &[usize]) -> Tensor {
        let storage = Storage::F32(Numbers::new(vec![0.0; volume(shape)]));
        Tensor { shape: shape.to_vec(), storage }
    }

    /// A tensor of zeros in the precision of `self`.
    pub fn zeros_like(&self, shape: &[usize]) -> Tensor {
        let len = volume(shape);
        let storage = match self.storage {
            Storage::F32(_) => Storage::F32(Numbers::new(vec![0.0; len])),
            Storage::F64(_) => Storage::F64(vec![0.0; len]),
        };
        Tensor { shape: shape.to_vec(), storage }
    }

    /// The same numbers as `f64`, for the reference device.
    pub fn to_f64(&self) -> Tensor {
        Tensor { shape: self.shape.clone(), storage: Storage::F64(self.values()) }
    }

    /// The length of each side.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the numbers are `f64`.
    pub fn is_f64(&self) -> bool {
        matches!(self.storage, Storage::F64(_))
    }

    /// Rows and columns of a matrix.
    pub fn matrix(&self, op: &'static str) -> Result<[usize; 2]> {
        <[usize; 2]>::try_from(self.shape()).map_err(|_| Error::Shape {
            op,
            shapes: vec![self.shape.clone()],
            hint: "a matrix, of rank 2, is needed here",
        })
    }

    /// The numbers, rows first.
    ///
    /// # Panics
    /// If they are `f64`; see [`values`](Tensor::values).
    pub fn data(&self) -> &[f32] {
        match &self.storage {
            Storage::F32(data) => data,
            Storage::F64(_) => panic!("this tensor holds f64"),
        }
    }

    /// The numbers as they are now, rows first, without a copy: the tensor gets its own when it changes.
    ///
    /// # Panics
    /// If they are `f64`.
    pub fn share(&self) -> Arc<Vec<f32>> {
        match &self.storage {
            Storage::F32(data) => data.0.clone(),
            Storage::F64(_) => panic!("this tensor holds f64"),
        }
    }

    /// The numbers, without a copy if nobody shares them.
    ///
    /// # Panics
    /// If they are `f64`.
    pub fn into_data(self) -> Vec<f32> {
        match self.storage {
            Storage::F32(data) => Arc::unwrap_or_clone(data.0),
            Storage::F64(_) => panic!("this tensor holds f64"),
        }
    }

    /// The numbers, to be changed.
    ///
    /// # Panics
    /// If they are `f64`; see [`set`](Tensor::set).
    pub fn data_mut(&mut self) -> &mut [f32] {
        match &mut self.storage {
            Storage::F32(data) => data,
            Storage::F64(_) => panic!("this tensor holds f64"),
        }
    }

    /// The numbers of either precision, exactly, as `f64`.
    pub fn values(&self) -> Vec<f64> {
        match &self.storage {
            Storage::F32(data) => data.iter().map(|&x| x.into()).collect(),
            Storage::F64(data) => data.clone(),
        }
    }

    /// Whether there is neither an infinity nor a NaN.
    pub fn is_finite(&self) -> bool {
        match &self.storage {
            // Without a way out of the loop, several numbers are looked at at once.
            Storage::F32(data) => {
                let largest = data.iter().fold(0, |most, x| x.abs().to_bits().max(most));
                largest < f32::INFINITY.to_bits()
            }
            Storage::F64(data) => data.iter().all(|x| x.is_finite()),
        }
    }

    /// Element `index`, counting rows first.
    pub fn get(&self, index: usize) -> f64 {
        match &self.storage {
            Storage::F32(data) => data[index].into(),
            Storage::F64(data) => data[index],
        }
    }

    /// Sets element `index`, counting rows first, to the nearest number there is.
    pub fn set(&mut self, index: usize, value: f64) {
        match &mut self.storage {
            Storage::F32(data) => data[index] = value as f32,
            Storage::F64(data) => data[index] = value,
        }
    }

    /// Gives a matrix another number of rows. What it holds afterwards is unspecified.
    pub(crate) fn set_rows(&mut self, rows: usize) {
        self.shape[0] = rows;
        let len = volume(&self.shape);
        match &mut self.storage {
            Storage::F32(data) => data.resize(len, 0.0),
            Storage::F64(data) => data.resize(len, 0.0),
        }
    }
}

/// How many numbers a shape holds. A product that wraps round would make a wrong length look right.
fn volume(shape: &[usize]) -> usize {
    assert!(shape.len() <= 4, "a tensor has at most four sides, not {}", shape.len());
    let product = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
    product.unwrap_or_else(|| panic!("a tensor of shape {shape:?} is larger than memory"))
}
