//! `glassbox`: the command line.
//!
//! Results go to stdout, progress to stderr, and nothing ever waits for a key. Exit codes: 0 done,
//! 1 failed, 2 usage, 3 device not available, 130 interrupted.

mod args;
mod dashboard;
mod data;
mod diagnose;
mod doctor;
mod eval;
mod explain;
mod gradients;
mod image;
mod live;
mod output;
mod plot;
mod predict;
mod sheet;
mod summary;
mod sweep;
mod train;
mod xor;

use args::{Arguments, Command};
use clap::Parser;
use glassbox::Error;
use output::complain;
use std::process::ExitCode;

/// Why a command did not succeed.
pub enum Failure {
    /// An error of the library.
    Library(Error),
    /// Words that do not go together.
    Usage(String),
    /// Something that the command itself found.
    Other(String),
    /// What there is to say was said; the exit code is left.
    Told(u8),
    /// Someone asked to stop.
    Interrupted,
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Library(error.into())
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Train(arguments) => train::run(arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Predict(arguments) => predict::run(arguments),
        Command::Dashboard(arguments) => dashboard::run(&arguments),
        Command::Plot(arguments) => plot::run(arguments),
        Command::Diagnose(arguments) => diagnose::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Summary(arguments) => summary::run(arguments),
        Command::CheckGradients(arguments) => gradients::run(arguments),
        Command::Data(arguments) => data::run(arguments),
        Command::Doctor => doctor::run(),
        Command::Xor(arguments) => xor::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.tell()),
    }
}

impl Failure {
    /// Says what went wrong, and returns how the process ends.
    fn tell(self) -> u8 {
        let (message, code) = match self {
            Failure::Library(error) => {
                let code = match error {
                    Error::Setting { .. } | Error::Model { .. } => 2,
                    Error::Device { .. } => 3,
                    _ => 1,
                };
                (error.to_string(), code)
            }
            Failure::Usage(message) => (message, 2),
            Failure::Other(message) => (message, 1),
            Failure::Told(code) => return code,
            Failure::Interrupted => return 130,
        };
        complain(&message);
        code
    }

    /// The same failure, once it was told.
    pub fn told(self) -> Failure {
        Failure::Told(self.tell())
    }
}
