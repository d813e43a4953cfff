//! `glassbox train --seeds` and `--lrs`: many networks side by side, and how far they differ.
//!
//! It ends well if any network does: that a rate is too high is what a sweep may be made to find out.

use crate::Failure;
use crate::args::Train;
use crate::output::{note, say};
use crate::train::{classes_without_images, find_data, next_folder, settings, stop_on_interrupt};
use glassbox::file::durable;
use glassbox::run::save_model;
use glassbox::sweep::{Ended, Member};
use glassbox::{Device, DeviceName, Error, Samples, Settings, Sweep};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub fn run(arguments: &Train) -> Result<(), Failure> {
    let (stop, start) = (stop_on_interrupt(), Instant::now());
    let data = find_data(arguments)?;
    let all = every_setting(settings(arguments, &data)?, arguments)?;
    classes_without_images(&data).into_iter().for_each(note);
    let devices = devices(arguments)?;
    let name = data.train.name.clone();
    let (training, test) = (Samples::new(data.train)?, Samples::new(data.test)?);
    // What no network can do is said before anything is written.
    let (_, why) = arguments.plan.choose(&all[0], &devices[0])?;
    let folder = match &arguments.out {
        Some(folder) => new_folder(folder)?,
        None => next_folder(&format!("{name}-sweep"))?,
    };
    let sweep = Sweep {
        settings: all,
        training: Arc::new(training),
        test: Arc::new(test),
        devices,
        plan: arguments.plan,
    };
    let (count, threads) = (sweep.settings.len(), sweep.devices.len());
    let model = sweep.settings[0].model.clone();
    if !arguments.quiet {
        why.iter().for_each(note);
        note(format!(
            "{count} times {model} on {name}, {threads} at a time, into {}",
            folder.display()
        ));
    }
    let unwritten = Mutex::new(None);
    let ended = sweep.run(&stop, &|index, result, network| {
        if !arguments.quiet {
            note(line(&sweep.settings[index], result));
        }
        let written = network.map(|network| {
            let path = folder.join(file_name(&sweep.settings, index));
            save_model(&path, network, &name)
        });
        if let Some(Err(error)) = written {
            stop.store(true, Ordering::Relaxed);
            *unwritten.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    });
    if let Some(error) = unwritten.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(Failure::Library(error));
    }
    let report = report(&sweep, &ended, &folder, &name, start.elapsed().as_secs_f64());
    let text = serde_json::to_string_pretty(&report).expect("a report is plain values");
    durable::write(&folder.join("sweep.json"), text.as_bytes())?;
    say(if arguments.json { report.to_string() } else { last_screen(&report) });
    let failed = first_failure(&sweep.settings, &ended);
    if let Some((index, error)) = lost_gpu(&ended) {
        let Settings { seed, lr, .. } = &sweep.settings[index];
        let done = ended.iter().filter(|(_, result)| result.is_ok()).count();
        let folder = folder.display();
        return Err(Failure::Other(format!(
            "{done} of {count} networks came to an end, and are in {folder}; seed {seed} with rate {lr:?}: {error}"
        )));
    }
    if ended.len() < count {
        return Err(Failure::Interrupted);
    }
    match failed {
        Some((failures, first)) if failures == count => {
            Err(Failure::Other(format!("no network came to an end: {first}")))
        }
        Some((failures, first)) => {
            note(format!("warning: {failures} of {count} networks failed: {first}"));
            Ok(())
        }
        None => Ok(()),
    }
}

/// The network at which the GPU was lost, if it was.
fn lost_gpu(ended: &[Ended]) -> Option<(usize, &Error)> {
    let mut failures =
        ended.iter().filter_map(|(index, result)| result.as_ref().err().map(|e| (*index, e)));
    failures.find(|(_, error)| error.is_lost_gpu())
}

/// How many networks failed, and how the first of them did.
fn first_failure(all: &[Settings], ended: &[Ended]) -> Option<(usize, String)> {
    let mut failures = ended.iter().filter_map(|(index, result)| {
        let Settings { seed, lr, .. } = &all[*index];
        result.as_ref().err().map(|error| format!("seed {seed} with rate {lr:?}: {error}"))
    });
    let first = failures.next()?;
    Some((1 + failures.count(), first))
}

/// The settings of every network: each seed with each learning rate.
fn every_setting(base: Settings, arguments: &Train) -> Result<Vec<Settings>, Failure> {
    let seeds = arguments.seeds.as_ref().map_or(vec![base.seed], |seeds| seeds.0.clone());
    let lrs = if arguments.lrs.is_empty() { vec![base.lr] } else { arguments.lrs.clone() };
    let pairs = lrs.iter().flat_map(|&lr| seeds.iter().map(move |&seed| (seed, lr)));
    let all: Vec<Settings> =
        pairs.map(|(seed, lr)| Settings { seed, lr, ..base.clone() }).collect();
    all.iter().try_for_each(Settings::check)?;
    let mut seen = HashSet::new();
    if let Some(Settings { seed, lr, .. }) =
        all.iter().find(|one| !seen.insert((one.seed, one.lr.to_bits())))
    {
        let message =
            format!("seed {seed} with rate {lr} is asked for twice (hint: once is enough)");
        return Err(Failure::Usage(message));
    }
    Ok(all)
}

/// One device of one thread for each thread that was asked for.
fn devices(arguments: &Train) -> Result<Vec<Device>, Failure> {
    // Side by side is what the cores of a CPU are for: a GPU takes one network at a time, and has to be asked for.
    let name = match arguments.device.device {
        DeviceName::Auto => DeviceName::Cpu,
        name => name,
    };
    let (device, _) = Device::choose(name, arguments.device.threads)?;
    let one = || Device::choose(name, Some(1)).map(|(device, _)| device);
    Ok((0..device.threads()).map(|_| one()).collect::<Result<_, _>>()?)
}

/// A folder that is made here, so that nothing in it is overwritten.
fn new_folder(folder: &Path) -> Result<PathBuf, Failure> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = parent.map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::create_dir(folder)).map_err(|error| {
        Failure::Other(format!(
            "{}: {error} (hint: name a new folder with --out)",
            folder.display()
        ))
    })?;
    Ok(folder.to_path_buf())
}

/// Where the network of a setting goes.
fn file_name(all: &[Settings], index: usize) -> String {
    let Settings { seed, lr, .. } = &all[index];
    // Rates come one after the other, so there is one if the first is the last.
    match all.first().map(|one| one.lr) == all.last().map(|one| one.lr) {
        true => format!("seed-{seed}.safetensors"),
        false => format!("seed-{seed}-lr-{lr}.safetensors"),
    }
}

/// What one network came to.
fn line(settings: &Settings, result: &Result<Member, Error>) -> String {
    let Settings { seed, lr, .. } = settings;
    match result {
        Ok(member) => {
            let (percent, loss) = (100.0 * member.test_accuracy, member.test_loss);
            let seconds = member.seconds_training;
            format!(
                "seed {seed:>4}  rate {lr}  test {percent:.2} %  loss {loss:.4}  {seconds:.2} s"
            )
        }
        Err(error) => format!("seed {seed:>4}  rate {lr}  failed: {error}"),
    }
}

/// Everything about the sweep, with the mean and the spread of each learning rate.
fn report(sweep: &Sweep, ended: &[Ended], folder: &Path, name: &str, seconds: f64) -> Value {
    let runs: Vec<Value> = ended
        .iter()
        .map(|(index, result)| match result {
            Ok(member) => {
                let mut run = json!(member);
                run["model"] = json!(folder.join(file_name(&sweep.settings, *index)));
                run
            }
            Err(error) => {
                let Settings { seed, lr, .. } = &sweep.settings[*index];
                json!({ "seed": seed, "lr": lr, "error": error.to_string() })
            }
        })
        .collect();
    let mut lrs: Vec<f32> = sweep.settings.iter().map(|settings| settings.lr).collect();
    lrs.dedup();
    let groups: Vec<Value> = lrs
        .into_iter()
        .filter_map(|lr| {
            let members = ended.iter().filter_map(|(_, result)| result.as_ref().ok());
            spread(lr, members.filter(|member| member.lr == lr).map(|m| m.test_accuracy).collect())
        })
        .collect();
    let device = &sweep.devices[0];
    json!({
        "dataset": name, "network": sweep.settings[0].model, "device": device.name(),
        "simd": device.simd(), "threads": sweep.devices.len(), "networks": sweep.settings.len(),
        "seconds_total": seconds, "run": folder, "spread": groups, "runs": runs,
    })
}

/// Mean, standard deviation (of a sample) and range of accuracies.
fn spread(lr: f32, accuracies: Vec<f64>) -> Option<Value> {
    let count = accuracies.len() as f64;
    let lowest = accuracies.iter().copied().reduce(f64::min)?;
    let highest = accuracies.iter().copied().reduce(f64::max)?;
    let mean = accuracies.iter().sum::<f64>() / count;
    let squares: f64 = accuracies.iter().map(|accuracy| (accuracy - mean).powi(2)).sum();
    // One accuracy alone has no deviation.
    let deviation = (count > 1.0).then(|| (squares / (count - 1.0)).sqrt());
    Some(json!({
        "lr": lr, "networks": accuracies.len(), "mean": mean, "standard_deviation": deviation,
        "lowest": lowest, "highest": highest,
    }))
}

fn last_screen(report: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let percent = |value: &Value| match value.as_f64() {
        Some(share) => format!("{:.2} %", 100.0 * share),
        None => "–".to_string(),
    };
    let groups: Vec<&Value> = report["spread"].as_array().into_iter().flatten().collect();
    let mut lines = Vec::new();
    if !groups.is_empty() {
        let head = "    rate  networks  test accuracy  deviation    lowest   highest";
        lines.push(head.to_string());
    }
    for group in &groups {
        lines.push(format!(
            "{:>8}  {:>8}  {:>13}  {:>9}  {:>8}  {:>8}",
            group["lr"].as_f64().map_or(f32::NAN, |lr| lr as f32),
            number(&group["networks"]),
            percent(&group["mean"]),
            percent(&group["standard_deviation"]),
            percent(&group["lowest"]),
            percent(&group["highest"])
        ));
    }
    let seconds = number(&report["seconds_total"]);
    let ended: u64 = groups.iter().filter_map(|group| group["networks"].as_u64()).sum();
    let (networks, threads) = (&report["networks"], &report["threads"]);
    lines.push(format!("{ended} of {networks} networks in {seconds:.2} s, {threads} at a time"));
    let folder = report["run"].as_str().unwrap_or_default();
    lines.push(format!("models and sweep.json in {folder}"));
    lines.join("\n")
}
