//! The durable write against failing disks and power cuts: every call fails once, and every crash is played through.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::durable::{self, Disk, Real, write_on};
use super::{Checkpoint, FileError, NamedArray, checkpoint};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

/// How the disk fails from a certain call on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// This call says no, later ones work.
    Once(i32),
    /// A write takes half of its bytes, and the next write says no.
    Half(i32),
    /// The process is killed: nothing works any more, nobody tidies up.
    Dead,
}

/// The real disk, which takes 100 bytes at a time and fails at call `at`.
struct Failing {
    at: usize,
    fault: Fault,
    calls: Cell<usize>,
}

impl Failing {
    fn new(at: usize, fault: Fault) -> Self {
        Self { at, fault, calls: Cell::new(0) }
    }

    fn call(&self) -> io::Result<()> {
        let call = self.calls.replace(self.calls.get() + 1);
        match self.fault {
            Fault::Once(code) if call == self.at => Err(io::Error::from_raw_os_error(code)),
            Fault::Half(code) if call == self.at + 1 => Err(io::Error::from_raw_os_error(code)),
            Fault::Dead if call >= self.at => Err(io::Error::from_raw_os_error(EIO)),
            _ => Ok(()),
        }
    }
}

impl Disk for Failing {
    type File = std::fs::File;

    fn create_new(&self, path: &Path) -> io::Result<Self::File> {
        self.call().and_then(|()| Real.create_new(path))
    }

    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<usize> {
        let half = self.calls.get() == self.at && matches!(self.fault, Fault::Half(_));
        let most = if half { 50 } else { 100 };
        self.call().and_then(|()| Real.write(file, &bytes[..bytes.len().min(most)]))
    }

    fn sync(&self, file: &mut Self::File) -> io::Result<()> {
        self.call().and_then(|()| Real.sync(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call().and_then(|()| Real.rename(from, to))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.call().and_then(|()| Real.sync_folder(path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call().and_then(|()| Real.remove(path))
    }
}

fn checkpoint_of(step: u64) -> Checkpoint {
    let weights = (0..64).map(|i| (i + step) as f32).collect();
    Checkpoint::new(vec![NamedArray::new("w", &[8, 8], weights)], &step).unwrap()
}

fn leftovers(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap();
    names
        .filter(|e| durable::is_leftover(&e.as_ref().unwrap().file_name().to_string_lossy()))
        .count()
}

/// The newest checkpoint's step, which must be sound and hold what was written for it.
fn newest(folder: &Path) -> u64 {
    let latest = checkpoint::latest(folder).unwrap();
    assert!(latest.skipped.is_empty(), "{:?}", latest.skipped);
    let found = latest.found.unwrap();
    assert_eq!(found.checkpoint, checkpoint_of(found.step));
    found.step
}

#[test]
fn whichever_call_fails_a_whole_checkpoint_is_there() {
    let bytes = checkpoint::encode(&checkpoint_of(2)).unwrap();
    let clean = Failing::new(usize::MAX - 1, Fault::Dead);
    let folder = tempfile::tempdir().unwrap();
    write_on(&clean, &folder.path().join("clean"), &bytes).unwrap();
    let calls = clean.calls.get();
    assert!(calls > 8, "create, several writes, sync, rename, sync the folder: {calls}");
    for at in 0..calls {
        for fault in [EIO, ENOSPC, EDQUOT].map(Fault::Once) {
            fail_at(at, calls, fault, &bytes);
        }
        fail_at(at, calls, Fault::Half(ENOSPC), &bytes);
        fail_at(at, calls, Fault::Dead, &bytes);
    }
}

fn fail_at(at: usize, calls: usize, fault: Fault, bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    checkpoint::save(folder.path(), 1, &checkpoint_of(1)).unwrap();
    let path = folder.path().join(checkpoint::file_name(2));
    let result = write_on(&Failing::new(at, fault), &path, bytes);
    let failing = if matches!(fault, Fault::Half(_)) { at + 1 } else { at };
    let case = format!("{fault:?} at call {at} of {calls}: {result:?}");
    // Only the last call, syncing the folder, finds the new file already under its name.
    assert_eq!(newest(folder.path()), if failing < calls - 1 { 1 } else { 2 }, "{case}");
    assert_eq!(result.is_ok(), failing >= calls, "{case}");
    let left = usize::from(fault == Fault::Dead && (1..calls - 1).contains(&at));
    assert_eq!(leftovers(folder.path()), left, "{case}");
    if let (Err(error), Fault::Once(ENOSPC | EDQUOT) | Fault::Half(_)) = (&result, fault) {
        assert!(
            matches!(error, FileError::DiskFull { needed, .. } if *needed == bytes.len() as u64)
        );
        assert!(error.to_string().contains(&bytes.len().to_string()), "{error}");
    }
    checkpoint::save(folder.path(), 3, &checkpoint_of(3)).unwrap();
    checkpoint::prune(folder.path(), 1).unwrap();
    assert_eq!((newest(folder.path()), leftovers(folder.path())), (3, 0), "{case}");
}

/// What a disk was asked to do, in order. Files are numbers, because a name is only a way to one.
#[derive(Debug, Clone, PartialEq)]
enum Op {
    Create(usize, PathBuf),
    Write(usize, Vec<u8>),
    Sync(usize),
    Rename(PathBuf, PathBuf),
    SyncFolder,
}

/// Records instead of writing, three bytes at a time.
#[derive(Default)]
struct Recorder(RefCell<Vec<Op>>);

impl Recorder {
    fn record(&self, op: Op) {
        self.0.borrow_mut().push(op);
    }
}

impl Disk for Recorder {
    type File = usize;

    fn create_new(&self, path: &Path) -> io::Result<usize> {
        let file = self.0.borrow().len();
        self.record(Op::Create(file, path.to_owned()));
        Ok(file)
    }

    fn write(&self, file: &mut usize, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(3)];
        self.record(Op::Write(*file, piece.to_owned()));
        Ok(piece.len())
    }

    fn sync(&self, file: &mut usize) -> io::Result<()> {
        self.record(Op::Sync(*file));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.record(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        self.record(Op::SyncFolder);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        panic!("nothing failed, and {path:?} is removed")
    }
}

/// Everything that `target` may hold when the power goes after `trace`: each write that was not synced is there, or
/// zeros are there in its place, or the file ends before it; of the changes to the folder since it was last synced,
/// any number have happened, in order.
fn after_power_cut(trace: &[Op], target: &Path) -> Vec<Option<Vec<u8>>> {
    let synced_until = trace.iter().rposition(|op| *op == Op::SyncFolder).unwrap_or(0);
    let is_change = |op: &&Op| matches!(op, Op::Create(..) | Op::Rename(..));
    let certain = trace[..synced_until].iter().filter(is_change).count();
    let changes: Vec<_> = trace.iter().filter(is_change).collect();
    (certain..=changes.len()).flat_map(|n| contents(trace, find(&changes[..n], target))).collect()
}

fn find(changes: &[&Op], target: &Path) -> Option<usize> {
    let mut folder = BTreeMap::new();
    for change in changes {
        match change {
            Op::Create(file, name) => drop(folder.insert(name, *file)),
            Op::Rename(from, to) => {
                let file = folder.remove(from).unwrap();
                folder.insert(to, file);
            }
            _ => {}
        }
    }
    folder.get(&target.to_owned()).copied()
}

fn contents(trace: &[Op], file: Option<usize>) -> Vec<Option<Vec<u8>>> {
    let Some(file) = file else { return vec![None] };
    let (mut synced, mut pieces) = (Vec::new(), Vec::new());
    for op in trace {
        match op {
            Op::Write(to, piece) if *to == file => pieces.push(piece.clone()),
            Op::Sync(of) if *of == file => synced.extend(pieces.drain(..).flatten()),
            _ => {}
        }
    }
    let survivors = (0..1_u32 << pieces.len()).flat_map(|kept| {
        let mut whole = synced.clone();
        let mut cut = synced.len();
        for (i, piece) in pieces.iter().enumerate() {
            let here = kept >> i & 1 == 1;
            whole.extend(piece.iter().map(|&byte| if here { byte } else { 0 }));
            cut = if here { whole.len() } else { cut };
        }
        [Some(whole[..cut].to_vec()), Some(whole)]
    });
    survivors.collect()
}

const OLD: &[u8] = b"the old content";
const NEW: &[u8] = b"a new content, a little longer, in 13 ";

/// Plays all crashes of an old write followed by a new one. Returns how many states there were and the first that
/// breaks the promise.
fn play(keep: impl Fn(&Op) -> bool) -> (usize, Option<String>) {
    let target = Path::new("folder/model");
    let disk = Recorder::default();
    write_on(&disk, target, OLD).unwrap();
    let old_done = disk.0.borrow().iter().filter(|op| keep(op)).count();
    write_on(&disk, target, NEW).unwrap();
    let trace: Vec<_> = disk.0.into_inner().into_iter().filter(|op| keep(op)).collect();
    let (mut states, mut broken) = (0, None);
    for end in 0..=trace.len() {
        for content in after_power_cut(&trace[..end], target) {
            let allowed = match content.as_deref() {
                None => end < old_done,
                Some(content) => content == OLD && end < trace.len() || content == NEW,
            };
            states += 1;
            if !allowed && broken.is_none() {
                broken = Some(format!("after {end} of {}: {content:?}", trace.len()));
            }
        }
    }
    (states, broken)
}

#[test]
fn a_power_cut_leaves_the_old_content_or_the_new() {
    let (states, broken) = play(|_| true);
    assert_eq!(broken, None);
    assert!(states >= 40, "{states}");
}

/// The game itself must be able to lose: without either sync there is a crash that breaks the promise.
#[test]
fn both_syncs_are_needed() {
    let (states, broken) = play(|op| !matches!(op, Op::Sync(_)));
    assert!(broken.is_some() && states >= 10_000, "{states}");
    assert!(play(|op| *op != Op::SyncFolder).1.is_some());
}
