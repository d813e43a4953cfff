//! Data sets.

use crate::work::run_interruptibly;
use glassbox::data::{self, DataPair, Dataset, LoadOptions};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

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
    let name = name.to_string();
    // A download that was left goes on, and whoever asks for the set meanwhile waits for its lock.
    let DataPair { train, test, .. } = run_interruptibly(py, true, move |_| {
        let options =
            LoadOptions { data_dir: folder, allow_download: download, ..LoadOptions::from_env() };
        Ok(data::load(&name, &options)?)
    })?;
    let pair = Pair {
        train: half(py, Arc::unwrap_or_clone(train))?,
        test: half(py, Arc::unwrap_or_clone(test))?,
    };
    Ok(pair.into_pyobject(py)?.into_any().unbind())
}

fn half(py: Python<'_>, set: Dataset) -> PyResult<Half<'_>> {
    let shape = [set.len(), set.pixels()];
    Ok((set.images.into_pyarray(py).reshape(shape)?, set.labels.into_pyarray(py)))
}
