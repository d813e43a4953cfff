//! `events.jsonl`, which is not trusted, read once or followed while it grows.

use crate::history::History;
use glassbox::{EpochRecord, Event};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The longest line, and the most of a file, that is read.
const LONGEST_LINE: u64 = 4 << 20;
const LARGEST_FILE: u64 = 1 << 30;

/// So many bytes before the place that was read last tell whether it is still the same file.
const MARK: usize = 64;

/// A file of events, as far as it could be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What happened.
    pub history: History,
    /// What a reader should be told: damaged lines, a file that is too large.
    pub note: Option<String>,
}

/// A place in a file of events that may still grow.
#[derive(Clone, Debug)]
pub struct Follower {
    path: PathBuf,
    offset: u64,
    /// What stands before the offset.
    mark: Vec<u8>,
    damaged: u64,
    /// The bytes of a last line without an end.
    unfinished: u64,
    is_whole: bool,
}

impl History {
    /// The events in a file, one a line. Lines that are none are passed over, and counted in the note.
    pub fn read(path: &Path, name: &str) -> Result<Reading> {
        let (mut history, mut follower) = (History::new(name), Follower::new(path));
        follower.more(&mut |event| history.push(event))?;
        follower.damaged += u64::from(follower.unfinished > 0);
        Ok(Reading { history, note: follower.note() })
    }
}

impl Follower {
    /// The beginning of a file.
    pub fn new(path: &Path) -> Follower {
        let path = path.to_path_buf();
        Follower { path, offset: 0, mark: Vec::new(), damaged: 0, unfinished: 0, is_whole: true }
    }

    /// Whether what was read so far no longer stands in the file, as when a run was resumed from an earlier step. Then
    /// the next reading begins anew, and so should whoever listens.
    pub fn is_another(&mut self) -> Result<bool> {
        let mut found = vec![0; self.mark.len()];
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset - self.mark.len() as u64))?;
        let is_same = file.read_exact(&mut found).is_ok() && found == self.mark;
        if !is_same {
            *self = Follower::new(&self.path);
        }
        Ok(!is_same)
    }

    /// Tells of the events that were written since the last time. Lines that are none are passed over; a last line
    /// without an end may still get it.
    pub fn more(&mut self, hear: &mut dyn FnMut(&Event)) -> Result<()> {
        let mut file = File::open(&self.path)?;
        self.is_whole = file.metadata()?.len() <= LARGEST_FILE;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut reader = BufReader::new(file.take(LARGEST_FILE.saturating_sub(self.offset)));
        let mut line = Vec::new();
        self.unfinished = 0;
        loop {
            let read = next_line(&mut reader, &mut line)?;
            if line.last() != Some(&b'\n') {
                self.unfinished = read;
                return Ok(());
            }
            self.offset += read;
            self.mark = line[line.len().saturating_sub(MARK)..].to_vec();
            match event(&line) {
                Some(event) => hear(&event),
                None => self.damaged += u64::from(!line.trim_ascii().is_empty()),
            }
        }
    }

    /// What a reader should be told.
    pub fn note(&self) -> Option<String> {
        let mut notes = Vec::new();
        if self.damaged > 0 {
            notes.push(format!("{} damaged lines are passed over", self.damaged));
        }
        if !self.is_whole {
            notes.push(format!("only its first {} MiB are read", LARGEST_FILE >> 20));
        }
        (!notes.is_empty()).then(|| notes.join(", "))
    }
}

/// Reads a line into `line`, or the end of one that is too long; how many bytes it has.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<u64> {
    line.clear();
    let mut read = reader.take(LONGEST_LINE).read_until(b'\n', line)? as u64;
    while line.len() as u64 >= LONGEST_LINE && line.last() != Some(&b'\n') {
        // It is damaged: no event begins in its middle, so that what comes last stands for all of it.
        let mut rest = Vec::new();
        match reader.take(LONGEST_LINE).read_until(b'\n', &mut rest)? {
            0 => break,
            more => read += more as u64,
        }
        if rest.last() == Some(&b'\n') {
            line.clear();
            line.push(b'!');
            line.extend(&rest[rest.len().saturating_sub(MARK)..]);
        }
    }
    Ok(read)
}

/// The event of a line, if it is one. JSON has no NaN: where a number is missing, it was none.
fn event(line: &[u8]) -> Option<Event> {
    if let Ok(event) = serde_json::from_slice(line) {
        return sound(event);
    }
    let value: Value = serde_json::from_slice(line).ok()?;
    let number = |key: &str| value.get(key).map(|x| x.as_f64().unwrap_or(f64::NAN));
    let step = value.get("step")?.as_u64()?;
    let epoch = u32::try_from(value.get("epoch")?.as_u64()?).ok()?;
    match value.get("event")?.as_str()? {
        "step" => Some(Event::Step {
            step,
            epoch,
            loss: number("loss")?,
            epoch_loss: number("epoch_loss")?,
            epoch_accuracy: number("epoch_accuracy"),
            rate: number("rate")? as f32,
            seconds: number("seconds")?,
        }),
        "epoch" => Some(Event::Epoch(EpochRecord {
            epoch,
            step,
            train_loss: number("train_loss")?,
            train_accuracy: number("train_accuracy"),
            validation_loss: number("validation_loss").filter(|x| !x.is_nan()),
            validation_accuracy: number("validation_accuracy").filter(|x| !x.is_nan()),
            seconds: number("seconds")?,
        })),
        _ => None,
    }
}

/// The event, unless it holds more than a trainer says: a picture has no room for a million layers.
fn sound(event: Event) -> Option<Event> {
    let Event::Inside { layers, .. } = &event else { return Some(event) };
    let is_sound = layers.len() <= 256 && layers.iter().all(|layer| layer.parameters.len() <= 16);
    is_sound.then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn step(step: u64) -> Event {
        let (loss, epoch_loss, epoch_accuracy) = (1.0, 1.0, None);
        Event::Step { step, epoch: 1, loss, epoch_loss, epoch_accuracy, rate: 0.1, seconds: 1.0 }
    }

    #[test]
    fn a_file_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut text = serde_json::to_string(&step(1)).unwrap();
        text.push_str(
            "\n{\"event\":\"step\",\"step\":2,\"epoch\":1,\"loss\":null,\"epoch_loss\":null,",
        );
        text.push_str(
            "\"epoch_accuracy\":0.5,\"rate\":0.1,\"seconds\":0.2}\n\nnonsense\n{}\n[1]\n\"\\\n",
        );
        text.push_str(&"x".repeat(9 << 20));
        text.push('\n');
        text.push_str(&"[".repeat(1 << 20));
        text.push('\n');
        text.push_str(&serde_json::to_string(&step(3)).unwrap());
        let mut bytes = text.into_bytes();
        bytes.extend(b"\n\xff\xfe\n{\"event\":\"step\",\"st");
        std::fs::write(&path, bytes).unwrap();
        let Reading { history, note } = History::read(&path, "run").unwrap();
        assert_eq!(history.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(history.steps[1].loss.is_nan());
        assert_eq!(note.as_deref(), Some("8 damaged lines are passed over"));
    }

    #[test]
    fn a_file_is_followed_while_it_grows_and_read_anew_where_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let line = |at: u64| serde_json::to_string(&step(at)).unwrap() + "\n";
        let mut heard = Vec::new();
        let mut follower = Follower::new(&path);
        assert!(follower.more(&mut |_| ()).is_err(), "there is no file yet");
        let mut file = File::create(&path).unwrap();
        for at in 1..=50 {
            let line = line(at);
            // A reader may come between two halves of a line.
            let (first, last) = line.split_at(at as usize);
            for half in [first, last] {
                file.write_all(half.as_bytes()).unwrap();
                assert!(!follower.is_another().unwrap());
                follower.more(&mut |event| heard.push(event.clone())).unwrap();
            }
            assert_eq!(heard.len() as u64, at);
        }
        assert_eq!(heard[49], step(50));
        // It is resumed from step 20, and goes on longer than it was.
        let text: String = (1..=20).chain(101..=160).map(line).collect();
        std::fs::write(&path, text).unwrap();
        assert!(follower.is_another().unwrap() && !follower.is_another().unwrap());
        heard.clear();
        follower.more(&mut |event| heard.push(event.clone())).unwrap();
        assert_eq!((heard.len(), follower.note()), (80, None));
        std::fs::write(&path, "").unwrap();
        assert!(follower.is_another().unwrap());
    }
}
