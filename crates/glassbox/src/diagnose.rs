//! The training doctor: hears a run's events, and says what is ill, why, and what to change.
//!
//! A [`Doctor`] knows the settings and the samples, hears what the trainer emits, and finds each illness once. A trainer
//! that looks inside ([`Trainer::look_inside`](crate::Trainer::look_inside)) has one with it, and emits what it finds as
//! [`Event::Warning`]. What training comes to does not depend on it.
//!
//! # The rules
//!
//! Healthy runs and patients are those of `tests/patients.rs`: 63 healthy runs, of other models, optimizers, schedules,
//! data and seeds, and two dozen sick ones with three seeds each, all of which have to be caught, and are healed, so that no
//! rule speaks, by the very words of their cures.
//! That test writes this table.
//!
#![doc = include_str!("diagnose/rules.md")]
//!
//! Each threshold lies in the gap, nearer to the ill side where an alarm costs more than a miss. Where they come from:
//! a root mean square of 1 is what initial weights are made for (LeCun et al. 1998, Efficient BackProp); an update ratio
//! of about 10⁻³ is Karpathy's (CS231n), a hundred times more or less is far from it; saturation and gradients that
//! vanish or explode layer by layer are measured as Glorot and Bengio did (2010); units that are silent for a whole batch
//! are dying relus (Maas, Hannun, Ng 2013); kappa is Cohen's (1960), 0 at chance; the rate of a summed loss is that of
//! the mean times the batch. "Full steps" count by their share of the full rate, so that a warm-up is not blamed.
//!
//! A number that is not finite is found by the trainer itself, with the layer, the tensor and the step: [`NotFinite`].

use crate::error::{Error, Result};
use crate::event::{Event, Sink};
use crate::samples::Samples;
use crate::settings::Settings;
use crate::{Network, init::Init};
use course::Course;
pub(crate) use course::round;
use facts::Facts;
use layers::Looked;
pub(crate) use not_finite::examine;
pub use not_finite::{Culprit, NotFinite};
use rules::Gauge;
pub use rules::{NOT_FINITE, RULES, Rule};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

mod course;
mod data;
mod facts;
mod layers;
mod not_finite;
mod rules;

/// An illness of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The step at which it was found; 0 is before the first.
    pub step: u64,
    /// The rule that found it, or [`NOT_FINITE`].
    pub code: String,
    /// What was seen, in numbers.
    pub what: String,
    /// Where it comes from.
    pub cause: String,
    /// What to change.
    pub cure: String,
}

/// Hears a run, and says what is ill.
pub struct Doctor {
    settings: Settings,
    /// The outputs of the network, if its text tells.
    outputs: Option<usize>,
    training: Option<Arc<Samples>>,
    facts: Option<Facts>,
    gauges: Vec<Gauge>,
    findings: Vec<Finding>,
    course: Course,
    looked: Looked,
}

impl Doctor {
    /// A doctor for a run with these settings on these samples, if they are at hand.
    pub fn new(settings: &Settings, training: Option<Arc<Samples>>) -> Doctor {
        let network = Network::new(&settings.model, Init::Zero, 0);
        let facts = training.as_ref().map(|samples| Facts::of(samples));
        let mut doctor = Doctor {
            settings: settings.clone(),
            outputs: network.ok().map(|network| network.output_width()),
            training,
            facts,
            gauges: RULES.iter().copied().map(Gauge::new).collect(),
            findings: Vec::new(),
            course: Course::default(),
            looked: Looked::default(),
        };
        doctor.check_data();
        doctor
    }

    /// Hears what happened. Returns what it shows that was not found before.
    pub fn hear(&mut self, event: &Event) -> Vec<Finding> {
        let mut known = self.findings.len();
        match event {
            Event::Started { steps_per_epoch, untrained, step, .. } => {
                known = if *step == 0 { 0 } else { known };
                self.start(*steps_per_epoch, untrained.map(|[loss, _]| loss));
            }
            Event::Step { step, loss, rate, .. } => self.step(*step, *loss, *rate),
            Event::Inside { step, layers } => self.look(*step, layers),
            Event::Epoch(record) => self.epoch(record),
            Event::Warning { step, code, what, cause, cure } => {
                let [code, what, cause, cure] = [code, what, cause, cure].map(|text| plain(text));
                known += usize::from(self.add(Finding { step: *step, code, what, cause, cure }));
            }
            _ => {}
        }
        self.check_reduction();
        self.findings[known..].to_vec()
    }

    /// All that was found, in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What was measured: each rule with its worst lasting statistic, if there was anything to measure.
    pub fn measured(&self) -> impl Iterator<Item = (Rule, Option<f64>)> {
        self.gauges.iter().map(|gauge| (gauge.rule, gauge.worst))
    }

    /// Takes a measurement. Returns whether it is the first to show an illness.
    fn measure(&mut self, rule: Rule, statistic: f64) -> bool {
        let gauge = self.gauges.iter_mut().find(|gauge| gauge.rule.code == rule.code);
        gauge.is_some_and(|gauge| gauge.measure(statistic)) && !self.has(rule.code)
    }

    /// What stands before a measurement did not hold: no row of them is whole.
    fn reset(&mut self, rule: Rule) {
        self.gauges.iter_mut().filter(|g| g.rule.code == rule.code).for_each(Gauge::reset);
    }

    fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }

    fn found(
        &mut self,
        rule: Rule,
        step: u64,
        what: String,
        cause: impl Into<String>,
        cure: String,
    ) {
        let code = rule.code.to_string();
        self.add(Finding { step, code, what, cause: cause.into(), cure });
    }

    /// Keeps a finding, unless there is one of its code. A file may be anybody's, and full of codes that nobody knows.
    fn add(&mut self, finding: Finding) -> bool {
        let is_new = !self.has(&finding.code) && self.findings.len() < MOST;
        if is_new {
            self.findings.push(finding);
        }
        is_new
    }
}

impl Finding {
    /// An error that a doctor would have named.
    pub fn of_error(error: &Error) -> Option<Finding> {
        let (code, cause, cure) = match error {
            Error::Label { .. } => data::WORDS_OF_LABELS,
            Error::Diverged { .. } => WORDS_OF_NOT_FINITE,
            _ => return None,
        };
        let text = error.to_string();
        let (what, hint) = text.rsplit_once(" (hint: ").unwrap_or((&text, ""));
        let (step, cure) = match error {
            Error::Diverged { step, .. } => (*step, hint.trim_end_matches(')')),
            _ => (0, cure),
        };
        let [code, what, cause, cure] = [code, what, cause, cure].map(str::to_string);
        Some(Finding { step, code, what, cause, cure })
    }
}

const WORDS_OF_NOT_FINITE: (&str, &str, &str) = (
    NOT_FINITE,
    "a number became larger than an f32 can be, or had no value at all; everything that it reaches follows",
    "",
);

impl From<Finding> for Event {
    fn from(finding: Finding) -> Event {
        let Finding { step, code, what, cause, cure } = finding;
        Event::Warning { step, code, what, cause, cure }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Finding { step, code, what, cause, cure } = self;
        let when = if *step == 0 { String::new() } else { format!(" at step {step}") };
        write!(f, "{code}{when}: {what}\n  cause: {cause}\n  cure: {cure}")
    }
}

/// So many findings, at most, are kept of a file.
const MOST: usize = 100;

/// Words from a file as a terminal may show them.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(1000).collect()
}

/// A sink with a doctor before it, who adds warnings to what is heard.
pub(crate) struct Attended<'a> {
    pub doctor: Option<&'a mut Doctor>,
    pub sink: &'a mut dyn Sink,
}

impl Sink for Attended<'_> {
    fn event(&mut self, event: &Event) -> Result<()> {
        self.sink.event(event)?;
        let found = self.doctor.as_mut().map(|doctor| doctor.hear(event));
        found.into_iter().flatten().try_for_each(|finding| self.sink.event(&finding.into()))
    }

    fn idle(&mut self, network: &Network) {
        self.sink.idle(network);
    }

    fn watch(&mut self, network: &Network) {
        self.sink.watch(network);
    }
}

/// A number with three digits that matter.
fn short(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_string(),
        1e-3..1e3 => {
            let decimals = (2 - x.abs().log10().floor() as i32).max(0) as usize;
            let text = format!("{x:.decimals$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
                false => text,
            }
        }
        _ => format!("{x:.1e}"),
    }
}

fn percent(share: f64) -> String {
    format!("{} %", short(100.0 * share))
}
