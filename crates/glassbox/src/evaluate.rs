//! How well a network does on samples that it does not learn from.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::loss::{Loss, Reduction, Targets};
use crate::metrics::{Confusion, MAX_CLASSES};
use crate::network::Network;
use crate::plan;
use crate::samples::{Answers, Batch, Inputs, Samples};
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
    let (mut loss, mut said) = (0.0, Vec::new());
    each_batch(network, device, samples, &mut |logits, targets| {
        loss += Loss::CrossEntropy(Reduction::Sum).forward(device, logits, targets)?;
        device.argmax(&mut said, logits)?;
        let Targets::Classes(labels) = targets else { return Ok(()) };
        labels.iter().zip(&said).try_for_each(|(&label, &said)| Ok(confusion.add(label, said)?))
    })?;
    let loss = if samples.is_empty() { 0.0 } else { loss / samples.len() as f64 };
    Ok(Evaluation { loss, accuracy: confusion.accuracy(), confusion })
}

/// The mean of the squared errors over all outputs of all samples, whose answers are values.
pub fn mean_squared_error(
    network: &mut Network,
    device: &Device,
    samples: &Samples,
) -> Result<f64> {
    check_widths(network, samples)?;
    let mut sum = 0.0;
    each_batch(network, device, samples, &mut |y, targets| {
        sum += Loss::MeanSquaredError(Reduction::Sum).forward(device, y, targets)?;
        Ok(())
    })?;
    Ok(sum / (samples.len() * samples.outputs()).max(1) as f64)
}

/// Hears the outputs of a batch, and what they should have been.
type OnBatch<'a> = dyn FnMut(&Tensor, Targets) -> Result<()> + 'a;

/// Gives the outputs for all samples, in their order, to `each`, batch by batch.
fn each_batch(
    network: &mut Network,
    device: &Device,
    samples: &Samples,
    each: &mut OnBatch,
) -> Result<()> {
    let o = network.output_width();
    let (mut all, mut outputs) = (Tensor::zeros(&[0, o]), Tensor::zeros(&[0, o]));
    let mut batch = Batch::of(samples);
    for first in (0..samples.len()).step_by(AT_ONCE * BATCH) {
        let end = samples.len().min(first + AT_ONCE * BATCH);
        let inputs = first * samples.width..end * samples.width;
        match &samples.inputs {
            Inputs::Pixels(pixels) => infer(network, device, &pixels[inputs], &mut all)?,
            Inputs::Numbers(numbers) => {
                let numbers = glassbox_cuda::Inputs::Host(&numbers[inputs]);
                infer_numbers(network, device, numbers, &mut all)?;
            }
        }
        let order: Vec<u32> = (first as u32..end as u32).collect();
        for (rows, order) in all.data().chunks(BATCH * o).zip(order.chunks(BATCH)) {
            outputs.set_rows(order.len());
            outputs.data_mut().copy_from_slice(rows);
            batch.gather(samples, order)?;
            each(&outputs, batch.targets())?;
        }
    }
    Ok(())
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
    make_room(network, pixels.len(), out)?;
    if plan::infer(network, device, pixels, out)? {
        return Ok(());
    }
    in_batches(network, device, pixels, out, |x, pixels| {
        let order: Vec<u32> = (0..x.shape()[0] as u32).collect();
        device.gather(x, pixels, &order)
    })
}

/// The same for inputs (b,i) that are numbers, on the host or on the device that computes, and taken as they are.
///
/// # Errors
/// As [`infer`], and if the numbers are on a device whose engine has no call for this network.
pub fn infer_numbers(
    network: &mut Network,
    device: &Device,
    numbers: glassbox_cuda::Inputs,
    out: &mut Tensor,
) -> Result<()> {
    make_room(network, numbers.len(), out)?;
    if plan::infer_numbers(network, device, numbers, out)? {
        return Ok(());
    }
    let glassbox_cuda::Inputs::Host(numbers) = numbers else {
        let what = "inputs on a GPU, and a network that is not computed there";
        return Err(Error::Refused { what, hint: "copy them" });
    };
    in_batches(network, device, numbers, out, |x, numbers| {
        x.data_mut().copy_from_slice(numbers);
        Ok(())
    })
}

/// `out` (b,o) becomes the network's outputs for all inputs (b,i), batch by batch. `fill` makes x of a batch's.
fn in_batches<T>(
    network: &mut Network,
    device: &Device,
    inputs: &[T],
    out: &mut Tensor,
    fill: impl Fn(&mut Tensor, &[T]) -> Result<()>,
) -> Result<()> {
    let (width, o) = (network.input_width(), network.output_width());
    let mut x = Tensor::zeros(&[0, width]);
    for (inputs, out) in inputs.chunks(BATCH * width).zip(out.data_mut().chunks_mut(BATCH * o)) {
        x.set_rows(out.len() / o);
        fill(&mut x, inputs)?;
        out.copy_from_slice(network.forward(device, &x)?.data());
    }
    Ok(())
}

/// Gives `out` (b,o) as many rows as `len` inputs (b·i) of the network are.
fn make_room(network: &Network, len: usize, out: &mut Tensor) -> Result<()> {
    let (width, o) = (network.input_width(), network.output_width());
    let shapes = || vec![vec![len], out.shape().to_vec(), vec![width, o]];
    let wrong = |hint| Err(Error::Shape { op: "infer", shapes: shapes(), hint });
    if !len.is_multiple_of(width) {
        return wrong("inputs (b·i) for a network (i,o) come as whole rows");
    }
    if out.matrix("infer")?[1] != o {
        return wrong("outputs (b,o) are as wide as those of the network (i,o)");
    }
    if out.is_f64() {
        return wrong("outputs are computed in f32, the element type of the network");
    }
    out.set_rows(len / width);
    Ok(())
}

/// An error unless the network takes these samples and has an output for each of their classes.
pub fn check_widths(network: &Network, samples: &Samples) -> Result<()> {
    let is_fit = match samples.answers {
        Answers::Classes { classes, .. } => {
            return check_sizes(network, samples.width, classes);
        }
        // As many values as outputs, where of the classes some may be missing.
        Answers::Values { width, .. } => network.output_width() == width,
    };
    if is_fit && network.input_width() == samples.width {
        return Ok(());
    }
    let (i, o) = (samples.width, samples.outputs());
    Err(Error::Setting {
        setting: "--model",
        value: network.to_string(),
        reason: format!("the samples have {i} inputs and {o} values to predict"),
        hint: format!("begin with {i} and end with {o}"),
    })
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
