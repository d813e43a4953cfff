//! One image on its way through a network: a test image that is chosen, or a drawing.

use crate::anatomy::MOST;
use crate::models::{Model, Why};
use glassbox::data::Dataset;
use glassbox::data::prepare::{SIDE, drawing};
use glassbox::template::{Gate, Template, Templates};
use glassbox::{Device, Flow, Network, Tensor, templates};
use glassbox_plot::Mistake;
use serde::{Deserialize, Serialize};

/// Which test image: `row`, or the next one that is of a class, or that is taken for something else.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice {
    pub row: usize,
    pub go: Go,
    pub class: Option<u8>,
    pub wrong: u8,
}

/// From a row to which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Go {
    #[default]
    At,
    Next,
    Previous,
}

/// The most pixels of a side of a drawing.
pub(crate) const MOST_SIDE: usize = 240;

/// The most products that templates may take: a tenth of a second.
const MOST_PRODUCTS: u64 = 200_000_000;

/// The most outputs whose sums are told.
const MOST_OUTPUTS: usize = 256;

/// One image on its way.
#[derive(Serialize)]
pub(crate) struct Looked {
    /// Through which network it went.
    version: u64,
    /// What the network gets, row by row.
    pixels: Vec<u8>,
    row: Option<usize>,
    label: Option<u8>,
    /// How many test images are as they were wished for.
    matches: Option<usize>,
    layers: Vec<Outputs>,
    probabilities: Vec<f32>,
    answer: Option<usize>,
    template: Option<Shown>,
    no_template: Option<String>,
}

/// What a layer says.
#[derive(Serialize)]
struct Outputs {
    index: usize,
    outputs: Vec<f32>,
}

/// The templates of an image: all sums, and the one template that is shown.
#[derive(Serialize)]
struct Shown {
    output: usize,
    weights: Vec<f32>,
    sums: Vec<Sum>,
    gates: Vec<Gate>,
}

/// That template · x + constant is what the network says.
#[derive(Serialize)]
struct Sum {
    product: f64,
    constant: f64,
    sum: f64,
    logit: f32,
    logit_f64: f64,
    bound: f64,
    bound_f64: f64,
}

impl Choice {
    /// The row, and how many there are that are as wished for. `mistakes` are known if only they are wished for.
    pub fn find(&self, set: &Dataset, mistakes: Option<&[Mistake]>) -> Result<(usize, usize), Why> {
        let is_of_class =
            |row: &usize| self.class.is_none_or(|class| set.labels.get(*row) == Some(&class));
        let mut rows: Vec<usize> = match mistakes {
            Some(mistakes) => mistakes.iter().map(|mistake| mistake.row).collect(),
            None => (0..set.len()).collect(),
        };
        rows.retain(is_of_class);
        rows.sort_unstable();
        let after = rows.partition_point(|row| *row <= self.row);
        let before = rows.partition_point(|row| *row < self.row);
        let row = match self.go {
            Go::At => Some(self.row).filter(|row| *row < set.len()),
            // After the last one comes the first.
            Go::Next => rows.get(after).or(rows.first()).copied(),
            Go::Previous => before.checked_sub(1).map(|at| rows[at]).or(rows.last().copied()),
        };
        let none = || match self.go {
            Go::At => format!("{} has test images 0 to {}.", set.name, set.len().max(1) - 1),
            _ if self.wrong != 0 => "No such image is taken for something else.".to_string(),
            _ => "There is no such image.".to_string(),
        };
        Ok((row.ok_or_else(none)?, rows.len()))
    }
}

impl Looked {
    /// A test image.
    pub fn at_row(
        model: &Model,
        network: &mut Network,
        set: &Dataset,
        (row, matches): (usize, usize),
        output: Option<usize>,
    ) -> Result<Looked, Why> {
        let mut looked = Looked::new(model, network, set.image(row).to_vec(), output)?;
        (looked.row, looked.label) = (Some(row), set.labels.get(row).copied());
        looked.matches = Some(matches);
        Ok(looked)
    }

    /// A drawing of so many rows of `width` pixels, prepared as MNIST's digits are.
    pub fn at_drawing(
        model: &Model,
        network: &mut Network,
        ink: &[u8],
        width: usize,
        output: Option<usize>,
    ) -> Result<Looked, Why> {
        if network.input_width() != SIDE * SIDE {
            return Err(format!(
                "{network} takes {} numbers, and a drawing becomes {SIDE}×{SIDE} pixels.",
                network.input_width()
            ));
        }
        let image = drawing(ink, width, ink.len() / width);
        Looked::new(model, network, image, output)
    }

    fn new(
        model: &Model,
        network: &mut Network,
        pixels: Vec<u8>,
        output: Option<usize>,
    ) -> Result<Looked, Why> {
        // What is shown are the bits of the definition, which every device has.
        let device = &Device::Reference;
        let mut x = Tensor::zeros(&[1, pixels.len()]);
        let gathered = device.gather(&mut x, &pixels, &[0]);
        let flow = gathered.and_then(|()| Flow::new(network, device, &x));
        let flow = flow.map_err(|error| error.to_string())?;
        let template = template(network, &x, output.or(flow.answer).unwrap_or(0));
        let outputs = |mut layer: glassbox::flow::LayerFlow| {
            layer.outputs.truncate(MOST);
            Outputs { index: layer.index, outputs: layer.outputs }
        };
        Ok(Looked {
            version: model.version,
            pixels,
            row: None,
            label: None,
            matches: None,
            layers: flow.layers.into_iter().map(outputs).collect(),
            probabilities: flow.probabilities,
            answer: flow.answer,
            no_template: template.as_ref().err().cloned(),
            template: template.ok(),
        })
    }
}

fn template(network: &Network, x: &Tensor, output: usize) -> Result<Shown, Why> {
    let products = network.summary().parameters as u64 * network.output_width() as u64;
    if products > MOST_PRODUCTS || network.output_width() > MOST_OUTPUTS {
        return Err(format!(
            "{network} is too large for its templates to be computed while you wait."
        ));
    }
    let found = templates(network, x).map_err(|error| error.to_string())?;
    Ok(Shown::of(found, output))
}

impl Shown {
    fn of(found: Templates, output: usize) -> Shown {
        let output = output.min(found.outputs.len() - 1);
        let weights = found.outputs[output].weights.iter().map(|weight| *weight as f32).collect();
        let sum = |template: &Template| Sum {
            product: template.product,
            constant: template.constant,
            sum: template.sum,
            logit: template.output,
            logit_f64: template.output_f64,
            bound: template.bound,
            bound_f64: template.bound_f64,
        };
        let sums = found.outputs.iter().map(sum).collect();
        Shown { output, weights, sums, gates: found.gates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox::data::Split;

    fn set() -> Dataset {
        let labels = vec![3, 1, 3, 0, 1, 3];
        let (images, rows, cols) = (vec![0; 6], 1, 1);
        Dataset { name: "six".into(), split: Split::Test, images, labels, rows, cols, classes: 4 }
    }

    #[test]
    fn the_next_one_of_a_class_or_that_is_wrong_is_found_around_the_end() {
        let wrong: Vec<Mistake> = [4usize, 2, 5]
            .map(|row| Mistake { row, label: set().labels[row], said: Some(0), probability: 0.5 })
            .to_vec();
        let find = |row, go, class, wrong: Option<&[Mistake]>| {
            let choice = Choice { row, go, class, wrong: u8::from(wrong.is_some()) };
            choice.find(&set(), wrong).map_err(|why| why.len() > 10)
        };
        assert_eq!(find(3, Go::At, Some(1), None), Ok((3, 2)));
        assert_eq!(find(0, Go::Next, None, None), Ok((1, 6)));
        assert_eq!(find(5, Go::Next, None, None), Ok((0, 6)));
        assert_eq!(find(0, Go::Previous, None, None), Ok((5, 6)));
        assert_eq!(find(0, Go::Next, Some(3), None), Ok((2, 3)));
        assert_eq!(find(2, Go::Previous, Some(3), None), Ok((0, 3)));
        assert_eq!(find(0, Go::Next, None, Some(&wrong)), Ok((2, 3)));
        assert_eq!(find(2, Go::Next, Some(3), Some(&wrong)), Ok((5, 2)));
        assert_eq!(find(5, Go::Next, Some(1), Some(&wrong)), Ok((4, 1)));
        assert_eq!(find(2, Go::Previous, None, Some(&wrong)), Ok((5, 3)));
        assert_eq!(find(0, Go::Next, Some(9), None), Err(true));
        assert_eq!(find(0, Go::Next, Some(0), Some(&wrong)), Err(true));
        assert_eq!(find(6, Go::At, None, None), Err(true));
        assert_eq!(find(usize::MAX, Go::Next, None, None), Ok((0, 6)));
    }
}
