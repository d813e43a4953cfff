//! Programs, files and texts: what compiling kernels needs of the system.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `fmaf` is one instruction on a processor that has it, and a slow function elsewhere.
pub fn fma_flag() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        return "-mfma";
    }
    ""
}

/// What the user adds: `-O0 -g` for a debugger, say.
pub fn own_flags() -> String {
    std::env::var("CXXFLAGS").unwrap_or_default()
}

/// What compiles.
pub fn compiler() -> String {
    std::env::var("CXX").unwrap_or_else(|_| "g++".into())
}

/// Makes a file under another name first: one that is there is taken as it is, so it has to be whole.
pub fn make(file: &Path, how: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    let part = PathBuf::from(format!("{}.{}.part", file.display(), std::process::id()));
    how(&part)?;
    fs::rename(&part, file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Runs a program, and returns what it complained of if it failed.
pub fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| {
        format!(
            "{program}: {error}\nhint: the simulated CUDA driver is compiled with g++; install it (on Debian: apt \
             install g++), or name another compiler in CXX"
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    Err(format!("{errors}in: {program} {}", arguments.join(" ")))
}

/// All files in a folder and below, in order; none if there is no such folder.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let below = |path: PathBuf| if path.is_dir() { files_in(&path) } else { vec![path] };
    paths.into_iter().flat_map(below).collect()
}

/// The same number for the same value, in every run.
pub fn hash(value: &impl Hash) -> u64 {
    let mut state = DefaultHasher::new();
    value.hash(&mut state);
    state.finish()
}

/// A text in words.
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

/// A path as text.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Makes a folder and those above it.
pub fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// The text of a file.
pub fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Writes a text to a file.
pub fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
