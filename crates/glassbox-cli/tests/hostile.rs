//! Damaged files at the command line: an error with a hint, never a panic, never a wrong answer.

mod common;

use common::{Outcome, copy, few_digits, files, glassbox, small_run};
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

/// The bytes of every file of a run that a reader would miss.
fn contents(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let kept = |file: &PathBuf| file.file_name().is_some_and(|name| name != "run.lock");
    let mut all: Vec<_> = files(run).into_iter().filter(kept).collect();
    all.sort();
    all.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
}

#[test]
fn a_run_without_a_sound_checkpoint_is_refused_and_left_as_it_is() {
    let (home, part, _) = stopped_run();
    let sound = home.path().join("sound");
    copy(&part, &sound);
    let checkpoints = files(&part.join("checkpoints"));
    let good = fs::read(&checkpoints[0]).unwrap();
    for (what, bytes) in damages(&good) {
        checkpoints.iter().for_each(|file| fs::write(file, &bytes).unwrap());
        let before = contents(&part);
        let outcome = glassbox(home.path(), &RESUME).hints(&[1]);
        assert!(outcome.stderr.contains("no checkpoint is sound"), "{what}: {outcome:?}");
        assert!(outcome.stderr.contains("expected"), "{what}: {outcome:?}");
        assert!(contents(&part) == before, "{what}: the refusal changed the run");
    }
    // A finished model is not trained over because its checkpoints are gone.
    fs::remove_dir_all(part.join("checkpoints")).unwrap();
    let before = contents(&part);
    let outcome = glassbox(home.path(), &RESUME).hints(&[1]);
    assert!(outcome.stderr.contains("no checkpoint to go on from"), "{outcome:?}");
    assert!(contents(&part) == before);
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let (home, part, _) = stopped_run();
    let other = |name: &str, data: &str, seed: &str| {
        let words = ["train", "--data", data, "--model", "784-8-relu-10", "--epochs", "2"];
        let more = ["--max-steps", "90", "--seed", seed, "--quiet", "--out", name];
        glassbox(home.path(), &[&words[..], &more].concat()).ok();
        home.path().join(name)
    };
    let moved = home.path().join("moved");
    copy(Path::new(few_digits()), &moved);
    let labels = moved.join("train-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).unwrap();
    bytes.swap(8, 9);
    bytes[20] = (bytes[20] + 1) % 10;
    fs::write(&labels, bytes).unwrap();
    for (run, reason) in [
        (other("seed", few_digits(), "77"), "other settings"),
        (other("data", common::word(&moved), "0"), "other data"),
    ] {
        let mixed = home.path().join("mixed");
        copy(&part, &mixed);
        fs::remove_dir_all(mixed.join("checkpoints")).unwrap();
        copy(&run.join("checkpoints"), &mixed.join("checkpoints"));
        let before = contents(&mixed);
        let words = ["train", "--resume", "mixed", "--json"];
        let outcome = glassbox(home.path(), &words).hints(&[1]);
        assert!(outcome.stderr.contains(reason), "{outcome:?}");
        assert!(contents(&mixed) == before, "the refusal changed the run");
        fs::remove_dir_all(mixed).unwrap();
    }
}

/// Where it is, is told by whatever is left of it.
#[test]
fn a_run_is_not_asked_to_end_before_where_it_is() {
    for damage in ["none", "empty", "gone", "all gone"] {
        let (home, part, _) = stopped_run();
        let newest = part.join("checkpoints/step-00000090.safetensors");
        match damage {
            "empty" => fs::write(newest, "").unwrap(),
            "gone" => fs::remove_file(newest).unwrap(),
            "all gone" => fs::remove_dir_all(part.join("checkpoints")).unwrap(),
            _ => {}
        }
        let before = contents(&part);
        let words = ["train", "--resume", "part", "--json", "--max-steps", "80"];
        let outcome = glassbox(home.path(), &words).hints(&[1]);
        let says = if damage == "all gone" { "no checkpoint to go on" } else { "already made 90" };
        assert!(outcome.stderr.contains(says), "{damage}: {outcome:?}");
        assert!(contents(&part) == before, "{damage}: the refusal changed the run");
    }
}

#[test]
fn numbers_that_no_file_can_hold_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for (flag, value) in [
        ("--batch", "9223372036854775808"),
        ("--batch", "18446744073709551615"),
        ("--max-steps", "18446744073709551615"),
        ("--seed", "18446744073709551615"),
    ] {
        let arguments = ["train", "--data", "digits", "--out", "big", flag, value];
        glassbox(home.path(), &arguments).hints(&[2]);
        assert!(!home.path().join("big").join("run.toml").exists());
    }
}

#[test]
fn a_damaged_or_edited_run_toml() {
    resume_damaged("run.toml", |_, _, outcome| {
        assert!(outcome.hints(&[1]).stderr.contains("run.toml"));
    });
    let (home, part, _) = stopped_run();
    let file = part.join("run.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("max_steps = 90", "max_steps = 80")).unwrap();
    let outcome = glassbox(home.path(), &RESUME).hints(&[1]);
    assert!(outcome.stderr.contains("damaged or edited"), "{outcome:?}");
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
