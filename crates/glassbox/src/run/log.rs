//! `events.jsonl`: every event of a run, one JSON object a line.

use crate::error::{Error, Result};
use crate::event::{Event, Sink};
use crate::file::durable;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The file of a run's events.
pub(super) struct EventLog {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventLog {
    const FILE: &str = "events.jsonl";

    /// An empty file.
    pub fn create(folder: &Path) -> Result<EventLog> {
        let path = folder.join(EventLog::FILE);
        durable::write(&path, b"")?;
        EventLog::open(path)
    }

    /// The newest step of which the log says that it was kept: in a checkpoint, or as the end.
    pub fn kept(folder: &Path) -> u64 {
        let text = fs::read(folder.join(EventLog::FILE)).unwrap_or_default();
        let events = text.split(|&byte| byte == b'\n').filter_map(|line| {
            match serde_json::from_slice(line).ok()? {
                Event::Checkpoint { step, .. } | Event::Finished { step, .. } => Some(step),
                _ => None,
            }
        });
        events.max().unwrap_or(0)
    }

    /// The file without what came after `step`, which will happen again.
    pub fn resume(folder: &Path, step: u64) -> Result<EventLog> {
        let path = folder.join(EventLog::FILE);
        let text = fs::read(&path).unwrap_or_default();
        // A line that cannot be read was cut off by a kill, and is dropped alone.
        let lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| {
            let event = serde_json::from_slice::<Event>(line);
            line.ends_with(b"\n") && event.is_ok_and(|event| happened_by(&event, step))
        });
        durable::write(&path, &lines.flatten().copied().collect::<Vec<u8>>())?;
        EventLog::open(path)
    }

    fn open(path: PathBuf) -> Result<EventLog> {
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|error| cannot_write(&path, &error))?;
        Ok(EventLog { path, file: BufWriter::new(file) })
    }
}

/// No event takes as many bytes: a look into a layer takes about two thousand.
const MOST_BYTES: u64 = 1 << 24;

/// Gives the events of a run's folder to `hear`, one by one. Returns how many lines were damaged and passed over.
///
/// # Errors
/// If there is no such file, or it cannot be read.
pub fn read_events(folder: &Path, hear: &mut dyn FnMut(&Event)) -> Result<u64> {
    let path = folder.join(EventLog::FILE);
    let fail = |error: std::io::Error| {
        let hint = "name the folder of a run, as `glassbox train` prints it".to_string();
        Error::Run { path: path.clone(), reason: error.to_string(), hint }
    };
    let mut file = BufReader::new(File::open(&path).map_err(fail)?);
    let (mut line, mut skipped) = (Vec::new(), 0);
    loop {
        line.clear();
        let read = (&mut file).take(MOST_BYTES).read_until(b'\n', &mut line).map_err(fail)?;
        if read == 0 {
            return Ok(skipped);
        }
        match serde_json::from_slice::<Event>(&line) {
            Ok(event) => hear(&event),
            Err(_) => skipped += 1,
        }
        // The rest of a line that is too long is no event either.
        while read as u64 == MOST_BYTES && line.last() != Some(&b'\n') {
            line.clear();
            if (&mut file).take(MOST_BYTES).read_until(b'\n', &mut line).map_err(fail)? == 0 {
                break;
            }
        }
    }
}

impl Sink for EventLog {
    fn event(&mut self, event: &Event) -> Result<()> {
        let line =
            serde_json::to_string(event).map_err(|error| cannot_write(&self.path, &error))?;
        let mut written = writeln!(self.file, "{line}");
        if !matches!(event, Event::Step { .. }) {
            written = written.and_then(|()| self.file.flush());
        }
        written.map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Whether the event belongs to the run up to `step`.
fn happened_by(event: &Event, step: u64) -> bool {
    match event {
        Event::Started { step: at, .. } | Event::Step { step: at, .. } => *at <= step,
        Event::Checkpoint { step: at, .. } | Event::System { step: at, .. } => *at <= step,
        Event::Inside { step: at, .. } | Event::Warning { step: at, .. } => *at <= step,
        Event::Control { step: at, .. } => *at <= step,
        Event::Epoch(epoch) => epoch.step <= step,
        Event::Finished { .. } => false,
    }
}

fn cannot_write(path: &Path, error: &dyn std::error::Error) -> Error {
    let (reason, hint) = (error.to_string(), "is the disk full? the last checkpoint is intact");
    Error::Run { path: path.to_path_buf(), reason, hint: hint.to_string() }
}
