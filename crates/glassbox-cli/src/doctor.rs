//! `glassbox doctor`: what this machine has, and what Glassbox makes of it.

use crate::Failure;
use crate::output::say;

pub fn run() -> Result<(), Failure> {
    for (name, value) in glassbox::doctor::doctor()? {
        say(format!("{name:<14} {value}"));
    }
    Ok(())
}
