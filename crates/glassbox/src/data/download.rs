//! Fetches the files of a named set into a folder, from the first mirror that serves them well.
//!
//! Killing the process at any time is harmless: a file gets its name only when its size and SHA-256
//! are right and its bytes are on the disk; until then it is a `.part` file, which the next attempt
//! continues. A lock keeps two processes from writing into the same part.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::error::DataError;
use super::named::KnownFile;
use super::transfer::{self, Trouble};

/// What to fetch, from where, to where.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The files of the set.
    pub files: &'a [KnownFile],
    /// Addresses that a file's name and `.gz` are put behind, the best first.
    pub mirrors: &'a [&'a str],
    /// The folder for the files; it is made if it does not exist.
    pub folder: &'a Path,
    /// How long to wait for what.
    pub patience: Patience,
    /// Who wants to see the progress.
    pub progress: Option<OnProgress>,
}

/// How long to wait for a network that may not be there.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a name to be resolved, and again for a connection.
    pub connect: Duration,
    /// For the next bytes of an answer.
    pub idle: Duration,
    /// For all mirrors together to fail to answer. Without a network this is how long it takes.
    pub answer: Duration,
    /// For another process that fetches the same set.
    pub lock: Duration,
}

/// How far a file is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The name of the file.
    pub file: &'a str,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes that there will be.
    pub total: u64,
}

/// Called with the progress of a download, a few times for each megabyte.
#[derive(Clone)]
pub struct OnProgress(pub Arc<dyn Fn(Progress<'_>) + Send + Sync>);

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), idle: seconds(10), answer: seconds(10), lock: seconds(120) }
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnProgress")
    }
}

/// Fetches what is not there yet. All mirrors' failures are in the error.
pub fn fetch(job: &Job<'_>) -> Result<(), DataError> {
    fs::create_dir_all(job.folder).map_err(DataError::io(job.folder, "make this folder"))?;
    let _lock = lock(job.folder, job.patience.lock)?;
    let mut mirrors: Vec<Mirror<'_>> = job.mirrors.iter().map(Mirror::new).collect();
    let mut left = job.patience.answer;
    for file in job.files {
        fetch_file(job, file, &mut mirrors, &mut left)?;
    }
    Ok(())
}

/// An address, and whether it is worth asking again for the next file.
struct Mirror<'a> {
    url: &'a str,
    dead: bool,
}

impl<'a> Mirror<'a> {
    fn new(url: &&'a str) -> Self {
        Self { url, dead: false }
    }
}

/// `left` is the time that mirrors which do not answer may still take, over all files.
fn fetch_file(
    job: &Job<'_>,
    file: &KnownFile,
    mirrors: &mut [Mirror<'_>],
    left: &mut Duration,
) -> Result<(), DataError> {
    if transfer::is_complete(job.folder, file)? {
        return Ok(());
    }
    let mut attempts = Vec::new();
    for mirror in mirrors.iter_mut().filter(|mirror| !mirror.dead) {
        let url = format!("{}{}.gz", mirror.url, file.name);
        if left.is_zero() {
            attempts.push(format!("{url}: not tried, because no mirror before it answered"));
            continue;
        }
        tracing::info!(url, "fetching");
        let start = Instant::now();
        match transfer::fetch(job, file, &url, *left) {
            Ok(()) => return Ok(()),
            Err(Trouble::Here(error)) => return Err(error),
            Err(Trouble::There { why, answered }) => {
                attempts.push(format!("{url}: {why}"));
                mirror.dead = !answered;
                if !answered {
                    *left = left.saturating_sub(start.elapsed());
                }
            }
        }
    }
    Err(DataError::Download { folder: job.folder.to_owned(), file: file.name, attempts })
}

/// Waits until no other process works on this folder. The lock ends with the file handle, so a
/// process that is killed leaves none behind.
fn lock(folder: &Path, patience: Duration) -> Result<File, DataError> {
    let path = folder.join(".lock");
    let file = File::create(&path).map_err(DataError::io(&path, "make this lock"))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Some network file systems know no locks; a download there is better than none.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(file);
            }
            Err(TryLockError::Error(error)) => return Err(DataError::io(path, "lock it")(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() >= patience => {
                return Err(DataError::Locked { path, waited: patience.as_secs() });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
        }
    }
}
