//! What can go wrong when a dashboard begins.

use std::io;
use std::path::PathBuf;

/// Why there is no dashboard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened at.
    #[error("cannot listen at {host}:{port}: {error} (hint: {hint})")]
    Listen {
        /// The address.
        host: String,
        /// The port that was asked for.
        port: u16,
        /// What the system says.
        error: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// What is to be the name of a host is none.
    #[error(
        "{name:?} is no name of a host (hint: --host and --behind take names and addresses, without a port)"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// The system has no random numbers for a key.
    #[error(
        "the system has no random numbers for the dashboard's key: {0} (hint: train without --dashboard)"
    )]
    Random(String),
    /// There is no thread for it.
    #[error(
        "there is no thread for the dashboard: {0} (hint: close other programs, or train without --dashboard)"
    )]
    Thread(io::Error),
    /// A folder of runs cannot be read.
    #[error("{path}: {reason} (hint: {hint})")]
    Runs {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
}
