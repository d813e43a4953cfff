//! The choice of a device, and the reasons for it.

use super::Cuda;
use super::Device;
use crate::error::{Error, Result, gpu_hint};
use crate::telemetry::Telemetry;
use glassbox_cpu::fast::{Engine, Simd};
use std::env::VarError;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A device as users name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// The fastest that is present.
    #[default]
    Auto,
    /// The definition.
    Reference,
    /// The fast engine.
    Cpu,
    /// The NVIDIA GPU of that number, counted from 0, with the bits of the others.
    Cuda(usize),
    /// The same GPU, where large products may take tensor cores: as accurate as `f32`, with other bits.
    CudaFast(usize),
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
            DeviceName::Auto => match open_roomy() {
                Ok(engine) => {
                    let why = format!("device cuda: {} is present", engine.context().name());
                    let (engine, name) = (Arc::new(engine), DeviceName::Cuda(0));
                    Ok((Device::Cuda(Cuda { engine, name }), Some(why)))
                }
                Err(why) => Ok((Device::cpu(threads)?, Some(format!("device cpu: {why}")))),
            },
            DeviceName::Cuda(ordinal) | DeviceName::CudaFast(ordinal) => {
                Ok((Device::open_gpu(name, ordinal)?, None))
            }
        }
    }

    /// The GPU of that number, counted from 0.
    pub fn cuda(ordinal: usize) -> Result<Device> {
        Device::open_gpu(DeviceName::Cuda(ordinal), ordinal)
    }

    fn open_gpu(name: DeviceName, ordinal: usize) -> Result<Device> {
        let engine = glassbox_cuda::Engine::open(ordinal).map_err(|error| Error::Device {
            device: name.to_string(),
            reason: error.to_string(),
            hint: gpu_hint(&error),
        })?;
        let is_fast = matches!(name, DeviceName::CudaFast(_));
        let engine = Arc::new(if is_fast { engine.fast() } else { engine });
        Ok(Device::Cuda(Cuda { engine, name }))
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

    /// Who can tell how the GPU is doing, if this is one.
    pub fn telemetry(&self) -> Result<Option<Telemetry>> {
        match self {
            Device::Cuda(gpu) => Ok(Some(Telemetry::new(&gpu.engine.context().pci_bus_id()?))),
            _ => Ok(None),
        }
    }

    /// `reference`, `cpu`, `cuda` or `cuda-fast`.
    pub fn name(&self) -> &'static str {
        match self {
            Device::Reference => "reference",
            Device::Cpu(_) => "cpu",
            Device::Cuda(gpu) if gpu.engine.is_exact() => "cuda",
            Device::Cuda(_) => "cuda-fast",
        }
    }

    /// The instruction set in use; the definition has none but the compiler's, and a GPU its own.
    pub fn simd(&self) -> &'static str {
        match self {
            Device::Reference | Device::Cuda(_) => "none",
            Device::Cpu(engine) => engine.simd().name(),
        }
    }

    /// How many threads take part.
    pub fn threads(&self) -> usize {
        match self {
            Device::Reference | Device::Cuda(_) => 1,
            Device::Cpu(engine) => engine.threads(),
        }
    }
}

/// So much memory has to be free on a GPU that nobody named. MNIST and its network take less than 100 MB, as the
/// simulated driver counts.
const ROOM: usize = 256 << 20;

/// The first GPU, or why it is not to be taken unasked. One whose memory others hold might fail at the first step.
fn open_roomy() -> Result<glassbox_cuda::Engine, String> {
    let open = || {
        let engine = glassbox_cuda::Engine::open(0)?;
        let (free, _) = engine.context().memory()?;
        Ok((engine, free))
    };
    let (engine, free) = open().map_err(|error: glassbox_cuda::Error| {
        let text = error.to_string();
        format!("{} (hint: {})", text.lines().next().unwrap_or_default(), gpu_hint(&error))
    })?;
    if free >= ROOM {
        return Ok(engine);
    }
    Err(format!(
        "{} has {} MiB of memory free, and {} are wanted (hint: --device cuda takes it all the same)",
        engine.context().name(),
        free >> 20,
        ROOM >> 20,
    ))
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Device::Cuda(Cuda { engine, name }) => {
                let context = engine.context();
                let [major, minor] = [context.capability() / 10, context.capability() % 10];
                write!(f, "{name} ({}, compute capability {major}.{minor})", context.name())
            }
            _ => write!(f, "{} ({}, {} threads)", self.name(), self.simd(), self.threads()),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            DeviceName::Auto => "auto",
            DeviceName::Reference => "reference",
            DeviceName::Cpu => "cpu",
            DeviceName::Cuda(0) => "cuda",
            DeviceName::CudaFast(0) => "cuda-fast",
            DeviceName::Cuda(ordinal) => return write!(f, "cuda:{ordinal}"),
            DeviceName::CudaFast(ordinal) => return write!(f, "cuda-fast:{ordinal}"),
        })
    }
}

impl FromStr for DeviceName {
    type Err = Error;

    fn from_str(text: &str) -> Result<DeviceName> {
        let name = match text.split_once(':') {
            None if text == "auto" => Some(DeviceName::Auto),
            None if text == "reference" => Some(DeviceName::Reference),
            None if text == "cpu" => Some(DeviceName::Cpu),
            None if text == "cuda" => Some(DeviceName::Cuda(0)),
            None if text == "cuda-fast" => Some(DeviceName::CudaFast(0)),
            Some(("cuda", ordinal)) => ordinal.parse().ok().map(DeviceName::Cuda),
            Some(("cuda-fast", ordinal)) => ordinal.parse().ok().map(DeviceName::CudaFast),
            _ => None,
        };
        name.ok_or_else(|| Error::Setting {
            setting: "--device",
            value: text.to_string(),
            reason: "there is none of that name".to_string(),
            hint: "use auto, reference, cpu, cuda or cuda-fast, and cuda:1 for the second GPU"
                .to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["auto", "reference", "cpu", "cuda", "cuda:3", "cuda-fast", "cuda-fast:1"] {
            assert_eq!(DeviceName::from_str(text).unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:1", "CUDA", "cuda:0:0"] {
            assert!(DeviceName::from_str(text).is_err(), "{text}");
        }
    }
}
