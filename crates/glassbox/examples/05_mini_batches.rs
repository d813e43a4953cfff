//! Week 4, mini-batches: a new order each epoch, a smaller last batch, and why small steps win.
#![allow(clippy::print_stdout)]

use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::data::digits;
use glassbox::{Device, Init, Loss, Network, Optimizer, Reduction, Result, Rule, Targets, Tensor};

fn main() -> Result<()> {
    println!("ten samples in batches of four:");
    for epoch in 0..3 {
        // The order is a function of (seed, purpose, epoch): nothing has to be remembered.
        let order = Philox::new(0, Purpose::Shuffle, epoch, 0).permutation(10);
        let batches: Vec<&[u32]> = order.chunks(4).collect();
        println!("  epoch {epoch}: {batches:?}");
    }
    println!(
        "  the last batch has two: the mean divides by two there, the sum divides by nothing\n"
    );

    let (pixels, labels) = digits::generate(digits::SEED, 0, 1000);
    let labels: Vec<u32> = labels.into_iter().map(u32::from).collect();
    println!("four passes over 1000 digits, learning rate 0.5:");
    println!("{:>8} {:>8} {:>8} {:>10}", "batch", "steps", "loss", "accuracy");
    for batch in [1000, 300, 64, 16] {
        let (steps, loss, correct) = train(batch, &pixels, &labels)?;
        println!("{batch:>8} {steps:>8} {loss:>8.4} {:>8.1} %", f64::from(correct) / 10.0);
    }
    println!("every row has seen the same images; small batches have made more steps with them");
    Ok(())
}

/// Four epochs. Returns the steps, and then the loss and the right answers on the same digits.
fn train(batch: usize, pixels: &[u8], labels: &[u32]) -> Result<(u32, f64, u32)> {
    let (device, loss) = (Device::cpu(Some(1))?, Loss::CrossEntropy(Reduction::Mean));
    let mut network = Network::new("784-32-relu-10", Init::Xavier, 0)?;
    let mut optimizer = Optimizer::new(Rule::Sgd, 0.0, &network);
    let mut steps = 0;
    for epoch in 0..4 {
        let order = Philox::new(0, Purpose::Shuffle, epoch, 0).permutation(labels.len() as u32);
        for order in order.chunks(batch) {
            let mut x = Tensor::zeros(&[order.len(), digits::PIXELS]);
            device.gather(&mut x, pixels, order)?;
            let labels: Vec<u32> = order.iter().map(|&sample| labels[sample as usize]).collect();
            network.forward(&device, &x)?;
            network.backward(&device, loss, &x, Targets::Classes(&labels), None)?;
            optimizer.step(&device, &mut network, 0.5)?;
            steps += 1;
        }
    }
    let (order, mut answers) = ((0..labels.len() as u32).collect::<Vec<_>>(), Vec::new());
    let mut x = Tensor::zeros(&[labels.len(), digits::PIXELS]);
    device.gather(&mut x, pixels, &order)?;
    let logits = network.forward(&device, &x)?;
    device.argmax(&mut answers, logits)?;
    let correct = answers.iter().zip(labels).filter(|(answer, label)| answer == label).count();
    Ok((steps, loss.forward(&device, logits, Targets::Classes(labels))?, correct as u32))
}
