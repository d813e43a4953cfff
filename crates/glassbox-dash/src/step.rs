//! The open step: a number of a training step, with everything that it is made of.

use crate::images::{Images, Missing};
use crate::models::{Told, Why};
use crate::run::Run;
use glassbox::{
    Device, Explanation, Loss, Network, Quantity, Reduction, Samples, evaluate, explain,
};
use serde::{Deserialize, Serialize};

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
    first: usize,
    batch: usize,
    images: String,
    is_test: bool,
    reduction: &'static str,
    #[serde(flatten)]
    explanation: Explanation,
}

/// The most floating-point operations of a batch's forward pass. A number takes some ten times as much: a second or two.
const MOST_FLOPS: u64 = 1 << 27;

impl Ask {
    /// Opens the step that a network makes on the images.
    pub fn open(&self, network: &Network, run: &Run, images: &Images) -> Result<Told<Opened>, Why> {
        let quantity = Quantity::parse(&self.what, network).map_err(|error| error.to_string())?;
        let record = run.facts().1.ok_or("The run's folder does not say what it is made of.")?;
        let (first, count) = (self.first, self.batch.unwrap_or(record.settings.batch));
        if network.summary().flops.saturating_mul(count as u64) > MOST_FLOPS {
            return Err(format!(
                "A step of {network} on {count} images takes too long to be opened here. Take a smaller batch, or use \
                 `glassbox explain`."
            ));
        }
        let batch = match self.test {
            0 => images.training_batch(run, first, count),
            _ => images.test_batch(run, first, count),
        };
        let samples = match batch {
            Ok(samples) => samples,
            Err(Missing::Absent(why)) => return Ok(Told::Not { why }),
            Err(Missing::Beyond(why)) => return Err(why),
        };
        evaluate::check_widths(network, &samples).map_err(|error| error.to_string())?;
        let reduction = record.settings.reduction;
        let explanation = open(network, &samples, reduction, &quantity)?;
        Ok(Told::Known(Opened {
            first,
            batch: count,
            images: record.data.name.clone(),
            is_test: self.test != 0,
            reduction: match reduction {
                Reduction::Mean => "mean",
                Reduction::Sum => "sum",
            },
            explanation,
        }))
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
