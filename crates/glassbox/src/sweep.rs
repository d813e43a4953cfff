//! Many small trainings side by side: one thread for each, the samples shared.
//!
//! A small network gains little from a second thread, and several of them gain all of it. Each ends
//! with the bits of its own single run.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::event::Ending;
use crate::network::Network;
use crate::plan::PlanName;
use crate::samples::Samples;
use crate::settings::Settings;
use crate::trainer::Trainer;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Trainings on the same samples.
pub struct Sweep {
    /// The settings of each.
    pub settings: Vec<Settings>,
    /// What all learn from.
    pub training: Arc<Samples>,
    /// What all are judged by.
    pub test: Arc<Samples>,
    /// Where to compute. A `cpu` device is one of one thread: see [`Device::cpu`].
    pub devices: Vec<Device>,
    /// How steps are carried out.
    pub plan: PlanName,
}

/// What one training of a sweep came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// Its seed.
    pub seed: u64,
    /// Its learning rate.
    pub lr: f32,
    /// Steps made.
    pub steps: u64,
    /// Time in training steps, in seconds.
    pub seconds_training: f64,
    /// The mean loss of the last epoch on the training samples, each before it was learned from.
    pub train_loss: f64,
    /// The accuracy of the best epoch on the validation samples, if there are any.
    pub validation_accuracy: Option<f64>,
    /// The mean loss on the test samples.
    pub test_loss: f64,
    /// The accuracy on the test samples.
    pub test_accuracy: f64,
    /// SHA-256 of the parameters' bytes in order.
    pub model_sha256: String,
}

/// One training that has ended: which, and what it came to or why it did not.
pub type Ended = (usize, Result<Member>);

/// Hears of each training when it ends: which, what it came to, and the network if it came to one.
pub type OnEnd<'a> = dyn Fn(usize, &Result<Member>, Option<&Network>) + Sync + 'a;

impl Sweep {
    /// Trains all, as many at a time as there are devices, and returns what they came to in the order
    /// of the settings; those that `stop` kept from ending are missing. A training that fails, at too
    /// high a rate perhaps, does not end the others, but a GPU that is lost gets no further one.
    /// `done` hears of each when it ends.
    pub fn run(&self, stop: &AtomicBool, done: &OnEnd) -> Vec<Ended> {
        let (next, ended) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for device in &self.devices {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(settings) = self.settings.get(index) else { return };
                        let result = match self.train(settings, device, stop) {
                            Ok(Some((member, network))) => {
                                let member = Ok(member);
                                done(index, &member, Some(&network));
                                member
                            }
                            Ok(None) => return,
                            Err(error) => {
                                let error = Err(error);
                                done(index, &error, None);
                                error
                            }
                        };
                        let is_lost = result.as_ref().is_err_and(Error::is_lost_gpu);
                        let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                        ended.push((index, result));
                        if is_lost {
                            return;
                        }
                    }
                });
            }
        });
        let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        ended.sort_by_key(|(index, _)| *index);
        ended
    }

    /// One training; nothing if it was interrupted.
    fn train(
        &self,
        settings: &Settings,
        device: &Device,
        stop: &AtomicBool,
    ) -> Result<Option<(Member, Network)>> {
        let (plan, _) = self.plan.choose(settings, device)?;
        let samples = Arc::clone(&self.training);
        let mut trainer = Trainer::new(settings.clone(), device.clone(), plan, samples, None)?;
        if trainer.run(&mut (), stop)? == Ending::Interrupted {
            return Ok(None);
        }
        let found = trainer.judge(&self.test)?;
        let progress = trainer.progress();
        let last = progress.history.last();
        let member = Member {
            seed: settings.seed,
            lr: settings.lr,
            steps: progress.step,
            seconds_training: progress.seconds,
            train_loss: last.map_or(progress.mean_loss(), |epoch| epoch.train_loss),
            validation_accuracy: progress.best.as_ref().and_then(|best| best.accuracy),
            test_loss: found.loss,
            test_accuracy: found.accuracy,
            model_sha256: trainer.network().sha256(),
        };
        Ok(Some((member, trainer.network().clone())))
    }
}
