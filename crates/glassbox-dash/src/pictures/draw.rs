//! Which pictures there are, of what, and how each is drawn.

use crate::feed::lock;
use crate::models::Why;
use crate::run::Run;
use crate::shared::Shared;
use glassbox::Device;
use glassbox_plot::{self as plot, CurveOptions, History, Look, Picture, Theme, Unseen};
use serde::Deserialize;
use std::sync::Arc;

/// A picture that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    pub subject: Picture,
    /// The ids of runs that are there. Only curves show several.
    pub runs: Vec<String>,
    width: u32,
    is_dark: bool,
    /// In hundredths.
    smooth: u32,
    log: bool,
    /// Which test image.
    row: usize,
}

/// How a picture is to look, as addresses have it.
#[derive(Debug, Deserialize)]
pub(crate) struct Options {
    #[serde(default = "usual_width")]
    width: u32,
    #[serde(default)]
    dark: u8,
    #[serde(default = "usual_smoothing")]
    smooth: f64,
    #[serde(default)]
    log: u8,
    #[serde(default)]
    row: usize,
}

fn usual_width() -> u32 {
    900
}

fn usual_smoothing() -> f64 {
    0.6
}

/// Widths are multiples of this: a window that is drawn wider asks for few pictures.
const STEP: u32 = 60;

/// And smoothing, in hundredths, of this.
const SMOOTH_STEP: u32 = 5;

impl Ask {
    pub fn new(subject: Picture, runs: Vec<String>, options: &Options) -> Ask {
        let smooth = if options.smooth.is_finite() { options.smooth.clamp(0.0, 0.99) } else { 0.6 };
        Ask {
            subject,
            runs,
            width: options.width.clamp(240, 2000) / STEP * STEP,
            is_dark: options.dark != 0,
            smooth: (100.0 * smooth).round() as u32 / SMOOTH_STEP * SMOOTH_STEP,
            log: options.log != 0,
            row: options.row,
        }
    }

    /// Rises when there is something new to be drawn. Nothing if a story has to be read to know.
    pub fn version(&self, shared: &Shared) -> Option<u64> {
        let mut runs = self.runs.iter().filter_map(|id| shared.runs.find(id));
        runs.try_fold(0u64, |sum, run| {
            Some(sum.wrapping_add(match self.subject.is_of_network() {
                true => shared.models.version(&run),
                false => run.version()?,
            }))
        })
    }

    /// The same, for which stories are read if need be.
    pub fn read_version(&self, shared: &Shared) -> u64 {
        self.version(shared).unwrap_or_else(|| {
            let runs = self.runs.iter().filter_map(|id| shared.runs.find(id));
            runs.map(|run| run.with_story(|story, _| story.version)).fold(0, u64::wrapping_add)
        })
    }

    /// Whether another shows the same, and only looks otherwise.
    pub fn is_like(&self, other: &Ask) -> bool {
        (self.subject, &self.runs, self.row) == (other.subject, &other.runs, other.row)
    }

    fn look(&self) -> Look {
        let theme = if self.is_dark { Theme::Dark } else { Theme::Light };
        Look::new(f64::from(self.width), theme)
    }
}

/// Draws it.
pub(super) fn draw(shared: &Shared, ask: &Ask) -> Result<String, Why> {
    let runs: Vec<Arc<Run>> = ask.runs.iter().filter_map(|id| shared.runs.find(id)).collect();
    let run = runs.first().ok_or("There is no such run.")?;
    match ask.subject {
        subject if subject.compares() => Ok(compare(&runs, ask)),
        subject if subject.is_of_network() => learned(shared, run, ask),
        _ => run.with_story(|story, _| inside(&story.history, ask)),
    }
}

fn compare(runs: &[Arc<Run>], ask: &Ask) -> String {
    let options = CurveOptions { smooth: f64::from(ask.smooth) / 100.0, log: ask.log };
    // One run is drawn from where its history lies; of several, copies are.
    if let [run] = runs {
        return run.with_story(|story, record| {
            let groups = plot::groups(&[(&story.history, record)], None);
            ask.subject.of_groups(&groups, &options, &ask.look())
        });
    }
    let copy = |run: &Arc<Run>| {
        run.with_story(|story, record| (curves_of(&story.history), record.cloned()))
    };
    let copies: Vec<_> = runs.iter().map(copy).collect();
    let all: Vec<_> = copies.iter().map(|(history, record)| (history, record.as_ref())).collect();
    ask.subject.of_groups(&plot::groups(&all, None), &options, &ask.look())
}

/// A history without its looks inside, which are large.
fn curves_of(history: &History) -> History {
    let mut copy = History::new(&history.name);
    copy.start.clone_from(&history.start);
    copy.steps.clone_from(&history.steps);
    copy.epochs.clone_from(&history.epochs);
    copy.ending = history.ending;
    copy
}

fn inside(history: &History, ask: &Ask) -> Result<String, Why> {
    ask.subject.of_insides(history, &ask.look()).map_err(|unseen| {
        let why = match unseen {
            Unseen::Steps => {
                "No step of this run was looked into. Train with --inside, or with --dashboard."
            }
            Unseen::Units => "No layer of this network can be stuck: relu is one that can.",
        };
        why.to_string()
    })
}

fn learned(shared: &Shared, run: &Run, ask: &Ask) -> Result<String, Why> {
    let model = shared.models.of(run)?;
    let look = ask.look();
    if ask.subject == Picture::FirstLayer {
        let side = shared.images.test(run).ok().map(|set| [set.rows, set.cols]);
        return Ok(plot::first_layer(&lock(&model.network), side, &look));
    }
    let (seen, set) = model.seen(run, &shared.images)?;
    match ask.subject {
        Picture::Classes => Ok(plot::classes(&seen, &look)),
        Picture::Dead => Ok(plot::dead(&seen, &look)),
        Picture::Confusion => Ok(plot::confusion(&seen.confusion, &look)),
        Picture::Errors => Ok(plot::errors(&seen, &set, &look)),
        _ if ask.row >= set.len() => Err(format!("There are {} test images.", set.len())),
        _ => {
            let device = Device::cpu(Some(1)).map_err(|error| error.to_string())?;
            let mut network = lock(&model.network);
            plot::image(&mut network, &device, &set, ask.row, &look)
                .map_err(|error| error.to_string())
        }
    }
}
