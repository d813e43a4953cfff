//! `glassbox train` as its users and their scripts see it: results, exit codes, kills, resumes.

mod common;

use common::{
    Outcome, all_readable, command, copy, few_digits, folder, glassbox, in_one_go, with, word,
};
use serde_json::Value;
use std::process::Stdio;

#[test]
fn the_json_object_has_what_scripts_rely_on() {
    let folder = folder();
    let outcome = glassbox(folder.path(), &with(&["--out", "run"])).ok();
    let report = outcome.json();
    let is_number = |name: &str| report[name].as_f64().is_some_and(|x| x.is_finite() && x > 0.0);
    for name in ["threads", "epochs", "steps", "seconds_training", "seconds_total"] {
        assert!(is_number(name), "{name}: {report}");
    }
    for name in ["train_loss", "test_loss", "test_accuracy"] {
        assert!(is_number(name), "{name}: {report}");
    }
    for name in ["dataset", "device", "plan", "simd", "model_sha256", "run"] {
        assert!(report[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {report}");
    }
    let seconds: Vec<f64> =
        report["epoch_seconds"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
    assert_eq!((seconds.len(), report["epochs"].as_u64()), (2, Some(2)));
    let total: f64 = seconds.iter().sum();
    assert!((total - report["seconds_training"].as_f64().unwrap()).abs() < 1e-6 * total.max(1.0));
    assert!(report["seconds_total"].as_f64().unwrap() >= total);
    assert_eq!(report["steps"], 2000);
    assert_eq!((report["device"].as_str(), report["threads"].as_u64()), (Some("cpu"), Some(1)));
    let sha256 = report["model_sha256"].as_str().unwrap();
    assert!(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!((0.5..=1.0).contains(&report["test_accuracy"].as_f64().unwrap()), "{report}");
    assert!(outcome.stderr.contains("untrained loss") && outcome.stderr.contains("ln 10"));

    for name in ["run.toml", "events.jsonl", "model.safetensors"] {
        assert!(folder.path().join("run").join(name).is_file(), "{name}");
    }
    let model = folder.path().join("run/model.safetensors");
    let model = glassbox::run::load_model(&model, None).unwrap();
    assert_eq!(model.sha256(), sha256);
    let events = std::fs::read_to_string(folder.path().join("run/events.jsonl")).unwrap();
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(events.lines().count() > 200);
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["ending"]), (&"finished".into(), &report["ending"]));
}

#[test]
fn piped_output_is_plain_lines() {
    let folder = folder();
    let words: Vec<&str> = with(&["--out", "run"]).into_iter().filter(|w| *w != "--json").collect();
    let outcome = glassbox(folder.path(), &words).ok();
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.is_empty() && !text.contains(['\r', '\u{1b}']), "{text:?}");
    }
    for part in ["test accuracy", "95 %", "images/s", "cpu", "plan", "model.safetensors"] {
        assert!(outcome.stdout.contains(part), "{part}: {}", outcome.stdout);
    }
    assert_eq!(outcome.stdout.matches("glassbox ").count(), 3, "three next commands");
    assert_eq!(outcome.stderr.lines().filter(|line| line.starts_with("epoch ")).count(), 2);

    let quiet = glassbox(folder.path(), &with(&["--out", "quiet", "--quiet"])).ok();
    assert_eq!(quiet.stderr, "");
}

#[test]
fn the_bits_depend_on_neither_device_nor_threads() {
    let folder = folder();
    let run = |name: &str, simd: Option<&str>, more: &[&str]| -> Value {
        let base = ["train", "--data", few_digits(), "--max-steps", "40", "--json", "--quiet"];
        let mut command = command(folder.path(), &[&base[..], &["--out", name], more].concat());
        simd.map(|simd| command.env("GLASSBOX_SIMD", simd));
        Outcome::from(command.output().unwrap()).ok().json()
    };
    let expected = run("reference", None, &["--device", "reference"]);
    assert_eq!(expected["device"], "reference");
    for threads in ["1", "2", "3", "5"] {
        for plan in ["layered", "fused"] {
            let words = ["--device", "cpu", "--threads", threads, "--plan", plan];
            let found = run(&format!("{plan}-{threads}"), None, &words);
            assert_eq!(
                found["model_sha256"], expected["model_sha256"],
                "{plan}, {threads} threads"
            );
            assert_eq!(
                (found["plan"].as_str(), found["threads"].to_string()),
                (Some(plan), threads.to_string())
            );
        }
    }
    for simd in glassbox::cpu::fast::Simd::available() {
        let found = run(simd.name(), Some(simd.name()), &["--threads", "2"]);
        assert_eq!(found["model_sha256"], expected["model_sha256"], "{}", simd.name());
        assert_eq!(found["simd"], simd.name());
    }
}

#[test]
fn max_steps_and_then_the_rest() {
    let folder = folder();
    let expected = in_one_go(folder.path());
    let part = glassbox(folder.path(), &with(&["--out", "part", "--max-steps", "1234"])).ok();
    assert_eq!(part.json()["steps"], 1234);
    // A run that was told where to stop stops there again, unless it is told anew.
    let again = ["train", "--resume", "part", "--json"];
    assert_eq!(glassbox(folder.path(), &again).ok().json()["steps"], 1234);
    let further = [&again[..], &["--max-steps", "9999"]].concat();
    assert_eq!(
        glassbox(folder.path(), &further).ok().json()["model_sha256"],
        expected["model_sha256"]
    );
    // On another device, with other threads: the same bits again.
    let part = ["--out", "part-2", "--max-steps", "1700"];
    glassbox(folder.path(), &with(&part)).ok();
    let other = ["train", "--resume", "part-2", "--json", "--device", "reference"];
    let other = [&other[..], &["--max-steps", "2000"]].concat();
    assert_eq!(
        glassbox(folder.path(), &other).ok().json()["model_sha256"],
        expected["model_sha256"]
    );
}

#[test]
fn validation_dropout_and_adam_survive_a_resume() {
    let folder = folder();
    let words = |out: &'static str| {
        let base = ["train", "--data", few_digits(), "--model", "784-24-gelu-dropout0.2-10"];
        let more = ["--optimizer", "adam", "--lr", "0.002", "--validation", "0.1", "--epochs", "4"];
        [&base[..], &more, &["--quiet", "--json", "--out", out]].concat()
    };
    let expected = glassbox(folder.path(), &words("whole")).ok().json();
    glassbox(folder.path(), &[&words("part")[..], &["--max-steps", "150"]].concat()).ok();
    let further = ["train", "--resume", "part", "--json", "--max-steps", "9999"];
    let rest = glassbox(folder.path(), &further).ok().json();
    assert_eq!(rest["model_sha256"], expected["model_sha256"]);
    assert_eq!(rest["train_loss"], expected["train_loss"]);
}

#[test]
fn a_rate_that_made_a_run_diverge_is_undone() {
    let folder = folder();
    // A decay of weights that a thousand times the rate turns into growth.
    let base = ["train", "--data", few_digits(), "--model", "784-16-relu-10", "--lr", "0.1"];
    let more = ["--weight-decay", "0.02", "--schedule", "constant", "--epochs", "2", "--quiet"];
    let words = |out: &'static str| [&base[..], &more, &["--json", "--out", out]].concat();
    let expected = glassbox(folder.path(), &words("whole")).ok().json();
    glassbox(folder.path(), &[&words("part")[..], &["--max-steps", "70"]].concat()).ok();
    let on = ["train", "--resume", "part", "--json", "--max-steps", "9999"];
    let with_factor = |factor| [&on[..], &["--rate-factor", factor]].concat();
    let failed = glassbox(folder.path(), &with_factor("1000")).hints(&[1]);
    let hint = "multiplied by 1000: go on with --resume and --rate-factor 1";
    assert!(failed.stderr.contains(hint), "{failed:?}");
    // Whoever goes on without a word has it again.
    let again = glassbox(folder.path(), &on).hints(&[1]);
    assert!(again.stderr.contains(hint), "{again:?}");
    let cured = glassbox(folder.path(), &with_factor("1")).ok().json();
    assert_eq!(cured["model_sha256"], expected["model_sha256"]);
    // A run that has made all its steps keeps the factor for those that are added.
    glassbox(folder.path(), &["train", "--resume", "part", "--rate-factor", "0.5"]).ok();
    let added = ["train", "--resume", "part", "--epochs", "3", "--max-steps", "9999"];
    let added = glassbox(folder.path(), &added).ok();
    let log = std::fs::read_to_string(folder.path().join("part/events.jsonl")).unwrap();
    let last = log.lines().rev().find(|line| line.contains("\"event\":\"step\"")).unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["rate"].as_f64().unwrap() as f32, 0.05, "{added:?}");
    for wrong in ["0", "-1", "nan", "1e9", "two"] {
        let words = ["train", "--resume", "part", &format!("--rate-factor={wrong}")];
        glassbox(folder.path(), &words).hints(&[2]);
    }
    glassbox(folder.path(), &with(&["--rate-factor", "2"])).fails(&[2]);
    for sweep in [&["--lrs", "0.1,0.2"][..], &["--seeds", "1..2"]] {
        let words = ["train", "--data", few_digits(), "--rate-factor", "2"];
        glassbox(folder.path(), &[&words[..], sweep].concat()).fails(&[2]);
    }
}

#[test]
fn a_run_goes_on_only_as_it_began() {
    let folder = folder();
    glassbox(folder.path(), &with(&["--out", "run", "--max-steps", "20"])).ok();
    for more in [
        &["--lr", "0.2"][..],
        &["--batch", "8"],
        &["--seed", "6"],
        &["--model", "784-33-relu-10"],
        &["--optimizer", "adam"],
        &["--reduction", "sum"],
        &["--recipe", "brief"],
        &["--validation", "0.2"],
    ] {
        glassbox(folder.path(), &[&["train", "--resume", "run"], more].concat()).hints(&[2]);
    }
    // Other data than it began with.
    glassbox(folder.path(), &["train", "--resume", "run", "--data", "digits"]).hints(&[1, 2]);
    glassbox(folder.path(), &["train", "--resume", "nowhere"]).hints(&[1, 2]);
    // What is left of a run is not written among.
    for gone in [&["run.toml"][..], &["run.toml", "model.safetensors"]] {
        let left = folder.path().join("left");
        copy(&folder.path().join("run"), &left);
        gone.iter().for_each(|name| std::fs::remove_file(left.join(name)).unwrap());
        glassbox(folder.path(), &with(&["--out", "left"])).hints(&[1]);
        std::fs::remove_dir_all(left).unwrap();
    }
    // The folder of a run is not overwritten.
    let before = std::fs::read(folder.path().join("run/model.safetensors")).unwrap();
    glassbox(folder.path(), &with(&["--out", "run"])).hints(&[1, 2]);
    assert_eq!(std::fs::read(folder.path().join("run/model.safetensors")).unwrap(), before);
}

/// More images a step than there are: one step of all of them, with either plan.
#[test]
fn batches_larger_than_the_set() {
    let folder = folder();
    let run = |batch: &str, plan: &str| {
        let words = ["train", "--data", few_digits(), "--model", "784-8-relu-10", "--epochs", "2"];
        let more = ["--plan", plan, "--batch", batch, "--json", "--quiet"];
        let report = glassbox(folder.path(), &[&words[..], &more].concat()).ok().json();
        (report["model_sha256"].clone(), report["steps"].clone())
    };
    let expected = run("4000", "layered");
    for batch in ["4000", "16777216", "1099511627776", "9223372036854775807"] {
        for plan in ["layered", "fused"] {
            assert_eq!(run(batch, plan), expected, "batches of {batch}, plan {plan}");
        }
    }
}

#[test]
fn without_mnist_it_trains_on_digits_and_says_so() {
    let folder = folder();
    let words = ["train", "--model", "784-16-relu-10", "--epochs", "1", "--max-steps", "50"];
    let outcome = glassbox(folder.path(), &words).ok();
    let line = outcome.stderr.lines().filter(|line| line.contains("MNIST is not at hand"));
    assert_eq!(line.count(), 1, "{outcome:?}");
    let mut elsewhere = command(folder.path(), &words);
    let outcome = elsewhere.env("GLASSBOX_DATA", "nowhere").env("GLASSBOX_SIMD", "").output();
    let outcome = Outcome::from(outcome.unwrap()).ok();
    assert!(outcome.stderr.contains("(nowhere): no such folder"), "{outcome:?}");
    assert!(outcome.stdout.contains("synthetic"), "{outcome:?}");
    assert!(folder.path().join("runs/digits-1/model.safetensors").is_file());
    // The next one has a folder of its own.
    glassbox(folder.path(), &words).ok();
    assert!(folder.path().join("runs/digits-2/model.safetensors").is_file());
    // Asked for by name, it is not replaced by something else.
    glassbox(folder.path(), &["train", "--data", "mnist"]).hints(&[1]);
}

#[test]
fn arguments_that_cannot_be() {
    let folder = folder();
    let nowhere = folder.path().join("nowhere");
    for more in [
        &["--batch", "0"][..],
        &["--lr", "nan"],
        &["--lr", "0"],
        &["--lr=-1"],
        &["--lr", "inf"],
        &["--epochs", "0"],
        &["--max-steps", "0"],
        &["--threads", "0"],
        &["--threads", "100000"],
        &["--model", "rubbish"],
        &["--model", "784-128-rleu-10"],
        &["--model", "10-3"],
        &["--model", "784-5"],
        &["--model", "784-257"],
        &["--validation", "1.5"],
        &["--validation=-0.1"],
        &["--validation", "nan"],
        &["--patience", "3"],
        &["--clip", "0"],
        &["--weight-decay=-1"],
        &["--schedule", "rubbish"],
        &["--schedule", "step:0:0.5"],
        &["--plan", "fused", "--clip", "1"],
        &["--plan", "fused", "--device", "reference"],
        &["--plan", "fused", "--model", "784-32-dropout0.5-10"],
    ] {
        let words = ["train", "--data", few_digits(), "--out", word(&nowhere)];
        glassbox(folder.path(), &[&words[..], more].concat()).hints(&[2]);
        assert!(!nowhere.join("run.toml").exists(), "{more:?} left a run behind");
    }
    // Nor does it leave an empty folder where it chooses one.
    for model in ["10-3", "784-257"] {
        let words = ["train", "--data", few_digits(), "--model", model];
        let outcome = glassbox(folder.path(), &words).hints(&[2]);
        assert!(outcome.stderr.contains("--model cannot be"), "{outcome:?}");
        assert!(!folder.path().join("runs").exists());
    }
    for (flag, value, reason) in [
        ("--lr", "1e-50", "too small for an f32"),
        ("--lrs", "0.1,1e-50", "too small for an f32"),
        ("--weight-decay", "1e-60", "too small for an f32"),
        ("--clip", "1e50", "too large for an f32"),
        ("--lr", "fast", "no number"),
    ] {
        let outcome = glassbox(folder.path(), &["train", flag, value]).hints(&[2]);
        assert!(outcome.stderr.contains(reason) && outcome.stderr.contains(flag), "{outcome:?}");
    }
    for more in [
        &["--batch", "many"][..],
        &["--optimizer", "adma"],
        &["--device", "gpu"],
        &["--no-such-option"],
        &["--out", "a", "--resume", "b"],
    ] {
        glassbox(folder.path(), &[&["train"], more].concat()).fails(&[2]);
    }
    glassbox(folder.path(), &["train", "--data", "no-such-folder"]).hints(&[1, 2]);
    let empty = common::folder();
    glassbox(folder.path(), &["train", "--data", word(empty.path())]).hints(&[1, 2]);
    let mut command = command(folder.path(), &with(&["--out", "simd"]));
    Outcome::from(command.env("GLASSBOX_SIMD", "nonsense").output().unwrap()).hints(&[2]);
    glassbox(folder.path(), &with(&["--device", "cuda", "--out", "cuda"])).hints(&[3]);
    assert!(!folder.path().join("cuda").exists());
}

#[test]
fn a_rate_far_too_high_is_said_to_be() {
    let folder = folder();
    let words = ["train", "--data", few_digits(), "--out", "run", "--lr", "1e30"];
    let outcome = glassbox(folder.path(), &words).hints(&[1]);
    assert!(outcome.stderr.contains("loss became"), "{outcome:?}");
}

#[test]
fn places_that_cannot_be_written() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "in the way").unwrap();
    glassbox(folder.path(), &with(&["--out", "file/run"])).hints(&[1, 2]);
    for place in ["file", "/dev/null"] {
        let outcome = glassbox(folder.path(), &with(&["--out", place])).hints(&[1, 2]);
        assert!(outcome.stderr.contains("it is no folder"), "{outcome:?}");
    }
    // Root may write anywhere, so a folder in the place of a file stands in for one that is read-only.
    glassbox(folder.path(), &with(&["--out", "run", "--max-steps", "1"])).ok();
    let lock = folder.path().join("run/run.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let outcome = glassbox(folder.path(), &["train", "--resume", "run"]).hints(&[1]);
    assert!(!outcome.stderr.contains("--out"), "it excludes --resume: {outcome:?}");
    glassbox(folder.path(), &with(&["--out", "/proc/run"])).hints(&[1, 2]);
}

/// Every write to /dev/full fails as on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_to_be_full() {
    let folder = folder();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command(folder.path(), &with(&["--out", "run", "--quiet"]));
    let outcome = Outcome::from(command.stdout(full).output().unwrap()).hints(&[1]);
    assert!(outcome.stderr.contains("disk full"), "{outcome:?}");
    // The model is there all the same.
    all_readable(&folder.path().join("run"));
    assert!(folder.path().join("run/model.safetensors").is_file());
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    let mut command = command(folder.path(), &["data", "list"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
}
