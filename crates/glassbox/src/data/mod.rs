//! Data sets: where they come from, and how they are read without trusting them.
//!
//! | file | what it does |
//! |---|---|
//! | [`lookup`] | `load`: a given folder, the environment, our cache, the network, in this order |
//! | [`listing`] | what is at hand, and where |
//! | [`named`] | the sets that have a name, with their sums, licences and mirrors |
//! | [`download`], `transfer` | fetches a named set; a file gets its name when its sum is right |
//! | [`folder`] | finds four IDX files under the names in use and joins them to a set |
//! | [`idx`], `gzip` | reads one file; nothing in it is believed before it is checked |
//! | [`prepare`] | makes a picture from anywhere like those of MNIST |
//! | `recognise` | says what a file is that is no IDX file |
//! | [`digits`], `builtin` | the built-in set: the generator, and the set made with it |
//! | [`dataset`], [`labels`] | what comes out |
//! | [`error`], [`absent`] | what can be wrong, and what to do about it |

pub mod absent;
mod builtin;
pub mod dataset;
pub mod digits;
pub mod download;
pub mod error;
pub mod folder;
mod gzip;
pub mod idx;
pub mod labels;
pub mod listing;
pub mod lookup;
pub mod named;
pub mod prepare;
mod recognise;
mod transfer;

pub use absent::NotAtHand;
pub use dataset::{DataFile, DataPair, Dataset, Split, Verified};
pub use download::{OnProgress, Patience, Progress};
pub use error::DataError;
pub use folder::read_folder;
pub use labels::{LabelError, Labels};
pub use listing::{At, Listing, list};
pub use lookup::{LoadOptions, get, load, load_named};
pub use named::DataName;
