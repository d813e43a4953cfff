//! Rules about the samples: they hold before the first step.

use super::rules::{DUPLICATES, IMBALANCE, MISSING, OUT_OF_RANGE, SHUFFLED, UNSCALED};
use super::{Doctor, facts, percent, short};
use crate::samples::Samples;

pub(super) const WORDS_OF_LABELS: (&str, &str, &str) = (
    OUT_OF_RANGE.code,
    "labels count from 1, or one is wrong, or the network has too few outputs",
    "count classes from 0, and end the network with as many outputs as there are classes",
);

impl Doctor {
    /// The rules that need nothing but cheap facts.
    pub(super) fn check_data(&mut self) {
        let (Some(facts), Some(samples)) = (self.facts.clone(), self.training.clone()) else {
            return;
        };
        if self.measure(UNSCALED, facts.scale.max(0.1 / facts.scale)) {
            let [low, high] = facts.range.map(|x| short(x.into()));
            let (column, scale) = (facts.column, short(facts.scale));
            let what = format!(
                "inputs are from {low} to {high}, and column {column} has a root mean square of {scale}"
            );
            let cause = "the gradient of a weight grows with its input, so that no rate suits all weights, and \
                         layers are made for inputs around 1";
            let cure =
                "subtract each column's mean and divide by its deviation, or divide pixels by 255";
            self.found(UNSCALED, 0, what, cause, cure.to_string());
        }
        let Some(labels) = samples.labels() else { return };
        let outputs = self.outputs.unwrap_or(usize::MAX).min(facts.classes.len());
        let right: u64 = facts.classes.iter().take(outputs).sum();
        let wrong = labels.len() - right as usize;
        if self.measure(OUT_OF_RANGE, wrong as f64) {
            let row = labels.iter().position(|label| *label as usize >= outputs).unwrap_or(0);
            let label = labels[row];
            let what = format!(
                "{wrong} of {} labels are not below {outputs}; the first is {label}, of sample {row}",
                labels.len()
            );
            let (_, cause, cure) = WORDS_OF_LABELS;
            self.found(OUT_OF_RANGE, 0, what, cause, cure.to_string());
        }
        self.check_classes(&facts.classes, labels.len());
    }

    fn check_classes(&mut self, counts: &[u64], samples: usize) {
        // Of few samples, some classes may lack by chance.
        if samples < 10 * counts.len() {
            return;
        }
        let missing: Vec<usize> = (0..counts.len()).filter(|&class| counts[class] == 0).collect();
        if self.measure(MISSING, missing.len() as f64) {
            let named: Vec<String> = missing.iter().take(10).map(usize::to_string).collect();
            let (named, of) = (named.join(", "), counts.len());
            let what =
                format!("{} of {of} classes have no training sample: {named}", missing.len());
            let cause = "the network never sees them and will never say them; or a wrong label made classes up";
            let cure =
                "add samples of these classes, or take them out of the labels and the network";
            self.found(MISSING, 0, what, cause, cure.to_string());
        }
        let present = || counts.iter().copied().enumerate().filter(|(_, count)| *count > 0);
        let (Some((rare, least)), Some((common, most))) =
            (present().min_by_key(|(_, count)| *count), present().max_by_key(|(_, count)| *count))
        else {
            return;
        };
        if self.measure(IMBALANCE, most as f64 / least as f64) {
            let share = percent(most as f64 / samples as f64);
            let what = format!(
                "class {common} has {most} samples, class {rare} has {least}; always saying {common} is {share} right"
            );
            let cause = "the loss is a mean over samples, so rare classes hardly count";
            let cure = "repeat the samples of rare classes, or take as many of each class; judge each class by itself";
            self.found(IMBALANCE, 0, what, cause, cure.to_string());
        }
    }

    /// Compares with samples that the network is judged by. `name` says which, `test` or `validation`.
    pub fn compare(&mut self, held_out: &Samples, name: &str) {
        let Some(training) = self.training.clone() else { return };
        if held_out.is_empty() {
            return;
        }
        let (shared, first) = facts::shared_rows(&training, held_out);
        let share = shared as f64 / held_out.len() as f64;
        if self.measure(DUPLICATES, share) {
            let [row, other] = first.unwrap_or_default();
            let (of, share) = (held_out.len(), percent(share));
            let what = format!(
                "{shared} of {of} {name} rows ({share}) are training rows too; the first is {name} row {row}, \
                 training row {other}"
            );
            let cause = "the sets were split after samples were repeated, or drawn from each other: the accuracy \
                         on rows that were learned by heart says nothing of new ones";
            let cure = format!("take these rows out of the training set or out of the {name} set");
            self.found(DUPLICATES, 0, what, cause, cure);
        }
    }

    /// Whether labels follow from inputs at all: each sample's label against that of its nearest neighbour, of up to a
    /// thousand. While training, this is looked at if the first epoch taught little.
    pub fn check_labels(&mut self) {
        self.check_labels_at(0);
    }

    pub(super) fn check_labels_at(&mut self, step: u64) {
        let Some(found) = self.training.as_ref().and_then(|samples| facts::agreement(samples))
        else {
            return;
        };
        if self.measure(SHUFFLED, 1.0 - found.kappa().abs()) {
            let (agree, of, chance) = (found.agree, found.of, percent(found.chance));
            let share = percent(agree as f64 / of as f64);
            let what = format!(
                "of {of} samples, {agree} ({share}) have the label of their nearest neighbour; chance is {chance}"
            );
            let cause = "the labels were shuffled or shifted against the inputs, or do not follow from them";
            let cure = "give each input its own label: shuffle both with one order, and check where they are read";
            self.found(SHUFFLED, step, what, cause, cure.to_string());
        }
    }
}
