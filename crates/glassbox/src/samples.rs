//! Samples: inputs and what they should come to, ready for training.

use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::loss::Targets;
use crate::tensor::Tensor;
use glassbox_cpu::reference::philox::{Philox, Purpose};
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Inputs with their answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// The inputs, `width` a sample.
    pub inputs: Inputs,
    /// What the network should say to each.
    pub answers: Answers,
    /// Inputs a sample.
    pub width: usize,
}

/// What a network is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// Pixels stay bytes until a batch is gathered, which divides them by 255. Plans that take whole steps need them.
    Pixels(Pixels),
    /// Numbers that are taken as they are.
    Numbers(Vec<f32>),
}

impl Inputs {
    /// How many numbers they are.
    pub fn len(&self) -> usize {
        match self {
            Inputs::Pixels(pixels) => pixels.len(),
            Inputs::Numbers(numbers) => numbers.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// x (b,i) = the rows `order` (b), each of `width` inputs, pixels divided by 255
    fn gather(&self, device: &Device, x: &mut Tensor, width: usize, order: &[u32]) -> Result<()> {
        match self {
            Inputs::Pixels(pixels) => device.gather(x, pixels, order),
            Inputs::Numbers(numbers) => rows(x, numbers, width, order),
        }
    }

    /// x (n,i): all rows of `width` inputs, pixels divided by 255.
    pub fn whole(&self, device: &Device, width: usize) -> Result<Tensor> {
        let order: Vec<u32> = (0..self.len().checked_div(width).unwrap_or(0) as u32).collect();
        let mut x = Tensor::zeros(&[order.len(), width]);
        self.gather(device, &mut x, width, &order)?;
        Ok(x)
    }
}

/// Bytes that are only read, and may be somebody else's: a file that is mapped, an array of an interpreter.
#[derive(Clone)]
pub struct Pixels(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl Pixels {
    /// The bytes of `owner`, which never change.
    pub fn new(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Pixels {
        Pixels(Arc::new(owner))
    }
}

/// The images of a set that others look at too.
struct Images(Arc<Dataset>);

impl AsRef<[u8]> for Images {
    fn as_ref(&self) -> &[u8] {
        &self.0.images
    }
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl PartialEq for Pixels {
    fn eq(&self, other: &Pixels) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// What a network should say.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// The class of each sample.
    Classes {
        /// The classes, each below the number of them.
        labels: Vec<u32>,
        /// The number of classes.
        classes: usize,
    },
    /// Numbers, `width` a sample.
    Values {
        /// The numbers, sample by sample.
        values: Vec<f32>,
        /// Numbers a sample.
        width: usize,
    },
}

impl Samples {
    /// The samples of a data set, whose labels are checked and whose images are shared.
    pub fn new(set: impl Into<Arc<Dataset>>) -> Result<Samples> {
        let set = set.into();
        let labels: Vec<u32> = set.labels.iter().map(|&label| label.into()).collect();
        if let Some(row) = labels.iter().position(|&label| label as usize >= set.classes) {
            return Err(Error::Label { row, label: labels[row], classes: set.classes });
        }
        let (width, classes) = (set.pixels(), set.classes);
        let inputs = Inputs::Pixels(Pixels::new(Images(set)));
        Ok(Samples { inputs, answers: Answers::Classes { labels, classes }, width })
    }

    /// Images of `width` pixels, and the class of each.
    pub fn images(pixels: Vec<u8>, labels: Vec<u32>, width: usize, classes: usize) -> Samples {
        let (inputs, answers) =
            (Inputs::Pixels(Pixels::new(pixels)), Answers::Classes { labels, classes });
        Samples { inputs, answers, width }
    }

    /// How many samples there are: as many as answers.
    pub fn len(&self) -> usize {
        match &self.answers {
            Answers::Classes { labels, .. } => labels.len(),
            Answers::Values { values, width } => values.len().checked_div(*width).unwrap_or(0),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers the inputs are.
    pub fn input_len(&self) -> usize {
        self.inputs.len()
    }

    /// The inputs as pixels, if they are.
    pub fn pixels(&self) -> Option<&[u8]> {
        match &self.inputs {
            Inputs::Pixels(pixels) => Some(pixels),
            Inputs::Numbers(_) => None,
        }
    }

    /// The class of each sample, if the answers are classes.
    pub fn labels(&self) -> Option<&[u32]> {
        match &self.answers {
            Answers::Classes { labels, .. } => Some(labels),
            Answers::Values { .. } => None,
        }
    }

    /// The outputs that a network for these answers needs: as many as classes, or as numbers a sample.
    pub fn outputs(&self) -> usize {
        match &self.answers {
            Answers::Classes { classes, .. } => *classes,
            Answers::Values { width, .. } => *width,
        }
    }

    /// x (b,i) = the inputs of the samples `order` (b), pixels divided by 255
    pub fn gather(&self, device: &Device, x: &mut Tensor, order: &[u32]) -> Result<()> {
        self.inputs.gather(device, x, self.width, order)
    }

    /// All samples as one batch: x (n,i), pixels divided by 255, and the answers.
    pub fn whole(&self, device: &Device) -> Result<(Tensor, Batch)> {
        let order: Vec<u32> = (0..self.len() as u32).collect();
        let mut batch = Batch::of(self);
        batch.gather(self, &order)?;
        Ok((self.inputs.whole(device, self.width)?, batch))
    }

    /// Splits off a random share, drawn from `seed`, for validation: (training, validation).
    pub fn split(&self, share: f32, seed: u64) -> (Samples, Samples) {
        let order = Philox::new(seed, Purpose::Split, 0, 0).permutation(self.len() as u32);
        let count = (f64::from(share) * self.len() as f64).round() as usize;
        let (validation, training) = order.split_at(count);
        (self.choose(training), self.choose(validation))
    }

    /// Which of `all` samples, before they were split, is training sample `index` after it.
    pub(crate) fn before_split(index: u32, all: usize, share: f32, seed: u64) -> u32 {
        let count = (f64::from(share) * all as f64).round() as usize;
        if count == 0 {
            return index;
        }
        Philox::new(seed, Purpose::Split, 0, 0).permutation(all as u32)[count + index as usize]
    }

    /// The first `count` samples, or all if there are fewer.
    pub fn first(&self, count: usize) -> Samples {
        self.range(0..self.len().min(count))
    }

    /// The samples of a range, which there are.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn range(&self, range: Range<usize>) -> Samples {
        let indices: Vec<u32> = range.map(|index| index as u32).collect();
        self.choose(&indices)
    }

    /// The samples with these indices.
    fn choose(&self, indices: &[u32]) -> Samples {
        let inputs = match &self.inputs {
            Inputs::Pixels(pixels) => {
                Inputs::Pixels(Pixels::new(chosen(pixels, self.width, indices)))
            }
            Inputs::Numbers(numbers) => Inputs::Numbers(chosen(numbers, self.width, indices)),
        };
        let answers = match &self.answers {
            Answers::Classes { labels, classes } => {
                Answers::Classes { labels: chosen(labels, 1, indices), classes: *classes }
            }
            Answers::Values { values, width } => {
                Answers::Values { values: chosen(values, *width, indices), width: *width }
            }
        };
        Samples { inputs, answers, width: self.width }
    }
}

/// The rows `indices` of numbers that are `width` a row.
fn chosen<T: Copy>(all: &[T], width: usize, indices: &[u32]) -> Vec<T> {
    indices.iter().flat_map(|&index| &all[index as usize * width..][..width]).copied().collect()
}

/// x (b,i) = the rows `order` (b) of numbers (n,i)
fn rows(x: &mut Tensor, numbers: &[f32], i: usize, order: &[u32]) -> Result<()> {
    let count = numbers.len().checked_div(i).unwrap_or(0);
    let is_fit = order.iter().all(|&row| (row as usize) < count);
    if x.shape() != [order.len(), i] || !is_fit {
        let shapes = vec![x.shape().to_vec(), vec![count, i]];
        let hint = "one row of the output for each sample, which must exist";
        return Err(Error::Shape { op: "gather", shapes, hint });
    }
    for (out, &row) in x.data_mut().chunks_exact_mut(i).zip(order) {
        out.copy_from_slice(&numbers[row as usize * i..][..i]);
    }
    Ok(())
}

/// The answers of a batch, gathered where the samples' order has them apart.
#[derive(Clone, Debug)]
pub enum Batch {
    /// The class of each sample (b).
    Classes(Vec<u32>),
    /// The values of each sample (b,o).
    Values(Tensor),
}

impl Batch {
    /// Room for the answers of samples like these.
    pub(crate) fn of(samples: &Samples) -> Batch {
        match &samples.answers {
            Answers::Classes { .. } => Batch::Classes(Vec::new()),
            Answers::Values { width, .. } => Batch::Values(Tensor::zeros(&[0, *width])),
        }
    }

    /// Takes the answers of the samples `order`, which exist.
    pub(crate) fn gather(&mut self, samples: &Samples, order: &[u32]) -> Result<()> {
        match (self, &samples.answers) {
            (Batch::Classes(batch), Answers::Classes { labels, .. }) => {
                batch.clear();
                batch.extend(order.iter().map(|&sample| labels[sample as usize]));
                Ok(())
            }
            (Batch::Values(batch), Answers::Values { values, width }) => {
                batch.set_rows(order.len());
                rows(batch, values, *width, order)
            }
            (batch, _) => {
                *batch = Batch::of(samples);
                batch.gather(samples, order)
            }
        }
    }

    /// The answers.
    pub fn targets(&self) -> Targets<'_> {
        match self {
            Batch::Classes(labels) => Targets::Classes(labels),
            Batch::Values(values) => Targets::Values(values),
        }
    }
}
