//! Initial weights.

use crate::tensor::Tensor;
use glassbox_cpu::reference::fill_uniform;
use glassbox_cpu::reference::philox::{Philox, Purpose};
use serde::{Deserialize, Serialize};

/// How the weights of a dense layer begin: uniform in ±limit. Biases begin at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// limit = √(6 / (i + o)) (Glorot, Bengio 2010): the variance neither grows nor shrinks.
    #[default]
    Xavier,
    /// limit = √(6 / i) (He et al. 2015): for relu, which lets half of the variance through.
    He,
    /// limit = √(3 / i) (LeCun et al. 1998).
    Lecun,
    /// limit = 1, which is too much for any wide layer: a lesson.
    Uniform,
    /// All zero, which never learns anything but biases: a lesson.
    Zero,
}

impl Init {
    /// The largest weight of a layer with `i` inputs and `o` outputs.
    pub fn limit(self, i: usize, o: usize) -> f32 {
        let (i, o) = (i as f64, o as f64);
        let limit = match self {
            Init::Xavier => (6.0 / (i + o)).sqrt(),
            Init::He => (6.0 / i).sqrt(),
            Init::Lecun => (3.0 / i).sqrt(),
            Init::Uniform => 1.0,
            Init::Zero => 0.0,
        };
        limit as f32
    }

    /// The weight (i,o) of layer number `layer`: a function of the seed and the layer alone.
    pub fn weight(self, [i, o]: [usize; 2], seed: u64, layer: u32) -> Tensor {
        let mut weight = vec![0.0; i * o];
        // Nothing is drawn for zeros: where only the shape of a network matters, they are its weights.
        if self != Init::Zero {
            let stream = Philox::new(seed, Purpose::Init, 0, layer);
            fill_uniform(&mut weight, self.limit(i, o), stream);
        }
        Tensor::new(&[i, o], weight).expect("a matrix of that many numbers")
    }
}
