//! `glassbox plot`: pictures of runs.

mod out;

use crate::Failure;
use crate::args::{Plot, What};
use crate::eval::data_of;
use crate::output::{note, say};
use clap::ValueEnum;
use glassbox::data::Dataset;
use glassbox::{Device, Network, RunRecord};
use glassbox_plot::{self as plot, CurveOptions, Group, History, Look, Rooflines, Seen, Test};
use out::Out;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A run as it lies in its folder.
struct Found {
    folder: PathBuf,
    history: History,
    record: Option<RunRecord>,
}

/// A network, and what it makes of the test images.
struct Judged {
    network: Network,
    data: Option<(Dataset, Seen)>,
}

/// The most runs in one call.
const MOST_RUNS: usize = 200;

pub fn run(arguments: Plot) -> Result<(), Failure> {
    if let Some(file) = &arguments.roofline {
        return roofline(&arguments, file);
    }
    let whats = whats(&arguments);
    let names: Vec<String> = whats.iter().map(|what| what.name()).collect();
    let out = Out::new(&arguments, &names)?;
    if arguments.runs.len() > MOST_RUNS {
        let count = arguments.runs.len();
        let message = format!("{count} runs are too many (hint: name at most {MOST_RUNS})");
        return Err(Failure::Usage(message));
    }
    let found: Vec<Found> = arguments.runs.iter().map(|run| find(run)).collect::<Result<_, _>>()?;
    let mut pictures = Pictures {
        look: Look::new(f64::from(arguments.width), arguments.theme),
        options: CurveOptions { smooth: arguments.smooth, log: arguments.log },
        arguments: &arguments,
        found: &found,
        judged: None,
    };
    let is_asked = !arguments.what.contains(&What::All);
    let (mut drawn, mut why_not) = (0, Vec::new());
    for what in whats {
        match pictures.draw(what) {
            Ok(svg) => {
                say(out.write(&what.name(), &svg)?.display());
                drawn += 1;
            }
            Err(failure) if is_asked => return Err(failure),
            Err(failure) => why_not.push(reason(failure)),
        }
    }
    why_not.dedup();
    why_not.iter().for_each(note);
    match drawn {
        0 => Err(Failure::Other(
            "there is nothing to draw (hint: name the folder of a run that made steps)".to_string(),
        )),
        _ => Ok(()),
    }
}

/// The picture of recorded benchmarks, which needs no run.
fn roofline(arguments: &Plot, file: &Path) -> Result<(), Failure> {
    let name = "roofline".to_string();
    let out = Out::new(arguments, std::slice::from_ref(&name))?;
    let recorded = Rooflines::read(file)?;
    let look = Look::new(f64::from(arguments.width), arguments.theme);
    say(out.write(&name, &plot::roofline(&recorded, &look))?.display());
    Ok(())
}

/// The pictures that were asked for, each once.
fn whats(arguments: &Plot) -> Vec<What> {
    let all = What::value_variants().iter().copied().filter(|what| *what != What::All);
    if arguments.what.contains(&What::All) {
        return all.filter(|what| what.compares() || arguments.runs.len() == 1).collect();
    }
    all.filter(|what| arguments.what.contains(what)).collect()
}

impl What {
    /// Whether it shows several runs together.
    fn compares(self) -> bool {
        matches!(self, What::Curves | What::Rate | What::Throughput)
    }

    fn name(self) -> String {
        let value = self.to_possible_value().expect("none is hidden");
        value.get_name().to_string()
    }
}

/// The run in a folder.
fn find(folder: &Path) -> Result<Found, Failure> {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let name = whole.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    let (history, unread) = History::read(folder, &name)?;
    if let Some(why) = unread.note() {
        note(format!("{name}: {why}"));
    }
    // Its settings only say which runs belong together, so a run is drawn without them too.
    let record = RunRecord::read(folder).ok();
    Ok(Found { folder: folder.to_path_buf(), history, record })
}

/// The reason of a failure that ends nothing.
fn reason(failure: Failure) -> String {
    match failure {
        Failure::Library(error) => format!("left out: {error}"),
        Failure::Usage(message) | Failure::Other(message) => format!("left out: {message}"),
        Failure::Ill | Failure::Interrupted => "interrupted".to_string(),
    }
}

/// What pictures are made of; networks and data are looked for when the first picture needs them.
struct Pictures<'a> {
    arguments: &'a Plot,
    found: &'a [Found],
    look: Look,
    options: CurveOptions,
    judged: Option<Judged>,
}

impl Pictures<'_> {
    fn draw(&mut self, what: What) -> Result<String, Failure> {
        if !what.compares() && self.found.len() > 1 {
            let message = format!(
                "{} is a picture of one run (hint: name one, or compare runs with --what curves)",
                what.name()
            );
            return Err(Failure::Usage(message));
        }
        let (look, history) = (self.look, &self.found[0].history);
        match what {
            What::Curves | What::Rate | What::Throughput => self.compare(what),
            What::Weights => Ok(plot::weights(self.inside()?, &look)),
            What::Activations => Ok(plot::activations(self.inside()?, &look)),
            What::Gradients => Ok(plot::gradients(self.inside()?, &look)),
            What::Flow => Ok(plot::flow(self.inside()?, &look)),
            What::Stuck => {
                let has_units = |layer: &glassbox::LayerInside| layer.stuck.is_some();
                if !self.inside()?.insides.iter().any(|(_, layers)| layers.iter().any(has_units)) {
                    return Err(self.nothing("layer that can be stuck", "relu is one"));
                }
                Ok(plot::stuck(history, &look))
            }
            What::FirstLayer => {
                let judged = self.judged()?;
                let side = judged.data.as_ref().map(|(set, _)| [set.rows, set.cols]);
                Ok(plot::first_layer(&judged.network, side, &look))
            }
            What::Classes => Ok(plot::classes(&self.seen()?.1, &look)),
            What::Dead => Ok(plot::dead(&self.seen()?.1, &look)),
            What::Confusion => Ok(plot::confusion(&self.seen()?.1.confusion, &look)),
            What::Errors => {
                let (set, seen) = self.seen()?;
                Ok(plot::errors(seen, set, &look))
            }
            What::Image => self.image(),
            What::All => unreachable!("it stands for the others"),
        }
    }

    /// The run's history, if some of its steps were looked into.
    fn inside(&self) -> Result<&History, Failure> {
        let history = &self.found[0].history;
        match history.insides.is_empty() {
            true => Err(self.nothing("step that was looked into", "train with --inside")),
            false => Ok(history),
        }
    }

    fn nothing(&self, what: &str, hint: &str) -> Failure {
        Failure::Other(format!("{}: no {what} (hint: {hint})", self.found[0].folder.display()))
    }

    fn image(&mut self) -> Result<String, Failure> {
        let (row, look) = (self.arguments.row, self.look);
        let judged = self.judged()?;
        let Some((set, _)) = &judged.data else { return self.seen().map(|_| String::new()) };
        if row >= set.len() {
            let count = set.len();
            let message =
                format!("there are {count} test images, no {row} (hint: --row counts from 0)");
            return Err(Failure::Usage(message));
        }
        let device = Device::cpu(None)?;
        Ok(plot::image(&mut judged.network, &device, set, row, &look)?)
    }

    fn compare(&mut self, what: What) -> Result<String, Failure> {
        if self.found.iter().all(|found| found.history.steps.is_empty()) {
            return Err(self.nothing("step was made yet", "wait for it"));
        }
        // The test samples are a mark on the curves of a single run, if they are at hand.
        let test = match (what, self.found.len()) {
            (What::Curves, 1) => self.seen().ok().map(|(_, seen)| seen.test()),
            _ => None,
        };
        let groups = groups(self.found, test);
        let draw = match what {
            What::Curves => plot::curves,
            What::Rate => plot::rate,
            _ => plot::throughput,
        };
        Ok(draw(&groups, &self.options, &self.look))
    }

    fn judged(&mut self) -> Result<&mut Judged, Failure> {
        if self.judged.is_none() {
            let mut network = glassbox::run::load_model(&self.found[0].folder, None)?;
            let data = self.data(&mut network)?;
            self.judged = Some(Judged { network, data });
        }
        Ok(self.judged.as_mut().expect("it was judged"))
    }

    /// The test images and what the network makes of them; nothing if they are not at hand.
    fn data(&self, network: &mut Network) -> Result<Option<(Dataset, Seen)>, Failure> {
        let Some(record) = &self.found[0].record else { return Ok(None) };
        let (folder, directory) = (&self.found[0].folder, self.arguments.data_dir.as_deref());
        let Ok(pair) = data_of(folder, record, None, directory) else { return Ok(None) };
        let seen = Seen::new(network, &Device::cpu(None)?, &pair.test)?;
        Ok(Some((pair.test, seen)))
    }

    fn seen(&mut self) -> Result<&(Dataset, Seen), Failure> {
        let folder = self.found[0].folder.display();
        let message = format!(
            "{folder}: the data that it was trained on are not at hand (hint: --data-dir says where \
             they lie)"
        );
        self.judged()?.data.as_ref().ok_or(Failure::Other(message))
    }
}

/// Runs that differ in their seed alone, together.
fn groups(found: &[Found], test: Option<Test>) -> Vec<Group<'_>> {
    let mut kinds: Vec<(Option<Value>, Vec<&History>)> = Vec::new();
    for one in found {
        let settings = one.record.as_ref().map(settings_but_seed);
        match kinds.iter_mut().find(|(kind, _)| kind.is_some() && *kind == settings) {
            Some((_, members)) => members.push(&one.history),
            None => kinds.push((settings, vec![&one.history])),
        }
    }
    let all: Vec<Value> = kinds.iter().filter_map(|(settings, _)| settings.clone()).collect();
    let named = kinds.into_iter().map(|(settings, runs)| {
        let apart = settings.map(|settings| differences(&settings, &all)).unwrap_or_default();
        let name = match &runs[..] {
            [one] => one.name.clone(),
            several => format!("{apart}{} seeds", several.len()),
        };
        Group { name, runs, test }
    });
    named.collect()
}

/// Settings and data of a run, as if its seed were 0.
fn settings_but_seed(record: &RunRecord) -> Value {
    let mut settings = serde_json::to_value(&record.settings).expect("settings are plain values");
    settings["seed"] = 0.into();
    settings["data"] = record.data.name.clone().into();
    settings
}

/// What sets these settings apart from others: `lr 0.1, `.
fn differences(settings: &Value, all: &[Value]) -> String {
    let Some(object) = settings.as_object() else { return String::new() };
    let differs = |key: &str| all.iter().any(|other| other[key] != settings[key]);
    let apart = object.iter().filter(|(key, _)| differs(key)).take(2);
    let text = |value: &Value| match value.as_f64() {
        // Settings are f32, and in JSON have more digits than were given.
        Some(x) if !value.is_u64() => (x as f32).to_string(),
        _ => value.to_string().replace('"', ""),
    };
    apart.map(|(key, value)| format!("{key} {}, ", text(value))).collect()
}
