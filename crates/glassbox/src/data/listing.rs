//! What is at hand: the rows of `glassbox data list`.

use std::path::PathBuf;

use super::absent::Looked;
use super::lookup::{self, LoadOptions};
use super::named::DataName;

/// A data set that can be asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The short name that users type.
    pub name: &'static str,
    /// The name in full.
    pub title: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// The size of a download, in bytes.
    pub packed_bytes: u64,
    /// Where it is.
    pub at: At,
}

/// Where a data set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// In this program.
    BuiltIn,
    /// In this folder. Its training labels were read, its other files only seen.
    Folder(PathBuf),
    /// Nowhere on this machine: each place that was looked at, and why it does not serve.
    Nowhere(Vec<Looked>),
}

/// Every set with a name, and where it is. Reads no images.
pub fn list(options: &LoadOptions) -> Vec<Listing> {
    let named = DataName::ALL.map(|name| {
        let set = name.known();
        let at = match lookup::whereabouts(set, options) {
            Ok(folder) => At::Folder(folder),
            Err(looked) => At::Nowhere(looked),
        };
        let packed_bytes = set.files.iter().map(|file| file.packed_bytes).sum();
        Listing { name: set.name, title: set.title, licence: set.licence, packed_bytes, at }
    });
    let digits = Listing {
        name: "digits",
        title: "built-in synthetic digits, not MNIST",
        licence: "MIT OR Apache-2.0",
        packed_bytes: 0,
        at: At::BuiltIn,
    };
    named.into_iter().chain([digits]).collect()
}
