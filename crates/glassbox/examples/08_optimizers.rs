//! Optimizers: the same network, first weights and batches, and five ways to use the gradients.
#![allow(clippy::print_stdout)]

use glassbox::data::digits;
use glassbox::{Device, Event, PlanName, Result, Rule, Samples, Schedule, Settings, Sink, Trainer};
use glassbox::{Reduction, evaluate};
use std::sync::atomic::AtomicBool;

/// Keeps the mean loss of each epoch.
#[derive(Default)]
struct Losses(Vec<f64>);

impl Sink for Losses {
    fn event(&mut self, event: &Event) -> Result<()> {
        if let Event::Epoch(record) = event {
            self.0.push(record.train_loss);
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let (train, test) = (samples(0, 3200), samples(100_000, 2000));
    println!("784-128-relu-10 on 3200 synthetic digits; the mean loss of each epoch of 50 steps");
    println!("{:<9} {:>6} {:>36} {:>14}", "", "rate", "epoch 1 to 6", "test accuracy");
    // Rates are in different units: Adam's step is about as long as its rate, whatever the gradient.
    let rates =
        [("sgd", 0.1), ("momentum", 0.1), ("nesterov", 0.1), ("adam", 1e-3), ("adamw", 1e-3)];
    for (name, lr) in rates {
        let settings = Settings {
            epochs: 6,
            lr,
            optimizer: Rule::named(name)?,
            weight_decay: if name == "adamw" { 0.01 } else { 0.0 },
            reduction: Reduction::Mean,
            schedule: Schedule::Constant,
            ..Settings::brief()
        };
        let device = Device::cpu(None)?;
        let plan = PlanName::Auto.choose(&settings, &device)?.0;
        let mut trainer = Trainer::new(settings, device.clone(), plan, train.clone(), None)?;
        let mut losses = Losses::default();
        trainer.run(&mut losses, &AtomicBool::new(false))?;
        let found = evaluate(trainer.network_mut(), &device, &test)?;
        let curve: String = losses.0.iter().map(|loss| format!("{loss:>6.3}")).collect();
        println!("{name:<9} {lr:>6} {curve} {:>12.1} %", 100.0 * found.accuracy);
    }
    println!("\nOne table is no verdict: try other rates here, and see the order change.");
    Ok(())
}

/// Digits number `first` and on.
fn samples(first: u32, count: u32) -> Samples {
    let (pixels, labels) = digits::generate(digits::SEED, first, count);
    let labels = labels.into_iter().map(u32::from).collect();
    Samples::images(pixels, labels, digits::PIXELS, 10)
}
