//! The rules: what each one measures, and from where on it is a finding.

use serde::Serialize;

/// A rule of the doctor. Every statistic grows with the illness, and above the threshold it is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Its name, and the code of its findings.
    pub code: &'static str,
    /// What is measured.
    pub statistic: &'static str,
    /// Where illness begins.
    pub threshold: f64,
    /// How many measurements in a row have to be above it.
    pub in_a_row: usize,
}

/// The code of the finding that a number is NaN or infinite, which the trainer finds itself.
pub const NOT_FINITE: &str = "not-finite";

const fn rule(
    code: &'static str,
    statistic: &'static str,
    threshold: f64,
    in_a_row: usize,
) -> Rule {
    Rule { code, statistic, threshold, in_a_row }
}

pub(super) const UNSCALED: Rule =
    rule("unscaled-input", "the largest root mean square m of a column, as max(m, 0.1/m)", 10.0, 1);
pub(super) const OUT_OF_RANGE: Rule =
    rule("labels-out-of-range", "labels that no output stands for", 0.5, 1);
pub(super) const MISSING: Rule = rule("missing-classes", "classes without a sample", 0.5, 1);
pub(super) const IMBALANCE: Rule =
    rule("class-imbalance", "samples of the largest class / of the smallest", 20.0, 1);
pub(super) const SHUFFLED: Rule = rule(
    "labels-shuffled",
    "1 - abs(Cohen's kappa) of labels and those of the nearest other samples",
    0.9,
    1,
);
pub(super) const DUPLICATES: Rule =
    rule("duplicated-rows", "share of held-out rows that were trained on", 0.01, 1);
pub(super) const COLLAPSED: Rule = rule(
    "collapsed-to-prior",
    "the smoothed loss / that of knowing only how answers are spread, after 300 full steps",
    0.95,
    2,
);
pub(super) const TOO_LOW: Rule = rule(
    "learning-rate-too-low",
    "the smoothed loss / the first, after 300 full steps that move the weights by less than 10^-4",
    0.9,
    2,
);
pub(super) const TOO_HIGH: Rule = rule(
    "learning-rate-too-high",
    "the smoothed loss / the first, or that of knowing nothing, from step 20 on",
    1.3,
    3,
);
pub(super) const REDUCTION: Rule = rule(
    "reduction-mismatch",
    "rate * batch / (1 - momentum) of a summed loss; of a run that is sick",
    1.5,
    1,
);
pub(super) const OVERFITTING: Rule = rule(
    "overfitting",
    "the validation loss / the best so far, where training has less than half",
    1.2,
    2,
);
pub(super) const DEAD: Rule =
    rule("dead-relu", "share of a relu layer's units that are 0 for a whole batch", 0.8, 3);
pub(super) const SATURATED: Rule = rule(
    "saturated",
    "share of a sigmoid or tanh layer's outputs in the 1/32 at either end",
    0.3,
    3,
);
pub(super) const VANISHING: Rule =
    rule("vanishing-gradient", "gradient of the last weights / of the first, per number", 300.0, 3);
pub(super) const EXPLODING: Rule = rule(
    "exploding-gradient",
    "gradient of the first layer's outputs / of the last, per number",
    20.0,
    2,
);
pub(super) const UPDATE: Rule =
    rule("update-ratio", "the median update ratio's factor from 10^-3", 100.0, 3);

/// All rules, those about the data first.
pub const RULES: &[Rule] = &[
    UNSCALED,
    OUT_OF_RANGE,
    MISSING,
    IMBALANCE,
    SHUFFLED,
    DUPLICATES,
    COLLAPSED,
    TOO_LOW,
    TOO_HIGH,
    REDUCTION,
    OVERFITTING,
    DEAD,
    SATURATED,
    VANISHING,
    EXPLODING,
    UPDATE,
];

/// A rule at work: the last measurements, and the worst so far.
pub(super) struct Gauge {
    pub rule: Rule,
    last: Vec<f64>,
    pub worst: Option<f64>,
}

impl Gauge {
    pub fn new(rule: Rule) -> Gauge {
        Gauge { rule, last: Vec::new(), worst: None }
    }

    /// Takes a measurement. Returns whether enough in a row are above the threshold.
    pub fn measure(&mut self, statistic: f64) -> bool {
        if self.last.len() == self.rule.in_a_row {
            self.last.remove(0);
        }
        self.last.push(statistic);
        if self.last.len() < self.rule.in_a_row {
            return false;
        }
        let lasting = self.last.iter().copied().fold(f64::INFINITY, f64::min);
        self.worst = Some(self.worst.map_or(lasting, |worst| worst.max(lasting)));
        lasting > self.rule.threshold
    }

    /// What was measured no longer holds: the row is broken.
    pub fn reset(&mut self) {
        self.last.clear();
    }
}
