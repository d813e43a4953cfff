//! Glassbox: a neural-network library with no black boxes.
#![forbid(unsafe_code)]

pub mod data;
pub mod file;
