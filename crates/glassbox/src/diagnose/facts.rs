//! What samples are like: the shares of the classes, the scale of the inputs, whether labels follow from inputs, and
//! rows that are in two sets.

use crate::lanes::{range, total};
use crate::samples::{Answers, Inputs, Samples};
use std::collections::HashMap;

/// So many samples are looked at, evenly spaced, if there are more.
const MOST: usize = 1000;

/// And so many inputs, as far as a hundred samples do not have more.
const INPUTS: usize = 1 << 17;

/// So many columns of them tell near from far.
const COLUMNS: usize = 200;

/// Fewer samples say nothing of nearest neighbours.
const FEWEST: usize = 100;

/// What is cheap to know of samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The column with the largest root mean square, and that.
    pub column: usize,
    pub scale: f64,
    /// The least and the largest input.
    pub range: [f32; 2],
    /// Samples of each class; none where the answers are values.
    pub classes: Vec<u64>,
    /// The loss of whoever knows how answers are spread, and does not look at inputs.
    pub prior: f64,
}

impl Facts {
    pub fn of(samples: &Samples) -> Facts {
        let (width, count) = (samples.width, samples.len());
        let mut squares = vec![0.0; width];
        let [mut low, mut high] = [f32::INFINITY, f32::NEG_INFINITY];
        let rows = evenly(count, (INPUTS / width.max(1)).clamp(FEWEST, MOST));
        let mut row_of = vec![0.0; width];
        for &row in &rows {
            inputs(samples, row, &mut row_of);
            // Whoever finds what is not finite says so; here it would hide the rest.
            row_of.iter_mut().for_each(|x| *x = if x.is_finite() { *x } else { 0.0 });
            squares.iter_mut().zip(&row_of).for_each(|(sum, &x)| *sum += f64::from(x * x));
            let found = range(&row_of);
            (low, high) = (low.min(found[0]), high.max(found[1]));
        }
        let largest = squares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let (column, squares) = largest.map_or((0, 0.0), |(column, squares)| (column, *squares));
        let scale = (squares / rows.len().max(1) as f64).sqrt();
        let (classes, prior) = answers(samples);
        Facts { column, scale, range: [low, high], classes, prior }
    }
}

/// The inputs of a sample as the network gets them.
fn inputs(samples: &Samples, row: usize, out: &mut [f32]) {
    let place = row * samples.width..(row + 1) * samples.width;
    match &samples.inputs {
        Inputs::Pixels(pixels) => {
            out.iter_mut().zip(&pixels[place]).for_each(|(out, &x)| *out = f32::from(x) / 255.0);
        }
        Inputs::Numbers(numbers) => out.copy_from_slice(&numbers[place]),
    }
}

/// One of them.
fn input(samples: &Samples, row: usize, column: usize) -> f32 {
    match &samples.inputs {
        Inputs::Pixels(pixels) => f32::from(pixels[row * samples.width + column]) / 255.0,
        Inputs::Numbers(numbers) => numbers[row * samples.width + column],
    }
}

/// At most `most` of the numbers below `count`, evenly spaced.
fn evenly(count: usize, most: usize) -> Vec<usize> {
    let taken = count.min(most);
    (0..taken).map(|i| (i as u128 * count as u128 / taken as u128) as usize).collect()
}

/// The samples of each class, and the loss that needs no inputs: the entropy of the shares, or the variance.
fn answers(samples: &Samples) -> (Vec<u64>, f64) {
    match &samples.answers {
        Answers::Classes { labels, classes } => {
            let mut counts = vec![0u64; *classes];
            for &label in labels {
                if let Some(count) = counts.get_mut(label as usize) {
                    *count += 1;
                }
            }
            let all = labels.len().max(1) as f64;
            let shares = counts.iter().filter(|count| **count > 0).map(|&count| count as f64 / all);
            let entropy = -shares.map(|share| share * share.ln()).sum::<f64>();
            (counts, entropy)
        }
        Answers::Values { values, width } => {
            let rows = (values.len() / (*width).max(1)).max(1) as f64;
            let variance = |column: usize| {
                let column = || values.iter().skip(column).step_by(*width).map(|&x| f64::from(x));
                let mean = column().sum::<f64>() / rows;
                column().map(|x| (x - mean) * (x - mean)).sum::<f64>() / rows
            };
            (Vec::new(), (0..*width).map(variance).sum::<f64>() / (*width).max(1) as f64)
        }
    }
}

/// How often the nearest other sample has the same label, of how many, and how often it would by chance.
pub(super) struct Agreement {
    pub agree: usize,
    pub of: usize,
    pub chance: f64,
}

impl Agreement {
    /// Cohen's kappa: 0 is chance, 1 is agreement.
    pub fn kappa(&self) -> f64 {
        let found = self.agree as f64 / self.of.max(1) as f64;
        (found - self.chance) / (1.0 - self.chance)
    }
}

/// The agreement of nearest neighbours, if there are classes and enough samples.
pub(super) fn agreement(samples: &Samples) -> Option<Agreement> {
    let labels = samples.labels()?;
    let rows = evenly(samples.len(), MOST);
    let label = |i: usize| labels[rows[i]];
    let mut counts = HashMap::<u32, f64>::new();
    (0..rows.len()).for_each(|i| *counts.entry(label(i)).or_default() += 1.0);
    let all = rows.len() as f64;
    let chance = counts.values().map(|count| (count / all) * (count / all)).sum::<f64>();
    if rows.len() < FEWEST || chance > 0.95 {
        return None;
    }
    let points = points(samples, &rows);
    let width = points.len() / rows.len();
    let point = |i: usize| &points[i * width..][..width];
    let mut nearest = vec![(f32::INFINITY, 0); rows.len()];
    for i in 1..rows.len() {
        for j in 0..i {
            let d = distance(point(i), point(j));
            if d < nearest[i].0 {
                nearest[i] = (d, j);
            }
            if d < nearest[j].0 {
                nearest[j] = (d, i);
            }
        }
    }
    let agree = nearest.iter().enumerate().filter(|(i, (_, j))| label(*i) == label(*j)).count();
    Some(Agreement { agree, of: rows.len(), chance })
}

/// Some columns of these rows. Numbers may have any unit, so each column is divided by its deviation.
fn points(samples: &Samples, rows: &[usize]) -> Vec<f32> {
    let columns = evenly(samples.width, COLUMNS);
    let factors: Vec<f32> = match &samples.inputs {
        Inputs::Pixels(_) => vec![1.0; columns.len()],
        Inputs::Numbers(_) => {
            let factor = |&column: &usize| {
                let x = || rows.iter().map(|&row| f64::from(input(samples, row, column)));
                let mean = x().sum::<f64>() / rows.len() as f64;
                let variance = x().map(|x| (x - mean) * (x - mean)).sum::<f64>();
                let factor = (rows.len() as f64 / variance).sqrt() as f32;
                // A column that is always the same tells nothing from nothing.
                if factor.is_finite() { factor } else { 0.0 }
            };
            columns.iter().map(factor).collect()
        }
    };
    let point = |&row: &usize| {
        let pairs = columns.iter().zip(&factors);
        pairs.map(move |(&column, factor)| input(samples, row, column) * factor).collect::<Vec<_>>()
    };
    rows.iter().flat_map(point).collect()
}

/// ‖a − b‖²
fn distance(a: &[f32], b: &[f32]) -> f32 {
    total([a, b], |[a, b]| (a - b) * (a - b))
}

/// Rows that are in both sets: how many rows of `held_out`, and the first pair (row of it, row of `training`).
pub(super) fn shared_rows(training: &Samples, held_out: &Samples) -> (usize, Option<[usize; 2]>) {
    if training.width != held_out.width {
        return (0, None);
    }
    // Fewer rows are remembered than looked up.
    let mut rows = HashMap::<u64, Vec<usize>>::new();
    for row in 0..held_out.len() {
        rows.entry(hash(held_out, row)).or_default().push(row);
    }
    let mut shared = vec![None; held_out.len()];
    for row in 0..training.len() {
        for &other in rows.get(&hash(training, row)).into_iter().flatten() {
            if shared[other].is_none() && is_same(training, row, held_out, other) {
                shared[other] = Some(row);
            }
        }
    }
    let first = shared.iter().enumerate().find_map(|(row, other)| Some([row, (*other)?]));
    (shared.iter().flatten().count(), first)
}

fn hash(samples: &Samples, row: usize) -> u64 {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let place = row * samples.width..(row + 1) * samples.width;
    match &samples.inputs {
        Inputs::Pixels(pixels) => {
            let (words, rest) = pixels[place].as_chunks::<8>();
            let hash = words.iter().fold(0, |hash, &word| mix(hash, u64::from_le_bytes(word)));
            rest.iter().fold(hash, |hash, &byte| mix(hash, byte.into()))
        }
        Inputs::Numbers(numbers) => {
            numbers[place].iter().fold(0, |hash, x| mix(hash, x.to_bits().into()))
        }
    }
}

fn is_same(a: &Samples, i: usize, b: &Samples, j: usize) -> bool {
    let place = |row: usize| row * a.width..(row + 1) * a.width;
    match (&a.inputs, &b.inputs) {
        (Inputs::Pixels(a), Inputs::Pixels(b)) => a[place(i)] == b[place(j)],
        (Inputs::Numbers(a), Inputs::Numbers(b)) => a[place(i)] == b[place(j)],
        _ => false,
    }
}
