//! How this machine is doing: processors and memory, as Linux tells in `/proc`. Elsewhere it is said that nobody tells.

use serde::Serialize;
use std::fs::read_to_string;

/// How the machine was doing, over the time since it was asked before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct HostReading {
    /// The share of the processors' time that was spent working, by anybody, in percent.
    pub cpu_percent: Option<f64>,
    /// How many processors this process kept busy.
    pub process_cpus: Option<f64>,
    pub cpus: usize,
    /// Memory of this process, in bytes.
    pub process_memory_bytes: Option<u64>,
    /// Memory in use by everybody, in bytes, and in all.
    pub memory_used_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
    /// Why something is not told, if so.
    pub missing: Option<&'static str>,
}

/// Somebody who asks.
pub(crate) struct Host {
    before: Option<Times>,
    /// How many processors this process may use, and how many the times are of. To count them takes as long as all else.
    cpus: usize,
    processors: usize,
}

/// Times in ticks, since the machine began.
#[derive(Clone, Copy)]
struct Times {
    all: u64,
    idle: u64,
    process: u64,
}

const NOT_LINUX: &str = "only Linux tells";

impl Host {
    pub fn new() -> Host {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Host { before: None, cpus, processors: processors() }
    }

    /// How the machine is doing. The first time nothing is known of the processors: their times are compared.
    pub fn read(&mut self) -> HostReading {
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let machine = read_to_string("/proc/meminfo").unwrap_or_default();
        let total = bytes(&machine, "MemTotal:");
        let available = bytes(&machine, "MemAvailable:");
        let mut reading = HostReading {
            cpus: self.cpus,
            process_memory_bytes: bytes(&status, "VmRSS:"),
            memory_used_bytes: total.zip(available).map(|(all, free)| all.saturating_sub(free)),
            memory_total_bytes: total,
            ..HostReading::default()
        };
        let now = times();
        if let (Some(before), Some(now)) = (self.before, now) {
            reading.compare(before, now, self.processors);
        }
        self.before = now;
        let has_all = now.is_some() && total.is_some();
        reading.missing = (!has_all).then_some(NOT_LINUX);
        reading
    }
}

impl HostReading {
    fn compare(&mut self, before: Times, now: Times, processors: usize) {
        let since = |of: fn(&Times) -> u64| of(&now).saturating_sub(of(&before)) as f64;
        let all = since(|times| times.all);
        if all > 0.0 {
            self.cpu_percent =
                Some(100.0 * (1.0 - since(|times| times.idle) / all).clamp(0.0, 1.0));
            self.process_cpus = Some(since(|times| times.process) / all * processors as f64);
        }
    }
}

fn times() -> Option<Times> {
    let stat = read_to_string("/proc/stat").ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
    let fields: Vec<u64> = numbers(stat.lines().next()?.strip_prefix("cpu ")?).take(8).collect();
    let own = read_to_string("/proc/self/stat").ok()?;
    // A program's name stands in brackets and may hold anything.
    let own: Vec<&str> = own.rsplit(')').next()?.split_whitespace().collect();
    let process = own.get(11)?.parse::<u64>().ok()? + own.get(12)?.parse::<u64>().ok()?;
    let idle = fields.get(3)? + fields.get(4)?;
    Some(Times { all: fields.iter().sum(), idle, process })
}

/// How many processors the times are of: more than this process may use, perhaps.
fn processors() -> usize {
    let stat = read_to_string("/proc/stat").unwrap_or_default();
    let is_one = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    stat.lines().filter(is_one).count().max(1)
}

fn numbers(text: &str) -> impl Iterator<Item = u64> {
    text.split_whitespace().map_while(|word| word.parse().ok())
}

/// A line of the kind `MemTotal:  24689764 kB`, in bytes.
fn bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(numbers(line).next()? << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_busy_process_is_seen() {
        let mut host = Host::new();
        let first = host.read();
        assert_eq!((first.cpu_percent, first.missing), (None, None));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(400) {
            std::hint::black_box(begun.elapsed());
        }
        let found = host.read();
        let (cpu, own) = (found.cpu_percent.unwrap(), found.process_cpus.unwrap());
        assert!((1.0..=100.0).contains(&cpu) && own > 0.01, "{found:?}");
        assert!(own < 1.5 * found.cpus as f64 + 1.0, "{found:?}");
        let (used, total) = (found.memory_used_bytes.unwrap(), found.memory_total_bytes.unwrap());
        assert!(used < total && found.process_memory_bytes.unwrap() < total, "{found:?}");
    }
}
