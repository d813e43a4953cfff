//! Checkpoints: everything a run needs to go on, several steps side by side, each complete or absent.
//!
//! A checkpoint is a model file like any other, so that any program can look at its arrays: parameters and the
//! optimizer's memory under names of the trainer's choice. The run's own state (counters, history) is JSON in the
//! metadata, under the same seal. A new checkpoint has a new name, so the last one stays until it is pruned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::brief;
use super::{FileError, NamedArray, durable, safetensors};

const KIND: &str = "kind";
const STATE: &str = "state";

/// The arrays and the state of a run at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Parameters and the optimizer's memory.
    pub arrays: Vec<NamedArray>,
    state: String,
}

impl Checkpoint {
    /// Takes the arrays, and any state that serde can write and read back.
    ///
    /// JSON has no NaN and no infinity, and a state that holds one would be found unreadable only on the day it is
    /// needed. So the state is read back here, at once, and must come out the same.
    pub fn new<S: Serialize + DeserializeOwned>(
        arrays: Vec<NamedArray>,
        state: &S,
    ) -> Result<Self, FileError> {
        let text = to_text(state).map_err(|e| unstorable(brief(&e)))?;
        let back: S = serde_json::from_str(&text).map_err(|e| unstorable(brief(&e)))?;
        match to_text(&back) {
            Ok(again) if again == text => Ok(Self { arrays, state: text }),
            _ => Err(unstorable("a value that reads back as another".into())),
        }
    }

    /// The state, as it was given to [`Checkpoint::new`]; `path` is only what an error message calls the file.
    pub fn state<S: DeserializeOwned>(&self, path: &Path) -> Result<S, FileError> {
        serde_json::from_str(&self.state).map_err(|error| FileError::WrongState {
            path: path.to_owned(),
            expected: "the state of this program's run".into(),
            found: brief(&error),
            hint: "it may be from another version of the program; resume with that one",
        })
    }
}

/// Through a `Value`, whose tables are sorted, so that a hash map in the state gives the same text every time.
fn to_text<S: Serialize>(state: &S) -> serde_json::Result<String> {
    serde_json::to_string(&serde_json::to_value(state)?)
}

fn unstorable(found: String) -> FileError {
    let expected = "values that JSON keeps exactly, finite numbers among them".into();
    FileError::Unstorable { what: "the state".into(), expected, found }
}

/// The bytes of a checkpoint's file.
pub fn encode(checkpoint: &Checkpoint) -> Result<Vec<u8>, FileError> {
    let metadata = [(KIND, "checkpoint"), (STATE, &checkpoint.state)];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
    safetensors::encode(&checkpoint.arrays, &BTreeMap::from(metadata))
}

/// Writes one checkpoint durably under a name of your choice.
pub fn write(path: &Path, checkpoint: &Checkpoint) -> Result<(), FileError> {
    durable::write(path, &encode(checkpoint)?)
}

/// Reads one checkpoint and checks its seal.
pub fn read(path: &Path) -> Result<Checkpoint, FileError> {
    from_model(safetensors::read(path)?, path)
}

/// Reads a checkpoint from memory; `path` is only what error messages call it.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Checkpoint, FileError> {
    from_model(safetensors::decode(bytes, path)?, path)
}

fn from_model(mut file: safetensors::ModelFile, path: &Path) -> Result<Checkpoint, FileError> {
    let is_checkpoint =
        file.sealed && file.metadata.get(KIND).is_some_and(|kind| kind == "checkpoint");
    match file.metadata.remove(STATE).filter(|_| is_checkpoint) {
        Some(state) => Ok(Checkpoint { arrays: file.arrays, state }),
        None => Err(FileError::WrongState {
            path: path.to_owned(),
            expected: "a checkpoint".into(),
            found: "a model without a run's state".into(),
            hint: "give a file from the run's checkpoints folder",
        }),
    }
}

/// The name of the checkpoint of a step: `step-00000938.safetensors`.
pub fn file_name(step: u64) -> String {
    format!("step-{step:08}.safetensors")
}

/// Writes the checkpoint of a step into a folder, which is made if need be, and returns its path.
pub fn save(folder: &Path, step: u64, checkpoint: &Checkpoint) -> Result<PathBuf, FileError> {
    durable::create_folder(folder)?;
    let path = folder.join(file_name(step));
    write(&path, checkpoint)?;
    Ok(path)
}

/// What [`latest`] found.
#[derive(Debug)]
pub struct Latest {
    /// The newest checkpoint that is sound.
    pub found: Option<Found>,
    /// Newer ones that are not, newest first, each with the reason. Tell the user.
    pub skipped: Vec<(PathBuf, FileError)>,
}

/// A checkpoint, and where it was.
#[derive(Debug)]
pub struct Found {
    /// The step in its name.
    pub step: u64,
    /// Its file.
    pub path: PathBuf,
    /// What it holds.
    pub checkpoint: Checkpoint,
}

/// The newest sound checkpoint of a folder, and which newer ones had to be skipped and why.
pub fn latest(folder: &Path) -> Result<Latest, FileError> {
    let mut skipped = Vec::new();
    for (step, path) in newest_first(folder)? {
        match read(&path) {
            Ok(checkpoint) => {
                return Ok(Latest { found: Some(Found { step, path, checkpoint }), skipped });
            }
            Err(error) => skipped.push((path, error)),
        }
    }
    Ok(Latest { found: None, skipped })
}

/// The step of the newest checkpoint by name, sound or not, if there is one.
pub fn newest_step(folder: &Path) -> Result<Option<u64>, FileError> {
    Ok(newest_first(folder)?.first().map(|(step, _)| *step))
}

/// Removes all checkpoints older than the newest `keep` sound ones, and what killed processes left behind; at least
/// one is always kept. Returns the removed checkpoints. Only for the run that owns the folder.
pub fn prune(folder: &Path, keep: usize) -> Result<Vec<PathBuf>, FileError> {
    let mut sound = 0;
    let mut removed = Vec::new();
    for (_, path) in newest_first(folder)? {
        if sound < keep.max(1) {
            sound += usize::from(read(&path).is_ok());
        } else {
            remove(&path)?;
            removed.push(path);
        }
    }
    durable::remove_leftovers(folder)?;
    Ok(removed)
}

fn newest_first(folder: &Path) -> Result<Vec<(u64, PathBuf)>, FileError> {
    let steps = names(folder)?.into_iter().filter_map(|(name, path)| Some((step_of(&name)?, path)));
    let mut steps: Vec<_> = steps.collect();
    steps.sort_by(|a, b| b.cmp(a));
    Ok(steps)
}

/// The step in a name, only if we would have written just this name for it.
fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()?;
    (file_name(step) == name).then_some(step)
}

/// The folder's entries; names that are not Unicode are not ours.
fn names(folder: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    let list = || -> io::Result<Vec<_>> {
        let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries
            .into_iter()
            .filter_map(|e| Some((e.file_name().into_string().ok()?, e.path())))
            .collect())
    };
    list().map_err(|error| FileError::io("list the folder", folder, error))
}

fn remove(path: &Path) -> Result<(), FileError> {
    fs::remove_file(path).map_err(|error| FileError::io("remove", path, error))
}
