//! Reads IDX files of bytes (MNIST's format), plain or gzip, without believing a word of them.
//!
//! An IDX file is `00 00`, a type (08 for unsigned bytes), the number of dimensions, each size as
//! a big-endian u32, and the values. Three rules keep a hostile file harmless:
//!
//! 1. The header is read first, its sizes are multiplied with overflow checks, and for a plain file
//!    they must add up to exactly the file's length.
//! 2. A gzip file hides its unpacked length, so its header may promise at most the file's own size
//!    plus 16 MiB, or 8 times its size, whichever is more; past the first amount the bytes that
//!    have really arrived must also stay below 8 for each packed byte read. MNIST's training images
//!    are packed 4.7 to 1; a bomb is packed 1000 to 1. So no file makes us hold more than
//!    max(size + 16 MiB, 8 × size).
//! 3. The content must end where the header says, the gzip checksum must match, and nothing may
//!    follow.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::error::DataError;
use super::gzip::Unpacked;
use super::recognise;

/// What a gzip file may unpack to beyond its own size: 16 MiB, of which one is kept for the decoder
/// and the buffers.
const ROOM: u64 = 15 << 20;

/// Past that, how many unpacked bytes one packed byte may stand for.
const RATIO: u64 = 8;

/// Bytes that are read at a time.
const CHUNK: u64 = 64 << 10;

/// The two kinds of IDX file that a set of images is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Three dimensions: images, rows, columns.
    Images,
    /// One dimension: a class for each image.
    Labels,
}

/// A file that was read to its end and found sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Where it lies.
    pub path: PathBuf,
    /// The sizes of its dimensions; their product is the number of bytes.
    pub sizes: Vec<usize>,
    /// The values, row-major.
    pub bytes: Vec<u8>,
    /// SHA-256 of the whole IDX file, header included, unpacked.
    pub sha256: String,
    /// SHA-256 of the gzip file, if it is one.
    pub packed_sha256: Option<String>,
}

impl Kind {
    /// The number of dimensions.
    pub fn rank(self) -> usize {
        match self {
            Self::Images => 3,
            Self::Labels => 1,
        }
    }

    /// For messages: what a file of this kind starts with.
    pub(super) fn magic(self) -> &'static str {
        match self {
            Self::Images => "00 00 08 03, images",
            Self::Labels => "00 00 08 01, labels",
        }
    }

    /// Whether `head`, four bytes or fewer, is how a file of this kind starts.
    fn starts_with(self, head: &[u8]) -> bool {
        [0, 0, 8, self.rank() as u8].starts_with(head)
    }

    pub(super) fn header_bytes(self) -> u64 {
        4 + 4 * self.rank() as u64
    }

    fn dimension(self, index: usize) -> &'static str {
        match (self, index) {
            (Self::Labels, _) => "label",
            (Self::Images, 0) => "image",
            (Self::Images, 1) => "row",
            (Self::Images, _) => "column",
        }
    }
}

/// Reads a file, plain or gzip.
pub fn read(path: &Path, kind: Kind) -> Result<Idx, DataError> {
    // Looked at before it is opened: opening a pipe would wait for its other end for ever.
    let meta = fs::metadata(path).map_err(DataError::io(path, "look at it"))?;
    if !meta.is_file() {
        let (found, hint) = if meta.is_dir() {
            ("a folder", "pass the folder that holds the four files, not a folder named like one")
        } else {
            ("a device or pipe", "copy the data into a file first")
        };
        return Err(DataError::NotAFile { path: path.to_owned(), found, hint });
    }
    let file = File::open(path).map_err(DataError::io(path, "open it"))?;
    read_from(BufReader::with_capacity(CHUNK as usize, file), meta.len(), path, kind)
}

/// Reads `length` bytes of a file from any reader; `path` is what messages call it.
pub fn read_from(
    reader: impl BufRead,
    length: u64,
    path: &Path,
    kind: Kind,
) -> Result<Idx, DataError> {
    if length == 0 {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    let mut file = Unpacked::new(path, reader)?;
    let (sizes, promised) = header(&mut file, path, kind)?;
    if !file.is_packed() {
        check_plain_length(path, kind.header_bytes() + promised, length)?;
    }
    let bytes = content(&mut file, path, length, promised)?;
    let sums = file.finish()?;
    let (path, sha256, packed_sha256) = (path.to_owned(), sums.sha256, sums.packed);
    Ok(Idx { path, sizes, bytes, sha256, packed_sha256 })
}

/// The sizes of the dimensions, and their product.
fn header(
    file: &mut Unpacked<'_, impl BufRead>,
    path: &Path,
    kind: Kind,
) -> Result<(Vec<usize>, u64), DataError> {
    // Enough to recognise what a file is that is no IDX file.
    let mut head = [0; 64];
    let magic = file.fill(&mut head[..4])?;
    if magic < 4 && kind.starts_with(&head[..magic]) {
        let (path, expected, found) = (path.to_owned(), kind.header_bytes(), magic as u64);
        return Err(DataError::Truncated { path, offset: found, expected, found });
    }
    if !kind.starts_with(&head[..magic]) {
        let more = file.fill(&mut head[4..]).unwrap_or(0);
        return Err(recognise::not_this(path, &head[..magic + more], kind));
    }
    let sizes = &mut head[..4 * kind.rank()];
    let found = 4 + file.fill(sizes)? as u64;
    let (path, expected) = (path.to_owned(), kind.header_bytes());
    if found < expected {
        return Err(DataError::Truncated { path, offset: found, expected, found });
    }
    multiply(path, kind, sizes)
}

fn multiply(path: PathBuf, kind: Kind, sizes: &[u8]) -> Result<(Vec<usize>, u64), DataError> {
    let sizes: Vec<u32> =
        sizes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect();
    if let Some(index) = sizes.iter().position(|&size| size == 0) {
        let (offset, what) = (4 + 4 * index as u64, kind.dimension(index));
        return Err(DataError::Nothing { path, offset, what });
    }
    // An allocation can be isize::MAX bytes at most, so no honest file promises more.
    let expected = isize::MAX as u64 - kind.header_bytes();
    let product = sizes.iter().try_fold(1, |n: u64, &size| n.checked_mul(u64::from(size)));
    match product.filter(|&product| product <= expected) {
        Some(product) => Ok((sizes.iter().map(|&size| size as usize).collect(), product)),
        None => {
            let sizes: Vec<String> = sizes.iter().map(u32::to_string).collect();
            Err(DataError::Overflow { path, expected, found: sizes.join(" × ") })
        }
    }
}

fn check_plain_length(path: &Path, expected: u64, found: u64) -> Result<(), DataError> {
    let path = path.to_owned();
    if found < expected {
        return Err(DataError::Truncated { path, offset: found, expected, found });
    }
    if found > expected {
        let found = format!("{} more bytes", found - expected);
        return Err(DataError::Trailing { path, offset: expected, found });
    }
    Ok(())
}

/// The values: first as many as may safely be promised, then the rest, which must be earned.
fn content(
    file: &mut Unpacked<'_, impl BufRead>,
    path: &Path,
    length: u64,
    promised: u64,
) -> Result<Vec<u8>, DataError> {
    let (start, safe) = (file.offset(), length + ROOM);
    let bomb = |arrived, earned: u64| {
        let (path, offset, expected) = (path.to_owned(), start + arrived, safe.max(earned));
        DataError::Bomb { path, offset, expected, found: promised }
    };
    let most = length.saturating_mul(RATIO);
    if promised > safe.max(most) {
        return Err(bomb(0, most));
    }
    let (mut bytes, end) = (Vec::new(), start + promised);
    reserve(&mut bytes, path, promised.min(safe))?;
    receive(file, path, &mut bytes, promised.min(safe), end)?;
    while (bytes.len() as u64) < promised {
        let arrived = bytes.len() as u64;
        let earned = file.consumed().saturating_mul(RATIO);
        if arrived > earned {
            return Err(bomb(arrived, earned));
        }
        reserve(&mut bytes, path, promised)?;
        receive(file, path, &mut bytes, promised.min(arrived + CHUNK), end)?;
    }
    Ok(bytes)
}

/// Reads until there are `total` values. Each chunk is touched only once it arrives: what is merely
/// reserved costs addresses, no memory.
fn receive(
    file: &mut Unpacked<'_, impl BufRead>,
    path: &Path,
    bytes: &mut Vec<u8>,
    total: u64,
    end: u64,
) -> Result<(), DataError> {
    while (bytes.len() as u64) < total {
        let start = bytes.len();
        let due = (total - start as u64).min(CHUNK) as usize;
        bytes.resize(start + due, 0);
        if file.fill(&mut bytes[start..])? < due {
            let (path, found) = (path.to_owned(), file.offset());
            return Err(DataError::Truncated { path, offset: found, expected: end, found });
        }
    }
    Ok(())
}

/// Room for `total` bytes in all, or an error where a plain `reserve` would end the process.
fn reserve(bytes: &mut Vec<u8>, path: &Path, total: u64) -> Result<(), DataError> {
    let more = (total as usize).saturating_sub(bytes.len());
    bytes
        .try_reserve_exact(more)
        .map_err(|_| DataError::OutOfMemory { path: path.to_owned(), expected: total })
}
