//! The pictures of Glassbox: events and tensors in, SVG or PNG out.
//!
//! A picture is a function from plain values to the text of an SVG, and the same values give the same bytes. Numbers
//! that are none are gaps, marked as such; texts from outside are escaped; colours can be told apart by colour-blind
//! eyes, on light and on dark paper; below 600 pixels pictures are laid out for a phone. [`png()`] paints what they return,
//! and [`Runs`] draws them of runs in their folders.
//!
//! ```
//! use glassbox_plot::{CurveOptions, Group, History, Look, Theme, curves};
//!
//! let history = History::new("a run of which nothing is known yet");
//! let groups = [Group { name: history.name.clone(), runs: vec![&history], test: None }];
//! let svg = curves(&groups, &CurveOptions::default(), &Look::new(390.0, Theme::Dark));
//! assert!(svg.starts_with("<svg") && svg.contains("No step has been made yet"));
//! assert!(glassbox_plot::png(&svg, 2.0).unwrap().starts_with(b"\x89PNG"));
//! ```
#![forbid(unsafe_code)]

mod chart;
mod classes;
mod confusion;
mod curves;
mod figure;
mod first_layer;
mod gallery;
mod groups;
mod history;
mod inside;
mod paint;
mod raster;
mod recorded;
mod roofline;
mod runs;
mod scale;
mod seen;
mod series;
mod strip;
mod svg;
mod theme;
mod units;

pub use classes::classes;
pub use confusion::confusion;
pub use curves::{CurveOptions, Group, Test, curves, rate, throughput};
pub use first_layer::first_layer;
pub use gallery::errors;
pub use groups::groups;
pub use history::{History, Start, StepRecord};
pub use inside::{activations, flow, gradients, stuck, weights};
pub use paint::{PngError, png};
pub use roofline::{Contestant, Product, Roof, Roofline, Rooflines, roofline};
pub use runs::{Details, Picture, Runs, Unseen};
pub use seen::{LayerSeen, Mistake, Seen};
pub use series::MOST_POINTS;
pub use theme::{Look, Theme};
pub use units::{dead, image};
