//! `glassbox predict` on sets and networks that are not MNIST's: few images, many classes, infinities.

mod common;

use common::{Outcome, folder, glassbox, idx, word};
use glassbox::run::save_model;
use glassbox::{Init, Network};
use std::path::Path;

/// 13 images of three rows and four columns for training, one for the test, a class for each.
fn tiny_set(folder: &Path) {
    for (half, count) in [("train", 13), ("t10k", 1)] {
        let path = |kind: &str| folder.join(format!("{half}-{kind}-ubyte"));
        let pixels: Vec<u8> = (0..12 * count).map(|i| (i * 37 % 251) as u8).collect();
        idx(&path("images-idx3"), &[count, 3, 4], &pixels);
        idx(&path("labels-idx1"), &[count], &(0..count as u8).collect::<Vec<_>>());
    }
}

/// A folder with the set, and with a model whose weights are all `weight`.
fn tiny_model(text: &str, weight: f64) -> tempfile::TempDir {
    let folder = folder();
    tiny_set(folder.path());
    let mut network = Network::new(text, Init::Zero, 0).unwrap();
    for parameter in network.parameters_mut() {
        (0..parameter.value.len()).for_each(|index| parameter.value.set(index, weight));
    }
    save_model(&folder.path().join("model.safetensors"), &network, "tiny").unwrap();
    folder
}

fn predict(folder: &Path, more: &[&str]) -> Outcome {
    let words = ["predict", "model.safetensors", "--data", word(folder)];
    glassbox(folder, &[&words[..], more].concat())
}

#[test]
fn the_default_rows_are_those_that_there_are() {
    let folder = tiny_model("12-13", 0.1);
    let seen = predict(folder.path(), &["--json"]).ok().json();
    assert_eq!(seen.as_array().map(Vec::len), Some(1), "{seen}");
    predict(folder.path(), &["--rows", "1"]).hints(&[2]);
}

/// Two lines of picture, and still every class, or ten of them and how many more there are.
#[test]
fn a_low_picture_has_all_classes_beside_it() {
    for (classes, listed, more) in [(10, 10, None), (13, 10, Some("and 3 more"))] {
        let folder = tiny_model(&format!("12-{classes}"), 0.1);
        let text = predict(folder.path(), &[]).ok().stdout;
        assert_eq!(text.lines().filter(|line| line.contains(" %")).count(), listed, "{text}");
        let last = text.lines().rfind(|line| !line.is_empty()).map(str::trim);
        assert_eq!(last.filter(|last| last.starts_with("and")), more, "{text}");
    }
}

#[test]
fn outputs_that_overflow_are_no_answer() {
    let folder = tiny_model("12-5-relu-13", 3e38);
    let outcome = predict(folder.path(), &[]).ok();
    assert!(outcome.stderr.contains("warning: ") && outcome.stderr.contains("not finite"));
    assert!(outcome.stdout.contains("no answer, but it is 0"), "{outcome:?}");
    let outcome = predict(folder.path(), &["--json"]).ok();
    assert!(outcome.stderr.contains("not finite"), "{outcome:?}");
    assert!(outcome.json()[0]["prediction"].is_null(), "{outcome:?}");
}
