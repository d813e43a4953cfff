//! `--device cuda` as its users see it: on the simulated driver, without one, and when it fails.

mod common;

use common::{Outcome, command, few_digits, files, folder, glassbox, small_run};
use glassbox_cuda_sim::{Mode, library_dir, stub_dir};
use std::path::Path;
use std::process::Command;

/// A short training; what it is computed on comes behind.
fn words() -> Vec<&'static str> {
    let words = ["train", "--data", few_digits(), "--model", "784-16-relu-10", "--epochs", "1"];
    [&words[..], &["--batch", "50", "--lr", "0.05", "--seed", "5", "--quiet", "--json"]].concat()
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&words()[..], more].concat()
}

/// The program where this folder's library is the CUDA driver.
fn where_driver_is(library: &Path, folder: &Path, words: &[&str]) -> Command {
    let mut command = command(folder, words);
    command.env("LD_LIBRARY_PATH", library);
    command
}

/// The program with the simulated driver, whose behaviour these variables change.
fn simulated(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = where_driver_is(&library_dir(Mode::Fast), folder, words);
    command.envs(variables.iter().copied()).output().expect("the program starts").into()
}

#[test]
fn fifty_steps_of_the_headline_network_give_the_bits_of_the_cpu() {
    let folder = folder();
    let words = |device, plan| {
        let words = ["train", "--data", few_digits(), "--recipe", "brief", "--max-steps", "50"];
        let more = ["--device", device, "--plan", plan, "--quiet", "--json"];
        [&words[..], &more, &["--out", if plan == "auto" { device } else { plan }]].concat()
    };
    let expected = glassbox(folder.path(), &words("cpu", "auto")).ok().json();
    for plan in ["auto", "layered"] {
        let found = simulated(folder.path(), &words("cuda", plan), &[]).ok().json();
        assert_eq!(found["device"], "cuda");
        assert_eq!(found["plan"], if plan == "auto" { "fused" } else { "layered" });
        assert_eq!(found["model_sha256"], expected["model_sha256"], "plan {plan}");
    }
}

#[test]
fn without_a_driver_cuda_is_an_error_and_auto_says_why_it_took_the_cpu() {
    let folder = folder();
    let failed = glassbox(folder.path(), &with(&["--device", "cuda"])).hints(&[3]);
    assert!(failed.stderr.contains("no NVIDIA driver"), "{failed:?}");
    let loud = ["train", "--data", few_digits(), "--model", "784-10", "--max-steps", "3"];
    let outcome = glassbox(folder.path(), &loud).ok();
    let lines = outcome.stderr.lines();
    let why: Vec<_> = lines.filter(|line| line.contains("device cpu:")).collect();
    assert!(matches!(why[..], [line] if line.contains("no NVIDIA driver")), "{outcome:?}");
}

#[test]
fn drivers_that_do_not_serve_are_named() {
    let folder = folder();
    let cases: [(&str, &str, &[&str]); 6] = [
        ("GLASSBOX_SIM_DRIVER", "11040", &["too old", "11.4", "12.0"]),
        ("GLASSBOX_SIM_DEVICES", "0", &["no CUDA device 0"]),
        ("GLASSBOX_SIM_CAPABILITY", "70", &["7.0", "7.5"]),
        ("GLASSBOX_SIM_CAPABILITY", "75", &[]),
        ("GLASSBOX_SIM_CAPABILITY", "80", &[]),
        // Kernels of a step cannot be recorded to overlap before CUDA 12.3.
        ("GLASSBOX_SIM_DRIVER", "12020", &[]),
    ];
    for (name, value, expected) in cases {
        let words = with(&["--device", "cuda", "--max-steps", "2", "--out", value]);
        let outcome = simulated(folder.path(), &words, &[(name, value)]);
        if expected.is_empty() {
            outcome.ok();
            continue;
        }
        let outcome = outcome.hints(&[3]);
        assert!(expected.iter().all(|text| outcome.stderr.contains(text)), "{outcome:?}");
        // The CPU is there all the same.
        let out = format!("auto{value}");
        let words = with(&["--max-steps", "2", "--out", &out]);
        let found = simulated(folder.path(), &words, &[(name, value)]).ok().json();
        assert_eq!(found["device"], "cpu", "{name} {value}");
    }
    let words = with(&["--device", "cuda"]);
    let mut command = where_driver_is(&stub_dir(), folder.path(), &words);
    let outcome = Outcome::from(command.output().unwrap()).hints(&[3]);
    assert!(outcome.stderr.contains("has no function cu"), "{outcome:?}");
}

#[test]
fn a_second_gpu_has_to_be_there() {
    let folder = folder();
    let outcome = simulated(folder.path(), &with(&["--device", "cuda:1"]), &[]).hints(&[3]);
    assert!(outcome.stderr.contains("no CUDA device 1"), "{outcome:?}");
    let outcome = glassbox(folder.path(), &with(&["--device", "cuda:x"])).hints(&[2]);
    assert!(outcome.stderr.contains("cuda:1"), "{outcome:?}");
}

#[test]
fn the_fast_device_says_that_it_is_another() {
    let folder = folder();
    let words = with(&["--device", "cuda-fast", "--max-steps", "3", "--out", "run"]);
    let found = simulated(folder.path(), &words, &[]).ok().json();
    assert_eq!(found["device"], "cuda-fast");
    let record = std::fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    assert!(record.contains("device = \"cuda-fast\""), "{record}");
    // It goes on as what it was, which another device could not: its bits are other ones.
    let resume = ["train", "--resume", "run", "--max-steps", "4", "--quiet", "--json"];
    glassbox(folder.path(), &resume).hints(&[3]);
    let found = simulated(folder.path(), &resume, &[]).ok().json();
    assert_eq!(found["device"], "cuda-fast");
    // How the GPU was doing: here nobody tells, which is said.
    let events = std::fs::read_to_string(folder.path().join("run/events.jsonl")).unwrap();
    let system = events.lines().find(|line| line.contains("\"event\":\"system\""));
    assert!(system.is_some_and(|line| line.contains("cannot be loaded")), "{events}");
}

/// Networks side by side are for the cores of a CPU, also where there is a GPU; it can be asked for.
#[test]
fn a_sweep_takes_the_cpu_unless_it_is_told_otherwise() {
    let folder = folder();
    let words = ["train", "--data", few_digits(), "--model", "784-10", "--max-steps", "3"];
    let more = ["--seeds", "0..1", "--threads", "2", "--quiet", "--json"];
    let sweep = |out, device: &[&str]| {
        let words = [&words[..], &more, &["--out", out], device].concat();
        simulated(folder.path(), &words, &[]).ok().json()
    };
    let (on_cpu, on_gpu) = (sweep("a", &[]), sweep("b", &["--device", "cuda"]));
    assert_eq!((&on_cpu["threads"], &on_gpu["threads"]), (&2.into(), &1.into()));
    let hashes = |found: &serde_json::Value| -> Vec<String> {
        let runs = found["runs"].as_array().unwrap();
        runs.iter().map(|run| run["model_sha256"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!((hashes(&on_cpu).len(), hashes(&on_cpu)), (2, hashes(&on_gpu)));
}

#[test]
fn too_little_memory_is_said_with_the_figures() {
    let folder = folder();
    // The images take 3 MB.
    let memory = [("GLASSBOX_SIM_MEMORY", "2000000")];
    let outcome = simulated(folder.path(), &with(&["--device", "cuda"]), &memory).hints(&[1]);
    assert!(outcome.stderr.contains("out of device memory"), "{outcome:?}");
    assert!(outcome.stderr.contains("of 2000000 are free"), "{outcome:?}");
    let hint = outcome.stderr.lines().last().unwrap();
    assert!(hint.contains("smaller --batch") && hint.contains("--device cpu"), "{outcome:?}");
    // Nobody named the GPU, so the CPU does it, and one line says why.
    let loud = ["train", "--data", few_digits(), "--model", "784-10", "--max-steps", "3"];
    let outcome = simulated(folder.path(), &loud, &memory).ok();
    let lines = outcome.stderr.lines();
    let why: Vec<_> = lines.filter(|line| line.contains("device cpu:")).collect();
    assert!(matches!(why[..], [line] if line.contains("1 MiB of memory free")), "{outcome:?}");
}

#[test]
fn a_wrong_setting_of_the_simulated_driver_is_named() {
    let folder = folder();
    for (name, value) in [
        ("GLASSBOX_SIM_DRIVER", "x"),
        ("GLASSBOX_SIM_MEMORY", "4G"),
        ("GLASSBOX_SIM_DEVICES", "2"),
        ("GLASSBOX_SIM_ORDER", "sideways"),
    ] {
        let words = with(&["--device", "cuda", "--max-steps", "2"]);
        let outcome = simulated(folder.path(), &words, &[(name, value)]).hints(&[3]);
        let error = outcome.stderr.lines().find(|line| line.starts_with("error:"));
        assert!(error.is_some_and(|line| line.contains(name)), "{outcome:?}");
    }
}

#[test]
fn a_lost_device_leaves_the_last_checkpoint_and_the_cpu_goes_on_from_it() {
    let folder = folder();
    let epochs = |out, device| {
        let words = with(&["--epochs", "3", "--device", device, "--out", out]);
        // clap takes the last of two.
        let first = words.iter().position(|word| *word == "--epochs").unwrap();
        [&words[..first], &words[first + 2..]].concat()
    };
    let expected = glassbox(folder.path(), &epochs("whole", "cpu")).ok().json();
    // 80 steps an epoch, of two kernels each, and some for the first evaluation and for each call of the plan, of which
    // a busy machine makes more: it breaks in the second or in the third.
    let lost = [("GLASSBOX_SIM_LOST_AFTER", "370")];
    let outcome = simulated(folder.path(), &epochs("broken", "cuda"), &lost).hints(&[1]);
    assert!(outcome.stderr.contains("device was lost"), "{outcome:?}");
    let hint = outcome.stderr.lines().last().unwrap();
    assert!(hint.contains("`glassbox train --resume broken`"), "{outcome:?}");
    let steps = ["the checkpoint of step 80", "the checkpoint of step 160"];
    assert!(steps.iter().any(|step| hint.contains(step)), "{outcome:?}");
    let words = ["train", "--resume", "broken", "--device", "cpu", "--quiet", "--json"];
    let found = glassbox(folder.path(), &words).ok().json();
    assert_eq!(found["model_sha256"], expected["model_sha256"]);
}

#[test]
fn where_there_is_no_checkpoint_no_hint_speaks_of_one() {
    let (folder, _) = small_run();
    let lost = [("GLASSBOX_SIM_LOST_AFTER", "2")];
    let image = ["data", "show", few_digits(), "--count", "1", "--out", "image.png"];
    glassbox(folder.path(), &image).ok();
    let train = with(&["--device", "cuda"]);
    let cases: [&[&str]; 3] = [
        &train,
        &["eval", "run", "--data", few_digits(), "--device", "cuda"],
        &["predict", "run", "image.png", "--device", "cuda"],
    ];
    for words in cases {
        let outcome = simulated(folder.path(), words, &lost).hints(&[1]);
        assert!(outcome.stderr.contains("device was lost"), "{outcome:?}");
        assert!(outcome.stderr.contains("--device cpu"), "{outcome:?}");
        assert!(!outcome.stderr.contains("checkpoint"), "{outcome:?}");
    }
}

#[test]
fn a_sweep_ends_when_its_gpu_is_lost_and_keeps_what_is_done() {
    let folder = folder();
    let words = ["train", "--data", few_digits(), "--model", "784-8-relu-10", "--epochs", "1"];
    let more = ["--batch", "400", "--seeds", "0..9", "--device", "cuda", "--out", "sweep"];
    let words = [&words[..], &more].concat();
    // A network takes some sixty kernels: the first two or three come to an end.
    let outcome = simulated(folder.path(), &words, &[("GLASSBOX_SIM_LOST_AFTER", "150")]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(outcome.stderr.matches("failed: ").count(), 1, "it goes on: {outcome:?}");
    let models = files(&folder.path().join("sweep"))
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "safetensors"))
        .count();
    assert!((1..9).contains(&models), "{models} models: {outcome:?}");
    let error = outcome.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains(&format!("{models} of 10 networks came to an end")), "{error}");
    assert!(error.contains("device was lost") && error.contains(&format!("seed {models} ")));
    assert!(!outcome.stderr.contains("checkpoint"), "{outcome:?}");
    let report = std::fs::read_to_string(folder.path().join("sweep/sweep.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["runs"].as_array().unwrap().len(), models + 1, "the facts are kept");
}

/// Clipping needs all gradients at once, which no plan of the GPU has.
#[test]
fn a_plan_that_does_not_stay_on_the_gpu_says_so() {
    let folder = folder();
    let words = ["train", "--data", few_digits(), "--model", "784-8-relu-10", "--max-steps", "2"];
    let more = ["--device", "cuda", "--clip", "1"];
    let outcome = simulated(folder.path(), &[&words[..], &more].concat(), &[]).ok();
    let lines = outcome.stderr.lines();
    let why: Vec<_> = lines.filter(|line| line.starts_with("plan ")).collect();
    assert!(
        matches!(why[..], [line] if line.contains("clipping") && line.contains("to the GPU and back")),
        "{outcome:?}"
    );
}

#[test]
fn a_run_may_change_between_cpu_and_gpu() {
    let folder = folder();
    let whole = with(&["--device", "cpu", "--out", "whole"]);
    let expected = glassbox(folder.path(), &whole).ok().json();
    let begun = with(&["--device", "cpu", "--max-steps", "30", "--out", "part"]);
    glassbox(folder.path(), &begun).ok();
    let more = ["--max-steps", "1000", "--quiet", "--json"];
    let words = [&["train", "--resume", "part", "--device", "cuda"][..], &more].concat();
    let resumed = simulated(folder.path(), &words, &[]);
    let found = resumed.ok().json();
    assert_eq!(found["steps"], expected["steps"]);
    assert_eq!(found["model_sha256"], expected["model_sha256"]);
}

#[test]
fn the_doctor_describes_the_gpu() {
    let folder = folder();
    let outcome = simulated(folder.path(), &["doctor"], &[]).ok();
    assert!(outcome.stdout.contains("cuda:0"), "{outcome:?}");
    assert!(outcome.stdout.contains("N/A"), "what is not told has a reason: {outcome:?}");
    // The rows about the CPU are about the CPU, whatever device is chosen.
    let chosen = outcome.stdout.lines().find(|line| line.starts_with("device "));
    assert!(chosen.is_some_and(|line| line.contains("cuda")), "{outcome:?}");
    let rows = |text: &str| -> Vec<String> {
        let rows = text.lines().filter(|l| l.starts_with("instr") || l.starts_with("threads"));
        rows.map(str::to_string).collect()
    };
    let on_cpu = glassbox(folder.path(), &["doctor"]).ok();
    assert_eq!(rows(&outcome.stdout), rows(&on_cpu.stdout));
    assert_eq!(rows(&outcome.stdout).len(), 2);
    let outcome = glassbox(folder.path(), &["doctor"]).ok();
    assert!(outcome.stdout.contains("no NVIDIA driver"), "{outcome:?}");
}
