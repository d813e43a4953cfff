//! Memory: whatever a file claims, reading it takes no more than the file's size and 16 MiB.
//!
//! One test only, because the allocator counts for the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use glassbox::file::{NamedArray, safetensors};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every request goes to the system's allocator unchanged; beside it only two numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    // `realloc` is the default one, alloc and copy, so that both blocks count: the worst a system can do.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: `block` came from `System` with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MIB: usize = 1 << 20;

/// Writes `header` and then `data` zeros that take no space on disk, reads the file, and holds the peak to the promise.
fn hold(case: &str, length: u64, header: &str, data: u64, accepted: bool) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = File::create(file.path()).unwrap();
    writer.write_all(&length.to_le_bytes()).unwrap();
    writer.write_all(header.as_bytes()).unwrap();
    let size = 8 + header.len() as u64 + data;
    writer.set_len(size).unwrap();
    measure(case, file.path(), size as usize, accepted);
}

fn measure(case: &str, path: &Path, size: usize, accepted: bool) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = safetensors::read(path);
    let peak = PEAK.load(Relaxed) - before;
    assert!(
        peak <= size + 16 * MIB,
        "{case}: a file of {size} bytes took {peak} bytes, {:.1} MiB more than its size",
        (peak - size) as f64 / MIB as f64
    );
    assert_eq!(result.is_ok(), accepted, "{case}: {:?}", result.map(|file| file.arrays.len()));
}

/// A header of exactly the longest allowed size: a beginning, something repeated, an end, and spaces.
fn full(beginning: &str, again: impl Fn(usize) -> String, end: &str) -> String {
    let mut header = beginning.to_owned();
    for i in 0.. {
        let next = again(i);
        if header.len() + next.len() + end.len() > 16 * MIB {
            break;
        }
        header += &next;
    }
    header += end;
    padded(header)
}

#[test]
fn reading_takes_the_size_of_the_file_and_16_mib() {
    let entry = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let x = |_| "x".repeat(4096);
    let escape = |_| "\\u001b".repeat(1024);
    let attacks: Vec<(&str, String)> = vec![
        ("one long name", full("{\"", x, "\":1}")),
        ("one long name of escapes", full("{\"", escape, "\":1}")),
        ("a string for an entry", full("{\"w\":\"", escape, "\"}")),
        ("a string for a shape", full("{\"w\":{\"shape\":\"", escape, "\"}}")),
        ("a string for a size", full("{\"w\":{\"shape\":[\"", escape, "\"]}}")),
        ("a string for metadata", full("{\"__metadata__\":\"", escape, "\"}")),
        ("one long type", full("{\"w\":{\"dtype\":\"", x, "\"}}")),
        ("one long metadata entry", full("{\"__metadata__\":{\"a\":\"", x, "\"}}")),
        (
            "many metadata entries",
            full("{\"__metadata__\":{\"a\":\"\"", |i| format!(",\"{i}\":\"\""), "}}"),
        ),
        ("a long shape", full("{\"w\":{\"shape\":[0", |_| ",0".repeat(4096), "]}}")),
        ("a long number", full("{\"w\":{\"shape\":[1", |_| "0".repeat(4096), "]}}")),
        ("deep lists", full("{\"w\":", |_| "[".repeat(4096), "")),
        ("deep objects", full("{\"w\":", |_| "{\"a\":".into(), "")),
        ("many arrays", full(&format!("{{\"\":{entry}"), |i| format!(",\"{i}\":{entry}"), "}")),
        (
            "many long names",
            full(&format!("{{\"\":{entry}"), |i| format!(",\"{i:01000}\":{entry}"), "}"),
        ),
    ];
    for (case, header) in attacks {
        hold(case, header.len() as u64, &header, 0, false);
    }
    hold("a header of 100 MB that is there", 100_000_000, "{", 100_000_000, false);
    hold("a header of 2^64-1", u64::MAX, "{}", 1 << 30, false);
    let promise = r#"{"w":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}"#;
    hold("4 GiB promised", promise.len() as u64, promise, 4, false);
    hold("all limits at once", 16 * MIB as u64, &at_the_limits(entry), 0, true);
    let kept = r#"{"w":{"dtype":"F32","shape":[16777216],"data_offsets":[0,67108864]}}"#;
    hold("64 MiB promised and kept", kept.len() as u64, kept, 64 << 20, true);
    our_own();
}

/// The most that is accepted: 16,384 arrays whose names fill 4 MiB, and 4 MiB of escaped metadata.
fn at_the_limits(entry: &str) -> String {
    let text = "\\n".repeat(4 * MIB - 1);
    let mut header = format!("{{\"__metadata__\":{{\"a\":\"{text}\"}}");
    for i in 0..16_384 {
        header += &format!(",\"{i:0256}\":{entry}");
    }
    header += "}";
    padded(header)
}

fn padded(mut header: String) -> String {
    header += &" ".repeat(16 * MIB - header.len());
    header
}

/// A sealed file with much metadata, which is unpacked twice.
fn our_own() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let arrays: Vec<_> = (0..16_384)
        .map(|i| NamedArray::new(format!("{i:0256}"), &[1, 1, 1, 1], vec![i as f32]))
        .collect();
    let metadata = [("a".to_owned(), "\n".repeat(2 * MIB - 1000))].into();
    safetensors::write(file.path(), &arrays, &metadata).unwrap();
    drop((arrays, metadata));
    measure("our own", file.path(), file.path().metadata().unwrap().len() as usize, true);
}
