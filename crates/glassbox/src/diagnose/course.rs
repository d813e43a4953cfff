//! Rules about how the loss goes on.

use super::rules::{
    COLLAPSED, DEAD, EXPLODING, NOT_FINITE, OVERFITTING, REDUCTION, TOO_HIGH, TOO_LOW, UNSCALED,
    UPDATE,
};
use super::{Doctor, percent, short};
use crate::event::EpochRecord;
use crate::init::Init;
use crate::loss::{Loss, Reduction};
use crate::optim::Rule as Optimizer;

/// How much of each reported loss goes into the smoothed one.
const SHARE: f64 = 0.1;

/// What happens in the first steps, a warm-up's excursions among it, is no illness yet.
const FIRST: u64 = 20;

/// A run that has learned nothing is one that has made so many steps at its full rate.
const ENOUGH: f64 = 300.0;

/// And so often is asked whether it has.
const EVERY: u64 = 100;

/// Weights that move less than this in a step, at the full rate, go nowhere.
pub(super) const SLOW: f64 = 1e-4;

/// How the loss has been going on.
#[derive(Default)]
pub(super) struct Course {
    pub steps: u64,
    steps_per_epoch: u64,
    /// The loss before the first step, or of it.
    first: Option<f64>,
    smoothed: Option<f64>,
    /// Steps so far, each counted by its rate's share of the full one.
    full_steps: f64,
    best_validation: Option<f64>,
    epochs: u32,
}

impl Doctor {
    pub(super) fn start(&mut self, steps_per_epoch: u64, untrained: Option<f64>) {
        self.course.steps_per_epoch = steps_per_epoch;
        self.course.first = untrained;
    }

    /// The loss of a network that says the same to every sample, in the unit of a step's loss.
    fn prior(&self) -> Option<f64> {
        let prior = self.facts.as_ref()?.prior;
        Some(prior * self.outputs_in_sum())
    }

    /// How many losses a sample has in a step's loss: the summed squared error is not divided by the outputs.
    fn outputs_in_sum(&self) -> f64 {
        match self.settings.loss() {
            Loss::MeanSquaredError(Reduction::Sum) => self.outputs.unwrap_or(1) as f64,
            _ => 1.0,
        }
    }

    /// What the smoothed loss is of the first, or of that of the class shares if it is more.
    pub(super) fn left(&self) -> Option<f64> {
        let first = self.course.first?.max(self.prior().unwrap_or(0.0));
        Some(self.course.smoothed? / first)
    }

    /// The rate of a step, counted from 1, as a share of the full one.
    pub(super) fn rate_share(&self, step: u64) -> f64 {
        let (settings, total) = (&self.settings, self.total());
        let rate = settings.schedule.rate(settings.lr, step.saturating_sub(1), total);
        f64::from(rate) / f64::from(settings.lr)
    }

    fn total(&self) -> u64 {
        self.course.steps_per_epoch * u64::from(self.settings.epochs)
    }

    /// 1 / (1 - momentum): how many steps' worth of gradient a step moves in the long run.
    pub(super) fn gain(&self) -> f64 {
        match self.settings.optimizer {
            Optimizer::Momentum { momentum } | Optimizer::Nesterov { momentum } => {
                1.0 / (1.0 - f64::from(momentum)).max(1e-3)
            }
            _ => 1.0,
        }
    }

    pub(super) fn step(&mut self, step: u64, loss: f64, rate: f32) {
        let course = &mut self.course;
        let made = step.saturating_sub(course.steps);
        course.steps = step;
        course.full_steps += made as f64 * f64::from(rate) / f64::from(self.settings.lr);
        if step == 1 {
            course.first.get_or_insert(loss);
        }
        let smoothed = course.smoothed.map_or(loss, |old| old + SHARE * (loss - old));
        course.smoothed = Some(smoothed);
        if !smoothed.is_finite() {
            return;
        }
        if let (true, Some(left)) = (step >= FIRST, self.left())
            && self.measure(TOO_HIGH, left)
        {
            let (first, rate) = (short(smoothed / left), short(rate.into()));
            let what = format!("the loss is about {}, and was {first}", short(smoothed));
            let cause =
                format!("the steps, at a rate of {rate}, leap over the valley that they follow");
            let cure = format!("train with --lr {}", self.lower_rate());
            self.found(TOO_HIGH, step, what, cause, cure);
        }
        if step.is_multiple_of(EVERY) && self.course.full_steps >= ENOUGH {
            self.check_learned(step, smoothed);
        }
    }

    /// Whether there is anything to show for all these steps.
    fn check_learned(&mut self, step: u64, smoothed: f64) {
        let ratio = self.looked.ratio_at_full_rate;
        let is_slow = ratio.is_some_and(|ratio| ratio < SLOW) && self.looked.is_alive;
        if let (true, Some(left)) = (is_slow, self.left()) {
            self.reset(COLLAPSED);
            let ratio = ratio.unwrap_or_default().max(f64::MIN_POSITIVE);
            if left > 0.9 && self.measure(UPDATE, 1e-3 / ratio) {
                self.found_ratio(step, ratio, "such steps lead nowhere", self.higher_rate());
            }
            if self.measure(TOO_LOW, left) {
                let what = format!(
                    "after {step} steps the loss is {} of what it was, and a step moves the weights by {} of themselves",
                    percent(left),
                    short(ratio),
                );
                let cause = format!(
                    "about 10^-3 is usual; the rate, {}, is too low for it",
                    self.settings.lr
                );
                let cure = format!("train with --lr {}", self.higher_rate());
                self.found(TOO_LOW, step, what, cause, cure);
            }
            return;
        }
        let Some(prior) = self.prior().filter(|prior| *prior > 0.0) else { return };
        // Far above it, other rules speak.
        if smoothed > 1.25 * prior {
            self.reset(COLLAPSED);
        } else if self.measure(COLLAPSED, smoothed / prior) {
            let what = format!(
                "after {step} steps the loss is {smoothed:.4}; knowing nothing but how answers are spread, it would be {prior:.4}"
            );
            let (cause, cure) = self.why_collapsed();
            self.found(COLLAPSED, step, what, cause, cure);
        }
    }

    /// Why outputs no longer depend on inputs.
    fn why_collapsed(&self) -> (String, String) {
        let lower = format!("train with --lr {} and --init he", self.lower_rate());
        let (cause, cure) = if self.has(UNSCALED.code) {
            (
                "the inputs are unscaled, and the first steps threw the weights out",
                "scale the inputs".to_string(),
            )
        } else if self.settings.init == Init::Zero {
            (
                "all weights began at zero, so no gradient reaches them",
                "train with --init he".to_string(),
            )
        } else if self.looked.dead > 0.99 {
            ("every unit of a relu layer is 0 for every sample, and no gradient passes", lower)
        } else if self.looked.ratio_at_full_rate.is_none() {
            let cure = format!(
                "train with --lr {}, and with --inside, which tells more",
                self.lower_rate()
            );
            (
                "the steps were so large that units died or saturated, or so small that nothing happened",
                cure,
            )
        } else {
            (
                "the weights move and nothing comes of it: units died or saturated, or labels do not follow from inputs",
                lower,
            )
        };
        (cause.to_string(), cure)
    }

    pub(super) fn epoch(&mut self, record: &EpochRecord) {
        self.course.epochs += 1;
        if self.course.epochs == 1 && record.train_accuracy.is_some_and(|accuracy| accuracy < 0.5) {
            self.check_labels_at(record.step);
        }
        let Some(loss) = record.validation_loss else { return };
        let best = self.course.best_validation.map_or(loss, |best| best.min(loss));
        self.course.best_validation = Some(best);
        let trained = record.train_loss / self.outputs_in_sum();
        if trained >= 0.5 * loss {
            self.reset(OVERFITTING);
        } else if self.measure(OVERFITTING, loss / best) {
            let what = format!(
                "the validation loss was {} and is {}, the training loss is {}",
                short(best),
                short(loss),
                short(trained)
            );
            let cause =
                "the network learns single samples by heart, no longer what they have in common";
            let cure = "train with --patience 3, which ends where validation was best; more data, or \
                        --weight-decay 0.001, or dropout0.5 between layers lets it learn on";
            self.found(OVERFITTING, record.step, what, cause, cure.to_string());
        }
    }

    /// A summed loss has gradients as many times as large as there are samples in a batch.
    pub(super) fn check_reduction(&mut self) {
        let settings = &self.settings;
        let follows_gradient =
            !matches!(settings.optimizer, Optimizer::Adam { .. } | Optimizer::AdamW { .. });
        let codes =
            [NOT_FINITE, TOO_HIGH.code, COLLAPSED.code, DEAD.code, EXPLODING.code, UPDATE.code];
        let is_sick = codes.iter().any(|code| self.has(code));
        if settings.reduction == Reduction::Mean || !follows_gradient || self.has(REDUCTION.code) {
            return;
        }
        let (lr, batch) = (settings.lr, settings.batch);
        let rate = f64::from(lr) * batch as f64 * self.gain();
        if self.measure(REDUCTION, rate) && is_sick {
            let mean = f64::from(lr) * batch as f64;
            let what = format!(
                "the loss of a batch is summed: --lr {lr} with --batch {batch} is --lr {} for the mean",
                short(mean)
            );
            let cause = "a rate that suits the mean, as libraries take it, is too high for the sum";
            let step = self.findings.last().map_or(0, |finding| finding.step);
            self.found(REDUCTION, step, what, cause, "train with --reduction mean".to_string());
        }
    }

    /// A rate at which the first step would have moved the weights as first steps usually do: ten times as far as later
    /// ones, since gradients are largest then.
    fn usual_rate(&self) -> Option<f64> {
        const USUAL: f64 = 1e-2;
        let ratio = self.looked.first_ratio.filter(|ratio| *ratio > 0.0)?;
        Some(f64::from(self.settings.lr) * USUAL / (ratio * self.gain()))
    }

    pub(super) fn lower_rate(&self) -> String {
        let lr = f64::from(self.settings.lr);
        round(self.usual_rate().map_or(lr / 10.0, |usual| usual.min(lr / 3.0)))
    }

    pub(super) fn higher_rate(&self) -> String {
        let lr = f64::from(self.settings.lr);
        round(self.usual_rate().map_or(lr * 10.0, |usual| usual.max(lr * 3.0)))
    }
}

/// A rate with one digit, as people choose it.
pub(crate) fn round(rate: f64) -> String {
    let digit: f64 = format!("{rate:.0e}").parse().unwrap_or(rate);
    match digit {
        1e-6..1e6 => (digit as f32).to_string(),
        _ => format!("{digit:e}"),
    }
}
