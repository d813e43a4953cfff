//! `glassbox diagnose` and the warnings of `train --inside`: what is ill is said, what is healthy is called so, and files
//! are not trusted.

mod common;

use common::{Outcome, few_digits, folder, glassbox, idx, small_run, word};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Trains a small network on few digits, with a look inside, into the folder `run`.
fn train(home: &Path, more: &[&str]) -> Outcome {
    let words = ["train", "--data", few_digits(), "--model", "784-16-relu-10", "--epochs", "4"];
    let rest = ["--threads", "1", "--inside", "--out", "run"];
    glassbox(home, &[&words[..], &rest, more].concat())
}

fn codes(found: &Outcome) -> Vec<String> {
    let json = found.json();
    let findings = json["findings"].as_array().expect("a list").iter();
    findings.map(|finding| finding["code"].as_str().unwrap().to_string()).collect()
}

fn append(run: &Path, bytes: &[u8]) {
    let log = OpenOptions::new().append(true).open(run.join("events.jsonl"));
    log.and_then(|mut file| file.write_all(bytes)).unwrap();
}

#[test]
fn a_healthy_run_is_called_healthy() {
    let home = folder();
    let trained = train(home.path(), &[]).ok();
    assert!(!trained.stderr.contains("warning"), "{}", trained.stderr);
    let found = glassbox(home.path(), &["diagnose", "run"]).ok();
    let said = "healthy: nothing was found in 250 steps, 4 epochs, ";
    assert!(found.stdout.starts_with(said), "{}", found.stdout);
    assert!(found.stdout.contains("4000 training and 500 test samples"), "{}", found.stdout);
    assert_eq!(found.stderr, "");
    let found = glassbox(home.path(), &["diagnose", "run", "--json"]).ok();
    assert_eq!(
        (found.json()["checked"]["damaged_lines"].as_u64(), codes(&found).len()),
        (Some(0), 0)
    );
}

#[test]
fn a_sick_run_is_warned_of_while_it_trains_and_diagnosed_after() {
    let home = folder();
    let sick =
        ["--reduction", "sum", "--lr", "0.3", "--optimizer", "sgd", "--schedule", "constant"];
    let trained = train(home.path(), &sick).ok();
    let before_the_end = trained.stderr.split("epoch  1/4").next().unwrap();
    assert!(before_the_end.contains("warning: reduction-mismatch at step "), "{}", trained.stderr);
    assert!(before_the_end.contains("  cure: train with --reduction mean"), "{}", trained.stderr);

    let found = glassbox(home.path(), &["diagnose", "run"]);
    assert_eq!((found.code, found.stderr.as_str()), (Some(1), ""), "{found:?}");
    for word in ["reduction-mismatch at step ", "  cause: ", "  cure: ", "checked 250 steps"] {
        assert!(found.stdout.contains(word), "{}", found.stdout);
    }
    let listed = codes(&glassbox(home.path(), &["diagnose", "run", "--json"]));
    assert!(listed.contains(&"reduction-mismatch".to_string()), "{listed:?}");

    // Warnings are no progress, so that --quiet leaves them.
    std::fs::remove_dir_all(home.path().join("run")).unwrap();
    let quiet = train(home.path(), &[&sick[..], &["--quiet"]].concat()).ok();
    assert!(quiet.stderr.contains("warning: reduction-mismatch"), "{}", quiet.stderr);
    assert!(!quiet.stderr.contains("epoch"), "{}", quiet.stderr);

    // What it advises heals.
    std::fs::remove_dir_all(home.path().join("run")).unwrap();
    train(home.path(), &["--lr", "0.3", "--optimizer", "sgd", "--schedule", "constant"]).ok();
    glassbox(home.path(), &["diagnose", "run"]).ok();
}

#[test]
fn what_is_not_finite_is_named_and_remembered() {
    let home = folder();
    let words = ["--lr", "1e30", "--optimizer", "sgd"];
    let failed = train(home.path(), &words).hints(&[1]);
    assert!(failed.stderr.contains("error: the loss became"), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("of layer") && failed.stderr.contains("at step"),
        "{}",
        failed.stderr
    );
    let found = glassbox(home.path(), &["diagnose", "run"]);
    assert_eq!(found.code, Some(1));
    assert!(found.stdout.contains("not-finite at step "), "{}", found.stdout);
    assert!(!found.stderr.contains("damaged"), "{}", found.stderr);

    // The step that had no number is in the log, which a picture shows, and goes there again when the run does.
    let log = home.path().join("run/events.jsonl");
    let last_loss = || {
        let text = std::fs::read_to_string(&log).unwrap();
        let mut events =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events.rfind(|event| event["event"] == "step").unwrap()["loss"].clone()
    };
    let loss = last_loss();
    assert!(loss == "NaN" || loss == "Infinity", "{loss}");
    glassbox(home.path(), &["plot", "run", "-o", "curves.svg"]).ok();
    let svg = std::fs::read_to_string(home.path().join("curves.svg")).unwrap();
    assert!(svg.contains("class=\"gap\"") && svg.contains("no number"), "{svg}");
    glassbox(home.path(), &["train", "--resume", "run"]).hints(&[1]);
    assert_eq!(last_loss(), loss);
}

#[test]
fn damaged_and_hostile_events_are_passed_over() {
    let (home, run) = small_run();
    glassbox(home.path(), &["diagnose", "run"]).ok();
    append(&run, b"{\"event\":\"step\",\"step\":\n\xff\xfe\0\n[]\n");
    append(&run, &vec![b'['; 40 << 20]);
    append(&run, b"\n{\"event\":\"step\"");
    let found = glassbox(home.path(), &["diagnose", "run"]).ok();
    assert_eq!(
        found.stderr.matches("events.jsonl: 5 damaged lines").count(),
        1,
        "{}",
        found.stderr
    );

    // Words of a file come to the terminal without what a terminal would obey.
    let event =
        r#"{"event":"warning","step":1,"code":"x\u001b[2J","what":"a\nb","cause":"","cure":""}"#;
    (0..300).for_each(|i| {
        append(&run, format!("\n{}", event.replace("x\\", &format!("x{i}\\"))).as_bytes())
    });
    let found = glassbox(home.path(), &["diagnose", "run"]);
    assert!(found.code == Some(1) && !found.stdout.contains('\u{1b}'), "{found:?}");
    assert!(
        found.stdout.matches("cause").count() <= 100 && found.stdout.contains(": ab"),
        "{found:?}"
    );
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let (home, run) = small_run();
    let found = glassbox(home.path(), &["diagnose", "run"]).ok();
    assert!(found.stderr.contains("train --inside"), "{}", found.stderr);
    // Other data than those of the run are no data of it.
    let other = glassbox(home.path(), &["diagnose", "run", "--data", "digits"]);
    other.hints(&[1]);
    let text = std::fs::read_to_string(run.join("run.toml")).unwrap();
    glassbox(home.path(), &["diagnose", "nowhere"]).hints(&[1]);
    std::fs::write(run.join("run.toml"), text.replace("seed", "seeds")).unwrap();
    glassbox(home.path(), &["diagnose", "run"]).hints(&[1]);
    std::fs::write(run.join("run.toml"), text).unwrap();
    std::fs::remove_file(run.join("events.jsonl")).unwrap();
    glassbox(home.path(), &["diagnose", "run"]).hints(&[1]);
}

#[test]
fn without_its_data_a_run_is_still_looked_at() {
    let home = folder();
    let data = home.path().join("data");
    common::copy(Path::new(few_digits()), &data);
    let words =
        ["train", "--data", word(&data), "--epochs", "2", "--inside", "--out", "run", "--quiet"];
    glassbox(home.path(), &words).ok();
    std::fs::remove_dir_all(&data).unwrap();
    let found = glassbox(home.path(), &["diagnose", "run"]).ok();
    assert!(found.stderr.contains("the data could not be looked at"), "{}", found.stderr);
    assert!(found.stdout.contains("0 training and 0 test samples"), "{}", found.stdout);
    let moved = ["diagnose", "run", "--data", few_digits()];
    assert!(glassbox(home.path(), &moved).ok().stdout.contains("4000 training and 500"));
}

#[test]
fn test_rows_that_were_trained_on_are_found() {
    let home = folder();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let (pixels, labels) = glassbox::data::digits::generate(1, 0, 1500);
    for (half, first, count) in [("train", 0, 1200), ("t10k", 1000, 500)] {
        let rows = first * 784..(first + count) * 784;
        let images = data.join(format!("{half}-images-idx3-ubyte"));
        idx(&images, &[count as u32, 28, 28], &pixels[rows]);
        let file = data.join(format!("{half}-labels-idx1-ubyte"));
        idx(&file, &[count as u32], &labels[first..first + count]);
    }
    let words = ["train", "--data", word(&data), "--epochs", "3", "--out", "run", "--quiet"];
    glassbox(home.path(), &words).ok();
    let found = glassbox(home.path(), &["diagnose", "run"]);
    assert_eq!(found.code, Some(1));
    let said = "duplicated-rows: 200 of 500 test rows (40 %) are training rows too; the first is test row 0, \
                training row 1000";
    assert!(found.stdout.contains(said), "{}", found.stdout);
}

#[test]
fn a_run_of_which_nothing_can_be_read_is_not_called_healthy() {
    let home = folder();
    train(home.path(), &[]).ok();
    for junk in ["", "nonsense\n", "{\"event\":\"sta"] {
        std::fs::write(home.path().join("run/events.jsonl"), junk).unwrap();
        let found = glassbox(home.path(), &["diagnose", "run"]);
        assert_eq!((found.code, found.stdout.as_str()), (Some(1), ""), "{found:?}");
        assert!(found.stderr.contains("tell of no step"), "{}", found.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_events_is_an_error() {
    let home = folder();
    train(home.path(), &[]).ok();
    let events = home.path().join("run/events.jsonl");
    std::fs::remove_file(&events).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&events).status().unwrap().success());
    let found = glassbox(home.path(), &["diagnose", "run"]);
    assert!(found.code == Some(1) && found.stderr.contains("it is not a file"), "{found:?}");
}
