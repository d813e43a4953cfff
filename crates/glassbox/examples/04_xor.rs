//! Week 3, the checkpoint: XOR with one hidden layer, the training loop written out.
#![allow(clippy::print_stdout)]

use glassbox::{Device, Init, Loss, Moment, Network, Optimizer, Reduction, Result, Rule};
use glassbox::{Targets, Tensor};

const INPUTS: [[f32; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
const LABELS: [u32; 4] = [0, 1, 1, 0];

fn main() -> Result<()> {
    println!("784-128-relu-10 learns digits with the very loop that learns XOR here.\n");
    let answers = train("2-16-relu-2", 0, true)?;
    assert!(answers.iter().zip(LABELS).all(|(&p, label)| (p > 0.5) == (label == 1)));

    println!("\nWithout a hidden layer no weights solve it, since no straight line divides it:");
    train("2-2", 0, false)?;

    println!("\nTwo hidden units can do it, but from few first weights. Seeds 0 to 9:");
    let mut solved = 0;
    for seed in 0..10 {
        let answers = train("2-2-relu-2", seed, false)?;
        solved += u32::from(answers.iter().zip(LABELS).all(|(&p, l)| (p > 0.5) == (l == 1)));
    }
    println!("{solved} of 10 solved. Correct code can fail: `glassbox xor --survey` counts it.");
    Ok(())
}

/// Trains on all four cases at once; returns the probability of 1 for each.
fn train(text: &str, seed: u64, is_talkative: bool) -> Result<Vec<f32>> {
    let device = Device::Reference;
    let x = Tensor::new(&[4, 2], INPUTS.concat())?;
    let (loss, targets) = (Loss::CrossEntropy(Reduction::Sum), Targets::Classes(&LABELS));
    let mut network = Network::new(text, Init::Xavier, seed)?;
    let mut optimizer = Optimizer::new(Rule::Sgd, 0.0, &network);
    for step in 0..=1000 {
        let moment = Some(Moment { seed, step });
        network.forward_at(&device, &x, moment)?;
        let value = network.backward(&device, loss, &x, targets, moment)?;
        optimizer.step(&device, &mut network, 0.1)?;
        if is_talkative && step % 200 == 0 {
            println!("step {step:>4}  loss {value:.4}");
        }
    }
    let mut probabilities = Tensor::zeros(&[4, 2]);
    device.softmax(&mut probabilities, network.forward(&device, &x)?)?;
    let answers: Vec<f32> = probabilities.data().chunks(2).map(|row| row[1]).collect();
    println!("{text}: the probability of 1 for 00, 01, 10, 11 is {answers:.3?}");
    Ok(answers)
}
