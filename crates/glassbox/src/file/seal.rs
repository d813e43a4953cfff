//! The seal: a SHA-256 of everything a file says, kept in the file's own metadata.
//!
//! A safetensors file has room for a table of strings, `__metadata__`. Ours has one entry, because the order of
//! several is not fixed: `glassbox`, whose value is a JSON object of strings that begins with `sha256`. The digest
//! is taken over
//!
//! 1. the rest of that JSON text, from the byte after the digest's closing quote to its end,
//! 2. for each array in the order of the file: the length of its name, the name, the number of its dimensions,
//!    the dimensions (all numbers as 64 bits, little end first), and its bytes.
//!
//! So a flipped bit anywhere changes the digest, or breaks the frame around it, or is not a change of meaning.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::brief;
use super::{FileError, NamedArray, header};

/// The metadata entry that holds the seal.
pub const KEY: &str = "glassbox";
/// How every sealed text begins; nobody else's metadata does.
const PREFIX: &str = "{\"sha256\":\"";
const HEX: usize = 64;

/// A SHA-256 being taken, in the order described above.
pub(crate) struct Digest(Sha256);

impl Digest {
    pub(crate) fn of_rest(rest: &str) -> Self {
        Self(Sha256::new_with_prefix(rest))
    }

    pub(crate) fn array(&mut self, name: &str, shape: &[usize]) {
        self.number(name.len());
        self.bytes(name.as_bytes());
        self.number(shape.len());
        shape.iter().for_each(|&size| self.number(size));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn hex(self) -> String {
        hex(self.0)
    }

    fn number(&mut self, number: usize) {
        self.bytes(&(number as u64).to_le_bytes());
    }
}

/// A finished hash in lower-case hexadecimal.
pub(crate) fn hex(sha256: Sha256) -> String {
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sealed text for arrays (in the order of the file) and metadata.
pub(crate) fn text(
    arrays: &[(&NamedArray, Vec<u8>)],
    metadata: &BTreeMap<String, String>,
) -> Result<String, FileError> {
    let json = serde_json::to_string(metadata).map_err(|error| FileError::Unstorable {
        what: "the metadata".into(),
        expected: "strings".into(),
        found: brief(&error),
    })?;
    let rest = if metadata.is_empty() { "}".into() } else { format!(",{}", &json[1..]) };
    let mut digest = Digest::of_rest(&rest);
    for (array, bytes) in arrays {
        digest.array(&array.name, &array.shape);
        digest.bytes(bytes);
    }
    Ok(format!("{PREFIX}{}\"{rest}", digest.hex()))
}

/// A digest being taken while a file is read, and what it should come to.
pub(crate) struct Check {
    pub(crate) digest: Digest,
    expected: String,
}

impl Check {
    pub(crate) fn finish(self, path: &Path) -> Result<(), FileError> {
        let (expected, found) = (self.expected, self.digest.hex());
        if expected == found {
            return Ok(());
        }
        Err(FileError::Damaged { path: path.to_owned(), expected, found })
    }
}

/// Takes our entry out of a file's metadata. A file without one is another program's, and its metadata is as it is.
pub(crate) fn open(
    mut metadata: BTreeMap<String, String>,
    path: &Path,
) -> Result<(BTreeMap<String, String>, Option<Check>), FileError> {
    // A seal under another name is ours with a damaged key: passing it as a stranger's would lose what it says.
    let sealed = metadata.iter().find(|(key, text)| *key == KEY || text.starts_with(PREFIX));
    let Some(key) = sealed.map(|(key, _)| key.clone()) else {
        return Ok((metadata, None));
    };
    let text = metadata.remove(&key).unwrap_or_default();
    let malformed = |expected: &str, found: String| FileError::malformed(path, 8, expected, found);
    if key != KEY {
        return Err(malformed(
            "the seal under the metadata key `glassbox`",
            format!("key {key:?}"),
        ));
    }
    let (hex, rest) = split(&text).ok_or_else(|| {
        malformed("metadata `glassbox` to begin with a SHA-256", "something else".into())
    })?;
    let check = Check { digest: Digest::of_rest(rest), expected: hex.to_owned() };
    let mut strings =
        header::strings(&text).map_err(|e| malformed("strings in the metadata `glassbox`", e))?;
    strings.remove("sha256");
    Ok((strings, Some(check)))
}

/// Takes a sealed text apart into its digest and the rest, which the digest covers.
fn split(text: &str) -> Option<(&str, &str)> {
    let (hex, rest) = text.strip_prefix(PREFIX)?.split_at_checked(HEX)?;
    let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    rest.strip_prefix('"').filter(|_| is_hex).map(|rest| (hex, rest))
}
