//! What this machine has, and what Glassbox makes of it.

use crate::data::{At, LoadOptions, list};
use crate::device::{Device, DeviceName};
use crate::error::{Error, Result};
use crate::telemetry::Telemetry;
use glassbox_cpu::fast::Simd;
use std::fs;
use std::path::Path;

/// Rows of a name and what there is to say of it: processor, instruction sets, caches, GPUs, the device that `auto`
/// takes and why, and where each data set is. What could not be found out says so.
pub fn doctor() -> Result<Vec<(String, String)>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: &str| rows.push((name.to_string(), value.to_string()));
    let (device, why) = Device::choose(DeviceName::Auto, None)?;
    // Also where a GPU is chosen: sweeps, and whoever asks for it, take the CPU.
    let cpu = Device::cpu(None)?;
    let sets: Vec<_> = Simd::available().iter().map(|simd| simd.name()).collect();
    row("glassbox", env!("CARGO_PKG_VERSION"));
    row("system", &format!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    row("processor", &processor());
    row("instructions", &format!("{} (in use: {})", sets.join(", "), cpu.simd()));
    row("threads", &format!("{} in use", cpu.threads()));
    row("caches", &caches());
    row("gpu driver", &gpu_driver());
    gpus().iter().for_each(|gpu| row("gpu", gpu));
    row("device", &format!("{:?}", device));
    why.iter().for_each(|why| row("", why));
    for set in list(&LoadOptions::from_env()) {
        let place = match set.at {
            At::BuiltIn => "built in".to_string(),
            At::Folder(folder) => folder.display().to_string(),
            At::Nowhere(looked) => {
                let looked =
                    looked.iter().map(|looked| format!("{}: {}", looked.place, looked.why));
                format!("not at hand; {}", looked.collect::<Vec<_>>().join("; "))
            }
        };
        row(&format!("data {}", set.name), &place);
    }
    Ok(rows)
}

/// The processor's name, as the system tells it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split(':').nth(1)).map(str::trim);
    name.unwrap_or("unknown (this system does not tell)").to_string()
}

/// The caches of the first core, as the system tells them.
fn caches() -> String {
    let folder = Path::new("/sys/devices/system/cpu/cpu0/cache");
    let read = |index: usize, what: &str| {
        let text = fs::read_to_string(folder.join(format!("index{index}/{what}"))).ok()?;
        Some(text.trim().to_string())
    };
    let cache = |index| {
        let kind = match read(index, "type")?.as_str() {
            "Data" => " data",
            "Instruction" => " instructions",
            _ => "",
        };
        Some(format!("L{}{kind} {}", read(index, "level")?, read(index, "size")?))
    };
    let found: Vec<String> = (0..8).map_while(cache).collect();
    if found.is_empty() {
        "unknown (this system does not tell)".to_string()
    } else {
        found.join(", ")
    }
}

/// The NVIDIA driver, or why there is none.
fn gpu_driver() -> String {
    match glassbox_cuda::version() {
        Ok(version) => format!("CUDA {}.{}", version / 1000, version % 1000 / 10),
        Err(error) => Error::from(error).to_string(),
    }
}

/// Each GPU that the driver sees, or why it cannot be used.
fn gpus() -> Vec<String> {
    let describe = |ordinal| match glassbox_cuda::Context::open(ordinal) {
        Ok(context) => {
            let (major, minor) = (context.capability() / 10, context.capability() % 10);
            let memory = match context.memory() {
                Ok((free, total)) => format!("{} of {} MiB free", free >> 20, total >> 20),
                Err(error) => error.to_string(),
            };
            let name = context.name();
            let state = match context.pci_bus_id() {
                Ok(place) => Telemetry::new(&place).read().to_string(),
                Err(error) => error.to_string(),
            };
            format!("cuda:{ordinal}, {name}, compute capability {major}.{minor}, {memory}; {state}")
        }
        Err(error) => format!("cuda:{ordinal}, {}", Error::from(error)),
    };
    (0..glassbox_cuda::device_count().unwrap_or(0)).map(describe).collect()
}
