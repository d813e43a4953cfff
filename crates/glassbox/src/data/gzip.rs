//! The bytes of a file, plain or unpacked on the way: counted, hashed and checked to the very end.

use std::io::{self, BufRead, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};

use super::error::DataError;
use crate::file::seal::hex;

/// The first two bytes of every gzip file. Names lie (`.gz` files that a browser unpacked, plain
/// files that kept their ending), so only the content decides.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A file that is read once, front to back.
pub(super) struct Unpacked<'a, R> {
    path: &'a Path,
    source: Source<R>,
    offset: u64,
    sha256: Sha256,
}

enum Source<R> {
    Plain(R),
    Packed(Box<GzDecoder<Counted<R>>>),
}

/// What a file hashes to, in lower-case hexadecimal.
pub(super) struct Sums {
    /// Of the unpacked bytes.
    pub sha256: String,
    /// Of the gzip file itself, if it is one.
    pub packed: Option<String>,
}

impl<'a, R: BufRead> Unpacked<'a, R> {
    /// Looks at the first bytes to tell a gzip file from a plain one.
    pub fn new(path: &'a Path, mut reader: R) -> Result<Self, DataError> {
        let head = reader.fill_buf().map_err(DataError::io(path, "read it"))?;
        let source = if head.starts_with(&MAGIC) {
            Source::Packed(Box::new(GzDecoder::new(Counted::new(reader))))
        } else {
            Source::Plain(reader)
        };
        Ok(Self { path, source, offset: 0, sha256: Sha256::new() })
    }

    pub fn is_packed(&self) -> bool {
        matches!(self.source, Source::Packed(_))
    }

    /// How many unpacked bytes have been read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes of the file itself that took.
    pub fn consumed(&self) -> u64 {
        match &self.source {
            Source::Plain(_) => self.offset,
            Source::Packed(gzip) => gzip.get_ref().consumed,
        }
    }

    /// Fills `into` as far as there are bytes, and says how far that was.
    pub fn fill(&mut self, into: &mut [u8]) -> Result<usize, DataError> {
        let mut filled = 0;
        while filled < into.len() {
            match self.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.explain(error, filled)),
            }
        }
        self.sha256.update(&into[..filled]);
        self.offset += filled as u64;
        Ok(filled)
    }

    /// Makes sure that nothing follows. Reading on past the last byte is also what makes the
    /// decoder compare the checksum and length at the end of a gzip file.
    pub fn finish(mut self) -> Result<Sums, DataError> {
        let sha256 = hex(self.sha256.clone());
        if self.fill(&mut [0])? > 0 {
            let (path, offset) = (self.path.to_owned(), self.offset - 1);
            return Err(DataError::Trailing { path, offset, found: "more bytes".to_owned() });
        }
        let packed = match self.source {
            Source::Plain(_) => None,
            Source::Packed(gzip) => Some(gzip.into_inner().finish(self.path)?),
        };
        Ok(Sums { sha256, packed })
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Plain(reader) => reader.read(into),
            Source::Packed(gzip) => gzip.read(into),
        }
    }

    /// Tells damaged gzip data from a disk that cannot be read.
    fn explain(&self, error: io::Error, filled: usize) -> DataError {
        let unpacked = self.offset + filled as u64;
        let found = match error.kind() {
            ErrorKind::UnexpectedEof => format!("the end after {unpacked} unpacked bytes"),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => error.to_string(),
            _ => return DataError::io(self.path, "read it")(error),
        };
        DataError::Gzip { path: self.path.to_owned(), offset: self.consumed(), found }
    }
}

/// Counts and hashes what the decoder takes out of a gzip file.
struct Counted<R> {
    inner: R,
    consumed: u64,
    sha256: Sha256,
}

impl<R: BufRead> Counted<R> {
    fn new(inner: R) -> Self {
        Self { inner, consumed: 0, sha256: Sha256::new() }
    }

    /// A gzip file of ours ends where its first member ends. More members are legal gzip, but no
    /// data set is published like that, and silently dropping or joining them would be wrong.
    fn finish(mut self, path: &Path) -> Result<String, DataError> {
        let rest = self.inner.fill_buf().map_err(DataError::io(path, "read it"))?;
        let found = match rest {
            [] => return Ok(hex(self.sha256)),
            rest if rest.starts_with(&MAGIC) => "a second gzip member",
            _ => "more bytes",
        };
        Err(DataError::GzipTrailing { path: path.to_owned(), offset: self.consumed, found })
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // What is consumed was handed out by the last `fill_buf`, so asking again reads nothing.
        if let Ok(bytes) = self.inner.fill_buf() {
            self.sha256.update(&bytes[..count.min(bytes.len())]);
        }
        self.consumed += count as u64;
        self.inner.consume(count);
    }
}
