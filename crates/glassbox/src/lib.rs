//! Glassbox: a neural-network library with no black boxes.
//!
//! Every piece of arithmetic is written in this project, explained, and proven against a plain
//! definition. Results do not depend on threads, on the instruction set, or on whether a run was
//! resumed.
//!
//! # Reading order
//! 1. [`tensor`]: numbers with a shape.
//! 2. [`layers`]: forward and backward, side by side. Begin with `layers/dense.rs`.
//! 3. [`device`]: the op table, every operation once.
//! 4. [`network`]: a list of layers. [`loss`], [`init`], [`optim`], [`schedule`].
//! 5. [`plan`]: one training step, in twenty lines. [`trainer`]: epochs of them, which [`control`] can pause.
//! 6. [`run`]: a run is a folder. [`data`] and [`file`] read and write without trusting.
//!
//! ```
//! use glassbox::{Device, Init, Loss, Moment, Network, Optimizer, Reduction, Rule, Targets, Tensor};
//!
//! // XOR, from scratch.
//! let x = Tensor::new(&[4, 2], vec![0., 0., 0., 1., 1., 0., 1., 1.])?;
//! let labels = Targets::Classes(&[0, 1, 1, 0]);
//! let loss = Loss::CrossEntropy(Reduction::Mean);
//! let device = Device::cpu(Some(1))?;
//! let mut network = Network::new("2-16-relu-2", Init::Xavier, 0)?;
//! let mut optimizer = Optimizer::new(Rule::Sgd, 0.0, &network);
//! let mut last = f64::INFINITY;
//! for step in 0..500 {
//!     let moment = Some(Moment { seed: 0, step });
//!     network.forward_at(&device, &x, moment)?;
//!     last = network.backward(&device, loss, &x, labels, moment)?;
//!     optimizer.step(&device, &mut network, 0.5)?;
//! }
//! assert!(last < 0.05);
//! # Ok::<(), glassbox::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod data;
pub mod error;
pub mod file;

pub mod telemetry;
mod tensor;

pub mod device;
pub mod doctor;

pub mod init;
pub mod layers;
pub mod loss;
pub mod network;

pub mod gradcheck;
pub mod metrics;
pub mod optim;
pub mod schedule;

pub mod control;
pub mod diagnose;
pub mod evaluate;
pub mod event;
pub mod explain;
pub mod flow;
pub mod inside;
mod lanes;
pub mod plan;
pub mod samples;
pub mod settings;
pub mod template;
pub mod trainer;
mod twin;

pub mod run;
pub mod sweep;

pub use control::{Control, ControlState};
pub use device::{Cuda, Device, DeviceName};
pub use diagnose::{Doctor, Finding};
pub use error::{Error, Result};
pub use evaluate::{Evaluation, evaluate, infer};
pub use event::{Change, Ending, EpochRecord, Event, Sink};
pub use explain::{Explanation, Quantity, explain};
pub use flow::Flow;
pub use gradcheck::{GradientCheck, check_gradients, check_gradients_watched};
pub use init::Init;
pub use inside::{LayerInside, ParameterInside, Spread};
pub use layers::{Layer, Moment, Parameter, Pass};
pub use loss::{Loss, LossName, Reduction, Targets};
pub use network::Network;
pub use optim::{Optimizer, Rule};
pub use plan::{Plan, PlanName};
pub use run::{Report, Run, RunRecord};
pub use samples::{Answers, Inputs, Pixels, Samples};
pub use schedule::Schedule;
pub use settings::Settings;
pub use sweep::Sweep;
pub use telemetry::{GpuReading, Telemetry};
pub use template::{Template, Templates, templates};
pub use tensor::Tensor;
pub use trainer::Trainer;

pub use glassbox_cpu as cpu;
pub use glassbox_cuda as cuda;

// The README's Rust is compiled and run with the other doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
