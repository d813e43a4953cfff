//! Files that must survive a crash, and readers that trust nothing.
//!
//! - [`durable`] writes a file so that its name always leads to a complete content: the old one or the new one.
//! - [`safetensors`] reads and writes models: named `f32` arrays and a few words about them.
//! - [`checkpoint`] keeps what a run needs to go on: arrays and the run's own state, several steps side by side.
//!
//! Everything we write carries a SHA-256 of all it says ([`seal`]), so that a flipped bit is an error and never a
//! slightly different network. Everything we read is checked against the size of the file before memory is asked for.

pub mod arrays;
pub mod checkpoint;
pub mod durable;
mod error;
#[cfg(test)]
mod faults;
mod header;
mod json;
pub mod safetensors;
pub mod seal;

pub use arrays::NamedArray;
pub use checkpoint::Checkpoint;
pub use error::FileError;
pub use safetensors::ModelFile;
