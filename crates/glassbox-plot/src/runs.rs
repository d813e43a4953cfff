//! Runs as they lie in their folders, and each picture of them by its name.

use crate::curves::{CurveOptions, Group, Test, curves, rate, throughput};
use crate::groups::groups;
use crate::history::History;
use crate::seen::Seen;
use crate::theme::Look;
use crate::{classes, confusion, dead, errors, first_layer, image, inside};
use glassbox::data::{Dataset, LoadOptions, load};
use glassbox::run::{EVENTS, MODEL, load_model};
use glassbox::{Device, Error, LayerInside, Network, Result, RunRecord};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// A picture of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Picture {
    /// Loss and accuracy.
    Curves,
    /// The learning rate.
    Rate,
    /// Images a second.
    Throughput,
    /// How weights and biases are spread, over the steps that were looked into.
    Weights,
    /// How the outputs of each layer are spread.
    Activations,
    /// How gradients are spread.
    Gradients,
    /// The norms of gradients, and how far steps move the weights.
    Flow,
    /// Units that say the same to every image of a batch.
    Stuck,
    /// The weights of the first layer as images.
    FirstLayer,
    /// How strongly each unit answers to each class.
    Classes,
    /// Which units answer to how many test images.
    Dead,
    /// One test image on its way through the network.
    Image,
    /// What is taken for what.
    Confusion,
    /// The mistakes that the network is surest of.
    Errors,
}

impl Picture {
    /// All of them.
    pub const ALL: [Picture; 14] = [
        Picture::Curves,
        Picture::Rate,
        Picture::Throughput,
        Picture::Weights,
        Picture::Activations,
        Picture::Gradients,
        Picture::Flow,
        Picture::Stuck,
        Picture::FirstLayer,
        Picture::Classes,
        Picture::Dead,
        Picture::Image,
        Picture::Confusion,
        Picture::Errors,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Picture::Curves => "curves",
            Picture::Rate => "rate",
            Picture::Throughput => "throughput",
            Picture::Weights => "weights",
            Picture::Activations => "activations",
            Picture::Gradients => "gradients",
            Picture::Flow => "flow",
            Picture::Stuck => "stuck",
            Picture::FirstLayer => "first-layer",
            Picture::Classes => "classes",
            Picture::Dead => "dead",
            Picture::Image => "image",
            Picture::Confusion => "confusion",
            Picture::Errors => "errors",
        }
    }

    /// Whether it shows several runs together.
    pub fn compares(self) -> bool {
        matches!(self, Picture::Curves | Picture::Rate | Picture::Throughput)
    }

    /// Whether it shows what a network has learned, and not how it came to it.
    pub fn is_of_network(self) -> bool {
        use Picture::{Classes, Confusion, Dead, Errors, FirstLayer, Image};
        matches!(self, FirstLayer | Classes | Dead | Image | Confusion | Errors)
    }

    /// The picture of runs beside each other; the curves, if it is none that [`compares`](Picture::compares).
    pub fn of_groups(self, groups: &[Group], options: &CurveOptions, look: &Look) -> String {
        let draw = match self {
            Picture::Rate => rate,
            Picture::Throughput => throughput,
            _ => curves,
        };
        draw(groups, options, look)
    }

    /// The picture of what steps were like inside; the stuck units, if it is of something else.
    ///
    /// # Errors
    ///
    /// If no step was looked into, or none of the layers has what it shows.
    pub fn of_insides(self, history: &History, look: &Look) -> std::result::Result<String, Unseen> {
        if history.insides.is_empty() {
            return Err(Unseen::Steps);
        }
        let has_units = |layer: &LayerInside| layer.stuck.is_some();
        let draw = match self {
            Picture::Weights => inside::weights,
            Picture::Activations => inside::activations,
            Picture::Gradients => inside::gradients,
            Picture::Flow => inside::flow,
            _ if history.insides.iter().any(|(_, layers)| layers.iter().any(has_units)) => {
                inside::stuck
            }
            _ => return Err(Unseen::Units),
        };
        Ok(draw(history, look))
    }
}

/// What is not there to be shown of the inside of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// No step was looked into.
    Steps,
    /// No layer has units that can be stuck.
    Units,
}

impl FromStr for Picture {
    type Err = Error;

    fn from_str(text: &str) -> Result<Picture> {
        let found = Picture::ALL.into_iter().find(|picture| picture.name() == text);
        found.ok_or_else(|| Error::Setting {
            setting: "a picture",
            value: format!("{text:?}"),
            reason: "there is none of that name".to_string(),
            hint: Picture::ALL.map(Picture::name).join(", "),
        })
    }
}

/// How pictures of runs are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Details {
    /// How they look.
    pub look: Look,
    /// How curves are drawn.
    pub curves: CurveOptions,
    /// Of which test image [`Picture::Image`] is, counted from 0.
    pub row: usize,
}

/// A run as it lies in its folder.
struct Found {
    folder: PathBuf,
    history: History,
    record: Option<RunRecord>,
}

/// A network, and what it makes of the test images.
struct Judged {
    network: Network,
    data: Option<(Arc<Dataset>, Seen)>,
}

/// Runs in their folders. Networks and data are looked for when the first picture needs them.
pub struct Runs {
    found: Vec<Found>,
    options: LoadOptions,
    judged: Option<Judged>,
    notes: Vec<String>,
}

/// The most runs that are read together.
const MOST: usize = 200;

impl Runs {
    /// The runs in these folders; `options` say where data are looked for, and whether they may be fetched.
    ///
    /// # Errors
    ///
    /// If there are none or more than 200 of them, or one holds neither events that can be read nor, without any, a model.
    pub fn read(folders: &[PathBuf], options: LoadOptions) -> Result<Runs> {
        if !(1..=MOST).contains(&folders.len()) {
            return Err(Error::Setting {
                setting: "the number of runs",
                value: folders.len().to_string(),
                reason: "that many are not drawn".to_string(),
                hint: format!("name 1 to {MOST} folders"),
            });
        }
        let mut runs = Runs { found: Vec::new(), options, judged: None, notes: Vec::new() };
        folders.iter().try_for_each(|folder| runs.find(folder))?;
        Ok(runs)
    }

    /// What its reader should be told of them.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn find(&mut self, folder: &Path) -> Result<()> {
        let name = glassbox::run::name(folder);
        let history = match History::read(folder, &name) {
            Ok((history, unread)) => {
                self.notes.extend(unread.note().map(|why| format!("{name}: {why}")));
                history
            }
            // What the network has learned can be shown all the same.
            Err(_) if !folder.join(EVENTS).exists() && folder.join(MODEL).is_file() => {
                self.notes
                    .push(format!("{name}: it has no {EVENTS}, so only its network is drawn"));
                History::new(&name)
            }
            Err(error) => return Err(error),
        };
        // Its settings only say which runs belong together, so a run is drawn without them too.
        let record = RunRecord::read(folder).ok();
        self.found.push(Found { folder: folder.to_path_buf(), history, record });
        Ok(())
    }

    /// The text of an SVG.
    ///
    /// # Errors
    ///
    /// If the picture is of one run and there are more, or if what it shows is not there: steps that were looked into,
    /// a model, the data.
    pub fn draw(&mut self, picture: Picture, details: &Details) -> Result<String> {
        if !picture.compares() && self.found.len() > 1 {
            return Err(Error::Setting {
                setting: "the number of runs",
                value: self.found.len().to_string(),
                reason: format!("{} is a picture of one run", picture.name()),
                hint: "name one, or compare runs with curves".to_string(),
            });
        }
        let look = &details.look;
        match picture {
            Picture::Curves | Picture::Rate | Picture::Throughput => self.compare(picture, details),
            Picture::Weights
            | Picture::Activations
            | Picture::Gradients
            | Picture::Flow
            | Picture::Stuck => self.inside(picture, look),
            Picture::FirstLayer => {
                let judged = self.judged()?;
                let side = judged.data.as_ref().map(|(set, _)| [set.rows, set.cols]);
                Ok(first_layer(&judged.network, side, look))
            }
            Picture::Classes => Ok(classes(&self.seen()?.1, look)),
            Picture::Dead => Ok(dead(&self.seen()?.1, look)),
            Picture::Image => self.image(details),
            Picture::Confusion => Ok(confusion(&self.seen()?.1.confusion, look)),
            Picture::Errors => {
                let (set, seen) = self.seen()?;
                Ok(errors(seen, set, look))
            }
        }
    }

    fn inside(&self, picture: Picture, look: &Look) -> Result<String> {
        picture.of_insides(&self.found[0].history, look).map_err(|unseen| match unseen {
            Unseen::Steps => self.nothing("no step that was looked into", "train with --inside"),
            Unseen::Units => self.nothing("no layer that can be stuck", "relu is one"),
        })
    }

    fn nothing(&self, reason: &str, hint: &str) -> Error {
        let (path, reason) = (self.found[0].folder.clone(), reason.to_string());
        Error::Run { path, reason, hint: hint.to_string() }
    }

    fn image(&mut self, details: &Details) -> Result<String> {
        let count = self.seen()?.0.len();
        if details.row >= count {
            return Err(Error::Setting {
                setting: "--row",
                value: details.row.to_string(),
                reason: format!("there are {count} test images"),
                hint: "it counts from 0".to_string(),
            });
        }
        let Judged { network, data } = self.judged()?;
        let (set, _) = data.as_ref().expect("they were seen");
        image(network, &Device::cpu(None)?, set, details.row, &details.look)
    }

    fn compare(&mut self, picture: Picture, details: &Details) -> Result<String> {
        if self.found.iter().all(|found| found.history.steps.is_empty()) {
            return Err(self.nothing("no step of it is known", "its events.jsonl tells of them"));
        }
        // The test samples are a mark on the curves of a single run, if they are at hand.
        let test: Option<Test> = match (picture, self.found.len()) {
            (Picture::Curves, 1) => self.seen().ok().map(|(_, seen)| seen.test()),
            _ => None,
        };
        let runs: Vec<(&History, Option<&RunRecord>)> =
            self.found.iter().map(|found| (&found.history, found.record.as_ref())).collect();
        let groups = groups(&runs, test);
        Ok(picture.of_groups(&groups, &details.curves, &details.look))
    }

    fn judged(&mut self) -> Result<&mut Judged> {
        if self.judged.is_none() {
            let mut network = load_model(&self.found[0].folder, None)?;
            let data = self.data(&mut network)?;
            self.judged = Some(Judged { network, data });
        }
        Ok(self.judged.as_mut().expect("it was judged"))
    }

    /// The test images and what the network makes of them; nothing if they are not at hand, or others by now.
    fn data(&self, network: &mut Network) -> Result<Option<(Arc<Dataset>, Seen)>> {
        let Found { folder, record: Some(record), .. } = &self.found[0] else { return Ok(None) };
        let Ok(pair) = load(record.data.place(), &self.options) else { return Ok(None) };
        if record.check_data(folder, &pair).is_err() {
            return Ok(None);
        }
        let seen = Seen::new(network, &Device::cpu(None)?, &pair.test)?;
        Ok(Some((pair.test, seen)))
    }

    fn seen(&mut self) -> Result<&(Arc<Dataset>, Seen)> {
        if self.judged()?.data.is_none() {
            let reason = "the data that it was trained on are not at hand, or others by now";
            return Err(self.nothing(reason, "--data-dir says where they lie"));
        }
        Ok(self.judged()?.data.as_ref().expect("they are there"))
    }
}
