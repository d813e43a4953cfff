//! `glassbox train`.

use crate::Failure;
use crate::args::{OptimizerName, Recipe, Train};
use crate::dashboard;
use crate::live::{Live, Warnings};
use crate::output::{note, say};
use crate::sweep;
use glassbox::data::{DataPair, LoadOptions, load};
use glassbox::evaluate::check_sizes;
use glassbox::run::shell_word;
use glassbox::{
    Control, Device, DeviceName, Ending, Init, Network, Report, Rule, Run, RunRecord, Settings,
    Sink,
};
use glassbox_dash::Lent;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub fn run(arguments: Box<Train>) -> Result<(), Failure> {
    if !arguments.dashboard && arguments.serve.is_given() {
        let message =
            "--host, --port and --behind say where a dashboard is (hint: add --dashboard)";
        return Err(Failure::Usage(message.to_string()));
    }
    if arguments.seeds.is_some() || !arguments.lrs.is_empty() {
        return sweep::run(&arguments);
    }
    let stop = stop_on_interrupt();
    let say_why = |why: &str| {
        if !arguments.quiet {
            note(why);
        }
    };
    let name = match (&arguments.resume, arguments.device.device) {
        (Some(folder), DeviceName::Auto) => device_of(&RunRecord::read(folder)?)?,
        (_, name) => name,
    };
    let (device, why) = Device::choose(name, arguments.device.threads)?;
    why.iter().for_each(|why| say_why(why));
    // A port that is taken is found out before there is a folder.
    let dashboard = arguments.dashboard.then(|| dashboard::start_for(&arguments)).transpose()?;
    let control = Control::new();
    if let Some(factor) = arguments.rate_factor {
        control.set_rate_factor(factor)?;
    }
    let (mut run, lent) = match &arguments.resume {
        Some(folder) => resume(&arguments, folder, device, &say_why)?,
        None => create(&arguments, device, &say_why)?,
    };
    if arguments.inside || arguments.dashboard {
        run.look_inside();
    }
    run.set_control(control.clone());
    say_why(&format!(
        "{} on {}, {:?}, into {}",
        run.record().settings.model,
        run.record().data.name,
        run.trainer().device(),
        run.folder().display()
    ));
    let mut live: Box<dyn Sink> =
        if arguments.quiet { Box::new(Warnings) } else { Box::new(Live::new()) };
    let Some(dashboard) = dashboard else {
        return tell(run.train(&mut *live, &stop), arguments.json);
    };
    let mut feed = dashboard::show(&dashboard, &arguments.serve, run.folder(), control, lent);
    let trained = run.train(&mut (&mut *live, &mut feed), &stop);
    // Whoever looks on shall see how it ended, and why.
    let told = tell(trained, arguments.json).map_err(Failure::told);
    dashboard::end(&dashboard, run.folder(), arguments.stay, &stop);
    told
}

/// Says what a training came to.
fn tell(trained: glassbox::Result<Report>, as_json: bool) -> Result<(), Failure> {
    let report = trained?;
    if as_json {
        say(serde_json::to_string(&report).expect("a report is plain values"));
    } else {
        say(last_screen(&report));
    }
    match report.ending {
        Ending::Interrupted => Err(Failure::Interrupted),
        _ => Ok(()),
    }
}

/// A flag that Ctrl-C, a hangup or a request to end sets; a second Ctrl-C ends the process at once.
pub fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let ignored = ignored_signals();
    for signal in SIGNALS.iter().copied().filter(|signal| ignored >> (signal - 1) & 1 == 0) {
        // Without a handler a signal ends the process, and the last checkpoint is there all the same.
        // A closing terminal hangs up more than once, so only Ctrl-C counts its turns.
        if signal == signal_hook::consts::SIGINT {
            _ = signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop));
        }
        _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    stop
}

#[cfg(unix)]
const SIGNALS: [i32; 3] = {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    [SIGHUP, SIGINT, SIGTERM]
};

#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];

/// The signals that whoever started this process wants ignored, as nohup does: bit n - 1 for signal
/// n. Only Linux tells.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn create(
    arguments: &Train,
    device: Device,
    say_why: &dyn Fn(&str),
) -> Result<(Run, Lent), Failure> {
    let data = find_data(arguments)?;
    let settings = settings(arguments, &data)?;
    if let Some(warning) = classes_without_images(&data) {
        note(warning);
    }
    let (plan, why) = arguments.plan.choose(&settings, &device)?;
    why.iter().for_each(|why| say_why(why));
    let folder = match &arguments.out {
        Some(folder) => folder.clone(),
        None => next_folder(&data.train.name)?,
    };
    let lent = Lent::new(&data);
    Ok((Run::create(&folder, settings, data, device, plan)?, lent))
}

/// The device with which a run goes on if none is named: any, as long as all give the same bits.
fn device_of(record: &RunRecord) -> Result<DeviceName, Failure> {
    match record.device.parse()? {
        name @ DeviceName::CudaFast(_) => Ok(name),
        _ => Ok(DeviceName::Auto),
    }
}

fn resume(
    arguments: &Train,
    folder: &Path,
    device: Device,
    say_why: &dyn Fn(&str),
) -> Result<(Run, Lent), Failure> {
    let mut record = RunRecord::read(folder)?;
    let mut asked = settings_from(record.settings.clone(), arguments)?;
    (asked.epochs, asked.max_steps) = (record.settings.epochs, record.settings.max_steps);
    if asked != record.settings || arguments.recipe.is_some() {
        let message = "a run goes on with the settings it began with (hint: beside --resume give only \
                       --epochs, --max-steps, --rate-factor, --device, --threads, --plan, --inside, \
                       --dashboard, --data-dir)";
        return Err(Failure::Usage(message.to_string()));
    }
    let epochs = arguments.epochs.unwrap_or(record.settings.epochs);
    let schedule = &record.settings.schedule;
    if epochs != record.settings.epochs && record.settings.schedule_depends_on_epochs() {
        let message = format!(
            "the schedule {schedule} is laid out over all {} epochs, so their number cannot change \
             midway (hint: start a new run, or train with --schedule constant)",
            record.settings.epochs
        );
        return Err(Failure::Usage(message));
    }
    record.settings.epochs = epochs;
    record.settings.max_steps = arguments.max_steps.or(record.settings.max_steps);
    let name = arguments.data.as_deref().unwrap_or(record.data.place()).to_string();
    let data = load(&name, &load_options(arguments.data_dir.as_deref(), true))?;
    let (plan, why) = arguments.plan.choose(&record.settings, &device)?;
    why.iter().for_each(|why| say_why(why));
    let lent = Lent::new(&data);
    let (run, notes) = Run::resume(folder, record, data, device, plan)?;
    if !arguments.quiet {
        notes.iter().for_each(note);
        let (step, most) = (run.trainer().progress().step, run.record().settings.max_steps);
        if most.is_some_and(|most| step >= most) {
            note("the run has made its --max-steps (hint: a larger --max-steps goes on)");
        }
    }
    Ok((run, lent))
}

/// The data that were asked for; without a word, MNIST if it is at hand and the built-in digits if
/// not. Only data that were named are fetched over the network.
pub fn find_data(arguments: &Train) -> Result<DataPair, Failure> {
    let directory = arguments.data_dir.as_deref();
    if let Some(name) = &arguments.data {
        return Ok(load(name, &load_options(directory, true))?);
    }
    match load("mnist", &load_options(directory, false)) {
        Ok(data) => Ok(data),
        Err(glassbox::data::DataError::NotAtHand(absent)) => {
            let named = absent.looked.iter().find(|looked| looked.why == "no such folder");
            let why = named.map(|looked| format!(" ({}: {})", looked.place, looked.why));
            note(format!(
                "MNIST is not at hand{}: training on the built-in synthetic digits (hint: `glassbox \
                 data get mnist` fetches it)",
                why.unwrap_or_default()
            ));
            Ok(load("digits", &load_options(None, false))?)
        }
        Err(error) => Err(error.into()),
    }
}

pub fn load_options(directory: Option<&Path>, allow_download: bool) -> LoadOptions {
    let data_dir = directory.map(Path::to_path_buf);
    LoadOptions { data_dir, allow_download, ..LoadOptions::from_env() }
}

/// The settings that the arguments ask for, for these data.
pub fn settings(arguments: &Train, data: &DataPair) -> Result<Settings, Failure> {
    let base = match arguments.recipe {
        Some(Recipe::Brief) => Settings::brief(),
        Some(Recipe::Best) | None => Settings::best(),
    };
    let mut settings = settings_from(base, arguments)?;
    if arguments.model.is_none() {
        let (pixels, classes) = (data.train.pixels(), data.train.classes);
        settings.model = format!("{pixels}-128-relu-{classes}");
    }
    // What cannot be is said before anything is written.
    settings.check()?;
    let network = Network::new(&settings.model, Init::Zero, 0)?;
    check_sizes(&network, data.train.pixels(), data.train.classes)?;
    if let Some(second) = network.linear_pair() {
        note(format!(
            "warning: nothing stands before the dense layer {second}, so it and the one before it are \
             one linear layer (hint: 784-128-relu-10)"
        ));
    }
    if let Some(last) = network.last_softmax() {
        let text = network.to_string();
        let cure = text.strip_suffix(&format!("-{last}")).unwrap_or(&text);
        note(format!(
            "warning: the cross-entropy takes the softmax of the outputs itself, so with the {last} at \
             the end it is taken twice (hint: leave it out: {cure})"
        ));
    }
    Ok(settings)
}

fn settings_from(base: Settings, arguments: &Train) -> Result<Settings, Failure> {
    let optimizer = arguments.optimizer.map(|name| match name {
        OptimizerName::Sgd => "sgd",
        OptimizerName::Momentum => "momentum",
        OptimizerName::Nesterov => "nesterov",
        OptimizerName::Adam => "adam",
        OptimizerName::Adamw => "adamw",
    });
    let base = match optimizer.map(Rule::named).transpose()? {
        Some(rule) => base.with_optimizer(rule),
        None => base,
    };
    let schedule = arguments.schedule.as_deref().map(str::parse).transpose();
    let schedule = schedule.map_err(|error| Failure::Usage(format!("--schedule: {error}")))?;
    Ok(Settings {
        model: arguments.model.clone().unwrap_or(base.model),
        init: arguments.init.unwrap_or(base.init),
        seed: arguments.seed.unwrap_or(base.seed),
        epochs: arguments.epochs.unwrap_or(base.epochs),
        max_steps: arguments.max_steps.or(base.max_steps),
        batch: arguments.batch.unwrap_or(base.batch),
        lr: arguments.lr.unwrap_or(base.lr),
        loss: base.loss,
        reduction: arguments.reduction.unwrap_or(base.reduction),
        weight_decay: arguments.weight_decay.unwrap_or(base.weight_decay),
        clip: arguments.clip.or(base.clip),
        validation: arguments.validation.unwrap_or(base.validation),
        patience: arguments.patience.or(base.patience),
        optimizer: base.optimizer,
        schedule: schedule.unwrap_or(base.schedule),
    })
}

/// A warning if classes have no image to learn from: one wrong label widens a network.
pub fn classes_without_images(data: &DataPair) -> Option<String> {
    let train = &data.train;
    let largest = train.labels.iter().chain(&data.test.labels).max()?;
    let empty = (0..=*largest).filter(|class| !train.labels.contains(class)).count();
    (empty > 0).then(|| {
        format!(
            "warning: {empty} of {} classes have no training image, the largest label is {largest} \
             (hint: is a label wrong?)",
            usize::from(*largest) + 1
        )
    })
}

/// The first free folder of its kind: runs/mnist-1, runs/mnist-2, …
pub fn next_folder(data: &str) -> Result<PathBuf, Failure> {
    let name: String = data
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    let fail = |path: &Path, error: std::io::Error| {
        Failure::Other(format!("{}: {error} (hint: name a folder with --out)", path.display()))
    };
    let runs = Path::new("runs");
    std::fs::create_dir_all(runs).map_err(|error| fail(runs, error))?;
    for number in 1u32.. {
        let folder = runs.join(format!("{name}-{number}"));
        // Making it takes it: of two runs that begin at once only one can.
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fail(&folder, error)),
        }
    }
    unreachable!("some number is free")
}

/// What a run came to, and what to do next.
fn last_screen(report: &Report) -> String {
    let percent = |x: f64| format!("{:.2} %", 100.0 * x);
    let [low, high] = report.test_interval;
    let rate = report.images as f64 / report.seconds_training.max(1e-9);
    let is_synthetic = report.dataset == "digits";
    let synthetic = if is_synthetic { " (synthetic digits, not MNIST)" } else { "" };
    let ending = match report.ending {
        Ending::Complete => "",
        Ending::MaxSteps => ", stopped as --max-steps says",
        Ending::EarlyStop => ", stopped early: validation no longer improved",
        Ending::Interrupted => ", interrupted",
    };
    // What is said of a processor is not said of a GPU.
    let on = match &*report.simd {
        "none" => report.device.to_string(),
        simd => format!("{} ({simd}, {} threads)", report.device, report.threads),
    };
    let run = &report.run;
    // The program as it was called, so that the lines can be pasted.
    let glassbox = std::env::args().next().map_or_else(|| "glassbox".to_string(), shell_word);
    let word = shell_word(run);
    let go_on = match report.ending {
        Ending::Interrupted => format!("{glassbox} train --resume {word}"),
        _ => format!("{glassbox} eval {word}"),
    };
    format!(
        "
test accuracy  {} on {} images of {}{synthetic}
               95 % confidence {} to {}
test loss      {:.4}
training       {} epochs, {} steps{ending}
time           {:.2} s training, {:.2} s in all, {rate:.0} images/s
computed on    {on}, plan {}
files          {}
               {run}/run.toml, events.jsonl, checkpoints/
next           {glassbox} predict {word}
               {go_on}
               {glassbox} summary {word}",
        percent(report.test_accuracy),
        report.test_samples,
        report.dataset,
        percent(low),
        percent(high),
        report.test_loss,
        report.epochs,
        report.steps,
        report.seconds_training,
        report.seconds_total,
        report.plan,
        report.model,
    )
}
