//! NumPy's arrays as inputs and answers. What Python hands over is contiguous and of the type that is asked for here.

use crate::gpu::DeviceMatrix;
use glassbox::{Answers, Error, Inputs, Loss, LossName, Pixels, Reduction, Samples};
use numpy::{PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
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

/// Inputs (rows, width) as they can be read without the interpreter.
pub struct Given<'a> {
    pub rows: usize,
    pub width: usize,
    pub numbers: Numbers<'a>,
}

/// The numbers of inputs, row by row.
pub enum Numbers<'a> {
    Pixels(Pixels),
    Host(&'a [f32]),
    OnDevice(&'a DeviceMatrix),
}

/// Answers as they can be read without the interpreter; values with how many there are a sample.
pub enum GivenAnswers<'a> {
    Classes(&'a [u32]),
    Values(&'a [f32], usize),
}

impl InputArray<'_> {
    /// The inputs, lent by their owner.
    pub fn give(&self) -> PyResult<Given<'_>> {
        let (shape, numbers) = match self {
            InputArray::Pixels(array) => {
                (array.shape(), Numbers::Pixels(Pixels::new(Lent::new(array)?)))
            }
            InputArray::Numbers(array) => (array.shape(), Numbers::Host(array.as_slice()?)),
            InputArray::OnDevice(matrix) => {
                let matrix = matrix.get();
                let (rows, width) = (matrix.rows, matrix.width);
                return Ok(Given { rows, width, numbers: Numbers::OnDevice(matrix) });
            }
        };
        Ok(Given { rows: shape[0], width: shape[1], numbers })
    }
}

impl AnswerArray<'_> {
    /// The answers, lent by their owner.
    pub fn give(&self) -> PyResult<GivenAnswers<'_>> {
        Ok(match self {
            AnswerArray::Classes(labels) => GivenAnswers::Classes(labels.as_slice()?),
            AnswerArray::Values(values) => {
                GivenAnswers::Values(values.as_slice()?, values.shape()[1])
            }
        })
    }
}

impl Given<'_> {
    /// The inputs for the library. Pixels are not copied.
    pub fn inputs(&self) -> glassbox::Result<Inputs> {
        match &self.numbers {
            Numbers::Pixels(pixels) => Ok(Inputs::Pixels(pixels.clone())),
            Numbers::Host(numbers) => Ok(Inputs::Numbers(numbers.to_vec())),
            Numbers::OnDevice(_) => Err(on_device()),
        }
    }

    /// The same, where numbers that are quotients of bytes are these bytes again: for many steps, which are faster on
    /// pixels.
    pub fn inputs_of_a_run(&self) -> glassbox::Result<Inputs> {
        if let Numbers::Host(numbers) = self.numbers
            && let Some(pixels) = as_pixels(numbers)
        {
            return Ok(Inputs::Pixels(Pixels::new(pixels)));
        }
        self.inputs()
    }

    /// Samples of inputs of these, and answers, for a network of `outputs` outputs.
    pub fn samples(
        &self,
        inputs: Inputs,
        y: &GivenAnswers,
        outputs: usize,
    ) -> glassbox::Result<Samples> {
        let answers = match *y {
            GivenAnswers::Classes(labels) => {
                Answers::Classes { labels: labels.to_vec(), classes: outputs }
            }
            GivenAnswers::Values(values, width) => {
                Answers::Values { values: values.to_vec(), width }
            }
        };
        let samples = Samples { inputs, answers, width: self.width };
        if samples.len() != self.rows {
            let (what, hint) =
                ("X and y have other numbers of rows", "an answer for each row of X");
            return Err(Error::Refused { what, hint });
        }
        Ok(samples)
    }
}

/// Python copies inputs to the host for whatever does not read them on the device.
pub fn on_device() -> Error {
    let what = "inputs on a GPU are read by train_batch with the cross-entropy and by forward";
    Error::Refused { what, hint: "give them as a NumPy array" }
}

/// The memory of an array of pixels, which is kept.
///
/// Its owner is asked, in the documentation of whatever takes it, not to write to the array or to resize it meanwhile, as
/// NumPy asks of whoever hands memory to other threads. Nothing here can make sure of it.
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
        // SAFETY: the array is contiguous and kept, and its memory stays where it is and as it is, as its owner was asked.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
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
