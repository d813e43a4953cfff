//! What can be wrong with a file, with the facts and a hint in every message.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be read or written. Paths and names are printed escaped, so that a hostile one cannot
/// move the cursor of a terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system said no.
    #[error("cannot {action} {path:?}: {source} (hint: {})", hint_for(source))]
    Io {
        /// What was tried, as a verb: "open", "write".
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The disk or the quota is full. Whatever was under this name before still is.
    #[error(
        "cannot write {path:?}: no space left for its {needed} bytes; what was there before is untouched \
         (hint: free some space, or choose another disk)"
    )]
    DiskFull {
        /// The file that was to be written.
        path: PathBuf,
        /// Its whole size in bytes.
        needed: u64,
    },
    /// A folder, a device or a pipe where a file should be.
    #[error("{path:?} is {found}, expected a regular file (hint: give the path of a file)")]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The bytes do not follow the format.
    #[error(
        "{path:?} is not a valid model file: at byte {offset}, expected {expected}, found {found} \
         (hint: the file is damaged, cut short, or of another kind; copy or save it again)"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in the file, from 0.
        offset: u64,
        /// What the format asks for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// An array of numbers that are not `f32`.
    #[error(
        "{path:?} holds array {array:?} of type {}, expected F32 \
         (hint: convert it, in PyTorch with `tensor.float()`, and save it again)",
        found.escape_debug()
    )]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The array's name.
        array: String,
        /// Its type, by its name in the format.
        found: String,
    },
    /// The content is not what was written: its SHA-256 differs.
    #[error(
        "{path:?} is damaged: expected SHA-256 {expected}, found {found} \
         (hint: take an earlier copy; if the arrays were changed on purpose, save them without the `glassbox` metadata)"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The SHA-256 written in the file.
        expected: String,
        /// The SHA-256 of what the file says now.
        found: String,
    },
    /// There is less memory than the file's arrays need.
    #[error(
        "{path:?} needs {needed} bytes of memory for one array (hint: close other programs, or use a smaller model)"
    )]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// The bytes that were asked for.
        needed: u64,
    },
    /// What was handed over to be written cannot be: the caller's mistake, found before the disk is touched.
    #[error(
        "cannot store {what}: expected {expected}, found {found} (hint: change it before saving; nothing was written)"
    )]
    Unstorable {
        /// Which array or entry.
        what: String,
        /// What the format asks for.
        expected: String,
        /// What was handed over.
        found: String,
    },
    /// A file that is sound, but holds something else than a checkpoint, or another program's state.
    #[error(
        "{path:?} does not hold the expected state: expected {expected}, found {found} (hint: {hint})"
    )]
    WrongState {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: String,
        /// What is there.
        found: String,
        /// What to do about it.
        hint: &'static str,
    },
}

impl FileError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn malformed(
        path: &Path,
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            offset,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// What another library says about a text it could not use, without the text's own control characters and length.
pub(crate) fn brief(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn hint_for(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "check the spelling, and that its folder exists",
        io::ErrorKind::PermissionDenied => "check who owns it and its permissions",
        io::ErrorKind::ReadOnlyFilesystem => "choose a place that can be written to",
        io::ErrorKind::UnexpectedEof => "the file became shorter while it was read; try again",
        _ => "check the disk and the path",
    }
}

/// Refuses folders, devices and pipes: reading from a pipe may wait for ever, and replacing a device by a file
/// breaks the machine of whoever is root.
pub(crate) fn regular_file(path: &Path, metadata: &std::fs::Metadata) -> Result<(), FileError> {
    if metadata.is_file() {
        return Ok(());
    }
    let found = if metadata.is_dir() { "a folder" } else { "a device or a pipe" };
    Err(FileError::NotAFile { path: path.to_owned(), found })
}
