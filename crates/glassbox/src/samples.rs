//! Samples: inputs and the classes they belong to, ready for training.

use crate::data::Dataset;
use crate::error::{Error, Result};
use glassbox_cpu::reference::philox::{Philox, Purpose};

/// Images with their classes. Pixels stay bytes until a batch is gathered.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// `width` bytes a sample.
    pub pixels: Vec<u8>,
    /// The class of each sample.
    pub labels: Vec<u32>,
    /// Bytes a sample.
    pub width: usize,
    /// The number of classes; every label is below it.
    pub classes: usize,
}

impl Samples {
    /// The samples of a data set, whose labels are checked.
    pub fn new(set: Dataset) -> Result<Samples> {
        let labels: Vec<u32> = set.labels.iter().map(|&label| label.into()).collect();
        if let Some(row) = labels.iter().position(|&label| label as usize >= set.classes) {
            return Err(Error::Label { row, label: labels[row], classes: set.classes });
        }
        let (width, classes) = (set.pixels(), set.classes);
        Ok(Samples { pixels: set.images, labels, width, classes })
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Splits off a random share, drawn from `seed`, for validation: (training, validation).
    pub fn split(&self, share: f32, seed: u64) -> (Samples, Samples) {
        let order = Philox::new(seed, Purpose::Split, 0, 0).permutation(self.len() as u32);
        let count = (f64::from(share) * self.len() as f64).round() as usize;
        let (validation, training) = order.split_at(count);
        (self.choose(training), self.choose(validation))
    }

    /// The first `count` samples, or all if there are fewer.
    pub fn first(&self, count: usize) -> Samples {
        let indices: Vec<u32> = (0..self.len().min(count) as u32).collect();
        self.choose(&indices)
    }

    /// The samples with these indices.
    fn choose(&self, indices: &[u32]) -> Samples {
        let image = |&index: &u32| &self.pixels[index as usize * self.width..][..self.width];
        Samples {
            pixels: indices.iter().flat_map(image).copied().collect(),
            labels: indices.iter().map(|&index| self.labels[index as usize]).collect(),
            ..*self
        }
    }
}
