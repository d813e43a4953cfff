//! The text of a network: `784-128-relu-10`.

use super::Network;
use crate::error::{Error, Result};
use crate::init::Init;
use crate::layers::{ActivationLayer, Dense, Dropout, Layer, LogSoftmax, Softmax};
use glassbox_cpu::reference::Activation;
use std::fmt;

/// The most parameters a network may have: 1 GiB of them. A slip of the finger is not a network.
const MOST_PARAMETERS: usize = 1 << 28;

/// The most layers, so that all arrays of a training fit into one file.
pub(crate) const MOST_LAYERS: usize = 1000;

/// The input width and the layers that `text` names.
pub(super) fn parse(text: &str, init: Init, seed: u64) -> Result<(usize, Vec<Box<dyn Layer>>)> {
    let fail = |reason: String| Error::Model { text: text.to_string(), reason };
    let mut words = text.trim().split('-');
    let first = words.next().unwrap_or_default();
    let input = width(first)
        .ok_or_else(|| fail(format!("it begins with '{first}', not with the number of inputs")))?;

    let (mut layers, mut features, mut parameters) = (Vec::new(), input, 0usize);
    for word in words {
        let layer: Box<dyn Layer> = match width(word) {
            Some(outputs) => {
                parameters = parameters.saturating_add(features.saturating_mul(outputs));
                if parameters > MOST_PARAMETERS {
                    return Err(fail(format!("it has more than {MOST_PARAMETERS} parameters")));
                }
                let weight = init.weight([features, outputs], seed, layers.len() as u32);
                Box::new(Dense::new(weight)?)
            }
            None => named(word).ok_or_else(|| fail(unknown(word)))?,
        };
        features = layer.width(features);
        layers.push(layer);
        if layers.len() > MOST_LAYERS {
            return Err(fail(format!("it has more than {MOST_LAYERS} layers")));
        }
    }
    Ok((input, layers))
}

/// A number of features.
fn width(word: &str) -> Option<usize> {
    word.parse().ok().filter(|&width| (1..=MOST_PARAMETERS).contains(&width))
}

/// A layer without a width of its own.
fn named(word: &str) -> Option<Box<dyn Layer>> {
    let activation = |kind| Some(Box::new(ActivationLayer(kind)) as Box<dyn Layer>);
    match word {
        "relu" => activation(Activation::Relu),
        "leaky" => activation(Activation::LeakyRelu(0.01)),
        "sigmoid" => activation(Activation::Sigmoid),
        "tanh" => activation(Activation::Tanh),
        "gelu" => activation(Activation::Gelu),
        "softmax" => Some(Box::new(Softmax)),
        "logsoftmax" => Some(Box::new(LogSoftmax)),
        _ => {
            if let Some(slope) = word.strip_prefix("leaky") {
                let slope = slope.parse::<f32>().ok().filter(|slope| slope.is_finite())?;
                return activation(Activation::LeakyRelu(slope));
            }
            let p = word.strip_prefix("dropout")?.parse::<f32>().ok()?;
            (0.0..1.0).contains(&p).then(|| Box::new(Dropout { p }) as Box<dyn Layer>)
        }
    }
}

fn unknown(word: &str) -> String {
    if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("'{word}' is no width: it is from 1 to {MOST_PARAMETERS}");
    }
    format!(
        "'{word}' is neither a width from 1 on nor one of relu, leaky0.01, sigmoid, tanh, gelu, \
         softmax, logsoftmax, dropout0.2"
    )
}

impl Network {
    /// Two dense layers with nothing between them are one dense layer, made expensive: the name of
    /// the second, if there is such a pair.
    pub fn linear_pair(&self) -> Option<String> {
        let is_dense = |layer: &dyn Layer| !layer.parameters().is_empty();
        let mut pairs = self.layers.windows(2);
        let pair = pairs.find(|pair| pair.iter().all(|layer| is_dense(&**layer)))?;
        Some(pair[1].text())
    }

    /// The softmax that the network ends in, if it does. The cross-entropy takes one itself.
    pub fn last_softmax(&self) -> Option<String> {
        let last = self.layers.last()?.text();
        ["softmax", "logsoftmax"].contains(&&*last).then_some(last)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.input)?;
        self.layers.iter().try_for_each(|layer| write!(f, "-{}", layer.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_comes_back() {
        for text in ["784-128-relu-10", "2-8-tanh-2", "5-4-leaky0.2-dropout0.5-3-gelu-1-softmax"] {
            assert_eq!(Network::new(text, Init::Xavier, 0).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, reason) in [
            ("", "begins with ''"),
            ("relu-10", "begins with 'relu'"),
            ("784", "no layer"),
            ("784-0", "'0' is no width"),
            ("784--10", "'' is neither"),
            ("784-128-rleu-10", "'rleu' is neither"),
            ("784-dropout1.0-10", "'dropout1.0' is neither"),
            ("784-99999999999999999999", "is no width"),
            ("1000000-1000000", "more than"),
        ] {
            let error = Network::new(text, Init::Xavier, 0).err().unwrap().to_string();
            assert!(error.contains(reason) && error.contains("hint"), "{error}");
        }
    }
}
