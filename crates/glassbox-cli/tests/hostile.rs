//! Damaged files at the command line: an error with a hint, never a panic, never a wrong answer.

mod common;

use common::{Outcome, few_digits, files, glassbox, small_run};
use std::fs;
use std::path::{Path, PathBuf};

/// Places in a file: both ends, and some between.
fn places(len: usize) -> Vec<usize> {
    let mut places = vec![0, 1, 7, 8, 9, 40, len / 3, len / 2, len.saturating_sub(5), len - 1];
    places.retain(|&place| place < len);
    places
}

/// The file cut short, and with a bit flipped, at several places; also empty, and other content.
fn damages(good: &[u8]) -> Vec<(String, Vec<u8>)> {
    let cut = |place| (format!("cut at {place}"), good[..place].to_vec());
    let flip = |place: usize| {
        let mut bytes = good.to_vec();
        bytes[place] ^= 1 << (place % 8);
        (format!("flipped at {place}"), bytes)
    };
    let mut damages: Vec<_> = places(good.len()).into_iter().map(cut).collect();
    damages.extend(places(good.len()).into_iter().map(flip));
    damages.push(("text".to_string(), b"<!DOCTYPE html><html>404</html>\n".to_vec()));
    damages.push(("a lie".to_string(), [&[0xff; 8][..], good].concat()));
    damages
}

/// Runs a command on each damage of a file, and puts the file right again.
fn check(home: &Path, file: &Path, words: &[&str], judge: impl Fn(&str, Outcome)) {
    let good = fs::read(file).unwrap();
    for (what, bytes) in damages(&good) {
        fs::write(file, bytes).unwrap();
        judge(&what, glassbox(home, words));
    }
    fs::write(file, good).unwrap();
}

#[test]
fn damaged_models() {
    let (home, run) = small_run();
    let file = run.join("model.safetensors");
    for words in [
        &["eval", "run", "--json"][..],
        &["eval", "run/model.safetensors", "--data", few_digits()],
        &["predict", "run"],
        &["summary", "run"],
        &["data", "show", few_digits(), "--model", "run"],
    ] {
        check(home.path(), &file, words, |_, outcome| {
            assert!(outcome.hints(&[1]).stderr.contains("model.safetensors"));
        });
    }
    fs::remove_file(&file).unwrap();
    glassbox(home.path(), &["eval", "run"]).hints(&[1]);
}

/// A sound run, stopped in its second epoch, and the SHA-256 it should end with.
fn stopped_run() -> (tempfile::TempDir, PathBuf, serde_json::Value) {
    let home = common::folder();
    let run = |out: &str, more: &[&str]| {
        let words = ["train", "--data", few_digits(), "--model", "784-8-relu-10", "--epochs", "2"];
        let words =
            [&words[..], &["--threads", "1", "--quiet", "--json", "--out", out], more].concat();
        glassbox(home.path(), &words).ok().json()
    };
    let expected = run("whole", &[])["model_sha256"].clone();
    run("part", &["--max-steps", "90"]);
    let part = home.path().join("part");
    (home, part, expected)
}

const RESUME: [&str; 7] =
    ["train", "--resume", "part", "--json", "--threads", "1", "--max-steps=9999"];

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// Resumes from a copy of `part` in which one file is damaged.
fn resume_damaged(name: &str, judge: impl Fn(&str, &serde_json::Value, Outcome)) {
    let (home, part, expected) = stopped_run();
    let sound = home.path().join("sound");
    copy(&part, &sound);
    for (what, bytes) in damages(&fs::read(part.join(name)).unwrap()) {
        fs::remove_dir_all(&part).unwrap();
        copy(&sound, &part);
        fs::write(part.join(name), bytes).unwrap();
        judge(&what, &expected, glassbox(home.path(), &RESUME));
    }
}

#[test]
fn a_damaged_newest_checkpoint_is_passed_over() {
    resume_damaged("checkpoints/step-00000090.safetensors", |what, expected, outcome| {
        let outcome = outcome.ok();
        assert_eq!(outcome.json()["model_sha256"], *expected, "{what}");
        assert!(outcome.stderr.contains("passed over"), "{what}: {outcome:?}");
    });
}

#[test]
fn no_sound_checkpoint_is_left() {
    let (home, part, expected) = stopped_run();
    for file in files(&part.join("checkpoints")) {
        let good = fs::read(&file).unwrap();
        fs::write(&file, &good[..good.len() / 2]).unwrap();
    }
    let outcome = glassbox(home.path(), &RESUME);
    // It may refuse, or begin again and say so; it must not end with anything else.
    if outcome.code == Some(0) {
        assert_eq!(outcome.json()["model_sha256"], expected);
        assert!(outcome.stderr.contains("passed over"), "{outcome:?}");
    } else {
        outcome.hints(&[1]);
    }
}

/// A flipped bit may leave a valid run.toml that says something else; then that is what it says, and
/// only a panic or an end without a word would be wrong.
#[test]
fn a_damaged_run_toml() {
    resume_damaged("run.toml", |_, _, outcome| {
        if outcome.code != Some(0) {
            outcome.hints(&[1, 2]);
        }
    });
}

/// The log is for looking at; the training does not depend on it.
#[test]
fn a_damaged_log_does_not_stop_a_run() {
    resume_damaged("events.jsonl", |what, expected, outcome| {
        assert_eq!(outcome.ok().json()["model_sha256"], *expected, "{what}");
    });
}

#[test]
fn damaged_data() {
    let (home, _run) = small_run();
    let data = home.path().join("data");
    copy(Path::new(few_digits()), &data);
    for name in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        let file = data.join(name);
        let good = fs::read(&file).unwrap();
        for len in [0, 3, 4, 7, good.len() / 2, good.len() - 1] {
            fs::write(&file, &good[..len]).unwrap();
            let outcome = glassbox(home.path(), &["eval", "run", "--data", "data"]).hints(&[1]);
            assert!(outcome.stderr.contains(name), "{outcome:?}");
        }
        fs::write(&file, good).unwrap();
    }
    fs::write(data.join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 1, 244]).unwrap();
    glassbox(home.path(), &["train", "--data", "data", "--out", "other"]).hints(&[1]);
}
