//! Finding the driver, before anything is called in it.

use super::error::{Error, Result, check};
use cudarc::driver::sys;
use std::sync::OnceLock;

/// The oldest CUDA that the driver must support: the kernels' PTX is of this version.
const NEEDED: i32 = 12000;

/// Every function of the driver that is called here. One that is missing would end the program at
/// its first call, so all are looked up first.
pub const SYMBOLS: &[&str] = &[
    "cuCtxSetCurrent",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDeviceGetPCIBusId",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventElapsedTime",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamBeginCapture_v2",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamEndCapture",
    "cuStreamSynchronize",
];

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
    // SAFETY: it is present, so this does not panic; symbols are looked up and not called.
    let library = unsafe { sys::culib() };
    let is_missing = |symbol: &str| {
        // SAFETY: as above.
        unsafe { library.get::<*const ()>(symbol.as_bytes()) }.is_err()
    };
    // An old driver lacks functions because it is old: its version says so better.
    let first = ["cuGetErrorName", "cuGetErrorString", "cuInit", "cuDriverGetVersion"];
    if let Some(&symbol) = first.iter().find(|symbol| is_missing(symbol)) {
        return Err(Error::MissingSymbol { symbol });
    }
    let found = match version_of_driver() {
        // A toolkit's stub, which is there to link against, answers everything with this.
        Err(Error::Driver { code: 34, .. }) => return Err(Error::NoDriver),
        found => found?,
    };
    if found < NEEDED {
        return Err(Error::DriverTooOld { found, needed: NEEDED });
    }
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| is_missing(symbol)) {
        return Err(Error::MissingSymbol { symbol });
    }
    // SAFETY: the function exists.
    let started = unsafe { sys::cuInit(0) };
    if started == sys::CUresult::CUDA_ERROR_NO_DEVICE {
        return Err(Error::NoDevice { ordinal: 0, count: 0 });
    }
    check("cuInit", started)
}

fn version_of_driver() -> Result<i32> {
    let mut version = 0;
    // SAFETY: the function exists and writes one number.
    check("cuDriverGetVersion", unsafe { sys::cuDriverGetVersion(&mut version) })?;
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
    check("cuDeviceGetCount", unsafe { sys::cuDeviceGetCount(&mut count) })?;
    Ok(count.max(0) as usize)
}
