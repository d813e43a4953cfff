//! Where to compute.

use crate::errors::apart;
use glassbox::DeviceName;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// A device, opened. A process that was forked opens its own: threads do not survive a fork.
#[pyclass(frozen, module = "glassbox._native")]
pub struct Device {
    name: DeviceName,
    threads: Option<usize>,
    /// Why it was taken, if the choice was left to us.
    #[pyo3(get)]
    why: Option<String>,
    opened: Mutex<(u32, glassbox::Device)>,
}

#[pymethods]
impl Device {
    #[new]
    fn new(py: Python, name: &str, threads: Option<usize>) -> PyResult<Device> {
        let (name, device, why) = apart(py, || {
            let name: DeviceName = name.parse()?;
            let (device, why) = glassbox::Device::choose(name, threads)?;
            Ok((name, device, why))
        })?;
        let opened = Mutex::new((std::process::id(), device));
        Ok(Device { name, threads, why, opened })
    }

    /// `reference`, `cpu`, `cuda` or `cuda-fast`.
    #[getter]
    fn name(&self, py: Python) -> PyResult<&'static str> {
        apart(py, || Ok(self.get()?.name()))
    }

    /// Which GPU it is; 0 of those that are none.
    #[getter]
    fn ordinal(&self, py: Python) -> PyResult<usize> {
        apart(py, || match self.get()? {
            glassbox::Device::Cuda(gpu) => Ok(gpu.engine().context().ordinal()),
            _ => Ok(0),
        })
    }

    fn __repr__(&self, py: Python) -> PyResult<String> {
        apart(py, || Ok(format!("{:?}", self.get()?)))
    }
}

impl Device {
    /// The device, for this process.
    pub fn get(&self) -> glassbox::Result<glassbox::Device> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.0 != std::process::id() {
            let (device, _) = glassbox::Device::choose(self.name, self.threads)?;
            // The old one's threads are not in this process, so it must not wait for them.
            let old = std::mem::replace(&mut *opened, (std::process::id(), device));
            std::mem::forget(old);
        }
        Ok(opened.1.clone())
    }
}
