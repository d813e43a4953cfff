//! Learning-rate schedules: which rate to use at which step.
//!
//! The formulas are those of `torch.optim.lr_scheduler`; a step there is one call of `step()`.
//! They are computed in `f64` without the system's libm, so that a run has the same rates on every
//! machine.

use glassbox_cpu::reference::optim::power;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How the learning rate changes during a run. Its text form, on the command line and in files, is
/// given with each variant.
///
/// ```
/// use glassbox::schedule::Schedule;
///
/// let schedule: Schedule = "warmup:10:cosine".parse()?;
/// assert_eq!(schedule.rate(0.1, 0, 110), 0.01);
/// assert_eq!(schedule.rate(0.1, 10, 110), 0.1);
/// assert_eq!(schedule.rate(0.1, 60, 110), 0.05);
/// # Ok::<(), glassbox::schedule::ScheduleError>(())
/// ```
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// `constant`: the base rate throughout.
    #[default]
    Constant,
    /// `step:1000:0.5`: multiplied by a factor at regular intervals (`StepLR`).
    Step {
        /// The length of an interval, in steps. 0 means never.
        every: u64,
        /// What the rate is multiplied by after each interval.
        factor: f32,
    },
    /// `cosine` or `cosine:0.1`: half a cosine wave from the base rate down to a fraction of it
    /// (`CosineAnnealingLR` with `T_max` the whole run; Loshchilov, Hutter 2017).
    Cosine {
        /// The last rate, as a fraction of the base rate.
        end_fraction: f32,
    },
    /// `warmup:500:cosine`: a straight line up to the first rate of another schedule, which then
    /// has the rest of the run to itself (`SequentialLR` of a `LinearLR` and the other). Step s
    /// gets (s + 1) / steps of that rate: the first step is never lost to a rate of zero.
    WarmUp {
        /// How many steps the line takes.
        steps: u64,
        /// What follows. In the text form it is no other warm-up.
        then: Box<Schedule>,
    },
    /// `one-cycle` or `one-cycle:0.3:25:10000`: half a cosine wave up to the base rate and another
    /// down to almost nothing (`OneCycleLR` with `max_lr` the base rate; Smith, Topin 2018).
    OneCycle {
        /// The part of the run spent going up.
        warm_up_fraction: f32,
        /// The first rate is the base rate divided by this.
        start_div: f32,
        /// The last rate is the first rate divided by this.
        final_div: f32,
    },
}

/// A text that is no schedule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// No schedule begins like this.
    #[error("there is no schedule {text:?} (hint: one of {FORMS})")]
    Unknown {
        /// What was given.
        text: String,
    },
    /// The right name with too few or too many parts.
    #[error("the schedule {text:?} has the wrong number of parts (hint: write {form})")]
    Parts {
        /// What was given.
        text: String,
        /// How it is written.
        form: &'static str,
    },
    /// A part that is not the number it should be.
    #[error("{found:?} is not {what} (hint: it is {expected})")]
    Number {
        /// Which number.
        what: &'static str,
        /// What was given.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A warm-up that follows a warm-up.
    #[error("a warm-up cannot follow a warm-up (hint: add up their steps)")]
    NestedWarmUp,
}

const FORMS: &str = "constant, step:EVERY:FACTOR, cosine, warmup:STEPS:SCHEDULE, one-cycle; as in warmup:500:cosine";
const COSINE_FORM: &str = "cosine or cosine:END_FRACTION, as in cosine:0.1";
const ONE_CYCLE_FORM: &str =
    "one-cycle or one-cycle:WARM_UP_FRACTION:START_DIV:FINAL_DIV, as in one-cycle:0.3:25:10000";

impl Schedule {
    /// The cycle with the settings of `OneCycleLR`: 30 % up, from 1/25, down to 1/250,000.
    pub fn one_cycle() -> Schedule {
        Schedule::OneCycle { warm_up_fraction: 0.3, start_div: 25.0, final_div: 1e4 }
    }

    /// The learning rate of step `step` of `total`, the first being 0, around the rate `base`.
    /// After `total` steps the rate stays what it was.
    pub fn rate(&self, base: f32, step: u64, total: u64) -> f32 {
        (f64::from(base) * self.fraction(step.min(total), total)) as f32
    }

    /// The rate as a fraction of the base rate, where step <= total.
    fn fraction(&self, step: u64, total: u64) -> f64 {
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Step { every, factor } => {
                power(factor.into(), step.checked_div(every).unwrap_or(0))
            }
            Schedule::Cosine { end_fraction } => {
                cosine_between(1.0, end_fraction.into(), part(step as f64, total as f64))
            }
            Schedule::WarmUp { steps, ref then } => {
                let rest = total.saturating_sub(steps);
                let risen = part((step.min(steps) as f64) + 1.0, steps as f64);
                risen * then.fraction(step.saturating_sub(steps), rest)
            }
            Schedule::OneCycle { warm_up_fraction, start_div, final_div } => {
                let start = 1.0 / f64::from(start_div);
                let end = start / f64::from(final_div);
                // PyTorch counts from 0 to the last step, and lets the summit fall between steps.
                let (step, last) = (step as f64, total as f64 - 1.0);
                let summit = f64::from(warm_up_fraction) * total as f64 - 1.0;
                if step <= summit {
                    cosine_between(start, 1.0, part(step, summit))
                } else {
                    cosine_between(1.0, end, part(step - summit, last - summit))
                }
            }
        }
    }
}

/// done / whole, never past 1. A stretch of no length is over at once.
fn part(done: f64, whole: f64) -> f64 {
    if done < whole { done / whole } else { 1.0 }
}

/// From `start` at x = 0 to `end` at x = 1, in half a cosine wave.
fn cosine_between(start: f64, end: f64, x: f64) -> f64 {
    end + (start - end) * 0.5 * (1.0 + cos_pi(x))
}

/// cos πx for x in [0, 1], within 10⁻¹⁵. The differences below are exact, so that the series only
/// ever sees angles up to π/4.
fn cos_pi(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x > 0.5 {
        -cos_pi(1.0 - x)
    } else if x > 0.25 {
        let t = PI * (0.5 - x);
        t * series(t * t, 1.0)
    } else {
        let t = PI * x;
        series(t * t, 0.0)
    }
}

/// The Taylor series of cos t (`first` = 0) or of sin t / t (`first` = 1), given t²: each term is
/// the one before times −t² / ((n + 1)(n + 2)). Eight terms after the 1 leave an error below 10⁻¹⁷.
fn series(t_squared: f64, first: f64) -> f64 {
    let mut sum = 1.0;
    for term in (0..8).rev() {
        let n = f64::from(2 * term) + first;
        sum = 1.0 - t_squared / ((n + 1.0) * (n + 2.0)) * sum;
    }
    sum
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Schedule::Constant => write!(f, "constant"),
            Schedule::Step { every, factor } => write!(f, "step:{every}:{factor}"),
            Schedule::Cosine { end_fraction: 0.0 } => write!(f, "cosine"),
            Schedule::Cosine { end_fraction } => write!(f, "cosine:{end_fraction}"),
            Schedule::WarmUp { steps, then } => write!(f, "warmup:{steps}:{then}"),
            cycle if *cycle == Schedule::one_cycle() => write!(f, "one-cycle"),
            Schedule::OneCycle { warm_up_fraction, start_div, final_div } => {
                write!(f, "one-cycle:{warm_up_fraction}:{start_div}:{final_div}")
            }
        }
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Schedule, ScheduleError> {
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let wrong = |form| Err(ScheduleError::Parts { text: text.into(), form });
        match parts[..] {
            ["warmup", steps, "warmup", ..] if steps.parse::<u64>().is_ok() => {
                Err(ScheduleError::NestedWarmUp)
            }
            ["warmup", steps, _, ..] => {
                let then = text.splitn(3, ':').last().unwrap_or_default();
                Ok(Schedule::WarmUp {
                    steps: whole("a number of warm-up steps", steps)?,
                    then: Box::new(then.parse()?),
                })
            }
            ["warmup", ..] => wrong("warmup:STEPS:SCHEDULE, as in warmup:500:cosine"),
            _ => plain(text, &parts),
        }
    }
}

/// Any schedule but a warm-up.
fn plain(text: &str, parts: &[&str]) -> Result<Schedule, ScheduleError> {
    let wrong = |form| Err(ScheduleError::Parts { text: text.into(), form });
    match *parts {
        ["constant"] => Ok(Schedule::Constant),
        ["constant", ..] => wrong("constant"),
        ["step", every, factor] => Ok(Schedule::Step {
            every: whole("a number of steps", every)?,
            factor: decimal("a factor", factor, POSITIVE)?,
        }),
        ["step", ..] => wrong("step:EVERY:FACTOR, as in step:1000:0.5"),
        ["cosine"] => Ok(Schedule::Cosine { end_fraction: 0.0 }),
        ["cosine", end] => {
            Ok(Schedule::Cosine { end_fraction: decimal("an end fraction", end, FRACTION)? })
        }
        ["cosine", ..] => wrong(COSINE_FORM),
        ["one-cycle"] => Ok(Schedule::one_cycle()),
        ["one-cycle", up, start, end] => Ok(Schedule::OneCycle {
            warm_up_fraction: decimal("a warm-up fraction", up, FRACTION)?,
            start_div: decimal("a start divisor", start, POSITIVE)?,
            final_div: decimal("a final divisor", end, POSITIVE)?,
        }),
        ["one-cycle", ..] => wrong(ONE_CYCLE_FORM),
        _ => Err(ScheduleError::Unknown { text: text.into() }),
    }
}

/// What a decimal may be: a test and its name.
type Range = (fn(f32) -> bool, &'static str);
const POSITIVE: Range = (|x| x > 0.0 && x.is_finite(), "a number above 0");
const FRACTION: Range = (|x| (0.0..=1.0).contains(&x), "a number from 0 to 1");

fn decimal(what: &'static str, text: &str, (holds, expected): Range) -> Result<f32, ScheduleError> {
    match text.parse() {
        Ok(x) if holds(x) => Ok(x),
        _ => Err(ScheduleError::Number { what, found: text.into(), expected }),
    }
}

fn whole(what: &'static str, text: &str) -> Result<u64, ScheduleError> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => {
            let expected = "a whole number above 0";
            Err(ScheduleError::Number { what, found: text.into(), expected })
        }
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Schedule, ScheduleError> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> String {
        schedule.to_string()
    }
}

#[cfg(test)]
mod tests;
