//! `glassbox xor`: the smallest problem that needs a hidden layer, and the lesson in it.

use crate::Failure;
use crate::args::Xor;
use crate::output::say;
use glassbox::{
    Device, Error, Init, Loss, Moment, Network, Optimizer, Reduction, Rule, Targets, Tensor,
};

/// Training a network this small is one batch, again and again.
const STEPS: u32 = 2000;
const RATE: f32 = 0.1;
const SEEDS: u64 = 60;
const INPUTS: [[f32; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
const LABELS: [u32; 4] = [0, 1, 1, 0];

/// A trained network: its probabilities of "different" for the four inputs, and its last loss.
struct Solution {
    probabilities: [f32; 4],
    loss: f64,
}

impl Solution {
    /// All four answers right.
    fn is_right(&self) -> bool {
        self.probabilities.iter().zip(LABELS).all(|(&p, label)| (p > 0.5) == (label == 1))
    }
}

pub fn run(arguments: Xor) -> Result<(), Failure> {
    if !(1..=4096).contains(&arguments.width) {
        let message = "--width must be from 1 to 4096 (hint: 16 is plenty)";
        return Err(Failure::Usage(message.to_string()));
    }
    if arguments.survey { survey() } else { one(arguments.width, arguments.seed) }
}

fn one(width: usize, seed: u64) -> Result<(), Failure> {
    let solution = train(width, "relu", seed)?;
    say(format!(
        "2-{width}-relu-2, seed {seed}, {STEPS} steps of sgd at rate {RATE}, loss {:.4}",
        solution.loss
    ));
    for ([a, b], p) in INPUTS.iter().zip(solution.probabilities) {
        say(format!("{a} xor {b} = {}   (probability of 1: {p:.3})", u8::from(p > 0.5)));
    }
    if solution.is_right() {
        say("solved");
        return Ok(());
    }
    let message = "not solved: these first weights lead nowhere (hint: try another --seed or a larger \
                   --width; `glassbox xor --survey` shows how often each works)";
    Err(Failure::Other(message.to_string()))
}

/// How many of sixty seeds solve it, by width and activation.
fn survey() -> Result<(), Failure> {
    let activations = ["relu", "leaky0.01", "tanh", "sigmoid"];
    say(format!("XOR solved within {STEPS} steps of sgd at rate {RATE}, of {SEEDS} seeds"));
    say(format!("{:>6}  {}", "width", activations.map(|name| format!("{name:>10}")).concat()));
    for width in [2, 3, 4, 8, 16] {
        let mut row = format!("{width:>6}  ");
        for activation in activations {
            let mut solved = 0;
            for seed in 0..SEEDS {
                solved += u32::from(train(width, activation, seed)?.is_right());
            }
            row += &format!("{solved:>10}");
        }
        say(row);
    }
    say(
        "\nThe code is the same in every cell. At width 2 a relu that starts on the wrong side of all\n\
         four inputs never moves again, and there is no spare unit to do its work: correct code can\n\
         fail, and a wider network is a network with more chances.",
    );
    Ok(())
}

fn train(width: usize, activation: &str, seed: u64) -> Result<Solution, Error> {
    let device = Device::Reference;
    let x = Tensor::new(&[4, 2], INPUTS.concat())?;
    let targets = Targets::Classes(&LABELS);
    let loss = Loss::CrossEntropy(Reduction::Sum);
    let mut network = Network::new(&format!("2-{width}-{activation}-2"), Init::Xavier, seed)?;
    let mut optimizer = Optimizer::new(Rule::Sgd, 0.0, &network);
    let mut last = f64::INFINITY;
    for step in 0..STEPS {
        let moment = Some(Moment { seed, step });
        network.forward_at(&device, &x, moment)?;
        last = network.backward(&device, loss, &x, targets, moment)?;
        optimizer.step(&device, &mut network, RATE)?;
    }
    let mut probabilities = Tensor::zeros(&[4, 2]);
    device.softmax(&mut probabilities, network.forward(&device, &x)?)?;
    let p = probabilities.data();
    Ok(Solution { probabilities: [p[1], p[3], p[5], p[7]], loss: last })
}
