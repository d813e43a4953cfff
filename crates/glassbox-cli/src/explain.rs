//! `glassbox explain`: one number of a training step, with everything that it is made of.

use crate::Failure;
use crate::args::Explain;
use crate::eval::data_for;
use crate::output::say;
use glassbox::{Device, Init, Loss, Network, Quantity, Samples, evaluate, explain, run};
use std::path::Path;

pub fn run(arguments: Explain) -> Result<(), Failure> {
    let path = Path::new(&arguments.model);
    let network = match path.exists() {
        true => run::load_model(path, None)?,
        false => Network::new(&arguments.model, Init::He, arguments.seed)?,
    };
    let quantity = Quantity::parse(&arguments.what, &network)?;
    let samples = batch(&arguments, &network)?;
    let (x, answers) = samples.whole(&Device::Reference)?;
    let loss = Loss::CrossEntropy(arguments.reduction);
    let found = explain(&network, loss, &x, answers.targets(), &quantity)?;
    if arguments.json {
        say(serde_json::to_string(&found).expect("an explanation is plain values"));
    } else {
        say(found);
    }
    Ok(())
}

/// The training images that the arguments choose.
fn batch(arguments: &Explain, network: &Network) -> Result<Samples, Failure> {
    let path = Path::new(&arguments.model);
    // Of a run, the images that it learned from.
    let asked = arguments.data.as_deref().or((!path.exists()).then_some("digits"));
    let set = data_for(path, asked, arguments.data_dir.as_deref())?.train;
    let name = set.name.clone();
    let samples = Samples::new(set)?;
    evaluate::check_widths(network, &samples)?;
    let (first, count) = (arguments.first, arguments.batch);
    if count == 0 || first.checked_add(count).is_none_or(|end| end > samples.len()) {
        let message = format!(
            "--first {first} --batch {count}: {name} has {} training images (hint: --first 0 --batch 64)",
            samples.len()
        );
        return Err(Failure::Usage(message));
    }
    Ok(samples.range(first..first + count))
}
