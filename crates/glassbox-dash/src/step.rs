//! The open step: a number of a training step, with everything that it is made of.

use crate::feed::lock;
use crate::models::{Models, Why};
use glassbox::{
    Device, Explanation, Loss, Network, Quantity, Reduction, RunRecord, Samples, evaluate, explain,
};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

/// Which number, of the step on which images.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Ask {
    /// `dL/dW2[17,3]`
    pub what: String,
    #[serde(default)]
    pub first: usize,
    /// How many images; without a word, as many as a step of the run.
    pub batch: Option<usize>,
    /// Whether the images are the test images.
    #[serde(default)]
    pub test: u8,
}

/// The number, and of what it is.
#[derive(Serialize)]
pub(crate) struct Opened {
    version: u64,
    first: usize,
    batch: usize,
    images: String,
    is_test: bool,
    reduction: &'static str,
    #[serde(flatten)]
    explanation: Explanation,
}

/// Images that a step was asked for, and others around them: never a whole set of training images.
#[derive(Default)]
pub(crate) struct Batches {
    kept: Mutex<Option<Piece>>,
}

struct Piece {
    place: String,
    first: usize,
    /// How many there are in the whole set.
    all: usize,
    samples: Samples,
}

/// So many images are kept, beginning at a multiple of half of them.
const PIECE: usize = 4096;

/// The most images of a batch: any of them lies within a piece.
pub(crate) const MOST_BATCH: usize = PIECE / 2;

/// The most floating-point operations of a batch's forward pass. A number takes some ten times as much: a second or two.
const MOST_FLOPS: u64 = 1 << 27;

impl Batches {
    /// The images first..first + count of a run's training images.
    fn training(
        &self,
        models: &Models,
        record: &RunRecord,
        first: usize,
        count: usize,
    ) -> Result<Samples, Why> {
        let place = record.data.place();
        let begin = first / MOST_BATCH * MOST_BATCH;
        let mut kept = lock(&self.kept);
        if !kept.as_ref().is_some_and(|piece| piece.place == place && piece.first == begin) {
            *kept = None;
            let pair = models.load(record, "training")?;
            let samples = Samples::new(pair.train).map_err(|error| error.to_string())?;
            let all = samples.len();
            let samples = samples.range(begin.min(all)..all.min(begin.saturating_add(PIECE)));
            *kept = Some(Piece { place: place.to_string(), first: begin, all, samples });
        }
        let piece = kept.as_ref().expect("it was just read");
        check(first, count, piece.all, &record.data.name, "training")?;
        Ok(piece.samples.range(first - begin..first - begin + count))
    }
}

/// An error unless there are such images.
fn check(first: usize, count: usize, all: usize, name: &str, which: &str) -> Result<(), Why> {
    if count > 0 && count <= MOST_BATCH && first.checked_add(count).is_some_and(|end| end <= all) {
        return Ok(());
    }
    Err(format!(
        "{name} has {all} {which} images, counted from 0, and a batch 1 to {MOST_BATCH} of them."
    ))
}

impl Ask {
    /// Opens the step that a network makes on the images.
    pub fn open(
        &self,
        (version, network): (u64, &Network),
        models: &Models,
        batches: &Batches,
        record: Option<&RunRecord>,
    ) -> Result<Opened, Why> {
        let quantity = Quantity::parse(&self.what, network).map_err(|error| error.to_string())?;
        let record = record.ok_or("The run's folder does not say which data it is of.")?;
        let (first, count) = (self.first, self.batch.unwrap_or(record.settings.batch));
        if network.summary().flops.saturating_mul(count as u64) > MOST_FLOPS {
            return Err(format!(
                "A step of {network} on {count} images takes too long to be opened here. Take a smaller batch, or use \
                 `glassbox explain`."
            ));
        }
        let samples = match self.test {
            0 => batches.training(models, record, first, count)?,
            _ => {
                let set = models.data(Some(record))?;
                check(first, count, set.len(), &record.data.name, "test")?;
                let image = |row| set.image(row).to_vec();
                let pixels = (first..first + count).flat_map(image).collect();
                let labels = set.labels[first..first + count].iter().map(|l| u32::from(*l));
                Samples::images(pixels, labels.collect(), set.pixels(), set.classes)
            }
        };
        evaluate::check_widths(network, &samples).map_err(|error| error.to_string())?;
        let reduction = record.settings.reduction;
        let explanation = open(network, &samples, reduction, &quantity)?;
        Ok(Opened {
            version,
            first,
            batch: count,
            images: record.data.name.clone(),
            is_test: self.test != 0,
            reduction: match reduction {
                Reduction::Mean => "mean",
                Reduction::Sum => "sum",
            },
            explanation,
        })
    }
}

fn open(
    network: &Network,
    samples: &Samples,
    reduction: Reduction,
    quantity: &Quantity,
) -> Result<Explanation, Why> {
    if samples.labels().is_none() {
        return Err("Only steps on images with classes can be opened.".to_string());
    }
    samples
        .whole(&Device::Reference)
        .and_then(|(x, answers)| {
            explain(network, Loss::CrossEntropy(reduction), &x, answers.targets(), quantity)
        })
        .map_err(|error| error.to_string())
}
