//! A run: the one that this process trains, or a folder, which another may still write to.

use crate::facts::Facts;
use crate::feed::{Inbox, lock};
use crate::story::Story;
use glassbox::run::Follower;
use glassbox::{Control, Event, RunRecord};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// The file of a run's events.
pub(crate) const EVENTS: &str = "events.jsonl";

/// A run.
pub(crate) struct Run {
    /// What it is called in addresses. It says nothing of names and folders.
    pub id: String,
    pub name: String,
    pub folder: PathBuf,
    /// If it is this process that trains.
    pub live: Option<Live>,
    state: Mutex<State>,
}

/// A training in this process.
pub(crate) struct Live {
    pub inbox: Arc<Inbox>,
    pub control: Control,
}

struct State {
    record: Option<RunRecord>,
    /// Facts of a run whose story nobody has asked for.
    glance: Facts,
    story: Option<Box<Story>>,
    follower: Follower,
    /// The file as it was last seen: its length, and when it was written to.
    stamp: Option<(u64, SystemTime)>,
    used: Instant,
}

/// So much of the beginning and the end of a file tells what a run has come to.
const GLANCE: u64 = 32 << 10;

/// A story that nobody has asked for in so long is forgotten.
const FORGET: Duration = Duration::from_secs(300);

impl Run {
    /// The run in a folder, of which nothing is read yet.
    pub fn new(folder: &Path, name: &str, live: Option<Live>) -> Run {
        let state = State {
            record: None,
            glance: Facts::default(),
            story: None,
            follower: Follower::new(folder),
            stamp: None,
            used: Instant::now(),
        };
        let (id, name, folder) = (id(folder), name.to_string(), folder.to_path_buf());
        Run { id, name, folder, live, state: Mutex::new(state) }
    }

    /// Its facts, and its settings if they could be read.
    pub fn facts(&self) -> (Facts, Option<RunRecord>) {
        let state = lock(&self.state);
        let story = state.story.as_ref().map(|story| &story.facts);
        let mut facts = story.unwrap_or(&state.glance).clone();
        facts.control = self.live.as_ref().map(|live| live.control.state());
        (facts, state.record.clone())
    }

    /// When its file was last written to.
    pub fn modified(&self) -> Option<SystemTime> {
        lock(&self.state).stamp.map(|(_, at)| at)
    }

    /// Does something with its story, which is read if need be.
    pub fn with_story<R>(&self, with: impl FnOnce(&Story, Option<&RunRecord>) -> R) -> R {
        let mut state = lock(&self.state);
        state.used = Instant::now();
        if state.story.is_none() {
            state.read(&self.name);
        }
        let State { story, record, .. } = &*state;
        with(story.as_ref().expect("it was just read"), record.as_ref())
    }

    /// Tells the story what happened in this process. False if it is being looked at: then another time will do.
    pub fn hear(&self, events: &[Event]) -> bool {
        let Ok(mut state) = self.state.try_lock() else { return false };
        let story = state.story.get_or_insert_with(|| Box::new(Story::new(&self.name)));
        events.iter().for_each(|event| story.hear(event));
        true
    }

    /// Reads what has been written to the folder since the last time. Returns whether that was anything.
    pub fn look(&self, hear: &mut dyn FnMut(&Event)) -> bool {
        let mut state = lock(&self.state);
        if state.record.is_none() {
            state.record = RunRecord::read(&self.folder).ok();
        }
        if self.live.is_none() && state.story.is_some() && state.used.elapsed() > FORGET {
            let follower = Follower::new(&self.folder);
            (state.story, state.follower, state.stamp) = (None, follower, None);
        }
        // A training in this process says itself what happens.
        let may_grow = self.live.is_none() || state.story.is_none();
        if !may_grow || !state.is_changed(&self.folder.join(EVENTS)) {
            return false;
        }
        match (&state.story, &self.live) {
            (None, None) => state.glance = glance(&self.folder.join(EVENTS)),
            (None, Some(_)) => state.read(&self.name),
            (Some(_), _) => state.follow(&self.name, hear),
        }
        true
    }
}

impl State {
    fn read(&mut self, name: &str) {
        self.story = Some(Box::new(Story::new(name)));
        self.follow(name, &mut |_| ());
    }

    /// What cannot be read is as good as nothing: the page shows an empty run.
    fn follow(&mut self, name: &str, hear: &mut dyn FnMut(&Event)) {
        let Some(story) = &mut self.story else { return };
        if self.follower.is_another().unwrap_or(false) {
            **story = Story::new(name);
        }
        _ = self.follower.more(&mut |event| {
            story.hear(event);
            hear(event);
        });
    }

    /// Whether the file, which has to be one, was written to since the last time.
    fn is_changed(&mut self, path: &Path) -> bool {
        let found = path.metadata().ok().filter(std::fs::Metadata::is_file);
        let stamp = found.and_then(|found| Some((found.len(), found.modified().ok()?)));
        let is_changed = stamp.is_some() && stamp != self.stamp;
        self.stamp = stamp.or(self.stamp);
        is_changed
    }
}

/// What the beginning and the end of a file of events tell.
fn glance(path: &Path) -> Facts {
    let mut facts = Facts::default();
    let Ok(mut file) = File::open(path) else { return facts };
    let mut hear = |file: &mut File, from: u64| {
        _ = file.seek(SeekFrom::Start(from));
        let mut lines = BufReader::new(file.take(GLANCE)).split(b'\n');
        // A line that begins before is cut off, and is none.
        while let Some(Ok(line)) = lines.next() {
            if let Ok(event) = serde_json::from_slice(&line) {
                facts.hear(&event);
            }
        }
    };
    let length = file.metadata().map_or(0, |found| found.len());
    hear(&mut file, 0);
    if length > GLANCE {
        hear(&mut file, (length - GLANCE).max(GLANCE));
    }
    facts
}

/// A number that stands for a folder: FNV-1a, 64 bits, of its path.
fn id(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let bytes = whole.as_os_str().as_encoded_bytes().iter();
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
