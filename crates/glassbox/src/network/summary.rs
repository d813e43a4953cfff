//! A network as a table: what each layer does, and what it costs.

use super::Network;
use serde::Serialize;
use std::fmt;

/// A network as a table.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The text of the network.
    pub network: String,
    /// A row for each layer.
    pub layers: Vec<LayerSummary>,
    /// Numbers that are learned.
    pub parameters: usize,
    /// Their size in bytes, as `f32`.
    pub bytes: usize,
    /// Floating-point operations of one sample's forward pass.
    pub flops: u64,
}

/// A layer in a [`Summary`].
#[derive(Clone, Debug, Serialize)]
pub struct LayerSummary {
    /// The prefix of its parameters' names.
    pub index: usize,
    /// What it is.
    pub layer: String,
    /// Features in and out.
    pub shape: [usize; 2],
    /// Numbers that are learned.
    pub parameters: usize,
    /// Floating-point operations of one sample's forward pass.
    pub flops: u64,
}

impl Network {
    /// The network as a table.
    pub fn summary(&self) -> Summary {
        let mut width = self.input;
        let mut layers = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let shape = [width, layer.width(width)];
            let parameters = layer.parameters().iter().map(|parameter| parameter.value.len()).sum();
            let is_dense = parameters > 0;
            let layer_text = if is_dense { "dense".to_string() } else { layer.text() };
            let flops = layer.flops(width);
            layers.push(LayerSummary { index, layer: layer_text, shape, parameters, flops });
            width = shape[1];
        }
        let parameters = layers.iter().map(|layer| layer.parameters).sum();
        let flops = layers.iter().map(|layer| layer.flops).sum();
        Summary { network: self.to_string(), layers, parameters, bytes: 4 * parameters, flops }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let line = "-".repeat(62);
        writeln!(
            f,
            "{:<6}{:<14}{:>16}{:>12}{:>14}",
            "layer", "", "in -> out", "parameters", "FLOPs"
        )?;
        writeln!(f, "{line}")?;
        for row in &self.layers {
            let shape = format!("{} -> {}", row.shape[0], row.shape[1]);
            let (index, layer) = (row.index, &row.layer);
            writeln!(f, "{index:<6}{layer:<14}{shape:>16}{:>12}{:>14}", row.parameters, row.flops)?;
        }
        writeln!(f, "{line}")?;
        let kib = self.bytes as f64 / 1024.0;
        let (network, parameters, flops) = (&self.network, self.parameters, self.flops);
        write!(
            f,
            "{network}: {parameters} parameters, {kib:.1} KiB, {flops} FLOPs a sample forward"
        )
    }
}
