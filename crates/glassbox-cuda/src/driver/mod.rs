//! NVIDIA's driver, as far as the engine needs it: thin safe types, every call's result checked.
//!
//! The driver is loaded when the first device is opened, so a program that links this crate runs
//! anywhere. What the driver lacks is an [`Error`] before the first call is made.

pub(crate) mod api;
mod capture;
mod context;
mod error;
mod event;
mod graph;
mod library;
pub(crate) mod memory;
mod module;
mod stream;

pub use api::SYMBOLS;
pub(crate) use capture::refuse;
pub use context::Context;
pub use error::{Error, Result};
pub use event::Event;
pub use graph::Graph;
pub use library::{device_count, version};
pub(crate) use memory::Block;
pub(crate) use module::{Function, Modules};
pub use stream::Stream;
pub(crate) use stream::wait_for;

/// What may lie in device memory: plain numbers, for which every pattern of bits is a value.
///
/// # Safety
/// The type has no padding and no invalid values.
pub unsafe trait Element: Copy + Send + Sync + 'static {}

// SAFETY: plain numbers.
unsafe impl Element for f32 {}
// SAFETY: as above.
unsafe impl Element for u8 {}
// SAFETY: as above.
unsafe impl Element for u16 {}
// SAFETY: as above.
unsafe impl Element for u32 {}
