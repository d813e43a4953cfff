//! The headline job in burn: its layers, loss, autodiff and SGD, on its CPU backend `flex`.

mod common;

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{Initializer, Linear, LinearConfig, Relu};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::prelude::*;
use burn::tensor::TensorData;
use common::{Data, Peer, numbers};

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    activation: Relu,
    output: Linear,
}

impl Mlp {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.output.forward(self.activation.forward(self.hidden.forward(x)))
    }
}

struct Network {
    device: Device,
    x: Tensor<2>,
    y: Tensor<1, Int>,
    test: Tensor<2>,
    mlp: Option<Mlp>,
    loss: CrossEntropyLoss,
    sgd: ModuleOptimizer,
    batch: usize,
    rate: f64,
}

/// Whole numbers as a tensor.
fn integers(values: impl Iterator<Item = u32>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.map(i64::from).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

impl Network {
    fn new(data: &Data, width: usize, batch: usize, rate: f64) -> Network {
        let device = Device::flex().autodiff();
        let images = |pixels: &[u8]| -> Tensor<2> {
            let data = TensorData::new(numbers(pixels), [pixels.len() / 784, 784]);
            Tensor::from_data(data, &device)
        };
        let layer = |i, o| {
            let xavier = Initializer::XavierUniform { gain: 1.0 };
            LinearConfig::new(i, o).with_initializer(xavier).init(&device)
        };
        let mlp =
            Mlp { hidden: layer(784, width), activation: Relu::new(), output: layer(width, 10) };
        Network {
            x: images(&data.train.0),
            y: integers(data.train.1.iter().map(|&label| label.into()), &device),
            test: images(&data.test.0),
            mlp: Some(mlp),
            loss: CrossEntropyLossConfig::new().init(&device),
            sgd: SgdConfig::new().init(),
            batch,
            rate,
            device,
        }
    }
}

impl Peer for Network {
    fn epoch(&mut self, order: &[u32]) {
        for picked in order.chunks(self.batch) {
            let mlp = self.mlp.take().expect("a network");
            let order = integers(picked.iter().copied(), &self.device);
            let (x, y) = (self.x.clone().select(0, order.clone()), self.y.clone().select(0, order));
            // Its loss is the mean.
            let sum = self.loss.forward(mlp.forward(x), y) * picked.len() as f32;
            let gradients = GradientsParams::from_grads(sum.backward(), &mlp);
            self.mlp = Some(self.sgd.step(self.rate, mlp, gradients));
        }
    }

    fn classes(&mut self) -> Vec<u32> {
        let mlp = self.mlp.as_ref().expect("a network");
        let logits = mlp.forward(self.test.clone()).into_data().convert::<f32>();
        let logits = logits.to_vec::<f32>().expect("numbers");
        let best = |row: &[f32]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        logits.chunks(10).map(|row| best(row) as u32).collect()
    }
}

fn main() {
    common::run(concat!("burn ", env!("PEER_VERSION"), ", flex"), Network::new);
}
