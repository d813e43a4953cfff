//! `events.jsonl`: every event of a run, one JSON object a line.

use super::EVENTS;
use super::reading::{each_line, read_events};
use super::thinning::Thinning;
use crate::error::{Error, Result};
use crate::event::{Event, Sink};
use crate::file::durable;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// The file of a run's events.
pub(super) struct EventLog {
    path: PathBuf,
    file: BufWriter<File>,
    thinning: Thinning,
}

impl EventLog {
    /// An empty file.
    pub fn create(folder: &Path) -> Result<EventLog> {
        let path = folder.join(EVENTS);
        durable::write(&path, b"")?;
        EventLog::open(path)
    }

    /// The newest step of which the log says that it was kept: in a checkpoint, or as the end.
    pub fn kept(folder: &Path) -> u64 {
        let mut newest = 0;
        let hear = &mut |event: &Event| match event {
            Event::Checkpoint { step, .. } | Event::Finished { step, .. } => {
                newest = newest.max(*step);
            }
            _ => {}
        };
        // A log that cannot be read says nothing.
        _ = read_events(folder, hear);
        newest
    }

    /// The file without what came after `step`, which will happen again.
    pub fn resume(folder: &Path, step: u64) -> Result<EventLog> {
        let path = folder.join(EVENTS);
        let (mut text, mut thinning) = (Vec::new(), Thinning::new());
        if let Ok(file) = File::open(&path) {
            let keep = &mut |line: &[u8], event: Option<Event>| {
                // A line that cannot be read was cut off by a kill, and is dropped alone.
                let is_whole = line.ends_with(b"\n");
                if let Some(event) = event.filter(|event| is_whole && happened_by(event, step)) {
                    _ = thinning.write(&event, line, &mut text);
                }
            };
            each_line(BufReader::new(file), keep).map_err(|error| cannot_write(&path, &error))?;
        }
        durable::write(&path, &text)?;
        let log = EventLog::open(path)?;
        Ok(EventLog { thinning, ..log })
    }

    fn open(path: PathBuf) -> Result<EventLog> {
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|error| cannot_write(&path, &error))?;
        Ok(EventLog { path, file: BufWriter::new(file), thinning: Thinning::new() })
    }
}

impl Sink for EventLog {
    fn event(&mut self, event: &Event) -> Result<()> {
        let mut line =
            serde_json::to_vec(event).map_err(|error| cannot_write(&self.path, &error))?;
        line.push(b'\n');
        let mut written = self.thinning.write(event, &line, &mut self.file);
        if !matches!(event, Event::Step { .. }) && matches!(written, Ok(true)) {
            written = self.file.flush().map(|()| true);
        }
        written.map(|_| ()).map_err(|error| cannot_write(&self.path, &error))
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
