//! `glassbox check-gradients`.

use crate::Failure;
use crate::args::CheckGradients;
use crate::output::{note, say};
use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::{Init, Loss, Network, Targets, Tensor, check_gradients_watched};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

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
    let bar = announce(&network, arguments.elements);
    let found = check_gradients_watched(
        &network,
        loss,
        &x,
        targets,
        arguments.elements,
        arguments.seed,
        &mut |done| {
            bar.set_position(done as u64);
            Ok(())
        },
    )?;
    bar.finish_and_clear();
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

/// Says on stderr how much there is to do, and returns a bar that only a terminal shows.
fn announce(network: &Network, most: usize) -> ProgressBar {
    let sizes = || network.parameters().map(|(_, parameter)| parameter.value.len());
    let (chosen, all) = (sizes().map(|size| size.min(most)).sum::<usize>(), sizes().sum::<usize>());
    note(format!("checking {chosen} of the {all} gradients of {network}"));
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(10),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{pos}/{len} [{bar:12}] {eta} left");
    let bar = ProgressBar::with_draw_target(Some(chosen as u64), target);
    bar.with_style(style.expect("the template is right").progress_chars("━╸ "))
}
