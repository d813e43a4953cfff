//! How well a network does on samples that it does not learn from.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::loss::{Loss, Reduction, Targets};
use crate::metrics::Confusion;
use crate::network::Network;
use crate::samples::Samples;
use crate::tensor::Tensor;

/// Samples a forward pass.
const BATCH: usize = 500;

/// How well a network does.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The mean cross-entropy.
    pub loss: f64,
    /// The share of samples classified rightly.
    pub accuracy: f64,
    /// What was taken for what.
    pub confusion: Confusion,
}

/// The mean loss, the accuracy and the confusion matrix of a classifier.
pub fn evaluate(network: &mut Network, device: &Device, samples: &Samples) -> Result<Evaluation> {
    check_widths(network, samples)?;
    let mut confusion = Confusion::new(network.output_width())?;
    let mut loss = 0.0;
    let (mut x, mut answers) = (Tensor::zeros(&[0, samples.width]), Vec::new());
    let order: Vec<u32> = (0..samples.len() as u32).collect();
    for order in order.chunks(BATCH) {
        x.set_rows(order.len());
        device.gather(&mut x, &samples.pixels, order)?;
        let logits = network.forward(device, &x)?;
        let labels = &samples.labels[order[0] as usize..][..order.len()];
        let sum = Loss::CrossEntropy(Reduction::Sum);
        loss += sum.forward(device, logits, Targets::Classes(labels))?;
        device.argmax(&mut answers, logits)?;
        for (&label, &answer) in labels.iter().zip(&answers) {
            confusion.add(label, answer)?;
        }
    }
    let loss = if samples.is_empty() { 0.0 } else { loss / samples.len() as f64 };
    Ok(Evaluation { loss, accuracy: confusion.accuracy(), confusion })
}

/// An error unless the network takes these samples and has an output for each of their classes.
pub fn check_widths(network: &Network, samples: &Samples) -> Result<()> {
    let (inputs, outputs) = (network.input_width(), network.output_width());
    let (pixels, classes) = (samples.width, samples.classes);
    if inputs == pixels && outputs >= classes {
        return Ok(());
    }
    Err(Error::Setting {
        setting: "--model",
        value: network.to_string(),
        reason: format!("the samples have {pixels} pixels and {classes} classes"),
        hint: format!("begin with {pixels} and end with {classes}"),
    })
}
