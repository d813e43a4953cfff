//! How good a classifier is: confusion matrix, precision and recall, top-k, and how sure one can be.
//!
//! Where a ratio is 0/0 (the precision of a class that was never predicted) it is 0, as with
//! scikit-learn's `zero_division=0`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The most classes a confusion matrix has: what a label of one byte can tell apart.
pub const MAX_CLASSES: usize = 256;

/// The answer that is no class: what `argmax` gives for outputs that hold a NaN.
pub const NO_ANSWER: u32 = u32::MAX;

/// How often each label met each prediction.
///
/// ```
/// use glassbox::metrics::Confusion;
///
/// let mut confusion = Confusion::new(2)?;
/// for (label, predicted) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
///     confusion.add(label, predicted)?;
/// }
/// assert_eq!(confusion.accuracy(), 0.75);
/// assert_eq!(confusion.scores(1).recall, 1.0);
/// println!("{confusion}");
/// # Ok::<(), glassbox::metrics::MetricsError>(())
/// ```
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(try_from = "Counts", into = "Counts")]
pub struct Confusion {
    /// `counts[label][predicted]`
    counts: Vec<Vec<u64>>,
    /// `unanswered[label]`
    unanswered: Vec<u64>,
}

/// Precision, recall and F1, each from 0 to 1.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Of what was predicted to be the class, the part that is.
    pub precision: f64,
    /// Of what is the class, the part that was found.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
}

/// A range that holds the true value with a stated confidence.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What cannot be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    /// A number of classes that no confusion matrix has.
    #[error("{found} classes (hint: a confusion matrix has from 1 to {MAX_CLASSES})")]
    Classes {
        /// The number asked for.
        found: usize,
    },
    /// A label or a prediction that is none of the classes.
    #[error(
        "the {what} {found} is none of the {classes} classes (hint: classes are counted from 0)"
    )]
    NoSuchClass {
        /// Label or prediction.
        what: &'static str,
        /// What was given.
        found: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// Logits whose number does not fit that of the labels.
    #[error(
        "{logits} logits for {labels} labels of {classes} classes \
         (hint: give one row of {classes} logits for each label)"
    )]
    Logits {
        /// How many logits were given.
        logits: usize,
        /// How many labels were given.
        labels: usize,
        /// How many logits a row has.
        classes: usize,
    },
    /// Counts from a file that cannot be those of a confusion matrix.
    #[error("these counts are no confusion matrix: {why} (hint: the file may be damaged)")]
    Counts {
        /// What is wrong.
        why: &'static str,
    },
}

impl Confusion {
    /// An empty matrix for classes 0 to `classes` − 1.
    pub fn new(classes: usize) -> Result<Confusion, MetricsError> {
        if !(1..=MAX_CLASSES).contains(&classes) {
            return Err(MetricsError::Classes { found: classes });
        }
        Ok(Confusion { counts: vec![vec![0; classes]; classes], unanswered: vec![0; classes] })
    }

    /// Counts one sample. [`NO_ANSWER`] is counted apart: it is wrong, but in favour of no class.
    pub fn add(&mut self, label: u32, predicted: u32) -> Result<(), MetricsError> {
        let classes = self.classes();
        let check = |what, found: u32| match found as usize {
            index if index < classes => Ok(index),
            _ => Err(MetricsError::NoSuchClass { what, found, classes }),
        };
        let row = check("label", label)?;
        if predicted == NO_ANSWER {
            self.unanswered[row] += 1;
        } else {
            self.counts[row][check("prediction", predicted)?] += 1;
        }
        Ok(())
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// How many samples of class `label` were predicted to be of class `predicted`.
    ///
    /// # Panics
    /// If one of them is no class.
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        self.counts[label][predicted]
    }

    /// How many samples got no answer.
    pub fn unanswered(&self) -> u64 {
        self.unanswered.iter().sum()
    }

    /// How many samples were counted.
    pub fn total(&self) -> u64 {
        (0..self.classes()).map(|class| self.labelled(class)).sum()
    }

    /// How many samples were predicted rightly.
    pub fn correct(&self) -> u64 {
        (0..self.classes()).map(|class| self.counts[class][class]).sum()
    }

    /// The part of the samples that was predicted rightly.
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// The 95 % confidence interval of the accuracy, see [`wilson_95`].
    pub fn accuracy_interval(&self) -> Interval {
        wilson_95(self.correct(), self.total())
    }

    /// The scores of one class against all others. A sample without an answer lowers the recall of
    /// its label and nobody's precision.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn scores(&self, class: usize) -> Scores {
        let hits = self.counts[class][class];
        let predicted: u64 = self.counts.iter().map(|row| row[class]).sum();
        let labelled = self.labelled(class);
        Scores {
            precision: ratio(hits, predicted),
            recall: ratio(hits, labelled),
            // 2pr / (p + r), cancelled down so that only a class that never occurs is 0/0.
            f1: ratio(2 * hits, predicted + labelled),
        }
    }

    /// The plain means of the scores of all classes, those that never occur included.
    pub fn macro_scores(&self) -> Scores {
        let (mut sum, classes) = (Scores::default(), self.classes() as f64);
        for scores in (0..self.classes()).map(|class| self.scores(class)) {
            sum.precision += scores.precision;
            sum.recall += scores.recall;
            sum.f1 += scores.f1;
        }
        Scores {
            precision: sum.precision / classes,
            recall: sum.recall / classes,
            f1: sum.f1 / classes,
        }
    }

    /// How many samples are of a class.
    fn labelled(&self, class: usize) -> u64 {
        self.counts[class].iter().sum::<u64>() + self.unanswered[class]
    }
}

/// The part of the samples whose label is among the `k` largest of their logits (b, classes).
///
/// Of equal logits the first counts as the larger, as with `argmax`, so that k = 1 gives the
/// accuracy. A row that holds a NaN is no answer, and wrong for every k.
pub fn top_k_accuracy(
    logits: &[f32],
    labels: &[u32],
    classes: usize,
    k: usize,
) -> Result<f64, MetricsError> {
    if labels.len().checked_mul(classes) != Some(logits.len()) {
        let (logits, labels) = (logits.len(), labels.len());
        return Err(MetricsError::Logits { logits, labels, classes });
    }
    let mut correct = 0;
    for (row, &label) in labels.iter().enumerate() {
        if label as usize >= classes {
            return Err(MetricsError::NoSuchClass { what: "label", found: label, classes });
        }
        correct += u64::from(is_among_largest(&logits[row * classes..][..classes], label, k));
    }
    Ok(ratio(correct, labels.len() as u64))
}

/// Whether fewer than k elements come before element `label`.
fn is_among_largest(row: &[f32], label: u32, k: usize) -> bool {
    let label = label as usize;
    let comes_before = |j: usize| row[label] < row[j] || (row[label] == row[j] && j < label);
    let rank = (0..row.len()).filter(|&j| comes_before(j)).count();
    rank < k && !row.iter().any(|x| x.is_nan())
}

/// Where a true accuracy lies, with 95 % confidence, when `correct` of `total` samples were right:
/// Wilson's score interval (1927). Unlike p ± 1.96 √(p(1 − p)/n) it stays within 0 and 1, and is
/// no single point when all answers are right. Of no samples nothing is known.
///
/// ```
/// let found = glassbox::metrics::wilson_95(9_800, 10_000);
/// assert!(0.9770 < found.low && found.low < 0.9771);
/// assert!(0.9825 < found.high && found.high < 0.9826);
/// ```
pub fn wilson_95(correct: u64, total: u64) -> Interval {
    if total == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    /// 95 % of a normal distribution lie within this many standard deviations.
    const Z: f64 = 1.959_963_984_540_054;
    let (n, p) = (total as f64, ratio(correct, total));
    let shrink = 1.0 / (1.0 + Z * Z / n);
    let centre = (p + Z * Z / (2.0 * n)) * shrink;
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() * shrink;
    // The ends belong to p = 0 and p = 1 exactly; rounding may miss them by a hair.
    let low = if correct == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if correct == total { 1.0 } else { (centre + half).min(1.0) };
    Interval { low, high }
}

/// part / whole, and 0 for 0/0.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A table: a row for each label, a column for each prediction, then the samples without an answer
/// if there are any, and the recall.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let classes = 0..self.classes();
        let mut header = vec!["label".to_string()];
        header.extend(classes.clone().map(|class| class.to_string()));
        header.extend((self.unanswered() > 0).then(|| "none".to_string()));
        header.push("recall".to_string());
        let mut table = vec![header];
        for label in classes {
            let mut row = vec![label.to_string()];
            row.extend(self.counts[label].iter().map(u64::to_string));
            row.extend((self.unanswered() > 0).then(|| self.unanswered[label].to_string()));
            row.push(format!("{:.2} %", 100.0 * self.scores(label).recall));
            table.push(row);
        }
        write_table(f, &table)
    }
}

/// Right-aligned columns, two spaces apart.
fn write_table(f: &mut fmt::Formatter, table: &[Vec<String>]) -> fmt::Result {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| table.iter().map(|row| row[column].len()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    for (i, row) in table.iter().enumerate() {
        if i > 0 {
            writeln!(f)?;
        }
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            write!(f, "{gap}{cell:>width$}")?;
        }
    }
    Ok(())
}

/// The confusion matrix in a file, before it is believed.
#[derive(Serialize, Deserialize)]
struct Counts {
    /// A row for each label, a column for each prediction.
    counts: Vec<Vec<u64>>,
    /// One for each label.
    unanswered: Vec<u64>,
}

impl TryFrom<Counts> for Confusion {
    type Error = MetricsError;

    fn try_from(Counts { counts, unanswered }: Counts) -> Result<Confusion, MetricsError> {
        let classes = Confusion::new(counts.len())?.classes();
        if unanswered.len() != classes || counts.iter().any(|row| row.len() != classes) {
            return Err(MetricsError::Counts { why: "its rows differ in length" });
        }
        // F1 adds up to twice the total.
        let sum = counts.iter().flatten().chain(&unanswered).map(|&n| u128::from(n)).sum::<u128>();
        if sum > u128::from(u64::MAX / 2) {
            return Err(MetricsError::Counts { why: "its sum is too large" });
        }
        Ok(Confusion { counts, unanswered })
    }
}

impl From<Confusion> for Counts {
    fn from(Confusion { counts, unanswered }: Confusion) -> Counts {
        Counts { counts, unanswered }
    }
}

#[cfg(test)]
mod tests;
