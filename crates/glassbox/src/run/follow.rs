//! Follows `events.jsonl` while it grows, or from anew where it has become another.

use super::EVENTS;
use super::reading::{LARGEST_FILE, event, next_line, open};
use crate::event::Event;
use std::io::{BufReader, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// So many bytes before the place that was read last tell whether it is still the same file.
const MARK: usize = 64;

/// A place in a file of events that may still grow.
#[derive(Clone, Debug)]
pub struct Follower {
    path: PathBuf,
    offset: u64,
    /// What stands before the offset.
    mark: Vec<u8>,
}

impl Follower {
    /// The beginning of the events in a run's folder.
    pub fn new(folder: &Path) -> Follower {
        Follower { path: folder.join(EVENTS), offset: 0, mark: Vec::new() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what was read so far no longer stands in the file, as when a run was resumed from an earlier step. Then
    /// the next reading begins anew, and so should whoever listens.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn is_another(&mut self) -> Result<bool> {
        let mut found = vec![0; self.mark.len()];
        let mut file = open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset - self.mark.len() as u64))?;
        let is_same = file.read_exact(&mut found).is_ok() && found == self.mark;
        if !is_same {
            (self.offset, self.mark) = (0, Vec::new());
        }
        Ok(!is_same)
    }

    /// Gives `hear` the events that were written since the last time, one by one. Lines that are none are passed over; a
    /// last line without an end may still get it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn more(&mut self, hear: &mut dyn FnMut(&Event)) -> Result<()> {
        let mut file = open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut reader = BufReader::new(file.take(LARGEST_FILE.saturating_sub(self.offset)));
        let mut line = Vec::new();
        loop {
            let (bytes, is_whole) = next_line(&mut reader, &mut line)?;
            if bytes == 0 || is_whole && !line.ends_with(b"\n") {
                return Ok(());
            }
            self.offset += bytes;
            // Where a line is too long, nothing is known of its end: it is taken for the same.
            let end = if is_whole { line.len().saturating_sub(MARK) } else { line.len() };
            self.mark = line[end..].to_vec();
            if let Some(event) = event(&line).filter(|_| is_whole) {
                hear(&event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    fn step(step: u64) -> Event {
        let (loss, epoch_loss, epoch_accuracy) = (1.0, 1.0, None);
        Event::Step { step, epoch: 1, loss, epoch_loss, epoch_accuracy, rate: 0.1, seconds: 1.0 }
    }

    #[test]
    fn a_file_is_followed_while_it_grows_and_read_anew_where_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let line = |at: u64| serde_json::to_string(&step(at)).unwrap() + "\n";
        let mut heard = Vec::new();
        let mut follower = Follower::new(folder.path());
        assert!(follower.more(&mut |_| ()).is_err(), "there is no file yet");
        let path = follower.path().to_path_buf();
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
        assert_eq!(heard.len(), 80);
        std::fs::write(&path, "").unwrap();
        assert!(follower.is_another().unwrap());
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut follower = Follower::new(folder.path());
        let one = serde_json::to_string(&step(1)).unwrap();
        let long = "x".repeat(9 << 20);
        std::fs::write(follower.path(), format!("{one}\nnonsense\n\n{long}\n{one}\n{one}"))
            .unwrap();
        let mut count = 0;
        for _ in 0..3 {
            assert!(!follower.is_another().unwrap());
            follower.more(&mut |_| count += 1).unwrap();
            assert_eq!(count, 2, "the last has no end yet");
        }
    }
}
