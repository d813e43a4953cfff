//! `digits`, the data set that is always at hand: generated, so there is nothing to look for.

use sha2::{Digest, Sha256};

use super::dataset::{DataFile, DataPair, Dataset, Split, Verified};
use super::digits::{SEED, SIDE, TEST, TRAIN, generate};
use super::folder::FILES;
use crate::file::seal::hex;

/// One for each digit.
const CLASSES: usize = 10;

/// MNIST's sizes and format, synthetic content. The test set continues the numbering of the
/// training set, so no sample is in both.
pub(super) fn digits() -> DataPair {
    let (train, test) = (half(Split::Train, 0, TRAIN), half(Split::Test, TRAIN, TEST));
    let files = [&train, &test].into_iter().flat_map(records).collect();
    let source = format!("built-in generator, seed {SEED}");
    let note =
        Some("`digits` are synthetic: not MNIST, and their accuracy is not MNIST's".to_owned());
    DataPair { train: train.into(), test: test.into(), source, files, note }
}

fn half(split: Split, first: u32, count: u32) -> Dataset {
    let (images, labels) = generate(SEED, first, count);
    let name = "digits".to_owned();
    Dataset { name, split, images, labels, rows: SIDE, cols: SIDE, classes: CLASSES }
}

/// The sums that the data would have as IDX files: enough to tell whether the generator changed.
fn records(set: &Dataset) -> [DataFile; 2] {
    let (images, labels) = if set.split == Split::Train { (0, 1) } else { (2, 3) };
    let count = set.len() as u32;
    let side = SIDE as u32;
    [
        record(FILES[images].0, &[count, side, side], &set.images),
        record(FILES[labels].0, &[count], &set.labels),
    ]
}

fn record(name: &'static str, sizes: &[u32], content: &[u8]) -> DataFile {
    let mut sha256 = Sha256::new();
    sha256.update([0, 0, 8, sizes.len() as u8]);
    sizes.iter().for_each(|size| sha256.update(size.to_be_bytes()));
    sha256.update(content);
    let (path, packed_sha256, verified) = (None, None, Verified::Generated);
    DataFile { name, path, sha256: hex(sha256), packed_sha256, verified }
}
