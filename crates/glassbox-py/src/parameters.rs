//! A network's parameters as NumPy arrays that share its memory, and back.

use glassbox::Tensor;
use glassbox::file::NamedArray;
use numpy::ndarray::{ArrayView, IxDyn, Shape, ShapeBuilder};
use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::sync::Arc;

/// Memory that arrays look at. It never changes: a tensor that is shared gets memory of its own when it changes.
#[pyclass(frozen, module = "glassbox._native")]
struct Memory {
    _numbers: Arc<Vec<f32>>,
}

/// The tensor as an array that can only be read, without a copy. A matrix (i,o) comes as (o,i), as PyTorch has it: the
/// same memory, read the other way.
pub fn view<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let shape: Vec<usize> = tensor.shape().iter().rev().copied().collect();
    share(py, tensor, IxDyn(&shape).f())
}

/// The tensor as an array that can only be read, without a copy, as it lies in memory.
pub fn as_it_lies<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    share(py, tensor, IxDyn(tensor.shape()).into_shape_with_order())
}

fn share<'py>(
    py: Python<'py>,
    tensor: &Tensor,
    shape: Shape<IxDyn>,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let memory = tensor.share();
    let owner = Bound::new(py, Memory { _numbers: memory.clone() })?;
    let view =
        ArrayView::from_shape(shape, &memory).expect("a tensor has as many numbers as its shape");
    // SAFETY: the array keeps `owner`, which keeps the numbers where they are, and nobody changes them: a tensor that
    // is shared copies them first, and the array is made read-only before anybody has it.
    let array = unsafe { PyArrayDyn::borrow_from_array(&view, owner.into_any()) };
    array.getattr("flags")?.setattr("writeable", false)?;
    Ok(array)
}

/// An array with PyTorch's name and shape, copied.
pub fn named(name: String, array: &PyReadonlyArrayDyn<f32>) -> PyResult<NamedArray> {
    let (shape, data) = (array.shape().to_vec(), array.as_slice()?.to_vec());
    Ok(NamedArray { name, shape, data })
}
