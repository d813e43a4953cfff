//! `glassbox summary`.

use crate::Failure;
use crate::args::Summary;
use crate::output::say;
use glassbox::{Init, Network};
use std::path::Path;

pub fn run(arguments: Summary) -> Result<(), Failure> {
    let path = Path::new(&arguments.model);
    let network = if path.exists() {
        glassbox::run::load_model(path, None)?
    } else {
        Network::new(&arguments.model, Init::Zero, 0)?
    };
    let summary = network.summary();
    if arguments.json {
        say(serde_json::to_string(&summary).expect("a summary is plain values"));
    } else {
        say(summary);
    }
    Ok(())
}
