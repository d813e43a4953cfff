//! Which events of a long run are written, so that its file stays small.
//!
//! What comes again and again is written less often the longer a run is: up to a certain number all of it, from there to
//! the double every second, to the double of that every fourth, and so on. Which ones depends on the steps alone, so
//! that a run that was killed and resumed writes what any other does. The newest of each kind is held back until something
//! else is written, at the latest the end.

use crate::event::Event;
use std::io::{Result, Write};

/// Steps of which all that the trainer tells are written: the first hundred, and every tenth.
const STEPS: u64 = 50_000;

/// Epochs that are written, and checkpoints with them.
const EPOCHS: u64 = 10_000;

/// Readings of a GPU are apart by one part in so many of the steps made.
const READINGS: u64 = 2000;

/// What may come any number of times, and what is rare.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Step,
    Reading,
    Epoch,
    Checkpoint,
    Rare,
}

/// Thins the events of a run as they come.
pub(super) struct Thinning {
    /// The newest of each kind, if it was not written.
    held: Vec<(Kind, Vec<u8>)>,
    /// The step of the newest reading that was written.
    read: Option<u64>,
    is_epoch_kept: bool,
}

impl Thinning {
    pub fn new() -> Thinning {
        Thinning { held: Vec::new(), read: None, is_epoch_kept: true }
    }

    /// Writes the line of an event, or holds it back. Whether it was written.
    pub fn write(&mut self, event: &Event, line: &[u8], out: &mut dyn Write) -> Result<bool> {
        let kind = Kind::of(event);
        // What is newer takes the place of what is held back; an epoch also that of the checkpoint of the one before.
        let is_epoch = kind == Kind::Epoch;
        self.held.retain(|(other, _)| *other != kind && !(is_epoch && *other == Kind::Checkpoint));
        if !self.keeps(event) {
            self.held.push((kind, line.to_vec()));
            return Ok(false);
        }
        if !matches!(kind, Kind::Step | Kind::Reading) {
            self.held.drain(..).try_for_each(|(_, line)| out.write_all(&line))?;
        }
        out.write_all(line)?;
        Ok(true)
    }

    fn keeps(&mut self, event: &Event) -> bool {
        match event {
            Event::Step { step, .. } => is_kept(*step, STEPS),
            Event::System { step, .. } => {
                let is_far =
                    self.read.is_none_or(|read| step.saturating_sub(read) > read / READINGS);
                self.read = if is_far { Some(*step) } else { self.read };
                is_far
            }
            Event::Epoch(record) => {
                self.is_epoch_kept = is_kept(record.epoch.into(), EPOCHS);
                self.is_epoch_kept
            }
            Event::Checkpoint { .. } => self.is_epoch_kept,
            _ => true,
        }
    }
}

impl Kind {
    fn of(event: &Event) -> Kind {
        match event {
            Event::Step { .. } => Kind::Step,
            Event::System { .. } => Kind::Reading,
            Event::Epoch(_) => Kind::Epoch,
            Event::Checkpoint { .. } => Kind::Checkpoint,
            _ => Kind::Rare,
        }
    }
}

/// Whether the event of that number is kept, where the first `all` are.
fn is_kept(number: u64, all: u64) -> bool {
    number.is_multiple_of(number.div_ceil(all).max(1).next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::is_kept;

    #[test]
    fn the_first_are_kept_and_then_ever_fewer() {
        let kept: Vec<u64> = (0..=1000).filter(|&number| is_kept(number, 100)).collect();
        assert!(kept[..=100].iter().copied().eq(0..=100));
        assert_eq!(kept[101..104], [102, 104, 106]);
        assert_eq!(kept.len(), 101 + 50 + 50 + 50 + 12);
        // Fifty more each time that a run is twice as long.
        for doublings in 0..50u32 {
            let from = 100u64 << doublings;
            let ones = (0..50).map(|i| from + (i + 1) * (2 << doublings));
            assert!(ones.clone().all(|number| is_kept(number, 100)), "{doublings}");
            assert!(ones.clone().all(|number| !is_kept(number - 1, 100)), "{doublings}");
        }
        assert!(!is_kept(u64::MAX, 100));
    }
}
