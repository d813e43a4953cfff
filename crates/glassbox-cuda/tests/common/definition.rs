//! Steps of a network of any parts by the definition, `glassbox_cpu::reference`.

use super::numbers;
use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cpu::reference::{self as cpu, Reduction};
use glassbox_cuda::train::Part;

/// A network by the definition, whose activations are all tanh.
pub struct Definition {
    parts: Vec<Part>,
    /// Weight and bias of each dense layer.
    pub arrays: Vec<Vec<f32>>,
}

impl Definition {
    pub fn new(parts: &[Part], inputs: usize) -> Definition {
        let (mut arrays, mut i) = (Vec::new(), inputs);
        for part in parts {
            if let Part::Dense { outputs } = *part {
                let seed = arrays.len() as u64;
                arrays.extend([numbers(seed, i * outputs), numbers(seed + 1, outputs)]);
                i = outputs;
            }
        }
        Definition { parts: parts.to_vec(), arrays }
    }

    /// Step `step` of a run, with plain gradient descent on inputs x (b,i). Returns the mean of the losses.
    pub fn step(&mut self, x: Vec<f32>, labels: &[u32], step: u32, lr: f32, seed: u64) -> f32 {
        let b = labels.len();
        let stream = |layer| Philox::new(seed, Purpose::Dropout, step, layer as u32);
        let mut values = vec![x];
        let mut dense = self.arrays.chunks_exact(2);
        for (layer, part) in self.parts.iter().enumerate() {
            let x = &values[layer];
            let i = x.len() / b;
            let o = if let Part::Dense { outputs } = *part { outputs } else { i };
            let mut y = vec![0.0; b * o];
            match *part {
                Part::Dense { .. } => {
                    let [weight, bias] = dense.next().unwrap() else { unreachable!() };
                    cpu::matmul::matmul(&mut y, x, weight, [b, i, o]);
                    cpu::bias::add_bias(&mut y, bias, [b, o]);
                }
                Part::Activation(_) => {
                    cpu::activation::activation(cpu::Activation::Tanh, &mut y, x);
                }
                Part::Dropout { p } => cpu::random::dropout(&mut y, x, p, stream(layer)),
                Part::Softmax => cpu::softmax::softmax(&mut y, x, [b, o]),
                Part::LogSoftmax => cpu::softmax::log_softmax(&mut y, x, [b, o]),
            }
            values.push(y);
        }
        let logits = &values[self.parts.len()];
        let mut dy = vec![0.0; logits.len()];
        let (shape, mean) = ([b, logits.len() / b], Reduction::Mean);
        let loss = cpu::loss::cross_entropy(logits, labels, shape, mean);
        cpu::loss::cross_entropy_backward(&mut dy, logits, labels, shape, mean);
        let mut dense = self.arrays.chunks_exact_mut(2).rev();
        for (layer, part) in self.parts.iter().enumerate().rev() {
            let (x, y) = (&values[layer], &values[layer + 1]);
            let (i, o) = (x.len() / b, y.len() / b);
            let mut dx = vec![0.0; b * i];
            match *part {
                Part::Dense { .. } => {
                    let [weight, bias] = dense.next().unwrap() else { unreachable!() };
                    let (mut dw, mut db) = (vec![0.0; i * o], vec![0.0; o]);
                    cpu::matmul::matmul_at(&mut dw, x, &dy, [i, b, o]);
                    cpu::bias::add_bias_backward(&mut db, &dy, [b, o]);
                    cpu::matmul::matmul_bt(&mut dx, &dy, weight, [b, o, i]);
                    cpu::optim::sgd(weight, &dw, lr);
                    cpu::optim::sgd(bias, &db, lr);
                }
                Part::Activation(_) => {
                    cpu::activation::activation_backward(cpu::Activation::Tanh, &mut dx, &dy, x, y);
                }
                Part::Dropout { p } => {
                    cpu::random::dropout_backward(&mut dx, &dy, p, stream(layer));
                }
                Part::Softmax => cpu::softmax::softmax_backward(&mut dx, &dy, y, [b, o]),
                Part::LogSoftmax => cpu::softmax::log_softmax_backward(&mut dx, &dy, y, [b, o]),
            }
            dy = dx;
        }
        loss
    }
}
