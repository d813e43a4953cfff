//! `glassbox check-gradients`.

use crate::Failure;
use crate::args::CheckGradients;
use crate::output::say;
use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::{Init, Loss, Network, Targets, Tensor, check_gradients};

pub fn run(arguments: CheckGradients) -> Result<(), Failure> {
    let network = Network::new(&arguments.model, Init::Xavier, arguments.seed)?;
    let (inputs, classes) = (network.input_width(), network.output_width() as u32);
    if arguments.elements == 0 {
        let message = "--elements must be at least 1 (hint: 64 is enough)";
        return Err(Failure::Usage(message.to_string()));
    }
    if arguments.batch == 0 || arguments.batch.saturating_mul(inputs) > 1 << 26 {
        let message = "--batch must be at least 1 and fit in memory (hint: 4 is enough)";
        return Err(Failure::Usage(message.to_string()));
    }
    let stream = Philox::new(arguments.seed, Purpose::Test, u32::MAX, 0);
    let numbers = (0..arguments.batch * inputs).map(|i| 2.0 * stream.uniform(i as u64) - 1.0);
    let x = Tensor::new(&[arguments.batch, inputs], numbers.collect())?;
    let labels: Vec<u32> = (0..arguments.batch as u32).map(|row| row % classes).collect();
    let loss = Loss::CrossEntropy(arguments.reduction);
    let targets = Targets::Classes(&labels);
    let found = check_gradients(&network, loss, &x, targets, arguments.elements, arguments.seed)?;
    if arguments.json {
        say(serde_json::to_string(&found).expect("a gradient check is plain values"));
    } else {
        say(&found);
    }
    if found.passed() {
        Ok(())
    } else {
        Err(Failure::Other(format!("{network}: a gradient is wrong")))
    }
}
