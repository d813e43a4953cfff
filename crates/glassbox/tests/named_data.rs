//! The named data sets: real MNIST where it is at hand, and folders that only look like it.
#![allow(clippy::print_stderr)] // a skip is printed

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use glassbox::data::folder::FILES;
use glassbox::data::{At, DataError, DataName, LoadOptions, Verified, list, load};

/// Options that look at one folder, as `GLASSBOX_DATA` names it, and nowhere else.
fn real() -> Option<LoadOptions> {
    let env_dir = std::env::var_os("GLASSBOX_DATA").map(PathBuf::from);
    if env_dir.is_none() {
        eprintln!("SKIPPED: real MNIST, because GLASSBOX_DATA is not set");
    }
    env_dir.map(|folder| LoadOptions { env_dir: Some(folder), ..LoadOptions::default() })
}

#[test]
fn real_mnist_has_its_sums_and_shapes() {
    let Some(options) = real() else { return };
    let pair = load("mnist", &options).unwrap();
    assert_eq!((pair.train.len(), pair.train.rows, pair.train.cols), (60_000, 28, 28));
    assert_eq!((pair.test.len(), pair.test.rows, pair.test.cols), (10_000, 28, 28));
    assert_eq!((pair.train.classes, pair.test.classes, &pair.note), (10, 10, &None));
    assert_eq!(pair.train.labels[..5], [5, 0, 4, 1, 9]);
    assert_eq!(pair.test.labels[..5], [7, 2, 1, 0, 4]);
    let sum = pair.train.images.iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
    assert_eq!(sum, 1_567_298_545);
    for file in &pair.files {
        assert_eq!(file.verified, Verified::Unpacked, "{}", file.name);
    }
}

#[test]
fn mnist_in_the_place_of_another_set_is_named() {
    let Some(mut options) = real() else { return };
    let text = load("fashion", &options).unwrap_err().to_string();
    assert!(text.contains("it holds train-images-idx3-ubyte of mnist"), "{text}");
    options.data_dir = options.env_dir.take();
    let error = load("kmnist", &options).unwrap_err();
    assert!(matches!(error, DataError::WrongSet { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("expected train-images-idx3-ubyte of kmnist, found"), "{text}");
}

/// Looks in `folder` only, as a folder of the environment.
fn environment(folder: &Path) -> LoadOptions {
    LoadOptions { env_dir: Some(folder.to_owned()), ..LoadOptions::default() }
}

/// Looks in `folder` only, as a folder that the user gave.
fn given(folder: &Path) -> LoadOptions {
    LoadOptions { data_dir: Some(folder.to_owned()), ..LoadOptions::default() }
}

/// Four files of the sizes that all named sets share, all zeros, with holes instead of bytes.
fn blank_set(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (known, (name, ..)) in DataName::Fashion.known().files.iter().zip(FILES) {
        let mut file = File::create(folder.join(name)).unwrap();
        file.write_all(&[0, 0, 8, known.sizes.len() as u8]).unwrap();
        for &size in known.sizes {
            file.write_all(&(size as u32).to_be_bytes()).unwrap();
        }
        let header = 4 + 4 * known.sizes.len();
        let bytes = header + known.sizes.iter().product::<usize>();
        file.set_len(bytes as u64).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn mnist_is_found_under_the_names_of_other_libraries() {
    use std::os::unix::fs::symlink;
    let Some(options) = real() else { return };
    let source = options.env_dir.unwrap().canonicalize().unwrap();
    for inside in ["mnist", "MNIST", "MNIST/raw"] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(inside);
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        symlink(&source, &folder).unwrap();
        let pair = load("MNIST", &environment(root.path())).unwrap();
        assert_eq!(Path::new(&pair.source), source);
    }
}

#[cfg(unix)]
#[test]
fn a_changed_or_swapped_file_of_mnist_is_named() {
    use std::os::unix::fs::symlink;
    let Some(options) = real() else { return };
    let source = options.env_dir.unwrap().canonicalize().unwrap();
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("mnist");
    fs::create_dir(&folder).unwrap();
    for (name, ..) in FILES {
        let name = format!("{name}.gz");
        symlink(source.join(&name), folder.join(&name)).unwrap();
    }
    let pair = load("mnist", &environment(root.path())).unwrap();
    let labels = folder.join("train-labels-idx1-ubyte");
    let plain = [&[0, 0, 8, 1, 0, 0, 0xea, 0x60][..], &pair.train.labels].concat();
    fs::write(&labels, &plain).unwrap();
    assert_eq!(load("mnist", &environment(root.path())).unwrap().files[1].packed_sha256, None);

    let changed = [&plain[..9], &[plain[9] ^ 1], &plain[10..]].concat();
    fs::write(&labels, changed).unwrap();
    let text = load("mnist", &environment(root.path())).unwrap_err().to_string();
    let sum = DataName::Mnist.known().files[1].sha256.unwrap();
    for fact in [labels.to_str().unwrap(), "expected SHA-256", sum, "(mnist, unpacked)", "(hint: "]
    {
        assert!(text.contains(fact), "{text}");
    }
    let test_labels = [&[0, 0, 8, 1, 0, 0, 0x27, 0x10][..], &pair.test.labels].concat();
    fs::write(&labels, test_labels).unwrap();
    let text = load("mnist", &environment(root.path())).unwrap_err().to_string();
    assert!(text.contains("byte 4: expected 60000 (mnist), found 10000"), "{text}");
}

#[test]
fn a_set_without_known_sums_is_accepted_with_a_note() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("fashion-mnist");
    blank_set(&folder);
    let pair = load("fashion", &environment(root.path())).unwrap();
    assert_eq!((pair.train.len(), pair.test.len(), pair.train.classes), (60_000, 10_000, 10));
    assert!(pair.note.unwrap().contains("only their sizes were checked"));
    assert_eq!(pair.files[0].verified, Verified::Unknown);

    let labels = FILES[1].0;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&fs::read(folder.join(labels)).unwrap()).unwrap();
    fs::remove_file(folder.join(labels)).unwrap();
    fs::write(folder.join(format!("{labels}.gz")), gzip.finish().unwrap()).unwrap();
    let text = load("fashion", &environment(root.path())).unwrap_err().to_string();
    assert!(text.contains("(fashion, the gzip file), found"), "{text}");

    let mnist = root.path().join("mnist");
    blank_set(&mnist);
    let text = load("mnist", &environment(root.path())).unwrap_err().to_string();
    assert!(text.contains("(mnist, unpacked), found"), "{text}");
}

#[test]
fn a_label_past_the_ten_classes_is_named() {
    let root = tempfile::tempdir().unwrap();
    blank_set(root.path());
    let path = root.path().join(FILES[1].0);
    let mut labels = fs::read(&path).unwrap();
    labels[8 + 77] = 10;
    fs::write(&path, labels).unwrap();
    let text = load("kmnist", &given(root.path())).unwrap_err().to_string();
    assert!(text.contains("byte 85: label of row 77: expected 0 to 9, found 10"), "{text}");
    assert_eq!(load(root.path().to_str().unwrap(), &given(root.path())).unwrap().train.classes, 11);
}

#[test]
fn places_are_tried_in_order() {
    let root = tempfile::tempdir().unwrap();
    let (env, cache) = (root.path().join("env"), root.path().join("cache"));
    blank_set(&cache.join("fashion"));
    fs::create_dir(&env).unwrap();
    let options = LoadOptions { cache_dir: Some(cache.clone()), ..environment(&env) };
    let source = |options: &LoadOptions| PathBuf::from(load("fashion", options).unwrap().source);
    assert_eq!(source(&options), cache.join("fashion"));
    blank_set(&env.join("FashionMNIST").join("raw"));
    assert_eq!(source(&options), env.join("FashionMNIST").join("raw"));
    let own = root.path().join("own");
    blank_set(&own);
    let options = LoadOptions { data_dir: Some(own.clone()), ..options };
    assert_eq!(source(&options), own);
    let options = LoadOptions { data_dir: Some(own.join("typo")), ..options };
    let text = load("fashion", &options).unwrap_err().to_string();
    assert!(text.contains("typo: expected a folder, found no folder (hint: "), "{text}");
}

#[test]
fn half_a_set_is_an_error_in_a_users_folder_and_normal_in_our_cache() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("kmnist");
    blank_set(&folder);
    fs::remove_file(folder.join(FILES[3].0)).unwrap();
    let error = load("kmnist", &environment(root.path())).unwrap_err();
    assert!(matches!(error, DataError::Missing { .. }), "{error}");
    let options = LoadOptions { cache_dir: Some(root.path().to_owned()), ..LoadOptions::default() };
    let text = load("kmnist", &options).unwrap_err().to_string();
    assert!(text.contains("found no t10k-labels-idx1-ubyte"), "{text}");
    assert!(text.contains("the data set kmnist is not at hand"), "{text}");
}

#[test]
fn digits_need_no_file_and_are_never_called_mnist() {
    let pair = load("digits", &LoadOptions::default()).unwrap();
    for (set, count) in [(&pair.train, 60_000), (&pair.test, 10_000)] {
        assert_eq!((set.len(), set.rows, set.cols, set.classes), (count, 28, 28, 10));
        assert_eq!(set.images.len(), count * 784);
        assert!(set.labels.iter().all(|&label| label < 10));
    }
    assert!(pair.files.iter().all(|file| file.verified == Verified::Generated));
    assert_eq!(
        (pair.train.name.as_str(), pair.source.as_str()),
        ("digits", "built-in generator, seed 1")
    );
    assert!(pair.note.unwrap().contains("not MNIST"));
}

#[test]
fn the_list_says_where_each_set_is() {
    let root = tempfile::tempdir().unwrap();
    blank_set(&root.path().join("kmnist"));
    let rows = list(&environment(root.path()));
    let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names, ["mnist", "fashion", "kmnist", "digits"]);
    assert_eq!(rows[2].at, At::Folder(root.path().join("kmnist")));
    assert_eq!((rows[0].packed_bytes, rows[3].packed_bytes), (11_594_722, 0));
    let At::Nowhere(looked) = &rows[0].at else { panic!("{:?}", rows[0].at) };
    assert!(looked[0].place.starts_with("GLASSBOX_DATA (") && looked[0].why.contains("no folder"));
}

/// All sets have files of the same names, so names alone would find any of them anywhere.
#[test]
fn the_list_does_not_take_mnist_for_another_set() {
    let Some(options) = real() else { return };
    let rows = list(&options);
    assert_eq!(rows[0].at, At::Folder(options.env_dir.unwrap()));
    for row in &rows[1..3] {
        let At::Nowhere(looked) = &row.at else { panic!("{row:?}") };
        assert_eq!(looked[0].why, "it holds train-labels-idx1-ubyte of mnist", "{row:?}");
    }
}

#[test]
fn a_name_that_is_nothing_says_what_would_be_something() {
    let text = load("minst", &LoadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("expected mnist, fashion, kmnist, digits or a folder"), "{text}");
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "x").unwrap();
    let text = load(file.to_str().unwrap(), &LoadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("(hint: pass the folder that holds the four files"), "{text}");
}
