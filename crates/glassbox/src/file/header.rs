//! The header of a safetensors file: JSON from a stranger, read with a limit on everything.
//!
//! The crate `safetensors` reads headers too, but holds all of it as loose JSON first, which can take fifty times
//! the header's size, and lets the last of two arrays of one name win. So this reader takes one entry at a time
//! straight from the file and names the place and the numbers in each message. The tests hold that whatever passes
//! here passes there and means the same.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::de::DeserializeSeed;

use super::FileError;
use super::arrays::element_count;
use super::error::brief;
use super::json::{HeaderSeed, StringsSeed};

/// The longest header. Ours are a few kilobytes, those of the largest public models about a megabyte.
pub const MAX_HEADER: u64 = 16 << 20;

/// What the header says, checked: the entries follow each other without a hole and end where the file ends.
pub(crate) struct Header {
    pub(crate) entries: Vec<Entry>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Where in the file the arrays' bytes begin.
    pub(crate) data_start: u64,
}

/// One array as the header describes it.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Reads and checks the header of a file of `length` bytes; `reader` is left at the first byte of the arrays.
pub(crate) fn read(reader: &mut impl Read, length: u64, path: &Path) -> Result<Header, FileError> {
    let size = read_size(reader, length, path)?;
    let data_start = 8 + size;
    let parsed = parse(reader, size, path)?;
    let mut header = Header { entries: parsed.entries, metadata: parsed.metadata, data_start };
    // A stable sort: arrays without numbers share their offsets and keep the header's order.
    header.entries.sort_by_key(|entry| (entry.start, entry.end));
    check_names(&header.entries, path)?;
    check_layout(&header, length, path)?;
    Ok(header)
}

/// Reads a JSON object of strings, or says in one line what is wrong with it.
pub(crate) fn strings(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let strings = StringsSeed.deserialize(&mut json).map_err(|e| brief(&e))?;
    json.end().map_err(|e| brief(&e))?;
    Ok(strings)
}

fn read_size(reader: &mut impl Read, length: u64, path: &Path) -> Result<u64, FileError> {
    if length < 10 {
        let found = format!("{length} bytes");
        return Err(FileError::malformed(path, length, "at least 10 bytes", found));
    }
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes).map_err(|e| FileError::io("read", path, e))?;
    let size = u64::from_le_bytes(bytes);
    let most = MAX_HEADER.min(length - 8);
    if !(2..=most).contains(&size) {
        let expected = format!("a header length from 2 to {most} (the file has {length} bytes)");
        return Err(FileError::malformed(path, 0, expected, size.to_string()));
    }
    Ok(size)
}

/// What the header's text holds, before its numbers are checked.
#[derive(Default)]
pub(crate) struct Parsed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) metadata: BTreeMap<String, String>,
}

fn parse(reader: &mut impl Read, size: u64, path: &Path) -> Result<Parsed, FileError> {
    let mut first = [0];
    reader.read_exact(&mut first).map_err(|e| FileError::io("read", path, e))?;
    if first != *b"{" {
        let found = format!("{:?}", char::from(first[0]));
        return Err(FileError::malformed(path, 8, "the header's first byte '{'", found));
    }
    let taken = Cell::new(0);
    // The parser asks for single bytes; one buffer close to it spares them the way through every layer.
    let text = BufReader::new(first.chain(reader.take(size - 1)));
    let mut json = serde_json::Deserializer::from_reader(Counted { inner: text, taken: &taken });
    HeaderSeed.deserialize(&mut json).and_then(|parsed| json.end().map(|()| parsed)).map_err(
        |error| match error.io_error_kind() {
            Some(kind) => FileError::io("read", path, kind.into()),
            None => syntax(path, 8 + u64::saturating_sub(taken.get(), 1), &error),
        },
    )
}

/// Counts the bytes taken, because the parser counts in lines and columns.
struct Counted<'a, R> {
    inner: R,
    taken: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.taken.set(self.taken.get() + count as u64);
        Ok(count)
    }
}

/// Turns the parser's sentence into expected and found.
fn syntax(path: &Path, offset: u64, error: &serde_json::Error) -> FileError {
    let whole = brief(error);
    let message = whole.rsplit_once(" at line ").map_or(&*whole, |(message, _)| message);
    if let Some((expected, found)) =
        message.strip_prefix("expected ").and_then(|rest| rest.split_once(", found "))
    {
        return FileError::malformed(path, offset, expected, found);
    }
    let wrong_type =
        message.strip_prefix("invalid type: ").and_then(|m| m.split_once(", expected "));
    match wrong_type {
        Some((found, expected)) => FileError::malformed(path, offset, expected, found),
        None => {
            FileError::malformed(path, offset, "a header in JSON", format!("an error: {message}"))
        }
    }
}

fn check_names(entries: &[Entry], path: &Path) -> Result<(), FileError> {
    let mut names: Vec<&str> = entries.iter().map(|entry| &*entry.name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let expected = format!("one array {:?}", pair[0]);
            Err(FileError::malformed(path, 8, expected, "two of this name"))
        }
        None => Ok(()),
    }
}

fn check_layout(header: &Header, length: u64, path: &Path) -> Result<(), FileError> {
    let mut next = 0;
    for entry in &header.entries {
        check_entry(entry, next, header.data_start, path)?;
        next = entry.end;
    }
    let (end, data) = (header.data_start.saturating_add(next), length - header.data_start);
    if next != data {
        let expected = format!("{next} bytes of arrays, as the header says");
        return Err(FileError::malformed(path, end.min(length), expected, format!("{data} bytes")));
    }
    Ok(())
}

fn check_entry(entry: &Entry, next: u64, data_start: u64, path: &Path) -> Result<(), FileError> {
    let Entry { name, dtype, shape, start, end } = entry;
    let offset = data_start.saturating_add(*start);
    if *start != next {
        let expected = format!("array {name:?} to start at {next} bytes into the data");
        return Err(FileError::malformed(path, offset, expected, start.to_string()));
    }
    if dtype != "F32" {
        let (path, array, found) = (path.to_owned(), name.clone(), dtype.clone());
        return Err(FileError::WrongType { path, array, found });
    }
    let needed = element_count(shape).and_then(|count| (count as u64).checked_mul(4));
    if needed.is_none() || end.checked_sub(*start) != needed {
        let needed =
            needed.map_or("more bytes than can be counted".into(), |n| format!("{n} bytes"));
        let expected = format!("array {name:?} of shape {shape:?} to take {needed}");
        let found = format!("from {start} to {end}");
        return Err(FileError::malformed(path, offset, expected, found));
    }
    Ok(())
}
