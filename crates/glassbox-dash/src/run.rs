//! A run: the one that this process trains, or a folder, which another may still write to.

use crate::facts::Facts;
use crate::feed::{Inbox, lock};
use crate::story::Story;
use glassbox::run::{EVENTS, Follower};
use glassbox::{Control, Event, RunRecord};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// A run.
pub(crate) struct Run {
    /// What it is called in addresses. It says nothing of names and folders.
    pub id: String,
    pub name: String,
    pub folder: PathBuf,
    /// If it is this process that trains.
    pub live: Option<Live>,
    state: Mutex<State>,
    seen: Mutex<Seen>,
}

/// What the server's thread says of a run. Nobody holds it for long, while a state is held as long as a file is read.
struct Seen {
    facts: Facts,
    record: Option<RunRecord>,
    modified: Option<SystemTime>,
    /// That of its story, if it was read.
    version: Option<u64>,
    used: Instant,
}

/// What has happened in a run.
pub(crate) enum Found<'a> {
    Events(&'a [Event]),
    /// It is new, or what is known of it in short is.
    Run,
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
    /// Whoever draws has it in hand while it goes on.
    story: Option<Arc<Story>>,
    follower: Follower,
    /// The file as it was last seen: its length, and when it was written to.
    stamp: Option<(u64, SystemTime)>,
    /// Whether viewers know that there is this run, and what it has come to.
    is_told: bool,
}

/// So much of the beginning and the end of a file tells what a run has come to.
const GLANCE: u64 = 32 << 10;

/// The most events that are told at a time.
const MOST_AT_ONCE: usize = 4096;

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
            is_told: false,
        };
        let (facts, used) = (Facts::default(), Instant::now());
        let seen = Seen { facts, record: None, modified: None, version: None, used };
        let (id, name, folder) = (id(folder), name.to_string(), folder.to_path_buf());
        Run { id, name, folder, live, state: Mutex::new(state), seen: Mutex::new(seen) }
    }

    /// Its facts, and its settings if they could be read.
    pub fn facts(&self) -> (Facts, Option<RunRecord>) {
        let seen = lock(&self.seen);
        let mut facts = seen.facts.clone();
        facts.control = self.live.as_ref().map(|live| live.control.state());
        (facts, seen.record.clone())
    }

    /// When its file was last written to.
    pub fn modified(&self) -> Option<SystemTime> {
        lock(&self.seen).modified
    }

    /// The version of its story, if it was read; somebody still looks at it.
    pub fn version(&self) -> Option<u64> {
        let mut seen = lock(&self.seen);
        seen.used = Instant::now();
        seen.version
    }

    /// Does something with its story as it is now, which is read if need be.
    pub fn with_story<R>(&self, with: impl FnOnce(&Story, Option<&RunRecord>) -> R) -> R {
        lock(&self.seen).used = Instant::now();
        let mut state = lock(&self.state);
        if state.story.is_none() {
            // It may hold more than viewers were told.
            state.is_told = false;
            self.read(&mut state);
        }
        let story = Arc::clone(state.story.as_ref().expect("it was just read"));
        let record = state.record.clone();
        drop(state);
        with(&story, record.as_ref())
    }

    /// Tells the story what happened in this process. False if its file is being read: then another time will do.
    pub fn hear(&self, events: &[Event]) -> bool {
        let Ok(mut state) = self.state.try_lock() else { return false };
        let story = state.story.get_or_insert_with(|| Arc::new(Story::new(&self.name)));
        let story = Arc::make_mut(story);
        events.iter().for_each(|event| story.hear(event));
        self.show(&state);
        true
    }

    /// Reads what has been written to the folder since the last time, and tells it in order. Where somebody reads it
    /// already, that one tells.
    pub fn look(&self, tell: &mut dyn FnMut(Found)) {
        let Ok(mut state) = self.state.try_lock() else { return };
        if state.record.is_none() {
            state.record = RunRecord::read(&self.folder).ok();
            state.is_told &= state.record.is_none();
        }
        let is_unused = || lock(&self.seen).used.elapsed() > FORGET;
        if self.live.is_none() && state.story.is_some() && is_unused() {
            let follower = Follower::new(&self.folder);
            (state.story, state.follower, state.stamp) = (None, follower, None);
        }
        // A training in this process says itself what happens.
        let may_grow = self.live.is_none() || state.story.is_none();
        if may_grow && state.is_changed(&self.folder.join(EVENTS)) {
            match (&state.story, &self.live) {
                (Some(_), _) => self.follow(&mut state, tell),
                (None, live) => {
                    state.is_told = false;
                    match live {
                        Some(_) => self.read(&mut state),
                        None => state.glance = glance(&self.folder.join(EVENTS)),
                    }
                }
            }
        }
        self.show(&state);
        if !std::mem::replace(&mut state.is_told, true) {
            tell(Found::Run);
        }
    }

    fn read(&self, state: &mut State) {
        state.story = Some(Arc::new(Story::new(&self.name)));
        self.follow(state, &mut |_| ());
        self.show(state);
    }

    /// What cannot be read is as good as nothing: the page shows an empty run.
    fn follow(&self, state: &mut State, tell: &mut dyn FnMut(Found)) {
        let is_another = state.follower.is_another().unwrap_or(false);
        if is_another {
            state.record = RunRecord::read(&self.folder).ok();
        }
        let State { story: Some(story), follower, .. } = state else { return };
        let story = Arc::make_mut(story);
        if is_another {
            *story = Story::new(&self.name);
        }
        let mut events = Vec::new();
        let mut pass = |events: &mut Vec<Event>, story: &Story| {
            lock(&self.seen).facts = story.facts.clone();
            tell(Found::Events(events));
            events.clear();
        };
        _ = follower.more(&mut |event| {
            story.hear(event);
            events.push(event.clone());
            if events.len() >= MOST_AT_ONCE {
                pass(&mut events, story);
            }
        });
        pass(&mut events, story);
    }

    /// From now on this is what is said of it.
    fn show(&self, state: &State) {
        let mut seen = lock(&self.seen);
        let facts = state.story.as_ref().map_or(&state.glance, |story| &story.facts);
        seen.facts.clone_from(facts);
        seen.record.clone_from(&state.record);
        seen.modified = state.stamp.map(|(_, at)| at);
        seen.version = state.story.as_ref().map(|story| story.version);
    }
}

impl State {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn control(step: u64) -> Event {
        Event::Control { step, change: glassbox::Change::Paused }
    }

    #[test]
    fn who_looks_at_a_story_keeps_nobody_from_the_news() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::new(folder.path(), "run", None);
        run.with_story(|story, _| {
            assert!(run.hear(&[control(7)]), "while it is drawn, it goes on");
            assert_eq!((run.facts().0.step, story.facts.step), (7, 0));
        });
        run.with_story(|story, _| assert_eq!(story.facts.step, 7));
        // Nor who reads its file.
        let run = Arc::new(run);
        let _reading = lock(&run.state);
        let (say, heard) = std::sync::mpsc::channel();
        let viewer = Arc::clone(&run);
        std::thread::spawn(move || say.send((viewer.facts().0.step, viewer.modified())));
        assert_eq!(heard.recv_timeout(Duration::from_secs(20)), Ok((7, None)));
    }
}
