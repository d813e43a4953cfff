//! How a GPU is doing: utilisation, memory, power, temperature and clocks, as NVIDIA's management library tells them.
//!
//! Not every GPU tells everything, and in a container or under MIG some of it is hidden. What is not told is `None`,
//! with the reason beside it.

use crate::event::number;
use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How a GPU was doing at a moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuReading {
    /// The share of the last moments in which a kernel ran, in percent.
    pub utilization_percent: Option<u32>,
    /// Memory in use by everyone, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Memory in all, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Power, in watts.
    #[serde(with = "number", default)]
    pub power_watts: Option<f64>,
    /// Temperature, in degrees Celsius.
    pub temperature_celsius: Option<u32>,
    /// The clock of the multiprocessors, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// The clock of the memory, in MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Why a field is `None`, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
}

/// A GPU that is asked now and then.
pub struct Telemetry {
    library: Result<Nvml, String>,
    pci_bus_id: String,
    asked: Option<Instant>,
}

/// How often a GPU is asked: its own readings change no faster.
const PERIOD: Duration = Duration::from_secs(1);

impl Telemetry {
    /// The GPU at this place, as [`glassbox_cuda::Context::pci_bus_id`] names it: the management library counts devices
    /// in another order.
    pub fn new(pci_bus_id: &str) -> Telemetry {
        let library = Nvml::init().map_err(|error| reason(&error));
        Telemetry { library, pci_bus_id: pci_bus_id.to_string(), asked: None }
    }

    /// How the GPU is doing, if it was not asked a moment ago.
    pub fn poll(&mut self) -> Option<GpuReading> {
        if self.asked.is_some_and(|asked| asked.elapsed() < PERIOD) {
            return None;
        }
        self.asked = Some(Instant::now());
        Some(self.read())
    }

    /// How the GPU is doing.
    pub fn read(&self) -> GpuReading {
        let mut found = GpuReading::default();
        let library = match &self.library {
            Ok(library) => library,
            Err(reason) => return found.nothing(reason),
        };
        let device = match library.device_by_pci_bus_id(self.pci_bus_id.as_str()) {
            Ok(device) => device,
            Err(error) => return found.nothing(&reason(&error)),
        };
        let utilization = device.utilization_rates().map(|rates| rates.gpu);
        found.utilization_percent = found.told("utilization_percent", utilization);
        found.memory(device.memory_info().map(|memory| [memory.used, memory.total]));
        let power = device.power_usage().map(|milliwatts| f64::from(milliwatts) / 1e3);
        found.power_watts = found.told("power_watts", power);
        let temperature = device.temperature(TemperatureSensor::Gpu);
        found.temperature_celsius = found.told("temperature_celsius", temperature);
        found.sm_clock_mhz = found.told("sm_clock_mhz", device.clock_info(Clock::SM));
        found.memory_clock_mhz = found.told("memory_clock_mhz", device.clock_info(Clock::Memory));
        found
    }
}

impl GpuReading {
    /// The fields, as they are named in events.
    const FIELDS: [&str; 7] = [
        "utilization_percent",
        "memory_used_bytes",
        "memory_total_bytes",
        "power_watts",
        "temperature_celsius",
        "sm_clock_mhz",
        "memory_clock_mhz",
    ];

    /// A reading of nothing, for one reason.
    fn nothing(mut self, reason: &str) -> GpuReading {
        self.missing = Self::FIELDS.map(|field| (field.to_string(), reason.to_string())).into();
        self
    }

    /// Memory in use and in all, which are told together.
    fn memory(&mut self, told: Result<[u64; 2], NvmlError>) {
        if let Err(error) = &told {
            self.missing.insert("memory_total_bytes".to_string(), reason(error));
        }
        self.memory_total_bytes = told.as_ref().ok().map(|[_, total]| *total);
        self.memory_used_bytes = self.told("memory_used_bytes", told.map(|[used, _]| used));
    }

    /// What the library told, or the reason why it did not.
    fn told<T>(&mut self, field: &str, value: Result<T, NvmlError>) -> Option<T> {
        value.map_err(|error| self.missing.insert(field.to_string(), reason(&error))).ok()
    }
}

/// Why something is not told.
fn reason(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) => "NVIDIA's management library cannot be loaded".to_string(),
        NvmlError::NotSupported => "this GPU does not tell".to_string(),
        NvmlError::NoPermission => "this user may not see it".to_string(),
        other => other.to_string(),
    }
}

/// One line; what is not told is N/A, and the reason stands once at the end.
impl fmt::Display for GpuReading {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fn or_na(value: Option<impl fmt::Display>, unit: &str) -> String {
            value.map_or("N/A".to_string(), |value| format!("{value} {unit}"))
        }
        let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes >> 20);
        write!(
            f,
            "utilisation {}, memory {} of {}, power {}, temperature {}, clocks {} and {}",
            or_na(self.utilization_percent, "%"),
            or_na(mib(self.memory_used_bytes), "MiB"),
            or_na(mib(self.memory_total_bytes), "MiB"),
            or_na(self.power_watts, "W"),
            or_na(self.temperature_celsius, "°C"),
            or_na(self.sm_clock_mhz, "MHz"),
            or_na(self.memory_clock_mhz, "MHz"),
        )?;
        let mut reasons: Vec<&String> = self.missing.values().collect();
        reasons.sort();
        reasons.dedup();
        match &reasons[..] {
            [] => Ok(()),
            reasons => {
                let reasons: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
                write!(f, " (N/A: {})", reasons.join("; "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_has_a_reason() {
        let mut reading = GpuReading::default();
        reading.power_watts = reading.told("power_watts", Ok(71.5));
        reading.temperature_celsius =
            reading.told("temperature_celsius", Err(NvmlError::NotSupported));
        reading.memory(Err(NvmlError::NotSupported));
        let text = reading.to_string();
        assert_eq!(
            reading.missing["memory_total_bytes"], reading.missing["memory_used_bytes"],
            "{text}"
        );
        assert!(text.contains("power 71.5 W") && text.contains("temperature N/A"), "{text}");
        assert!(text.ends_with("(N/A: this GPU does not tell)"), "{text}");
        let json = serde_json::to_string(&reading).unwrap();
        assert_eq!(serde_json::from_str::<GpuReading>(&json).unwrap(), reading);
    }

    #[test]
    fn without_the_library_everything_is_missing() {
        let telemetry = Telemetry {
            library: Err("no library".to_string()),
            pci_bus_id: String::new(),
            asked: None,
        };
        let reading = telemetry.read();
        assert_eq!(reading.missing.len(), GpuReading::FIELDS.len());
        // The names are those of the fields.
        let json = serde_json::to_value(&reading).unwrap();
        assert!(GpuReading::FIELDS.iter().all(|field| json[field].is_null()));
        assert_eq!(json.as_object().unwrap().len(), GpuReading::FIELDS.len() + 1);
    }

    #[test]
    fn a_gpu_is_not_asked_all_the_time() {
        let mut telemetry = Telemetry::new("0000:00:00.0");
        assert!(telemetry.poll().is_some());
        assert!(telemetry.poll().is_none());
    }
}
