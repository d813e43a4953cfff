//! Progress: a live line on a terminal, plain lines elsewhere.

use crate::output::note;
use glassbox::diagnose::NOT_FINITE;
use glassbox::{Change, EpochRecord, Event, Result, Sink};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Shows a run on stderr.
pub struct Live {
    bar: ProgressBar,
    is_terminal: bool,
    epochs: u32,
    samples: usize,
    steps_per_epoch: u64,
}

impl Live {
    pub fn new() -> Live {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        Live { bar, is_terminal, epochs: 0, samples: 0, steps_per_epoch: 1 }
    }

    /// A line that stays.
    fn line(&self, text: String) {
        if self.is_terminal { self.bar.println(text) } else { note(text) }
    }

    fn start(&mut self, total: u64, step: u64) {
        let style = ProgressStyle::with_template("{wide_msg} {pos}/{len} [{bar:12}] {eta} left");
        self.bar.set_style(style.expect("the template is right").progress_chars("━╸ "));
        self.bar.set_length(total);
        self.bar.set_position(step);
        self.bar.reset_eta();
    }

    fn epoch(&self, record: &EpochRecord) {
        let EpochRecord { epoch, train_loss, train_accuracy, seconds, .. } = record;
        let rate = self.samples as f64 / seconds.max(1e-9);
        let mut text = format!(
            "epoch {epoch:>2}/{}  loss {train_loss:.4}{}  {seconds:.2} s  {rate:.0} images/s",
            self.epochs,
            in_percent(*train_accuracy),
        );
        if let Some(loss) = record.validation_loss {
            let accuracy = in_percent(record.validation_accuracy);
            text += &format!("  validation loss {loss:.4}{accuracy}");
        }
        self.line(text);
    }
}

/// The accuracy, if there is one.
fn in_percent(accuracy: Option<f64>) -> String {
    accuracy.map(|accuracy| format!("  accuracy {:.2} %", 100.0 * accuracy)).unwrap_or_default()
}

impl Sink for Live {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Started { epochs, samples, steps, step, steps_per_epoch, untrained, .. } => {
                (self.epochs, self.samples) = (*epochs, *samples);
                self.steps_per_epoch = *steps_per_epoch;
                if let Some([found, expected]) = untrained {
                    let classes = expected.exp().round();
                    self.line(format!(
                        "untrained loss {found:.3} (knowing nothing: ln {classes} = {expected:.3})"
                    ));
                }
                if self.is_terminal {
                    self.start(*steps, *step);
                }
            }
            Event::Step { step, epoch, epoch_loss, epoch_accuracy, seconds, .. } => {
                self.bar.set_position(*step);
                let images = *step as f64 * self.samples as f64 / self.steps_per_epoch as f64;
                self.bar.set_message(format!(
                    "epoch {epoch}/{}  loss {epoch_loss:.4}{}  {:.0} images/s",
                    self.epochs,
                    in_percent(*epoch_accuracy),
                    images / seconds.max(1e-9),
                ));
            }
            Event::Epoch(record) => self.epoch(record),
            Event::Warning { .. } => {
                if let Some(text) = warning(event) {
                    self.line(text);
                }
            }
            Event::Control { step, change } => self.line(match change {
                Change::Paused => format!("paused at step {step}"),
                Change::Resumed => format!("goes on at step {step}"),
                Change::Rate { factor } => {
                    format!(
                        "from step {} on the learning rate is {factor} of the schedule's",
                        step + 1
                    )
                }
            }),
            Event::Finished { .. } => self.bar.finish_and_clear(),
            _ => {}
        }
        Ok(())
    }
}

/// Shows warnings and nothing else.
pub struct Warnings;

impl Sink for Warnings {
    fn event(&mut self, event: &Event) -> Result<()> {
        warning(event).into_iter().for_each(note);
        Ok(())
    }
}

/// A warning in words, unless an error is about to say the same.
fn warning(event: &Event) -> Option<String> {
    let Event::Warning { step, code, what, cause, cure } = event else { return None };
    let told = [NOT_FINITE, "labels-out-of-range"].contains(&&**code);
    (!told).then(|| {
        format!("warning: {code} at step {step}: {what}\n  cause: {cause}\n  cure: {cure}")
    })
}
