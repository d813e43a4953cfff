//! `glassbox train --seeds` and `--lrs`: many networks side by side, each with its own bits.

mod common;

use common::{few_digits, folder, glassbox};
use serde_json::Value;

fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let words = ["train", "--data", few_digits(), "--model", "784-16-relu-10", "--epochs", "2"];
    [&words[..], &["--quiet", "--json"], more].concat()
}

#[test]
fn each_network_is_the_one_of_its_own_run() {
    let folder = folder();
    let run = |more: &[&str]| glassbox(folder.path(), &words(more)).ok().json();
    let sweep = run(&["--seeds", "3..7", "--threads", "3", "--out", "sweep"]);
    assert_eq!((sweep["networks"].as_u64(), sweep["threads"].as_u64()), (Some(5), Some(3)));
    let runs = sweep["runs"].as_array().unwrap();
    let seeds: Vec<u64> = runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [3, 4, 5, 6, 7]);
    let mut accuracies = Vec::new();
    for found in runs {
        let seed = found["seed"].to_string();
        let single = run(&["--seed", &seed, "--threads", "1", "--out", &format!("single-{seed}")]);
        for name in ["model_sha256", "test_accuracy", "test_loss", "train_loss", "steps"] {
            assert_eq!(found[name], single[name], "seed {seed}, {name}");
        }
        let file = found["model"].as_str().unwrap();
        let judged = glassbox(folder.path(), &["eval", file, "--json", "--data", few_digits()]);
        assert_eq!(judged.ok().json()["test_accuracy"], single["test_accuracy"]);
        let model = folder.path().join(file);
        let model = glassbox::run::load_model(&model, None).unwrap();
        assert_eq!(model.sha256(), found["model_sha256"].as_str().unwrap());
        accuracies.push(single["test_accuracy"].as_f64().unwrap());
    }
    let spread = &sweep["spread"][0];
    let is = |name: &str, x: f64| (spread[name].as_f64().unwrap() - x).abs() < 1e-12;
    let mean = accuracies.iter().sum::<f64>() / 5.0;
    let squares: f64 = accuracies.iter().map(|x| (x - mean) * (x - mean)).sum();
    assert!(is("mean", mean) && is("standard_deviation", (squares / 4.0).sqrt()), "{spread}");
    assert!(is("lowest", accuracies.iter().copied().fold(1.0, f64::min)), "{spread}");
    assert!(is("highest", accuracies.iter().copied().fold(0.0, f64::max)), "{spread}");
    let other = glassbox::run::load_model(&folder.path().join("single-3"), None).unwrap();
    assert_eq!(other.sha256(), runs[0]["model_sha256"].as_str().unwrap());
}

#[test]
fn rates_side_by_side_and_one_that_fails() {
    let folder = folder();
    let more = ["--lrs", "0.1,1e30", "--seeds", "1,2", "--out", "sweep", "--schedule", "constant"];
    let outcome = glassbox(folder.path(), &words(&more)).ok();
    let warning = "warning: 2 of 4 networks failed: seed 1 with rate 1e30: the loss became";
    assert!(outcome.stderr.starts_with(warning), "{outcome:?}");
    let sweep = outcome.json();
    let runs = sweep["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    assert!(runs[..2].iter().all(|run| run["test_accuracy"].as_f64().unwrap() > 0.5), "{sweep}");
    let says = |run: &Value| run["error"].as_str().is_some_and(|error| error.contains("hint"));
    assert!(runs[2..].iter().all(says), "{sweep}");
    assert_eq!(sweep["spread"].as_array().unwrap().len(), 1);
}

#[test]
fn a_sweep_of_failures_is_a_failure_and_says_why() {
    let folder = folder();
    let more = ["--lrs", "1e30,2e30", "--out", "bad", "--schedule", "constant"];
    let words: Vec<&str> = words(&more).into_iter().filter(|word| *word != "--json").collect();
    let outcome = glassbox(folder.path(), &words);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let reason = "error: no network came to an end: seed 0 with rate 1e30: the loss became";
    assert!(outcome.stderr.starts_with(reason), "{outcome:?}");
    assert!(outcome.stderr.contains("hint: try a far smaller learning rate"), "{outcome:?}");
    assert!(outcome.stdout.starts_with("0 of 2 networks in"), "{outcome:?}");
}

#[test]
fn a_table_for_people() {
    let folder = folder();
    let words: Vec<&str> =
        words(&["--seeds", "0..1"]).into_iter().filter(|w| *w != "--json").collect();
    let outcome = glassbox(folder.path(), &words).ok();
    for part in ["deviation", "2 of 2 networks in", "sweep.json in runs/"] {
        assert!(outcome.stdout.contains(part), "{part}: {outcome:?}");
    }
}

#[test]
fn what_no_sweep_can_be() {
    let folder = folder();
    for more in [
        &["--seeds", "5..3"][..],
        &["--seeds", "a..b"],
        &["--seeds", ""],
        &["--seeds", "0..99999999999"],
        &["--seeds", "0..1", "--seed", "3"],
        &["--seeds", "0..1", "--resume", "x"],
        &["--lrs", "0.1,-1"],
        &["--lrs", "nan"],
        &["--lrs", "0.1", "--lr", "0.1"],
        &["--lrs", "0.1,0.2,0.1"],
        &["--seeds", "4,4"],
        &["--seeds", "0..1", "--plan", "fused", "--clip", "1"],
        &["--seeds", "0..1", "--model", "10-3"],
    ] {
        let outcome = glassbox(folder.path(), &words(more));
        assert_eq!(outcome.code, Some(2), "{more:?}: {outcome:?}");
        assert!(!folder.path().join("runs").exists(), "{more:?} left something behind");
    }
    // A folder that is there is not written into.
    std::fs::create_dir(folder.path().join("there")).unwrap();
    glassbox(folder.path(), &words(&["--seeds", "0..1", "--out", "there"])).hints(&[1]);
}
