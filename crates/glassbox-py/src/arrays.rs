//! NumPy's arrays as inputs and answers. What Python hands over is contiguous and of the type that is asked for here.

use crate::gpu::DeviceMatrix;
use glassbox::{Answers, Inputs, Loss, LossName, Pixels, Reduction, Samples};
use numpy::{PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Inputs (n,i): pixels, or numbers that are taken as they are.
#[derive(FromPyObject)]
pub enum InputArray<'py> {
    Pixels(PyReadonlyArray2<'py, u8>),
    Numbers(PyReadonlyArray2<'py, f32>),
    OnDevice(Bound<'py, DeviceMatrix>),
}

/// Answers: classes (n), or values (n,o).
#[derive(FromPyObject)]
pub enum AnswerArray<'py> {
    Classes(PyReadonlyArray1<'py, u32>),
    Values(PyReadonlyArray2<'py, f32>),
}

/// Inputs, borrowed.
pub enum InputSlice<'a> {
    Pixels(&'a [u8]),
    Numbers(&'a [f32]),
    OnDevice(&'a DeviceMatrix),
}

impl InputArray<'_> {
    /// Rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        let shape = match self {
            InputArray::Pixels(array) => array.shape(),
            InputArray::Numbers(array) => array.shape(),
            InputArray::OnDevice(matrix) => return [matrix.get().rows, matrix.get().width],
        };
        [shape[0], shape[1]]
    }

    /// The numbers, row by row.
    pub fn slice(&self) -> PyResult<InputSlice<'_>> {
        Ok(match self {
            InputArray::Pixels(array) => InputSlice::Pixels(array.as_slice()?),
            InputArray::Numbers(array) => InputSlice::Numbers(array.as_slice()?),
            InputArray::OnDevice(matrix) => InputSlice::OnDevice(matrix.get()),
        })
    }
}

impl InputArray<'_> {
    /// The inputs for the library. Pixels are not copied.
    pub fn inputs(&self) -> PyResult<Inputs> {
        Ok(match self {
            InputArray::Pixels(array) => Inputs::Pixels(Pixels::new(Lent::new(array)?)),
            InputArray::Numbers(array) => Inputs::Numbers(array.as_slice()?.to_vec()),
            InputArray::OnDevice(_) => {
                let text = "inputs on a device are for train_batch and forward";
                return Err(PyTypeError::new_err(text));
            }
        })
    }

    /// The same, where numbers that are quotients of bytes are these bytes again: for many steps, which are faster on
    /// pixels.
    pub fn inputs_of_a_run(&self) -> PyResult<Inputs> {
        if let InputArray::Numbers(array) = self
            && let Some(pixels) = as_pixels(array.as_slice()?)
        {
            return Ok(Inputs::Pixels(Pixels::new(pixels)));
        }
        self.inputs()
    }
}

/// The memory of an array, which is kept, and which its owner leaves as it is meanwhile.
struct Lent {
    _array: Py<PyArray2<u8>>,
    start: *const u8,
    len: usize,
}

// SAFETY: the memory is only read, and the array may be let go from any thread.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

impl Lent {
    fn new(array: &PyReadonlyArray2<u8>) -> PyResult<Lent> {
        let slice = array.as_slice()?;
        let (start, len) = (slice.as_ptr(), slice.len());
        Ok(Lent { _array: (**array).clone().unbind(), start, len })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the array is contiguous and kept, and NumPy's memory stays where it is while an array has it. Whoever
        // writes to it while a network reads gets the result of some mixture: every byte is a pixel.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

/// Samples of these inputs and answers, for a network of `outputs` outputs.
pub fn samples(
    inputs: Inputs,
    x: &InputArray,
    y: &AnswerArray,
    outputs: usize,
) -> PyResult<Samples> {
    let [rows, width] = x.shape();
    let answers = match y {
        AnswerArray::Classes(labels) => {
            Answers::Classes { labels: labels.as_slice()?.to_vec(), classes: outputs }
        }
        AnswerArray::Values(values) => {
            Answers::Values { values: values.as_slice()?.to_vec(), width: values.shape()[1] }
        }
    };
    let samples = Samples { inputs, answers, width };
    if samples.len() != rows {
        let text =
            format!("X has {rows} rows and y {} (hint: a row of X for each answer)", samples.len());
        return Err(PyValueError::new_err(text));
    }
    Ok(samples)
}

/// The bytes that numbers were before someone divided them by 255, if all are such quotients: the same images, which
/// whole steps take. The bits of a training do not depend on it.
fn as_pixels(numbers: &[f32]) -> Option<Vec<u8>> {
    let mut pixels = Vec::with_capacity(numbers.len());
    // In pieces, so that the first number that is no such quotient ends it.
    for numbers in numbers.chunks(1 << 12) {
        let mut is_pixel = true;
        pixels.extend(numbers.iter().map(|&x| {
            let pixel = (x * 255.0 + 0.5) as u8;
            is_pixel &= (f32::from(pixel) / 255.0).to_bits() == x.to_bits();
            pixel
        }));
        if !is_pixel {
            return None;
        }
    }
    Some(pixels)
}

/// A loss by its name and reduction.
pub fn loss(name: &str, reduction: &str) -> PyResult<Loss> {
    let name = match name {
        "cross-entropy" => LossName::CrossEntropy,
        "mean-squared-error" => LossName::MeanSquaredError,
        _ => return Err(PyValueError::new_err(format!("there is no loss {name:?}"))),
    };
    match reduction {
        "mean" => Ok(name.with(Reduction::Mean)),
        "sum" => Ok(name.with(Reduction::Sum)),
        _ => Err(PyValueError::new_err(format!(
            "reduction cannot be {reduction:?} (hint: \"mean\" or \"sum\")"
        ))),
    }
}
