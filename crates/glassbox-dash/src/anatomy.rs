//! What a network is made of, and what one of its units listens to: for the network that is drawn.

use crate::models::Why;
use glassbox::data::Dataset;
use glassbox::layers::{Layer, Parameter, Part};
use glassbox::network::LayerSummary;
use glassbox::{Network, template};
use glassbox_plot::Theme;
use serde::Serialize;

/// The most numbers that an answer has of one kind: a layer's units, a unit's weights.
pub(crate) const MOST: usize = 16 << 10;

/// What a network is made of.
#[derive(Serialize)]
pub(crate) struct Anatomy {
    network: String,
    inputs: usize,
    /// Rows and columns of an input, as an image.
    shape: [usize; 2],
    layers: Vec<LayerAnatomy>,
    outputs: usize,
    /// The test images, or why there are none.
    images: Option<Images>,
    no_images: Option<Why>,
    /// Why there are no templates, if so.
    no_template: Option<String>,
    diverging: Diverging,
}

/// The colours from negative over zero to positive, those of the pictures.
#[derive(Serialize)]
struct Diverging {
    light: &'static [[u8; 3]],
    dark: &'static [[u8; 3]],
}

#[derive(Serialize)]
struct LayerAnatomy {
    index: usize,
    layer: String,
    units: usize,
    /// Whether its units have weights of their own, or those of the layer before, one by one.
    is_dense: bool,
    is_activation: bool,
}

#[derive(Serialize)]
struct Images {
    name: String,
    count: usize,
    classes: usize,
}

/// A unit: what it listens to, and who listens to it.
#[derive(Serialize)]
pub(crate) struct Unit {
    /// Of which network it is.
    version: u64,
    layer: usize,
    unit: usize,
    /// The layer that has its weights, if they can be told.
    dense: Option<usize>,
    /// The dense layer's number, counted from 1, as in W1.
    number: usize,
    weights: Vec<f32>,
    bias: Option<f32>,
    /// The dense layer that listens to it.
    listener: Option<usize>,
    /// With which weight each unit there does.
    outgoing: Vec<f32>,
}

impl Anatomy {
    pub fn of(network: &Network, images: Result<&Dataset, &Why>) -> Anatomy {
        let rows = network.summary().layers.into_iter().zip(network.layers());
        let layer = |row: LayerSummary, layer: &dyn Layer| LayerAnatomy {
            index: row.index,
            layer: row.layer,
            units: row.shape[1],
            is_dense: layer.part() == Part::Dense,
            is_activation: matches!(layer.part(), Part::Activation(_)),
        };
        let inputs = network.input_width();
        let found = images.ok().filter(|set| set.pixels() == inputs);
        Anatomy {
            network: network.to_string(),
            inputs,
            shape: found.map_or_else(|| square(inputs), |set| [set.rows, set.cols]),
            layers: rows.map(|(row, at)| layer(row, at.as_ref())).collect(),
            outputs: network.output_width(),
            images: found.map(|set| Images {
                name: set.name.clone(),
                count: set.len(),
                classes: set.classes,
            }),
            no_images: images.err().cloned(),
            no_template: template::check(network).err().map(|error| error.to_string()),
            diverging: Diverging { light: Theme::Light.diverging(), dark: Theme::Dark.diverging() },
        }
    }
}

impl Unit {
    /// A unit of a network.
    pub fn of(version: u64, network: &Network, layer: usize, unit: usize) -> Result<Unit, Why> {
        let rows = network.summary().layers;
        let units = rows.get(layer).map_or(0, |row| row.shape[1]);
        if unit >= units {
            return Err(match rows.len() {
                count if layer >= count => format!("{network} has layers 0 to {}.", count - 1),
                _ => format!("Layer {layer} of {network} has units 0 to {}.", units.max(1) - 1),
            });
        }
        let part = |index: &usize| network.layers()[*index].part();
        let is_between =
            |index: &usize| matches!(part(index), Part::Activation(_) | Part::Dropout(_));
        let is_dense = |index: &usize| part(index) == Part::Dense;
        let dense = (0..=layer).rev().find(|index| !is_between(index)).filter(is_dense);
        let after = layer + 1..rows.len();
        let listener = after.into_iter().find(|index| !is_between(index)).filter(is_dense);
        let weights_of = |index: usize| &network.layers()[index].parameters()[0].value;
        let weights = dense.map_or(Vec::new(), |index| {
            column(weights_of(index).data(), units, unit).take(MOST).collect()
        });
        let outgoing = listener.map_or(Vec::new(), |index| {
            let width = weights_of(index).shape()[1];
            weights_of(index).data()[unit * width..][..width.min(MOST)].to_vec()
        });
        let bias = dense.map(|index| {
            let parameters: &[Parameter] = network.layers()[index].parameters();
            parameters[1].value.data()[unit]
        });
        let number = (0..=dense.unwrap_or(layer)).filter(is_dense).count();
        Ok(Unit { version, layer, unit, dense, number, weights, bias, listener, outgoing })
    }
}

/// A column of a matrix that is `width` wide.
fn column(matrix: &[f32], width: usize, column: usize) -> impl Iterator<Item = f32> {
    matrix.iter().skip(column).step_by(width.max(1)).copied()
}

/// The shape of an image of so many pixels whose shape nobody knows.
fn square(pixels: usize) -> [usize; 2] {
    let side = pixels.isqrt();
    if side * side == pixels { [side, side] } else { [1, pixels] }
}
