//! Four IDX files in a folder: finding them under the names in use, and reading them as one set.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::dataset::{DataFile, DataPair, Dataset, Split, Verified};
use super::error::DataError;
use super::idx::{self, Idx, Kind};
use super::labels;
use super::named::{self, Known};

/// The four published names, without `.gz`: training images and labels, test images and labels.
pub const FILES: [(&str, Split, Kind); 4] = [
    ("train-images-idx3-ubyte", Split::Train, Kind::Images),
    ("train-labels-idx1-ubyte", Split::Train, Kind::Labels),
    ("t10k-images-idx3-ubyte", Split::Test, Kind::Images),
    ("t10k-labels-idx1-ubyte", Split::Test, Kind::Labels),
];

/// Reads any four IDX files of a folder: images of any size, as many classes as the labels use.
pub fn read_folder(folder: &Path) -> Result<DataPair, DataError> {
    let paths = match exact(folder, true)? {
        Some(paths) => paths,
        None => similar(folder)?,
    };
    let name = whole(folder);
    let mut name = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
    if named::DataName::parse(&name).is_some() || name.eq_ignore_ascii_case("digits") {
        // It may hold anything: its name is not to be taken for that of a verified set.
        name += " (a folder)";
    }
    let files = read_all(&paths, |_, _| Ok(Verified::Unknown))?;
    pair(&name, folder, files, None, None)
}

/// Reads a named set from a folder known to hold its four files, and verifies each of them.
pub(super) fn read_named(
    folder: &Path,
    paths: &[PathBuf; 4],
    set: &'static Known,
) -> Result<DataPair, DataError> {
    let files = read_all(paths, |index, file| named::verify(set, index, file))?;
    let unknown = files.iter().any(|(_, verified)| *verified == Verified::Unknown);
    let note = unknown.then(|| {
        format!(
            "{} in {}: no sums of the unpacked files are known, so only their sizes were checked \
             (keep the .gz files to have the content verified)",
            set.name,
            folder.display()
        )
    });
    pair(set.name, folder, files, Some(named::CLASSES), note)
}

/// Verifies the training labels of a named set, and nothing else: they are few bytes.
pub(super) fn check_labels(paths: &[PathBuf; 4], set: &'static Known) -> Result<(), DataError> {
    named::verify(set, 1, &idx::read(&paths[1], FILES[1].2)?).map(drop)
}

/// Looks for the four published names in a folder: all, none (`None`), or an error for some.
pub(super) fn exact(folder: &Path, plain_first: bool) -> Result<Option<[PathBuf; 4]>, DataError> {
    let found = FILES.map(|(name, ..)| spelled(folder, name, plain_first));
    let missing: Vec<&str> = FILES
        .iter()
        .zip(&found)
        .filter(|(_, p)| p.is_none())
        .map(|((name, ..), _)| *name)
        .collect();
    match missing.len() {
        0 => Ok(Some(found.map(Option::unwrap_or_default))),
        4 => Ok(None),
        _ => Err(missing_files(folder, &missing)),
    }
}

/// One file under the spellings in use: `train-images-idx3-ubyte`, `train-images.idx3-ubyte`, each
/// with or without `.gz`. A broken link counts as found: its error says more than "missing".
fn spelled(folder: &Path, name: &str, plain_first: bool) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let plain = [name.to_owned(), dotted.clone()];
    let packed = [format!("{name}.gz"), format!("{dotted}.gz")];
    let spellings = if plain_first { [plain, packed] } else { [packed, plain] };
    let mut paths = spellings.into_iter().flatten().map(|spelling| folder.join(spelling));
    paths.find(|path| fs::symlink_metadata(path).is_ok())
}

/// Other people's sets prefix the published names (`emnist-letters-train-images-idx3-ubyte.gz`) or
/// say `test` for `t10k`. Accepted as long as each of the four can be only one file.
fn similar(folder: &Path) -> Result<[PathBuf; 4], DataError> {
    let names = list(folder)?;
    let mut found = Vec::new();
    for (name, split, kind) in FILES {
        let mut fitting = names.iter().filter(|(stem, _)| fits(stem, split, kind));
        match (fitting.next(), fitting.next()) {
            (Some((_, path)), None) => found.push(path.clone()),
            (Some((first, _)), Some((second, _))) => {
                let (folder, found) = (folder.to_owned(), format!("{first} and {second}"));
                return Err(DataError::Ambiguous { folder, expected: name, found });
            }
            (None, _) => return Err(missing_files(folder, &[name])),
        }
    }
    // Four were looked for and each was found, so there are four.
    found.try_into().map_err(|_| missing_files(folder, &[]))
}

/// The files of a folder by lower-case name without `.gz`; a plain file hides its packed twin.
fn list(folder: &Path) -> Result<BTreeMap<String, PathBuf>, DataError> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder, "list this folder"))? {
        let entry = entry.map_err(DataError::io(folder, "list this folder"))?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        match name.strip_suffix(".gz") {
            Some(stem) => drop(names.entry(stem.to_owned()).or_insert(entry.path())),
            None => drop(names.insert(name, entry.path())),
        }
    }
    Ok(names)
}

fn fits(stem: &str, split: Split, kind: Kind) -> bool {
    let half = match split {
        Split::Train => stem.contains("train"),
        Split::Test => stem.contains("t10k") || stem.contains("test"),
    };
    let content = match kind {
        Kind::Images => stem.contains("images") && stem.contains("idx3"),
        Kind::Labels => stem.contains("labels") && stem.contains("idx1"),
    };
    half && content
}

fn missing_files(folder: &Path, missing: &[&str]) -> DataError {
    DataError::Missing { folder: folder.to_owned(), missing: missing.join(", ") }
}

type Checked = (Idx, Verified);

/// Each file is verified as soon as it is read, so a wrong one is named before the next is opened.
fn read_all(
    paths: &[PathBuf; 4],
    verify: impl Fn(usize, &Idx) -> Result<Verified, DataError>,
) -> Result<[Checked; 4], DataError> {
    let read = |index: usize| {
        let file = idx::read(&paths[index], FILES[index].2)?;
        verify(index, &file).map(|verified| (file, verified))
    };
    Ok([read(0)?, read(1)?, read(2)?, read(3)?])
}

fn pair(
    name: &str,
    folder: &Path,
    files: [Checked; 4],
    classes: Option<usize>,
    note: Option<String>,
) -> Result<DataPair, DataError> {
    let records = FILES.iter().zip(&files).map(|((name, ..), file)| record(name, file)).collect();
    let [train_images, train_labels, test_images, test_labels] = files.map(|(file, _)| file);
    if train_images.sizes[1..] != test_images.sizes[1..] {
        let (expected, found) = (&train_images.sizes[1..], &test_images.sizes[1..]);
        let (expected, found) = (named::times(expected), named::times(found));
        return Err(DataError::ImageSize { path: test_images.path, expected, found });
    }
    let used = train_labels.bytes.iter().chain(&test_labels.bytes).max();
    let classes = classes.unwrap_or(used.map_or(0, |&label| usize::from(label) + 1));
    let train = join(name, Split::Train, train_images, train_labels, classes)?.into();
    let test = join(name, Split::Test, test_images, test_labels, classes)?.into();
    let source = whole(folder).display().to_string();
    Ok(DataPair { train, test, source, files: records, note })
}

/// The whole path, so that it leads to the folder from anywhere.
fn whole(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Images and their labels as one half of a set, refused unless they belong together.
pub fn join(
    name: &str,
    split: Split,
    images: Idx,
    labels: Idx,
    classes: usize,
) -> Result<Dataset, DataError> {
    let (count, label_count) = (images.sizes[0], labels.bytes.len());
    if count != label_count {
        let (images_path, labels_path) = (images.path, labels.path);
        return Err(DataError::Count {
            images_path,
            labels_path,
            images: count,
            labels: label_count,
        });
    }
    labels::check_bytes(&labels.bytes, classes).map_err(|source| {
        let row = if let labels::LabelError::OutOfRange { row, .. } = source { row } else { 0 };
        let offset = Kind::Labels.header_bytes() + row as u64;
        DataError::Label { path: labels.path, offset, source }
    })?;
    let (name, rows, cols) = (name.to_owned(), images.sizes[1], images.sizes[2]);
    let (images, labels) = (images.bytes, labels.bytes);
    Ok(Dataset { name, split, images, labels, rows, cols, classes })
}

fn record(name: &'static str, (file, verified): &Checked) -> DataFile {
    DataFile {
        name,
        path: Some(file.path.clone()),
        sha256: file.sha256.clone(),
        packed_sha256: file.packed_sha256.clone(),
        verified: *verified,
    }
}
