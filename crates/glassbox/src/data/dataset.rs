//! Images with their labels, as they lie in memory: bytes, until a batch needs numbers.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Which half of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What a network learns from.
    Train,
    /// What it is judged by, once, at the end.
    Test,
}

/// Grey images and one class for each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The name of the set, or of the folder it came from.
    pub name: String,
    /// Which half of the set this is.
    pub split: Split,
    /// (n, rows, columns), row-major, 0 is the background.
    pub images: Vec<u8>,
    /// The class of each image, below `classes`.
    pub labels: Vec<u8>,
    /// The height of an image.
    pub rows: usize,
    /// The width of an image.
    pub cols: usize,
    /// The number of classes.
    pub classes: usize,
}

/// A training set and its test set. Whoever looks at them while a network learns from them shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPair {
    /// What a network learns from.
    pub train: Arc<Dataset>,
    /// What it is judged by.
    pub test: Arc<Dataset>,
    /// Where it came from: a folder, or the words "built-in generator".
    pub source: String,
    /// The four files: training images, training labels, test images, test labels.
    pub files: Vec<DataFile>,
    /// What a reader of the results should know about the data.
    pub note: Option<String>,
}

/// One of the four files, for the record of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its published name without `.gz`.
    pub name: &'static str,
    /// Where it lies, unless it was generated.
    pub path: Option<PathBuf>,
    /// SHA-256 of the IDX file, unpacked.
    pub sha256: String,
    /// SHA-256 of the gzip file, if it is one.
    pub packed_sha256: Option<String>,
    /// How it was checked.
    pub verified: Verified,
}

/// How sure we are that a file is the published one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Its unpacked bytes have the published sum.
    Unpacked,
    /// Its gzip file has the published sum.
    Packed,
    /// It was made here.
    Generated,
    /// Nobody published a sum for it.
    Unknown,
}

impl Dataset {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of pixels of an image.
    pub fn pixels(&self) -> usize {
        self.rows * self.cols
    }

    /// The pixels of image `index`, (rows, columns).
    pub fn image(&self, index: usize) -> &[u8] {
        &self.images[index * self.pixels()..][..self.pixels()]
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}
