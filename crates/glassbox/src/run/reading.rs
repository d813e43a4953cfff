//! Reads `events.jsonl`, which is not trusted: lines that are no events are passed over and counted.

use super::EVENTS;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::inside::{BINS, Spread};
use crate::network::MOST_LAYERS;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// No event takes as many bytes: a look into a layer takes about two thousand.
const LONGEST_LINE: u64 = 4 << 20;

/// Nor as many, but for a look inside: a network of a thousand layers takes about ten thousand.
const LONGEST_TEXT_LINE: usize = 16 << 10;

/// The most bytes of a layer's or a parameter's name.
const LONGEST_NAME: usize = 256;

/// Nor does a run's file: see `thinning.rs`.
pub(super) const LARGEST_FILE: u64 = 1 << 30;

/// The most parameters of a layer.
const MOST_PARAMETERS: usize = 16;

/// What of a file of events was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Lines that are no events.
    pub damaged_lines: u64,
    /// Whether the file is so large that its end was left out.
    pub is_cut: bool,
}

impl Unread {
    /// What a reader should be told, if anything.
    pub fn note(&self) -> Option<String> {
        let damaged = match self.damaged_lines {
            0 => None,
            1 => Some("1 damaged line is passed over".to_string()),
            count => Some(format!("{count} damaged lines are passed over")),
        };
        let cut =
            self.is_cut.then(|| format!("only its first {} MiB are read", LARGEST_FILE >> 20));
        let all: Vec<String> = damaged.into_iter().chain(cut).collect();
        (!all.is_empty()).then(|| format!("{}: {}", EVENTS, all.join(", ")))
    }
}

/// Gives the events in a run's folder to `hear`, one by one, and says what could not be read.
///
/// # Errors
/// If there is no such file, or it cannot be read.
pub fn read_events(folder: &Path, hear: &mut dyn FnMut(&Event)) -> Result<Unread> {
    let path = folder.join(EVENTS);
    let fail = |error: io::Error| {
        let hint = "name the folder of a run, as `glassbox train` prints it".to_string();
        Error::Run { path: path.clone(), reason: error.to_string(), hint }
    };
    let file = open(&path).map_err(fail)?;
    let is_cut = file.metadata().map_err(fail)?.len() > LARGEST_FILE;
    let mut damaged_lines = 0;
    each_line(BufReader::new(file.take(LARGEST_FILE)), &mut |line, event| match event {
        Some(event) => hear(&event),
        None => damaged_lines += u64::from(!line.trim_ascii().is_empty()),
    })
    .map_err(fail)?;
    Ok(Unread { damaged_lines, is_cut })
}

/// Opens a file. What is none is an error: a pipe would wait for somebody who writes.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match path.metadata()?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("it is not a file")),
    }
}

/// Gives each line to `take`, with its end, and with its event if it is one. Of a line that is too long comes the beginning.
pub(super) fn each_line(
    mut reader: impl BufRead,
    take: &mut dyn FnMut(&[u8], Option<Event>),
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        match next_line(&mut reader, &mut line)? {
            (0, _) => return Ok(()),
            (_, is_whole) => take(&line, if is_whole { event(&line) } else { None }),
        }
    }
}

/// Reads a line into `line`, or the beginning of one that is too long: its bytes in the file, and whether it is whole.
pub(super) fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<(u64, bool)> {
    line.clear();
    let bytes = reader.take(LONGEST_LINE).read_until(b'\n', line)? as u64;
    if line.ends_with(b"\n") || bytes < LONGEST_LINE {
        return Ok((bytes, true));
    }
    Ok((bytes + reader.skip_until(b'\n')? as u64, false))
}

/// The event of a line, unless it holds more than a trainer says.
pub(super) fn event(line: &[u8]) -> Option<Event> {
    let event = serde_json::from_slice(line).ok()?;
    let Event::Inside { layers, .. } = &event else {
        return (line.len() <= LONGEST_TEXT_LINE).then_some(event);
    };
    let is_sound = |spread: &Spread| spread.bins.len() <= BINS;
    let are_sound = layers.iter().all(|layer| {
        let parameters = &layer.parameters;
        let spreads = parameters.iter().flat_map(|p| [&p.value, &p.gradient]);
        let mut names = parameters.iter().map(|p| &p.name).chain([&layer.layer]);
        parameters.len() <= MOST_PARAMETERS
            && names.all(|name| name.len() <= LONGEST_NAME)
            && spreads.chain([&layer.output, &layer.gradient]).all(is_sound)
    });
    (layers.len() <= MOST_LAYERS && are_sound).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded() {
        let warning = |bytes: usize| {
            let (code, what, cause, cure) =
                ("x".to_string(), "w".repeat(bytes), String::new(), String::new());
            serde_json::to_string(&Event::Warning { step: 1, code, what, cause, cure }).unwrap()
        };
        assert!(event(warning(8 << 10).as_bytes()).is_some());
        assert!(event(warning(17 << 10).as_bytes()).is_none());
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{}\n{}\n", warning(3 << 20), warning(1));
        std::fs::write(folder.path().join(EVENTS), text).unwrap();
        let mut count = 0;
        let unread = read_events(folder.path(), &mut |_| count += 1).unwrap();
        assert_eq!((count, unread.damaged_lines), (1, 1));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        for name in [EVENTS, crate::RunRecord::FILE] {
            let made = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status();
            assert!(made.unwrap().success());
        }
        let (say, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let is_read = read_events(folder.path(), &mut |_| ()).is_ok();
            let mut follower = crate::run::Follower::new(folder.path());
            let is_followed = follower.is_another().is_ok() || follower.more(&mut |_| ()).is_ok();
            say.send(is_read || is_followed || crate::RunRecord::read(folder.path()).is_ok())
        });
        assert_eq!(heard.recv_timeout(std::time::Duration::from_secs(20)), Ok(false));
    }
}
