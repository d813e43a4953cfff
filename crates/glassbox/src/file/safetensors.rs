//! Models in the safetensors format: the file PyTorch, JAX and every Rust framework can open.
//!
//! Reading accepts any file of `f32` arrays, whoever wrote it. Ours also carry a [`seal`],
//! which is checked when it is there. The arrays go from the file straight to their place, so that reading needs the
//! size of the file and a little more.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::arrays::{self, NamedArray};
use super::header::{self, Entry, Header};
use super::{FileError, durable, seal};

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The arrays in the order of the file, which for ours is by name.
    pub arrays: Vec<NamedArray>,
    /// The metadata: what was given to [`write()`], or what another program wrote.
    pub metadata: BTreeMap<String, String>,
    /// Whether the file is one of ours, and therefore known to be as it was written.
    pub sealed: bool,
}

/// The file's bytes. The same arrays and metadata give the same bytes, in whatever order the arrays are named.
pub fn encode(
    arrays: &[NamedArray],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, FileError> {
    let arrays: Vec<_> = arrays::checked(arrays)?.into_iter().map(|a| (a, le_bytes(a))).collect();
    // One entry only: the crate keeps the metadata in a hash map, and the order of several would change from run to run.
    let sealed = HashMap::from([(seal::KEY.to_owned(), seal::text(&arrays, metadata)?)]);
    let views = arrays.iter().map(|(array, bytes)| {
        TensorView::new(Dtype::F32, array.shape.clone(), bytes).map(|view| (&*array.name, view))
    });
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(unstorable)?;
    let bytes = safetensors::serialize(views, Some(sealed)).map_err(unstorable)?;
    check_readable(&bytes)?;
    Ok(bytes)
}

/// Writes a model file durably: after a crash there is the old file or the new one.
pub fn write(
    path: &Path,
    arrays: &[NamedArray],
    metadata: &BTreeMap<String, String>,
) -> Result<(), FileError> {
    durable::write(path, &encode(arrays, metadata)?)
}

/// Reads a model file, ours or another program's.
pub fn read(path: &Path) -> Result<ModelFile, FileError> {
    let open = |error| FileError::io("open", path, error);
    // Asked before opening, because opening a pipe waits for someone to write to it.
    super::error::regular_file(path, &std::fs::metadata(path).map_err(open)?)?;
    let file = File::open(path).map_err(open)?;
    let length = file.metadata().map_err(open)?.len();
    read_from(&mut BufReader::new(file), length, path)
}

/// Reads a model file from memory; `path` is only what error messages call it.
pub fn decode(bytes: &[u8], path: &Path) -> Result<ModelFile, FileError> {
    read_from(&mut &*bytes, bytes.len() as u64, path)
}

fn read_from(reader: &mut impl Read, length: u64, path: &Path) -> Result<ModelFile, FileError> {
    let Header { entries, metadata, data_start } = header::read(reader, length, path)?;
    let (metadata, mut check) = seal::open(metadata, path)?;
    let mut arrays = Vec::with_capacity(entries.len());
    for entry in entries {
        arrays.push(read_array(reader, entry, data_start, &mut check, path)?);
    }
    let sealed = check.is_some();
    check.map_or(Ok(()), |check| check.finish(path))?;
    Ok(ModelFile { arrays, metadata, sealed })
}

/// The header has been checked against the size of the file, so this asks for no more memory than the file is long.
fn read_array(
    reader: &mut impl Read,
    entry: Entry,
    data_start: u64,
    check: &mut Option<seal::Check>,
    path: &Path,
) -> Result<NamedArray, FileError> {
    let Entry { name, shape, start, end, .. } = entry;
    let (mut data, mut left) = (Vec::new(), (end - start) as usize);
    data.try_reserve_exact(left / 4)
        .map_err(|_| FileError::OutOfMemory { path: path.to_owned(), needed: end - start })?;
    if let Some(check) = check {
        check.digest.array(&name, &shape);
    }
    let mut buffer = [0; PIECE];
    while left > 0 {
        let bytes = &mut buffer[..left.min(PIECE)];
        let place = data_start + end - left as u64;
        reader.read_exact(bytes).map_err(|error| cut_short(error, place, left, path))?;
        if let Some(check) = check {
            check.digest.bytes(bytes);
        }
        data.extend(bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)));
        left -= bytes.len();
    }
    Ok(NamedArray { name, shape, data })
}

/// How much is turned from bytes into numbers at a time.
const PIECE: usize = 1 << 14;

/// The file was long enough when it was opened, so someone made it shorter since, or the disk failed.
fn cut_short(error: io::Error, offset: u64, left: usize, path: &Path) -> FileError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            let expected = format!("{left} more bytes of an array");
            FileError::malformed(path, offset, expected, "the end of the file")
        }
        _ => FileError::io("read", path, error),
    }
}

fn le_bytes(array: &NamedArray) -> Vec<u8> {
    array.data.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Reads back the header just written, so that no limit of the reader can surprise whoever comes back for the file.
fn check_readable(bytes: &[u8]) -> Result<(), FileError> {
    let path = Path::new("");
    header::read(&mut &*bytes, bytes.len() as u64, path)
        .and_then(|header| seal::open(header.metadata, path).map(drop))
        .map_err(|error| match error {
            FileError::Malformed { expected, found, .. } => {
                FileError::Unstorable { what: "the names and the metadata".into(), expected, found }
            }
            other => other,
        })
}

fn unstorable(error: safetensors::SafeTensorError) -> FileError {
    FileError::Unstorable {
        what: "the arrays".into(),
        expected: "arrays in the limits of the format".into(),
        found: error.to_string(),
    }
}
