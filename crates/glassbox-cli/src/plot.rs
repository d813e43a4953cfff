//! `glassbox plot`: pictures of runs.

use crate::Failure;
use crate::args::{Plot, What};
use crate::eval::data_of;
use crate::output::{note, say};
use clap::ValueEnum;
use glassbox::data::Dataset;
use glassbox::file::durable;
use glassbox::{Device, Network, RunRecord};
use glassbox_plot::{self as plot, CurveOptions, History, Look, Seen};
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
    let whats = whats(&arguments);
    let out = out(&arguments, &whats)?;
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
                let path = out.path(what);
                durable::write(&path, svg.as_bytes())?;
                say(path.display());
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

/// Where pictures go.
enum Out {
    File(PathBuf),
    Folder(PathBuf),
}

impl Out {
    fn path(&self, what: What) -> PathBuf {
        match self {
            Out::File(path) => path.clone(),
            Out::Folder(folder) => folder.join(format!("{}.svg", what.name())),
        }
    }
}

/// Where the pictures go: a name that ends in .svg is a file, any other a folder, which is made.
fn out(arguments: &Plot, whats: &[What]) -> Result<Out, Failure> {
    let default = match whats {
        [one] => PathBuf::from(format!("{}.svg", one.name())),
        _ => PathBuf::from("plots"),
    };
    let path = arguments.out.clone().unwrap_or(default);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let shown = path.display();
    match (ending.as_deref(), whats) {
        (Some("svg"), [_]) => return Ok(Out::File(path)),
        (Some("svg"), _) if !path.is_dir() => {
            let message = format!(
                "{shown}: one file cannot hold {} pictures (hint: name a folder with --out)",
                whats.len()
            );
            return Err(Failure::Usage(message));
        }
        (Some("png" | "pdf" | "jpg" | "jpeg" | "gif" | "webp"), _) if !path.is_dir() => {
            let message = format!(
                "{shown}: pictures are SVG files (hint: name it .svg; every browser shows it, and \
                 rsvg-convert or Inkscape makes it a PNG)"
            );
            return Err(Failure::Usage(message));
        }
        _ => {}
    }
    std::fs::create_dir_all(&path).map_err(|error| {
        Failure::Other(format!("{shown}: {error} (hint: name another folder with --out)"))
    })?;
    Ok(Out::Folder(path))
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
        let runs: Vec<_> =
            self.found.iter().map(|found| (&found.history, found.record.as_ref())).collect();
        let groups = plot::groups(&runs, test);
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
