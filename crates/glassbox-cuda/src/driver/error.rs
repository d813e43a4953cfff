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

    /// The driver does not take the kernels of a file, or cannot translate them for its device.
    #[error(
        "the CUDA driver does not take the kernels of {file}: {name} ({code}), {text}{}",
        appended(log)
    )]
    KernelsRefused {
        /// The file, without its ending.
        file: &'static str,
        /// The driver's number of the error.
        code: u32,
        /// The driver's name of it.
        name: String,
        /// What the driver says of it.
        text: String,
        /// What its compiler says of the file, if anything.
        log: String,
    },

    /// Something that is done at once, or not at all, was asked for while its thread records.
    #[error("{call} cannot be recorded")]
    NotRecordable {
        /// The driver's function that would have been called.
        call: &'static str,
    },

    /// Where numbers should be on the device there are none.
    #[error(
        "{bytes} bytes from address {address:#x} on are not memory of the CUDA device: the driver knows of {known} there"
    )]
    NotDeviceMemory {
        /// Where the numbers should begin.
        address: u64,
        /// How many bytes there should be.
        bytes: usize,
        /// How many there are: none if the memory is the host's, another device's, or nobody's.
        known: usize,
    },

    /// The device's memory does not suffice.
    #[error("out of device memory in {call}{}", shortage(*wanted, *memory))]
    OutOfMemory {
        /// The driver's function that told it.
        call: &'static str,
        /// What was asked for, in bytes, where it was we who asked for so much.
        wanted: Option<usize>,
        /// Bytes that were free afterwards and that the device has, if there was a context to tell it.
        memory: Option<[usize; 2]>,
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
            Error::KernelsRefused { code, .. } => match *code {
                code::JIT_COMPILER_NOT_FOUND => {
                    "the driver's library libnvidia-ptxjitcompiler.so.1 is missing: install the whole driver; in a \
                     container, let NVIDIA_DRIVER_CAPABILITIES include compute"
                }
                code::JIT_COMPILATION_DISABLED => {
                    "unset CUDA_DISABLE_PTX_JIT and CUDA_DISABLE_JIT: kernels are translated for the chip that is there"
                }
                code::UNSUPPORTED_PTX_VERSION => "install a newer driver: 525 or later",
                code::NO_BINARY_FOR_GPU => "use kernels for older chips, or a newer GPU",
                _ => "this is a mistake in Glassbox or in the driver: report it with this message",
            },
            Error::NotRecordable { .. } => "do it before the recording, or afterwards",
            Error::NotDeviceMemory { .. } => {
                "give a contiguous array of f32 on this device, and keep it until the call is over"
            }
            Error::OutOfMemory { .. } => {
                "use a smaller batch or network, or free memory that others hold (nvidia-smi)"
            }
            Error::DeviceLost { .. } => {
                "start again from the last checkpoint; if it happens again, look into dmesg"
            }
            Error::Driver { .. } => "nvidia-smi tells the state of the device",
        }
    }

    /// The same, with how much was asked for if that is what was too much.
    pub(super) fn wanting(mut self, bytes: usize) -> Error {
        if let Error::OutOfMemory { wanted, .. } = &mut self {
            *wanted = Some(bytes);
        }
        self
    }

    /// The same, as a matter of these kernels if that is what it is. The log ends with its first 0.
    pub(super) fn refusing(self, file: &'static str, log: &[u8]) -> Error {
        match self {
            Error::Driver { code, name, text, .. } if code::REFUSED.contains(&code) => {
                let log = log.split(|byte| *byte == 0).next().unwrap_or_default();
                let log = String::from_utf8_lossy(log).trim().to_string();
                Error::KernelsRefused { file, code, name, text, log }
            }
            other => other,
        }
    }
}

/// A log behind a message.
fn appended(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!("\n{log}") }
}

/// What is known of memory that does not suffice, behind a message.
fn shortage(wanted: Option<usize>, memory: Option<[usize; 2]>) -> String {
    let wanted = wanted.map(|bytes| format!("{bytes} bytes more are needed"));
    let memory = memory.map(|[free, total]| format!("{free} bytes of {total} are free"));
    let known: Vec<String> = wanted.into_iter().chain(memory).collect();
    if known.is_empty() { String::new() } else { format!(": {}", known.join(", and ")) }
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
    pub const INVALID_VALUE: u32 = 1;
    pub const OUT_OF_MEMORY: u32 = 2;
    pub const STUB_LIBRARY: u32 = 34;
    pub const NO_DEVICE: u32 = 100;
    pub const INVALID_IMAGE: u32 = 200;
    pub const INVALID_CONTEXT: u32 = 201;
    pub const NO_BINARY_FOR_GPU: u32 = 209;
    pub const INVALID_PTX: u32 = 218;
    pub const JIT_COMPILER_NOT_FOUND: u32 = 221;
    pub const UNSUPPORTED_PTX_VERSION: u32 = 222;
    pub const JIT_COMPILATION_DISABLED: u32 = 223;

    /// Errors by which the driver refuses kernels, rather than the moment.
    pub const REFUSED: &[u32] = &[
        INVALID_IMAGE,
        NO_BINARY_FOR_GPU,
        INVALID_PTX,
        JIT_COMPILER_NOT_FOUND,
        UNSUPPORTED_PTX_VERSION,
        JIT_COMPILATION_DISABLED,
    ];

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
    if code == code::OUT_OF_MEMORY {
        return Err(Error::OutOfMemory { call, wanted: None, memory: memory() });
    }
    let (name, text) = describe(code);
    Err(if code::LOST.contains(&code) {
        Error::DeviceLost { call, name, text }
    } else {
        Error::Driver { call, code, name, text }
    })
}

/// Bytes that are free and bytes in all, in the context of this thread, if it has one.
fn memory() -> Option<[usize; 2]> {
    let (mut free, mut total) = (0, 0);
    // SAFETY: the driver is loaded, since it gave a code; it writes two numbers.
    let code = unsafe { api::cuMemGetInfo_v2(&mut free, &mut total) };
    (code == code::SUCCESS).then_some([free, total])
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
