//! Finding the driver, before anything is called in it.

use super::api::{self, SYMBOLS};
use super::error::{Error, Result, check, code};
use cudarc::driver::sys;
use std::sync::OnceLock;

/// The oldest CUDA that the driver must support: the kernels' PTX is of this version.
const NEEDED: i32 = 12000;

/// Loads and starts the driver, once; later calls give the same answer.
pub(super) fn load() -> Result<()> {
    static LOADED: OnceLock<Result<()>> = OnceLock::new();
    LOADED.get_or_init(start).clone()
}

fn start() -> Result<()> {
    // SAFETY: looking for the library runs its initialisers and nothing else.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::NoDriver);
    }
    // SAFETY: the library is present; what is found is not called.
    let is_missing = |symbol: &str| unsafe { api::find::<*const ()>(symbol) }.is_none();
    // An old driver lacks functions because it is old: its version says so better.
    let first = ["cuGetErrorName", "cuGetErrorString", "cuInit", "cuDriverGetVersion"];
    if let Some(&symbol) = first.iter().find(|symbol| is_missing(symbol)) {
        return Err(Error::MissingSymbol { symbol });
    }
    let found = match version_of_driver() {
        // A toolkit's stub, which is there to link against, answers everything with this.
        Err(Error::Driver { code: code::STUB_LIBRARY, .. }) => return Err(Error::NoDriver),
        found => found?,
    };
    if found < NEEDED {
        return Err(Error::DriverTooOld { found, needed: NEEDED });
    }
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| is_missing(symbol)) {
        return Err(Error::MissingSymbol { symbol });
    }
    // SAFETY: the function exists.
    let started = unsafe { api::cuInit(0) };
    if started == code::NO_DEVICE {
        return Err(Error::NoDevice { ordinal: 0, count: 0 });
    }
    check("cuInit", started)
}

fn version_of_driver() -> Result<i32> {
    let mut version = 0;
    // SAFETY: the function exists and writes one number.
    check("cuDriverGetVersion", unsafe { api::cuDriverGetVersion(&mut version) })?;
    Ok(version)
}

/// The newest CUDA that the driver supports: 1000 · major + 10 · minor.
pub fn version() -> Result<i32> {
    load()?;
    version_of_driver()
}

/// How many devices the driver sees.
pub fn device_count() -> Result<usize> {
    load()?;
    let mut count = 0;
    // SAFETY: the driver is loaded; it writes one number.
    check("cuDeviceGetCount", unsafe { api::cuDeviceGetCount(&mut count) })?;
    Ok(count.max(0) as usize)
}
