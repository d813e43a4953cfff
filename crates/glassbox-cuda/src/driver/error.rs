//! What can go wrong between here and the device.

use super::api;
use std::ffi::CStr;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a device cannot be had, or what it reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no driver.
    #[error(
        "no NVIDIA driver was found: the library libcuda.so.1 (nvcuda.dll on Windows) cannot be loaded"
    )]
    NoDriver,

    /// The driver is older than what the kernels are written in.
    #[error("the NVIDIA driver is too old: it supports CUDA {}, and CUDA {} is needed", Version(*found), Version(*needed))]
    DriverTooOld {
        /// The newest CUDA it supports: 1000 · major + 10 · minor.
        found: i32,
        /// The oldest that serves.
        needed: i32,
    },

    /// The driver lacks a function.
    #[error("the NVIDIA driver has no function {symbol}")]
    MissingSymbol {
        /// Its name.
        symbol: &'static str,
    },

    /// There is no such device.
    #[error("there is no CUDA device {ordinal}: the driver sees {count}")]
    NoDevice {
        /// The device that was asked for, counted from 0.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },

    /// No kernel was written for this chip.
    #[error("{name} has compute capability {}.{}, and the kernels need at least 7.5", capability / 10, capability % 10)]
    NoKernel {
        /// The device.
        name: String,
        /// 10 · major + minor.
        capability: u32,
    },

    /// A kernel needs a newer chip.
    #[error("{kernel} needs compute capability {}.{}, and {name} has {}.{}", needed / 10, needed % 10, capability / 10, capability % 10)]
    ChipTooOld {
        /// The kernel.
        kernel: &'static str,
        /// The device.
        name: String,
        /// 10 · major + minor of what it has.
        capability: u32,
        /// The same of what is needed.
        needed: u32,
    },

    /// The device's memory does not suffice.
    #[error("out of device memory: {wanted} bytes more are needed, and {free} of {total} are free")]
    OutOfMemory {
        /// What was asked for, in bytes.
        wanted: usize,
        /// What is free.
        free: usize,
        /// What the device has.
        total: usize,
    },

    /// The device can no longer be used by this process.
    #[error("the CUDA device was lost in {call}: {name}, {text}")]
    DeviceLost {
        /// The driver's function that told it.
        call: &'static str,
        /// The driver's name of the error.
        name: String,
        /// What the driver says of it.
        text: String,
    },

    /// Anything else that the driver reported.
    #[error("the CUDA driver failed in {call}: {name} ({code}), {text}")]
    Driver {
        /// The driver's function.
        call: &'static str,
        /// The driver's number of the error.
        code: u32,
        /// The driver's name of it.
        name: String,
        /// What the driver says of it.
        text: String,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Error::NoDriver => "install NVIDIA's driver; no toolkit is needed",
            Error::DriverTooOld { .. } | Error::MissingSymbol { .. } => {
                "install a newer driver: 525 or later"
            }
            Error::NoDevice { count: 0, .. } => {
                "nvidia-smi lists what the driver sees; in a container, pass the GPU through"
            }
            Error::NoDevice { .. } => "devices count from 0; nvidia-smi lists them",
            Error::NoKernel { .. } => "use a GPU of 2018 or later, or the device cpu",
            Error::ChipTooOld { .. } => "use a kernel for older chips, or a newer GPU",
            Error::OutOfMemory { .. } => {
                "use a smaller batch or network, or free memory that others hold (nvidia-smi)"
            }
            Error::DeviceLost { .. } => {
                "start again from the last checkpoint; if it happens again, look into dmesg"
            }
            Error::Driver { .. } => "nvidia-smi tells the state of the device",
        }
    }
}

/// A version as the driver codes it, for people.
struct Version(i32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

/// The driver's errors that are told apart here.
pub(crate) mod code {
    pub const SUCCESS: u32 = 0;
    pub const OUT_OF_MEMORY: u32 = 2;
    pub const STUB_LIBRARY: u32 = 34;
    pub const NO_DEVICE: u32 = 100;
    pub const NO_BINARY_FOR_GPU: u32 = 209;

    /// Errors after which the driver refuses everything else in this process.
    pub const LOST: &[u32] = &[
        214, // ECC_UNCORRECTABLE
        220, // NVLINK_UNCORRECTABLE
        226, // CONTAINED
        700, // ILLEGAL_ADDRESS
        702, // LAUNCH_TIMEOUT
        709, // CONTEXT_IS_DESTROYED
        710, // ASSERT
        714, // HARDWARE_STACK_ERROR
        715, // ILLEGAL_INSTRUCTION
        716, // MISALIGNED_ADDRESS
        717, // INVALID_ADDRESS_SPACE
        718, // INVALID_PC
        719, // LAUNCH_FAILED
        721, // TENSOR_MEMORY_LEAK
        911, // EXTERNAL_DEVICE
    ];
}

/// The result of a call of the driver as ours.
pub(crate) fn check(call: &'static str, code: u32) -> Result<()> {
    if code == code::SUCCESS {
        return Ok(());
    }
    let (name, text) = describe(code);
    Err(if code::LOST.contains(&code) {
        Error::DeviceLost { call, name, text }
    } else {
        Error::Driver { call, code, name, text }
    })
}

/// The driver's name of an error and what it says of it.
fn describe(code: u32) -> (String, String) {
    let mut texts = [std::ptr::null(); 2];
    // SAFETY: the driver is loaded, since it gave the code, and gives texts that live forever or
    // leaves the pointers alone.
    unsafe {
        api::cuGetErrorName(code, &mut texts[0]);
        api::cuGetErrorString(code, &mut texts[1]);
        let text = |p: *const std::ffi::c_char| match p.is_null() {
            true => "unknown".to_string(),
            false => CStr::from_ptr(p).to_string_lossy().into_owned(),
        };
        (text(texts[0]), text(texts[1]))
    }
}
