//! What is known of a run in short: its newest numbers, its speed, what is left.

use glassbox::{Change, ControlState, Ending, EpochRecord, Event, GpuReading};
use serde::Serialize;

/// The newest numbers of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Facts {
    /// The text of the network.
    pub network: Option<String>,
    pub parameters: Option<usize>,
    /// Training samples.
    pub samples: Option<usize>,
    pub steps: Option<u64>,
    pub epochs: Option<u32>,
    pub steps_per_epoch: Option<u64>,
    pub step: u64,
    pub epoch: u32,
    /// The loss of the newest batch; of the epoch so far; its accuracy.
    pub loss: Option<f64>,
    pub epoch_loss: Option<f64>,
    pub epoch_accuracy: Option<f64>,
    pub rate: Option<f32>,
    /// What the schedule's rates are multiplied by from the next step on, if that was changed since the last.
    pub next_factor: Option<f32>,
    /// Training time, in seconds.
    pub seconds: f64,
    /// Over the last second or so.
    pub images_per_second: Option<f64>,
    /// Training time that is left, at that speed.
    pub seconds_left: Option<f64>,
    pub last_epoch: Option<EpochRecord>,
    /// The best accuracy on the validation samples so far.
    pub best_validation: Option<f64>,
    pub gpu: Option<GpuReading>,
    pub ending: Option<Ending>,
    /// How many warnings there were.
    pub warnings: usize,
    /// The step of the newest checkpoint.
    pub checkpoint: Option<u64>,
    /// What the training does, if this process trains.
    pub control: Option<ControlState>,
    #[serde(skip)]
    from: Vec<(u64, f64)>,
}

/// Speed is measured over so much training time, in seconds.
const WINDOW: f64 = 1.0;

impl Facts {
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Started {
                network,
                parameters,
                samples,
                steps_per_epoch,
                steps,
                epochs,
                step,
                ..
            } => {
                // A run that goes on keeps what it is known by; where it goes on from an earlier step, that is soon heard.
                *self = match step {
                    0 => Facts { control: self.control, ..Facts::default() },
                    _ => {
                        Facts { ending: None, gpu: None, from: Vec::new(), ..std::mem::take(self) }
                    }
                };
                (self.network, self.parameters) = (Some(network.clone()), Some(*parameters));
                (self.samples, self.steps) = (Some(*samples), Some(*steps));
                (self.epochs, self.steps_per_epoch) = (Some(*epochs), Some(*steps_per_epoch));
                self.step = *step;
            }
            Event::Step { step, epoch, loss, epoch_loss, epoch_accuracy, rate, seconds } => {
                (self.step, self.epoch, self.seconds) = (*step, *epoch, *seconds);
                (self.loss, self.epoch_loss) = (Some(*loss), Some(*epoch_loss));
                (self.epoch_accuracy, self.rate) = (*epoch_accuracy, Some(*rate));
                self.next_factor = None;
                self.measure_speed();
            }
            Event::Epoch(record) => {
                self.step = record.step;
                let accuracy = record.validation_accuracy.unwrap_or(f64::NEG_INFINITY);
                let best = self.best_validation.unwrap_or(f64::NEG_INFINITY).max(accuracy);
                self.best_validation = best.is_finite().then_some(best);
                self.last_epoch = Some(*record);
            }
            Event::System { gpu, .. } => self.gpu = Some(gpu.clone()),
            Event::Checkpoint { step, .. } => self.checkpoint = Some(*step),
            Event::Warning { .. } => self.warnings += 1,
            Event::Control { step, change } => {
                self.step = *step;
                match change {
                    // Single steps say nothing of speed.
                    Change::Resumed => self.from.clear(),
                    Change::Rate { factor } => self.next_factor = Some(*factor),
                    Change::Paused => {}
                }
            }
            Event::Finished { step, ending } => {
                (self.step, self.ending) = (*step, Some(*ending));
                self.next_factor = None;
                self.seconds_left = None;
            }
            _ => {}
        }
    }

    /// Images a second, and what is left, from steps about a second ago until now.
    fn measure_speed(&mut self) {
        let is_first_recent = |(_, at): &(u64, f64)| self.seconds - at < WINDOW;
        let old = self.from.iter().position(is_first_recent).unwrap_or(self.from.len());
        // The one before is the begin of the window.
        self.from.drain(..old.saturating_sub(1));
        let last = self.from.last().map_or(f64::NEG_INFINITY, |(_, at)| *at);
        if self.seconds - last > WINDOW / 20.0 {
            self.from.push((self.step, self.seconds));
        }
        let Some((step, at)) = self.from.first().copied() else { return };
        let (seconds, steps) = (self.seconds - at, self.step.saturating_sub(step) as f64);
        if seconds <= 0.0 || steps <= 0.0 {
            return;
        }
        let batch =
            self.samples.unwrap_or(0) as f64 / self.steps_per_epoch.unwrap_or(1).max(1) as f64;
        self.images_per_second = Some(batch * steps / seconds);
        let left = self.steps.map(|all| all.saturating_sub(self.step) as f64);
        self.seconds_left = left.map(|left| left * seconds / steps);
    }
}
