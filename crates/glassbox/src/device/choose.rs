//! The choice of a device, and the reasons for it.

use super::Device;
use crate::error::{Error, Result};
use glassbox_cpu::fast::{Engine, Simd};
use serde::{Deserialize, Serialize};
use std::env::VarError;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A device as users name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceName {
    /// The fastest that is present.
    #[default]
    Auto,
    /// The definition.
    Reference,
    /// The fast engine.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl Device {
    /// The device of that name, and a line that says why if the choice was left to us.
    ///
    /// `threads` is for the `cpu` device: `None` takes every core, and `GLASSBOX_SIMD` may name an
    /// instruction set. A device that was named is that device or an error, never another.
    pub fn choose(name: DeviceName, threads: Option<usize>) -> Result<(Device, Option<String>)> {
        match name {
            DeviceName::Reference => Ok((Device::Reference, None)),
            DeviceName::Cpu => Ok((Device::cpu(threads)?, None)),
            DeviceName::Auto => {
                let reason = "device cpu: this version of Glassbox computes on the CPU only";
                Ok((Device::cpu(threads)?, Some(reason.to_string())))
            }
            DeviceName::Cuda => Err(Error::Device {
                device: name.to_string(),
                reason: "this version of Glassbox has no CUDA engine".to_string(),
                hint: "use --device cpu",
            }),
        }
    }

    /// The fast engine with the best instruction set, or the one `GLASSBOX_SIMD` names.
    pub fn cpu(threads: Option<usize>) -> Result<Device> {
        let simd = match std::env::var("GLASSBOX_SIMD") {
            Ok(name) if name.is_empty() => Simd::best(),
            Ok(name) => Simd::from_str(&name).map_err(|error| Error::Setting {
                setting: "GLASSBOX_SIMD",
                value: name,
                reason: error.to_string(),
                hint: "unset it to take the best".to_string(),
            })?,
            Err(VarError::NotPresent) => Simd::best(),
            Err(VarError::NotUnicode(name)) => {
                return Err(Error::Setting {
                    setting: "GLASSBOX_SIMD",
                    value: name.to_string_lossy().into_owned(),
                    reason: "it is no text".to_string(),
                    hint: "unset it to take the best".to_string(),
                });
            }
        };
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads = threads.unwrap_or_else(cores);
        if !(1..=1024).contains(&threads) {
            return Err(Error::Setting {
                setting: "--threads",
                value: threads.to_string(),
                reason: "a pool has 1 to 1024 threads".to_string(),
                hint: format!("this machine has {} cores", cores()),
            });
        }
        Ok(Device::Cpu(Arc::new(Engine::new(simd, threads))))
    }

    /// `reference` or `cpu`.
    pub fn name(&self) -> &'static str {
        match self {
            Device::Reference => "reference",
            Device::Cpu(_) => "cpu",
        }
    }

    /// The instruction set in use; the definition has none but the compiler's.
    pub fn simd(&self) -> &'static str {
        match self {
            Device::Reference => "none",
            Device::Cpu(engine) => engine.simd().name(),
        }
    }

    /// How many threads take part.
    pub fn threads(&self) -> usize {
        match self {
            Device::Reference => 1,
            Device::Cpu(engine) => engine.threads(),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ({}, {} threads)", self.name(), self.simd(), self.threads())
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            DeviceName::Auto => "auto",
            DeviceName::Reference => "reference",
            DeviceName::Cpu => "cpu",
            DeviceName::Cuda => "cuda",
        })
    }
}
