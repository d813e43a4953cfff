//! Data sets.

use crate::errors::apart;
use glassbox::data::{self, DataPair, Dataset, LoadOptions};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use std::path::PathBuf;

type Half<'py> = (Bound<'py, PyArray2<u8>>, Bound<'py, PyArray1<u8>>);

/// A set as it lies in memory.
#[derive(IntoPyObject)]
pub struct Pair<'py> {
    train: Half<'py>,
    test: Half<'py>,
}

/// The set of that name, or the four files of a folder: images (n, pixels), labels (n).
#[pyfunction]
pub fn load(
    py: Python<'_>,
    name: &str,
    folder: Option<PathBuf>,
    download: bool,
) -> PyResult<Py<PyAny>> {
    let DataPair { train, test, .. } = apart(py, || {
        let options =
            LoadOptions { data_dir: folder, allow_download: download, ..LoadOptions::from_env() };
        Ok(data::load(name, &options)?)
    })?;
    let pair = Pair { train: half(py, train)?, test: half(py, test)? };
    Ok(pair.into_pyobject(py)?.into_any().unbind())
}

fn half(py: Python<'_>, set: Dataset) -> PyResult<Half<'_>> {
    let shape = [set.len(), set.pixels()];
    Ok((set.images.into_pyarray(py).reshape(shape)?, set.labels.into_pyarray(py)))
}
