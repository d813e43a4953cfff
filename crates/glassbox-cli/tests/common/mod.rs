//! What the tests of the command line share: the program, in a world with no data and no network.
#![allow(dead_code)] // Each test file uses its own part of this.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Outcome {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let outcome = Outcome { code: output.status.code(), stdout, stderr };
        assert!(!outcome.stderr.contains("panicked"), "it panicked: {}", outcome.stderr);
        outcome
    }
}

impl Outcome {
    /// The object that `--json` printed: one line, and nothing else.
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).expect("stdout is JSON")
    }

    pub fn ok(self) -> Outcome {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It failed with one of these codes, said so, and said what to do; nothing went to stdout.
    pub fn fails(self, codes: &[i32]) -> Outcome {
        assert!(self.code.is_some_and(|code| codes.contains(&code)), "not {codes:?}: {self:?}");
        let stderr = self.stderr.to_lowercase();
        assert!(stderr.contains("error") && self.stdout.is_empty(), "{self:?}");
        // The last words on an unknown or missing word are clap's own.
        assert!(
            ["hint", "tip:", "--help", "possible values"].iter().any(|h| stderr.contains(h)),
            "{self:?}"
        );
        self
    }

    /// It failed with one of these codes and a hint of ours.
    pub fn hints(self, codes: &[i32]) -> Outcome {
        assert!(self.stderr.contains("hint"), "{self:?}");
        self.fails(codes)
    }
}

/// The program with these words, in `folder`, with an empty home and no network.
pub fn command(folder: &Path, words: &[&str]) -> Command {
    called_by(Command::new(env!("CARGO_BIN_EXE_glassbox")), folder, words)
}

/// The same, where signals do what `flags` of env say: whoever started the tests may have had some ignored, as a shell
/// does for what it runs in the background, and children inherit that.
#[cfg(target_os = "linux")]
pub fn command_with_signals(flags: &[&str], folder: &Path, words: &[&str]) -> Command {
    let mut env = Command::new("env");
    env.args(flags).arg(env!("CARGO_BIN_EXE_glassbox"));
    called_by(env, folder, words)
}

#[cfg(not(target_os = "linux"))]
pub fn command_with_signals(_: &[&str], folder: &Path, words: &[&str]) -> Command {
    command(folder, words)
}

/// The same, where the program may have so many files open.
#[cfg(unix)]
pub fn command_with_files(limit: u32, folder: &Path, words: &[&str]) -> Command {
    let mut sh = Command::new("sh");
    let limited = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
    sh.args(["-c", &limited, env!("CARGO_BIN_EXE_glassbox")]);
    called_by(sh, folder, words)
}

fn called_by(mut command: Command, folder: &Path, words: &[&str]) -> Command {
    command.args(words).current_dir(folder).stdin(Stdio::null());
    let home = folder.join("home");
    command.env_remove("GLASSBOX_DATA").env_remove("GLASSBOX_SIMD").env("GLASSBOX_OFFLINE", "1");
    command.env("HOME", &home).env("XDG_CACHE_HOME", home.join("cache"));
    command
}

/// Runs it to its end.
pub fn glassbox(folder: &Path, words: &[&str]) -> Outcome {
    command(folder, words).output().expect("the program starts").into()
}

/// An empty folder.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A path as a word of a command.
pub fn word(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// A small set of digits as IDX files, which loads at once. Made once for all tests of a file.
pub fn few_digits() -> &'static str {
    static FOLDER: OnceLock<(TempDir, String)> = OnceLock::new();
    let (_, path) = FOLDER.get_or_init(|| {
        let folder = folder();
        for (half, first, count) in [("train", 0, 4000), ("t10k", 60_000, 500)] {
            let (pixels, labels) = glassbox::data::digits::generate(1, first, count);
            idx(
                &folder.path().join(format!("{half}-images-idx3-ubyte")),
                &[count, 28, 28],
                &pixels,
            );
            idx(&folder.path().join(format!("{half}-labels-idx1-ubyte")), &[count], &labels);
        }
        let path = word(folder.path()).to_string();
        (folder, path)
    });
    path
}

/// Writes an IDX file of bytes.
pub fn idx(path: &Path, sizes: &[u32], content: &[u8]) {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(content);
    std::fs::write(path, bytes).expect("a temporary file");
}

/// The words of a training: two epochs of a network on a small set, a second or so on one thread.
pub fn words() -> Vec<&'static str> {
    let words = ["train", "--data", few_digits(), "--model", "784-64-relu-10", "--epochs", "2"];
    [&words[..], &["--batch", "4", "--lr", "0.01", "--seed", "5", "--threads", "1", "--json"]]
        .concat()
}

/// The same, and more words behind.
pub fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&words()[..], more].concat()
}

/// What two epochs in one go come to.
pub fn in_one_go(folder: &Path) -> Value {
    glassbox(folder, &with(&["--out", "whole", "--quiet"])).ok().json()
}

/// Everything in a run's folder that is called a model or checkpoint can be read.
pub fn all_readable(run: &Path) {
    for file in files(run) {
        if file.extension().is_some_and(|extension| extension == "safetensors") {
            let read = glassbox::file::safetensors::read(&file);
            assert!(read.is_ok(), "{}: {}", file.display(), read.unwrap_err());
        }
    }
}

/// A small trained run, `run` in the folder that is returned.
pub fn small_run() -> (TempDir, PathBuf) {
    let folder = folder();
    let run = folder.path().join("run");
    let words = ["train", "--data", few_digits(), "--model", "784-16-relu-10", "--epochs", "3"];
    let more = ["--seed", "3", "--threads", "1", "--out", "run", "--quiet", "--json"];
    glassbox(folder.path(), &[&words[..], &more].concat()).ok();
    (folder, run)
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.path())).collect()
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
}
