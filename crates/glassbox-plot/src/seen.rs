//! What a network makes of a data set: the activations of its layers, class by class, and its mistakes.

use crate::curves::Test;
use glassbox::data::Dataset;
use glassbox::layers::Part;
use glassbox::metrics::{Confusion, NO_ANSWER};
use glassbox::{Device, Network, Result, Samples, Tensor};
use std::sync::Arc;

/// What a network makes of a data set.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The text of the network.
    pub network: String,
    /// The name of the data.
    pub dataset: String,
    /// How many images there are.
    pub count: usize,
    /// The mean cross-entropy.
    pub loss: f64,
    /// What was taken for what.
    pub confusion: Confusion,
    /// The activations, layer by layer.
    pub layers: Vec<LayerSeen>,
    /// The mistakes, the surest first.
    pub mistakes: Vec<Mistake>,
}

/// An activation of a network, over a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSeen {
    /// Its place and its text, as in `1 relu`.
    pub name: String,
    /// The mean output of each unit for each class: `means[class][unit]`.
    pub means: Vec<Vec<f64>>,
    /// For which share of the images each unit's output is not zero.
    pub active: Vec<f64>,
    /// Whether each unit says the same, within 10⁻⁶, to every image.
    pub is_dead: Vec<bool>,
}

/// An image that was taken for something else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mistake {
    /// Which image.
    pub row: usize,
    /// What it is.
    pub label: u8,
    /// What the network says; nothing where its outputs are no numbers.
    pub said: Option<u32>,
    /// How sure the network is of it.
    pub probability: f64,
}

/// Images a forward pass.
const BATCH: usize = 100;

/// The most units of a layer that are kept, and the most mistakes.
const MOST_UNITS: usize = 4096;
const MOST_MISTAKES: usize = 1000;

/// What is counted of a layer.
struct Counts {
    index: usize,
    sums: Vec<Vec<f64>>,
    active: Vec<u64>,
    range: Vec<[f32; 2]>,
}

impl Seen {
    /// Takes all images through the network.
    pub fn new(network: &mut Network, device: &Device, set: &Arc<Dataset>) -> Result<Seen> {
        let samples = Samples::new(Arc::clone(set))?;
        glassbox::evaluate::check_widths(network, &samples)?;
        let classes = network.output_width();
        let mut seen = Seen {
            network: network.to_string(),
            dataset: set.name.clone(),
            count: set.len(),
            loss: 0.0,
            confusion: Confusion::new(classes)?,
            layers: Vec::new(),
            mistakes: Vec::new(),
        };
        let mut counts = counts(network, classes);
        let rows = set.len() as u32;
        for first in (0..rows).step_by(BATCH) {
            let order: Vec<u32> = (first..rows.min(first + BATCH as u32)).collect();
            let mut x = Tensor::zeros(&[order.len(), samples.width]);
            samples.gather(device, &mut x, &order)?;
            network.forward(device, &x)?;
            let labels = &set.labels[first as usize..][..order.len()];
            for counts in &mut counts {
                counts.add(network.activations()[counts.index].data(), labels);
            }
            let outputs = network.activations().last().expect("a network has a layer");
            seen.judge(first as usize, outputs.data(), labels)?;
        }
        seen.loss /= set.len().max(1) as f64;
        seen.mistakes
            .sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.row.cmp(&b.row)));
        seen.mistakes.truncate(MOST_MISTAKES);
        seen.layers =
            counts.into_iter().map(|counts| counts.finish(network, &set.labels)).collect();
        Ok(seen)
    }

    /// How good the network is.
    pub fn test(&self) -> Test {
        Test { loss: self.loss, accuracy: self.confusion.accuracy() }
    }

    fn judge(&mut self, first: usize, outputs: &[f32], labels: &[u8]) -> Result<()> {
        let classes = self.confusion.classes();
        for (index, (row, &label)) in outputs.chunks(classes).zip(labels).enumerate() {
            let shares = probabilities(row);
            let best = (0..classes).max_by(|a, b| shares[*a].total_cmp(&shares[*b]).then(b.cmp(a)));
            let said = best.filter(|_| shares.iter().all(|share| share.is_finite()));
            let (said, row) = (said.map(|said| said as u32), first + index);
            self.confusion.add(label.into(), said.unwrap_or(NO_ANSWER))?;
            self.loss -= shares[usize::from(label)].ln();
            if said != Some(label.into()) {
                let probability = said.map_or(0.0, |said| shares[said as usize]);
                self.mistakes.push(Mistake { row, label, said, probability });
            }
        }
        Ok(())
    }
}

/// The softmax of the outputs for an image.
pub(crate) fn probabilities(outputs: &[f32]) -> Vec<f64> {
    let most = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers = outputs.iter().map(|x| (f64::from(*x) - f64::from(most)).exp());
    let powers: Vec<f64> = powers.collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The layers whose units are looked at: the activations; the outputs where there is none.
pub(crate) fn activations(network: &Network) -> Vec<usize> {
    let layers = network.layers().iter().enumerate();
    let is_activation = |part| matches!(part, Part::Activation(_));
    let found = layers.filter(|(_, layer)| is_activation(layer.part()));
    let found: Vec<usize> = found.map(|(index, _)| index).take(8).collect();
    if found.is_empty() { vec![network.layers().len() - 1] } else { found }
}

fn counts(network: &Network, classes: usize) -> Vec<Counts> {
    let shapes = network.summary().layers;
    let of = |index: usize| {
        let units = shapes[index].shape[1].min(MOST_UNITS);
        let (sums, active) = (vec![vec![0.0; units]; classes], vec![0; units]);
        Counts { index, sums, active, range: vec![[f32::INFINITY, f32::NEG_INFINITY]; units] }
    };
    activations(network).into_iter().map(of).collect()
}

impl Counts {
    fn add(&mut self, outputs: &[f32], labels: &[u8]) {
        let width = outputs.len() / labels.len().max(1);
        for (row, &label) in outputs.chunks(width.max(1)).zip(labels) {
            let sums = &mut self.sums[usize::from(label)];
            for (unit, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(row[unit]);
                self.active[unit] += u64::from(row[unit].abs() > 1e-6);
                let [low, high] = self.range[unit];
                self.range[unit] = [low.min(row[unit]), high.max(row[unit])];
            }
        }
    }

    fn finish(self, network: &Network, labels: &[u8]) -> LayerSeen {
        let of_class =
            |class: usize| labels.iter().filter(|label| usize::from(**label) == class).count();
        let mean = |(class, sums): (usize, Vec<f64>)| {
            let count = of_class(class) as f64;
            // A class with no image has no mean.
            sums.into_iter().map(|sum| if count > 0.0 { sum / count } else { f64::NAN }).collect()
        };
        let layer = &network.summary().layers[self.index];
        LayerSeen {
            name: format!("{} {}", layer.index, layer.layer),
            means: self.sums.into_iter().enumerate().map(mean).collect(),
            active: self.active.iter().map(|n| *n as f64 / labels.len().max(1) as f64).collect(),
            is_dead: self.range.iter().map(|[low, high]| high - low <= 1e-6).collect(),
        }
    }
}
