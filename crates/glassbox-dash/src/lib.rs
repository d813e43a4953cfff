//! The live dashboard of Glassbox: runs in a browser, while they train and afterwards.
//!
//! A [`Dashboard`] is a server on a thread of its own. The trainer never waits for it: it leaves events in a [`Feed`],
//! which is bounded, and viewers get what is kept when they come. Pictures are drawn when somebody looks at them.
//!
//! Whoever looks needs the key in the dashboard's link; requests that call us by another name, or come from pages of
//! other sites, are refused.
#![forbid(unsafe_code)]

mod anatomy;
mod dashboard;
mod error;
mod facts;
mod feed;
mod guard;
mod host;
mod images;
mod look;
mod models;
mod news;
mod pictures;
mod routes;
mod run;
mod runs;
mod serve;
mod shared;
mod step;
mod story;
mod token;
mod turns;

pub use dashboard::{Dashboard, Options, PORT};
pub use error::Error;
pub use feed::Feed;
pub use images::Lent;
