//! Training steps through the library, as `glassbox train --recipe brief` makes them.

use crate::common::{self, Arguments, Data, Peer};
use glassbox::layers::Moment;
use glassbox::plan::Steps;
use glassbox::{Device, Network, Optimizer, Plan, PlanName, Samples, Settings, Tensor};
use std::sync::Arc;

struct Trained {
    settings: Settings,
    device: Device,
    plan: Box<dyn Plan>,
    network: Network,
    optimizer: Optimizer,
    samples: Arc<Samples>,
    test: Samples,
}

/// Trains every point.
pub fn run(arguments: &Arguments) {
    let threads = arguments.number("threads", 1);
    common::run_with(arguments, crate::VERSION, |data, width, batch, rate| {
        Trained::new(data, width, batch, rate, threads).expect("a network")
    });
}

impl Trained {
    fn new(
        data: &Data,
        width: usize,
        batch: usize,
        rate: f64,
        threads: usize,
    ) -> glassbox::Result<Trained> {
        let model = format!("784-{width}-relu-10");
        let settings = Settings { model, batch, lr: rate as f32, ..Settings::brief() };
        let device = Device::cpu(Some(threads))?;
        let (plan, _) = PlanName::Auto.choose(&settings, &device)?;
        let network = Network::new(&settings.model, settings.init, settings.seed)?;
        let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &network);
        let (samples, test) = (Arc::new(samples(&data.train)), samples(&data.test));
        Ok(Trained { settings, device, plan, network, optimizer, samples, test })
    }
}

fn samples((pixels, labels): &(Vec<u8>, Vec<u8>)) -> Samples {
    let labels = labels.iter().map(|&label| label.into()).collect();
    Samples::images(pixels.clone(), labels, 784, 10)
}

impl Peer for Trained {
    fn epoch(&mut self, order: &[u32]) {
        let batch = self.settings.batch;
        let rates = vec![self.settings.lr; order.len().div_ceil(batch)];
        let steps = Steps {
            device: &self.device,
            loss: self.settings.loss(),
            samples: &self.samples,
            order,
            batch,
            rates: &rates,
            clip: None,
            moment: Moment { seed: 0, step: 0 },
        };
        let results = self.plan.run(&mut self.network, &mut self.optimizer, &steps);
        // A run that diverges ends early, and would look fast.
        assert_eq!(results.expect("steps").len(), rates.len(), "all steps are made");
    }

    fn classes(&mut self) -> Vec<u32> {
        let pixels = common::numbers(self.test.pixels().expect("images"));
        let x = Tensor::new(&[self.test.len(), 784], pixels).expect("images");
        let logits = self.network.forward(&self.device, &x).expect("logits");
        let mut classes = Vec::new();
        self.device.argmax(&mut classes, logits).expect("classes");
        classes
    }
}
