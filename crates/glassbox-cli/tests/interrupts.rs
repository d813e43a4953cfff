//! Trainings that are killed, interrupted or hung up, and what is left of them.

mod common;

use common::{
    Outcome, all_readable, command, command_with_signals, few_digits, files, folder, glassbox,
    in_one_go, with, words,
};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Flags of env, for a program that nobody keeps from being interrupted.
const DEFAULT: [&str; 1] = ["--default-signal=HUP,INT,TERM"];

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

/// Waits until `done` says so, or the child ends.
fn wait_until(child: &mut Child, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < LONG, "it hangs");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What it came to. A training that does not end is killed, so that its test fails and does not hang.
fn ended(child: Child) -> Outcome {
    let id = child.id().to_string();
    let (ended, end) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if end.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
            _ = Command::new("kill").args(["-KILL", &id]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    output.into()
}

fn has_checkpoint(run: &Path) -> bool {
    files(&run.join("checkpoints"))
        .iter()
        .any(|f| f.extension().is_some_and(|e| e == "safetensors"))
}

#[test]
fn a_killed_run_ends_with_the_bits_of_one_in_one_go() {
    let folder = folder();
    let expected = in_one_go(folder.path());
    let epoch = Duration::from_secs_f64(expected["epoch_seconds"][1].as_f64().unwrap());
    let mut in_the_second = 0;
    for (number, part) in [0.0, 0.1, 0.3, 0.5, 0.8, 1.1].into_iter().enumerate() {
        let name = format!("killed-{number}");
        let run = folder.path().join(&name);
        let mut command = command(folder.path(), &with(&["--out", &name, "--quiet"]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until(&mut child, || has_checkpoint(&run));
        std::thread::sleep(epoch.mul_f64(part));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        all_readable(&run);
        in_the_second += u32::from(status.code().is_none());

        let resumed = glassbox(folder.path(), &["train", "--resume", &name, "--json"]).ok();
        let sha256 = &resumed.json()["model_sha256"];
        assert_eq!(*sha256, expected["model_sha256"], "killed {part} into epoch 2");
        assert!(resumed.stderr.contains("resumed at step "), "{resumed:?}");
        all_readable(&run);
    }
    assert!(in_the_second >= 2, "too few kills came in time: {in_the_second}");
}

#[test]
fn killed_before_the_first_checkpoint() {
    let folder = folder();
    let expected = in_one_go(folder.path());
    let run = folder.path().join("early");
    let mut command = command(folder.path(), &with(&["--out", "early", "--quiet"]));
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    wait_until(&mut child, || run.join("run.toml").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = glassbox(folder.path(), &["train", "--resume", "early", "--json"]).ok();
    assert_eq!(resumed.json()["model_sha256"], expected["model_sha256"]);
}

#[test]
fn an_interrupt_writes_a_checkpoint_and_says_130() {
    interrupted(&["-INT"]);
}

/// A closing terminal hangs up twice at once, and a service manager may send both.
#[cfg(unix)]
#[test]
fn a_hangup_or_a_request_to_end_writes_a_checkpoint() {
    interrupted(&["-TERM"]);
    interrupted(&["-HUP", "-HUP"]);
    interrupted(&["-TERM", "-HUP"]);
}

/// Sends signals to a training, and resumes it.
fn interrupted(signals: &[&str]) {
    let folder = folder();
    let run = folder.path().join("stopped");
    // No machine is so fast that this ends before the signal comes.
    let long = |more: &[&'static str]| -> Vec<&'static str> {
        let words = words().into_iter().map(|word| if word == "2" { "1000000" } else { word });
        words.chain(more.iter().copied()).collect()
    };
    let words = long(&["--out", "stopped"]);
    let mut command = command_with_signals(&DEFAULT, folder.path(), &words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The log exists just before the first step.
    wait_until(&mut child, || run.join("events.jsonl").exists());
    std::thread::sleep(Duration::from_millis(60));
    for (index, signal) in signals.iter().enumerate() {
        let kill = Command::new("kill").args([*signal, &child.id().to_string()]).output().unwrap();
        // A later one may come after the end.
        assert!(index > 0 || kill.status.success());
    }
    let outcome = ended(child);
    assert_eq!(outcome.code, Some(130), "{outcome:?}");
    assert_eq!(outcome.json()["ending"], "interrupted");
    assert!(has_checkpoint(&run));
    all_readable(&run);

    let steps = outcome.json()["steps"].as_u64().unwrap() + 500;
    let most = ["--max-steps", &steps.to_string()];
    let resume = [&["train", "--resume", "stopped", "--json"], &most[..]].concat();
    let resumed = glassbox(folder.path(), &resume).ok().json();
    let whole = [&long(&["--out", "whole", "--quiet"])[..], &most].concat();
    let whole = glassbox(folder.path(), &whole).ok().json();
    assert_eq!(resumed["model_sha256"], whole["model_sha256"]);
    assert_eq!(resumed["steps"], steps);
}

/// `nohup glassbox train` outlives its terminal; an interrupt still ends it.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_is_ignored_if_the_caller_says_so() {
    let folder = folder();
    let run = folder.path().join("run");
    let words = ["train", "--data", few_digits(), "--model", "784-8-relu-10", "--out", "run"];
    let words = [&words[..], &["--epochs", "1000000", "--json", "--quiet"]].concat();
    let flags = ["--default-signal=INT", "--ignore-signal=HUP"];
    let mut command = command_with_signals(&flags, folder.path(), &words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let send = |signal: &str, child: &Child| {
        let status = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    wait_until(&mut child, || run.join("events.jsonl").exists());
    send("-HUP", &child);
    // It goes on: epochs end after the hangup.
    let lines = || std::fs::read_to_string(run.join("events.jsonl")).unwrap().lines().count();
    let before = lines();
    wait_until(&mut child, || lines() > before + 100);
    assert!(child.try_wait().unwrap().is_none(), "it ended on a hangup that is ignored");
    send("-INT", &child);
    assert_eq!(ended(child).code, Some(130));
}
