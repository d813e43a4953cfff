//! `glassbox._native`: the library for Python, strictly typed.
//!
//! The readable half is `python/glassbox`: it converts what users give to contiguous arrays of `uint8` or `float32`,
//! fills in defaults, and has the docstrings. This half takes exactly that, and leaves the arithmetic to the library.
//!
//! What takes time is done without the interpreter, and nobody takes the interpreter while holding a lock.

mod arrays;
mod datasets;
mod device;
mod errors;
mod fit;
mod gpu;
mod matrix;
mod network;
mod parameters;
mod state;

use glassbox::Settings;
use glassbox::cpu::reference::philox::{Philox, Purpose};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DeviceError", py.get_type::<errors::DeviceError>())?;
    module.add("DivergedError", py.get_type::<errors::DivergedError>())?;
    module.add_class::<device::Device>()?;
    module.add_class::<gpu::DeviceArray>()?;
    module.add_class::<gpu::DeviceMatrix>()?;
    module.add_class::<gpu::Imported>()?;
    module.add_class::<matrix::Matrix>()?;
    module.add_class::<network::Network>()?;
    module.add_function(wrap_pyfunction!(datasets::load, module)?)?;
    module.add_function(wrap_pyfunction!(doctor, module)?)?;
    module.add_function(wrap_pyfunction!(fit::fit, module)?)?;
    module.add_function(wrap_pyfunction!(matrix::matmul, module)?)?;
    module.add_function(wrap_pyfunction!(gpu::read_device, module)?)?;
    module.add_function(wrap_pyfunction!(recipe, module)?)?;
    module.add_function(wrap_pyfunction!(shuffled, module)?)?;
    module.add_function(wrap_pyfunction!(rates, module)?)?;
    Ok(())
}

/// Rows of a name and what there is to say of it.
#[pyfunction]
fn doctor(py: Python) -> PyResult<Vec<(String, String)>> {
    errors::apart(py, glassbox::doctor::doctor)
}

/// The settings of a recipe, as JSON, and with another optimizer if there is one, of JSON too.
#[pyfunction]
fn recipe(name: &str, optimizer: Option<&str>) -> PyResult<String> {
    let mut settings = Settings::named(name).map_err(errors::to_python)?;
    if let Some(optimizer) = optimizer {
        settings = settings.with_optimizer(network::rule(optimizer)?);
    }
    Ok(serde_json::to_string(&settings).expect("settings are plain values"))
}

/// The order (n) of n samples in an epoch of a run.
#[pyfunction]
fn shuffled(py: Python<'_>, n: u32, seed: u64, epoch: u32) -> PyResult<Bound<'_, PyArray1<u32>>> {
    let order =
        errors::apart(py, || Ok(Philox::new(seed, Purpose::Shuffle, epoch, 0).permutation(n)))?;
    Ok(order.into_pyarray(py))
}

/// The learning rate of each step of a run.
#[pyfunction]
fn rates(py: Python<'_>, schedule: &str, lr: f32, steps: u64) -> PyResult<Py<PyArray1<f32>>> {
    let schedule: glassbox::Schedule =
        schedule.parse().map_err(|error: glassbox::schedule::ScheduleError| {
            pyo3::exceptions::PyValueError::new_err(error.to_string())
        })?;
    let rates = errors::apart(py, || {
        let rate = |step| schedule.rate(lr, step, steps);
        Ok((0..steps).map(rate).collect::<Vec<f32>>())
    })?;
    Ok(rates.into_pyarray(py).unbind())
}
