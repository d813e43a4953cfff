//! The headline job in candle: candle_nn's layers, loss and SGD, on its CPU backend.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Linear, Module, Optimizer, SGD, VarBuilder, VarMap, linear, loss};
use common::{Data, Peer, numbers};

struct Network {
    x: Tensor,
    y: Tensor,
    test: Tensor,
    hidden: Linear,
    output: Linear,
    sgd: SGD,
    batch: usize,
}

impl Network {
    fn new(data: &Data, width: usize, batch: usize, rate: f64) -> Result<Network> {
        let tensor = |pixels: &[u8]| {
            Tensor::from_vec(numbers(pixels), (pixels.len() / 784, 784), &Device::Cpu)
        };
        let labels: Vec<u32> = data.train.1.iter().map(|&label| label.into()).collect();
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        Ok(Network {
            x: tensor(&data.train.0)?,
            y: Tensor::new(labels, &Device::Cpu)?,
            test: tensor(&data.test.0)?,
            hidden: linear(784, width, builder.pp("hidden"))?,
            output: linear(width, 10, builder.pp("output"))?,
            sgd: SGD::new(variables.all_vars(), rate)?,
            batch,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output.forward(&self.hidden.forward(x)?.relu()?)
    }

    fn step(&mut self, picked: &[u32]) -> Result<()> {
        let order = Tensor::new(picked, &Device::Cpu)?;
        let (x, y) = (self.x.index_select(&order, 0)?, self.y.index_select(&order, 0)?);
        // Its loss is the mean.
        let sum = (loss::cross_entropy(&self.forward(&x)?, &y)? * picked.len() as f64)?;
        self.sgd.backward_step(&sum)
    }
}

impl Peer for Network {
    fn epoch(&mut self, order: &[u32]) {
        for picked in order.chunks(self.batch) {
            self.step(picked).expect("a step");
        }
    }

    fn classes(&mut self) -> Vec<u32> {
        let logits = self.forward(&self.test).expect("logits");
        logits.argmax(1).and_then(|classes| classes.to_vec1()).expect("classes")
    }
}

fn main() {
    common::run(concat!("candle ", env!("PEER_VERSION")), |data, width, batch, rate| {
        Network::new(data, width, batch, rate).expect("a network")
    });
}
