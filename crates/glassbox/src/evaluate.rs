//! How well a network does on samples that it does not learn from.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::loss::{Loss, Reduction, Targets};
use crate::metrics::{Confusion, MAX_CLASSES};
use crate::network::Network;
use crate::plan;
use crate::samples::Samples;
use crate::tensor::Tensor;

/// Samples a forward pass. The loss is added up batch by batch, so this number is part of its bits.
const BATCH: usize = 500;

/// Batches whose outputs are computed in one call.
const AT_ONCE: usize = 20;

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
    let (mut loss, mut answers) = (0.0, Vec::new());
    let o = network.output_width();
    let (mut all, mut logits) = (Tensor::zeros(&[0, o]), Tensor::zeros(&[0, o]));
    for first in (0..samples.len()).step_by(AT_ONCE * BATCH) {
        let end = samples.len().min(first + AT_ONCE * BATCH);
        let pixels = &samples.pixels[first * samples.width..end * samples.width];
        infer(network, device, pixels, &mut all)?;
        for (rows, labels) in
            all.data().chunks(BATCH * o).zip(samples.labels[first..end].chunks(BATCH))
        {
            logits.set_rows(labels.len());
            logits.data_mut().copy_from_slice(rows);
            let sum = Loss::CrossEntropy(Reduction::Sum);
            loss += sum.forward(device, &logits, Targets::Classes(labels))?;
            device.argmax(&mut answers, &logits)?;
            for (&label, &answer) in labels.iter().zip(&answers) {
                confusion.add(label, answer)?;
            }
        }
    }
    let loss = if samples.is_empty() { 0.0 } else { loss / samples.len() as f64 };
    Ok(Evaluation { loss, accuracy: confusion.accuracy(), confusion })
}

/// `out` (b,o) becomes the network's outputs for images `pixels` (b,i), bytes that are divided by
/// 255: the numbers of [`Network::forward`], in one call of the engine where it has one for this
/// network and device, which also skips the zeros.
///
/// # Errors
/// If `pixels` are not whole images of the network's inputs, or `out` is not as wide as its outputs or
/// not in f32.
pub fn infer(
    network: &mut Network,
    device: &Device,
    pixels: &[u8],
    out: &mut Tensor,
) -> Result<()> {
    let (width, o) = (network.input_width(), network.output_width());
    let shapes = || vec![vec![pixels.len()], out.shape().to_vec(), vec![width, o]];
    let wrong = |hint| Err(Error::Shape { op: "infer", shapes: shapes(), hint });
    if !pixels.len().is_multiple_of(width) {
        return wrong("pixels (b·i) for a network (i,o) come as whole images");
    }
    if out.matrix("infer")?[1] != o {
        return wrong("outputs (b,o) are as wide as those of the network (i,o)");
    }
    if out.is_f64() {
        return wrong("outputs are computed in f32, the element type of the network");
    }
    out.set_rows(pixels.len() / width);
    if plan::infer(network, device, pixels, out)? {
        return Ok(());
    }
    let mut x = Tensor::zeros(&[0, width]);
    for (pixels, out) in pixels.chunks(BATCH * width).zip(out.data_mut().chunks_mut(BATCH * o)) {
        let order: Vec<u32> = (0..(out.len() / o) as u32).collect();
        x.set_rows(order.len());
        device.gather(&mut x, pixels, &order)?;
        out.copy_from_slice(network.forward(device, &x)?.data());
    }
    Ok(())
}

/// An error unless the network takes these samples and has an output for each of their classes.
pub fn check_widths(network: &Network, samples: &Samples) -> Result<()> {
    check_sizes(network, samples.width, samples.classes)
}

/// The same for samples that nobody has taken yet: of so many pixels and classes.
pub fn check_sizes(network: &Network, pixels: usize, classes: usize) -> Result<()> {
    let (inputs, outputs) = (network.input_width(), network.output_width());
    let fits = inputs == pixels && outputs >= classes;
    if fits && outputs <= MAX_CLASSES {
        return Ok(());
    }
    let reason = match fits {
        true => format!(
            "it has {outputs} outputs, and a confusion matrix at most {MAX_CLASSES} classes"
        ),
        false => format!("the samples have {pixels} pixels and {classes} classes"),
    };
    Err(Error::Setting {
        setting: "--model",
        value: network.to_string(),
        reason,
        hint: format!("begin with {pixels} and end with {classes}"),
    })
}
