//! Settings of a run: everything that its result depends on, beside the data.

use crate::error::{Error, Result};
use crate::init::Init;
use crate::loss::{Loss, LossName, Reduction};
use crate::optim::Rule;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// The settings of a run, all resolved. `run.toml` holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The text of the network.
    pub model: String,
    /// How weights begin.
    pub init: Init,
    /// What all random numbers depend on.
    pub seed: u64,
    /// Passes over the training samples.
    pub epochs: u32,
    /// Where to stop before that. It changes no step, only how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Samples a step.
    pub batch: usize,
    /// The learning rate that the schedule starts from.
    pub lr: f32,
    /// What is made small.
    #[serde(default, skip_serializing_if = "LossName::is_default")]
    pub loss: LossName,
    /// How the losses of a batch become one number.
    pub reduction: Reduction,
    /// Added to the gradient, times the weight; apart from the gradient in AdamW.
    pub weight_decay: f32,
    /// The largest norm of all gradients together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f32>,
    /// The share of the training samples that is held out for validation.
    pub validation: f32,
    /// How many epochs validation may fail to improve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// The optimizer.
    pub optimizer: Rule,
    /// How the learning rate goes on.
    pub schedule: Schedule,
}

impl Settings {
    /// The setting of the course: 784-128-10, batch 64, plain sgd at rate 0.01 on the *summed*
    /// cross-entropy, Xavier uniform, ten epochs.
    pub fn brief() -> Settings {
        Settings {
            model: "784-128-relu-10".to_string(),
            init: Init::Xavier,
            seed: 0,
            epochs: 10,
            max_steps: None,
            batch: 64,
            lr: 0.01,
            loss: LossName::CrossEntropy,
            reduction: Reduction::Sum,
            weight_decay: 0.0,
            clip: None,
            validation: 0.0,
            patience: None,
            optimizer: Rule::Sgd,
            schedule: Schedule::Constant,
        }
    }

    /// The best we know for 784-128-10.
    pub fn best() -> Settings {
        Settings {
            init: Init::He,
            epochs: 12,
            lr: 0.2,
            reduction: Reduction::Mean,
            weight_decay: 2e-4,
            optimizer: Rule::Nesterov { momentum: 0.9 },
            schedule: Schedule::one_cycle(),
            ..Settings::brief()
        }
    }

    /// The recipe of that name.
    pub fn named(name: &str) -> Result<Settings> {
        match name {
            "brief" => Ok(Settings::brief()),
            "best" => Ok(Settings::best()),
            _ => Err(Error::Setting {
                setting: "recipe",
                value: name.to_string(),
                reason: "there is none of that name".to_string(),
                hint: "use brief or best".to_string(),
            }),
        }
    }

    /// The same settings with another optimizer. One of Adam's kind, where there was none, also gets a rate that suits
    /// it: its steps are about as long as the rate, whatever the gradients are. On MNIST, of 0.001 to 0.01, 0.002 is the
    /// best or next to it with both recipes.
    pub fn with_optimizer(self, optimizer: Rule) -> Settings {
        let suits = self.optimizer.is_adaptive() || !optimizer.is_adaptive();
        Settings { optimizer, lr: if suits { self.lr } else { 0.002 }, ..self }
    }

    /// The loss.
    pub fn loss(&self) -> Loss {
        self.loss.with(self.reduction)
    }

    /// Whether the rate of a step depends on how many epochs there are.
    pub fn schedule_depends_on_epochs(&self) -> bool {
        !matches!(self.schedule, Schedule::Constant | Schedule::Step { .. })
    }

    /// An error that names the first setting that cannot be.
    pub fn check(&self) -> Result<()> {
        let ok = |is_fit: bool, setting, value: String, reason: &str, hint: &str| {
            if is_fit {
                return Ok(());
            }
            let (reason, hint) = (reason.to_string(), hint.to_string());
            Err(Error::Setting { setting, value, reason, hint })
        };
        let number = |x: f32| x.to_string();
        let positive = |x: f32| x.is_finite() && x > 0.0;
        let (batch, epochs) = (self.batch.to_string(), self.epochs.to_string());
        ok(self.batch > 0, "--batch", batch, "a step needs a sample", "64 is usual")?;
        ok(self.epochs > 0, "--epochs", epochs, "training needs one", "use --epochs 1")?;
        let is_fit = i64::try_from(self.seed).is_ok();
        ok(is_fit, "--seed", self.seed.to_string(), "it is at most 2^63 - 1", "0 is usual")?;
        // Files hold whole numbers up to this.
        let is_fit = i64::try_from(self.batch).is_ok();
        ok(is_fit, "--batch", self.batch.to_string(), "it is at most 2^63 - 1", "64 is usual")?;
        let most = self.max_steps.unwrap_or(1);
        let is_fit = i64::try_from(most).is_ok();
        ok(is_fit, "--max-steps", most.to_string(), "it is at most 2^63 - 1", "leave it out")?;
        let steps = self.max_steps != Some(0);
        ok(steps, "--max-steps", "0".to_string(), "training needs a step", "leave it out")?;
        let rate = "a learning rate is a positive number";
        ok(positive(self.lr), "--lr", number(self.lr), rate, "0.1 is a start, for the mean")?;
        let decay = self.weight_decay;
        let is_fit = decay.is_finite() && decay >= 0.0;
        ok(is_fit, "--weight-decay", number(decay), "it is zero or positive", "5e-4 is usual")?;
        let share = self.validation;
        let is_fit = (0.0..1.0).contains(&share);
        ok(is_fit, "--validation", number(share), "it is a share of the samples", "0.1 is usual")?;
        let clip = self.clip.unwrap_or(1.0);
        ok(positive(clip), "--clip", number(clip), "it is the largest norm", "1 is usual")?;
        let is_fit = self.patience != Some(0);
        ok(is_fit, "--patience", "0".to_string(), "it would stop at once", "3 is usual")?;
        let patience = self.patience.is_none() || share > 0.0;
        let reason = "early stopping needs validation samples";
        ok(
            patience,
            "--patience",
            self.patience.unwrap_or_default().to_string(),
            reason,
            "add --validation 0.1",
        )
    }
}
