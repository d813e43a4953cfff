//! All runs: those that this process trains, and those in folders, which are looked for now and then.

use crate::error::Error;
use crate::feed::lock;
use crate::run::Run;
use glassbox::RunRecord;
use glassbox::run::EVENTS;
use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// All runs, in the order in which they were found. None ever goes.
#[derive(Default)]
pub(crate) struct Runs {
    folders: Vec<PathBuf>,
    all: Mutex<Vec<Arc<Run>>>,
    left_out: AtomicUsize,
}

/// The most runs, and the most folders that are looked into for them.
const MOST_RUNS: usize = 500;
const MOST_FOLDERS: usize = 5000;

/// How deep below the folders that were named runs may lie.
const DEPTH: usize = 2;

impl Runs {
    /// Those in the folders, each of which is a run or has some.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn new(folders: &[PathBuf]) -> Result<Runs, Error> {
        for folder in folders {
            fs::read_dir(folder).map_err(|error| Error::Runs {
                path: folder.clone(),
                reason: error.to_string(),
                hint: "name the folder of a run, or one that holds runs, such as runs",
            })?;
        }
        Ok(Runs { folders: folders.to_vec(), ..Runs::default() })
    }

    /// All of them, in the order in which they were found.
    pub fn all(&self) -> Vec<Arc<Run>> {
        lock(&self.all).clone()
    }

    /// The run of that id.
    pub fn find(&self, id: &str) -> Option<Arc<Run>> {
        lock(&self.all).iter().find(|run| run.id == id).cloned()
    }

    /// How many runs were found and are not among them, as there are too many.
    pub fn left_out(&self) -> usize {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Its place among them.
    pub fn place(&self, run: &Run) -> Option<usize> {
        lock(&self.all).iter().position(|other| other.id == run.id)
    }

    /// Those that this process trains, with their places.
    pub fn live(&self) -> Vec<(usize, Arc<Run>)> {
        let all = lock(&self.all);
        let live = all.iter().enumerate().filter(|(_, run)| run.live.is_some());
        live.map(|(index, run)| (index, Arc::clone(run))).collect()
    }

    /// Adds a run that this process trains.
    pub fn train(&self, run: Run) -> Arc<Run> {
        let run = Arc::new(run);
        let mut all = lock(&self.all);
        // What was found as a folder is now trained by this process; places stay.
        match all.iter_mut().find(|other| other.id == run.id) {
            Some(place) => *place = Arc::clone(&run),
            None => all.push(Arc::clone(&run)),
        }
        run
    }

    /// Looks for runs that are new.
    pub fn search(&self) {
        let mut found = Vec::new();
        let mut left = MOST_FOLDERS;
        for folder in &self.folders {
            if is_run(folder) {
                found.push((folder.clone(), glassbox::run::name(folder)));
            } else {
                below(folder, "", DEPTH, &mut left, &mut found);
            }
        }
        if found.len() > MOST_RUNS {
            // The newest are those that somebody wants to see.
            found.sort_by_cached_key(|(folder, _)| Reverse(written(folder)));
        }
        let mut left_out = 0;
        for (folder, name) in found {
            let run = Run::new(&folder, &name, None);
            let mut all = lock(&self.all);
            match all.iter().any(|other| other.id == run.id) {
                true => {}
                false if all.len() < MOST_RUNS => all.push(Arc::new(run)),
                false => left_out += 1,
            }
        }
        self.left_out.store(left_out, Ordering::Relaxed);
    }
}

/// When something was last written of a run.
fn written(folder: &Path) -> Option<SystemTime> {
    folder.join(EVENTS).metadata().ok()?.modified().ok()
}

fn is_run(folder: &Path) -> bool {
    folder.join(RunRecord::FILE).is_file() || folder.join(EVENTS).is_file()
}

/// The runs in a folder and in the folders in it, by name.
fn below(
    folder: &Path,
    prefix: &str,
    depth: usize,
    left: &mut usize,
    found: &mut Vec<(PathBuf, String)>,
) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).take(*left).collect();
    *left -= folders.len();
    folders.retain(|path| path.is_dir());
    folders.sort();
    for path in folders {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        if is_run(&path) {
            found.push((path, name));
        } else if depth > 1 {
            below(&path, &format!("{name}/"), depth - 1, left, found);
        }
    }
}
