//! The durable write: after a crash a name leads to the old content or to the new one, never to a part of either.
//!
//! The order is what makes it so: a new file beside the old one, its bytes, `sync_all`, rename, and the folder
//! synced as well, because a rename is a change of the folder. Leaving out the first sync can leave a correctly
//! named file of zeros after a power cut; leaving out the second can lose the new name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::FileError;
use super::error::regular_file;

/// Writes `bytes` under `path` durably. On an error whatever was there before is still there, except that a
/// failure of the very last step, syncing the folder, finds the new file in place and complete. A symbolic link is
/// followed, not replaced.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if let Ok(metadata) = fs::metadata(path) {
        regular_file(path, &metadata)?;
    }
    if !path.is_symlink() {
        return write_on(&Real, path, bytes);
    }
    let target = fs::canonicalize(path).map_err(|e| FileError::io("follow the link", path, e))?;
    write_on(&Real, &target, bytes)
}

/// Makes a folder, and those above it that are missing, so that a power cut does not lose it with all its files.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    let missing: Vec<_> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(path).map_err(|e| FileError::io("create the folder", path, e))?;
    for folder in missing.into_iter().filter(|folder| !folder.as_os_str().is_empty()) {
        let sync = Real.sync_folder(folder_of(folder));
        sync.map_err(|e| FileError::io("sync the folder of", folder, e))?;
    }
    Ok(())
}

/// Removes what killed processes left behind in a folder. Only for the run that owns it.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_leftover) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|error| FileError::io("remove", &path, error))?;
        }
    }
    Ok(())
}

/// Whether a file is one of ours that a killed process left behind under its temporary name.
pub(crate) fn is_leftover(name: &str) -> bool {
    name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX)
}

const TEMPORARY_PREFIX: &str = ".glassbox-";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// The few things a durable write asks of a disk, named so that a test can make each of them fail.
pub(crate) trait Disk {
    type File;
    fn create_new(&self, path: &Path) -> io::Result<Self::File>;
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<usize>;
    fn sync(&self, file: &mut Self::File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
}

pub(crate) fn write_on<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let fail = |action, error: io::Error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            FileError::DiskFull { path: path.to_owned(), needed: bytes.len() as u64 }
        }
        _ => FileError::io(action, path, error),
    };
    let folder = folder_of(path);
    let (temporary, file) = create_temporary(disk, folder).map_err(|e| fail("create", e))?;
    let written = fill(disk, file, bytes)
        .map_err(|e| fail("write", e))
        .and_then(|()| disk.rename(&temporary, path).map_err(|e| fail("rename a new file to", e)));
    if let Err(error) = written {
        // A failure to tidy up would only hide the reason for the failure to write.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_folder(folder).map_err(|e| fail("sync the folder of", e))
}

/// The file is closed on return: some systems refuse to rename an open one.
fn fill<D: Disk>(disk: &D, mut file: D::File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write(&mut file, bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    disk.sync(&mut file)
}

/// A killed process may have left a file of the same name (in a container every process may be number 1), hence
/// the loop; it ends because a folder does not hold this many leftovers by accident.
fn create_temporary<D: Disk>(disk: &D, folder: &Path) -> io::Result<(PathBuf, D::File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let process = std::process::id();
    for _ in 0..10_000 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{TEMPORARY_PREFIX}{process}-{number}{TEMPORARY_SUFFIX}"));
        match disk.create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (path, file)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The disk of the operating system.
pub(crate) struct Real;

impl Disk for Real {
    type File = File;

    fn create_new(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn sync(&self, file: &mut File) -> io::Result<()> {
        file.flush()?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Some network file systems cannot sync a folder and say so; they order a rename by other means.
    #[cfg(unix)]
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                Ok(())
            }
            other => other,
        }
    }

    /// Elsewhere a folder cannot be opened as a file; the rename itself is journalled.
    #[cfg(not(unix))]
    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
