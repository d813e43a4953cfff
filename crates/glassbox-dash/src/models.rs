//! Networks of runs, and what they make of the test images: for pictures of what was learned.
//!
//! A training in this process is asked for a copy of its network, which it gives at the end of an epoch, at a pause, and
//! when it is over; until then, and for runs of others, the newest checkpoint or the model is read, whichever is newer.

use crate::feed::{Snapshot, lock};
use crate::images::Images;
use crate::run::Run;
use glassbox::data::Dataset;
use glassbox::file::{NamedArray, checkpoint};
use glassbox::run::{CHECKPOINTS, MODEL, load_model};
use glassbox::{Device, Init, Network, RunRecord};
use glassbox_plot::Seen;
use serde::Serialize;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Networks of runs, the newest few.
#[derive(Default)]
pub(crate) struct Models {
    kept: Mutex<Vec<(String, Arc<Model>)>>,
}

/// A network, and what it makes of the test images.
pub(crate) struct Model {
    /// Which of the networks of its run it is.
    pub version: Version,
    pub network: Mutex<Network>,
    seen: Mutex<Option<Arc<Seen>>>,
}

/// Which of the networks of a run: copies that the training gave are counted, files have the millisecond they were
/// written in.
type Version = u64;

/// The most networks that are kept.
const MOST: usize = 3;

/// Why there is no picture, and what to do.
pub(crate) type Why = String;

/// What was asked for, or why there is none: that is an answer, not a failure.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Told<T> {
    Known(T),
    Not { why: Why },
}

impl Models {
    /// The newest network of a run that is at hand.
    pub fn of(&self, run: &Run) -> Result<Arc<Model>, Why> {
        let newest = wanted(run).ok_or(NONE_YET)?;
        let version = newest.version();
        let mut kept = lock(&self.kept);
        if let Some((_, model)) =
            kept.iter().find(|(id, model)| *id == run.id && model.version == version)
        {
            return Ok(Arc::clone(model));
        }
        let network = Mutex::new(newest.read(run)?);
        let model = Arc::new(Model { version, network, seen: Mutex::default() });
        kept.retain(|(id, _)| *id != run.id);
        if kept.len() >= MOST {
            kept.remove(0);
        }
        kept.push((run.id.clone(), Arc::clone(&model)));
        Ok(model)
    }

    /// Differs from what it was when a run has a newer network.
    pub fn version(&self, run: &Run) -> u64 {
        wanted(run).map_or(0, |newest| newest.version())
    }
}

impl Model {
    /// What it makes of the test images of its run.
    pub fn seen(&self, run: &Run, images: &Images) -> Result<(Arc<Seen>, Arc<Dataset>), Why> {
        let set = images.test(run)?;
        let mut seen = lock(&self.seen);
        if seen.is_none() {
            // One thread: the others are the training's.
            let found = Device::cpu(Some(1))
                .and_then(|device| Seen::new(&mut lock(&self.network), &device, &set));
            *seen = Some(Arc::new(found.map_err(|error| error.to_string())?));
        }
        Ok((Arc::clone(seen.as_ref().expect("it was just seen")), set))
    }
}

/// The newest network of a run.
enum Newest {
    /// The copy that a training in this process gave: from the first wish for one, it gives every newer one.
    Copy(Arc<Snapshot>),
    /// The model, or the checkpoints, and when they were written.
    File(&'static str, SystemTime),
}

/// Which network is the newest, if there is any; somebody looks, so a training in this process is asked for the next one.
fn wanted(run: &Run) -> Option<Newest> {
    if let Some(live) = &run.live {
        live.inbox.want_network();
        if let Some(copy) = live.inbox.network() {
            return Some(Newest::Copy(copy));
        }
    }
    // A run that was resumed still has its old model.
    let written = |name: &str| run.folder.join(name).metadata().ok()?.modified().ok();
    let found = [CHECKPOINTS, MODEL].map(|name| Some((name, written(name)?)));
    let (name, written) = found.into_iter().flatten().max_by_key(|(_, written)| *written)?;
    Some(Newest::File(name, written))
}

const NONE_YET: &str = "There is no network yet: it is kept at the end of each epoch.";

impl Newest {
    fn version(&self) -> Version {
        match self {
            Newest::Copy(copy) => copy.number,
            Newest::File(_, written) => {
                let since = written.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                since.as_millis() as Version
            }
        }
    }

    fn read(&self, run: &Run) -> Result<Network, Why> {
        let text = |error: glassbox::Error| error.to_string();
        match self {
            Newest::Copy(copy) => network(&copy.network, &copy.parameters),
            Newest::File(MODEL, _) => load_model(&run.folder, None).map_err(text),
            Newest::File(..) => {
                let latest = checkpoint::latest(&run.folder.join(CHECKPOINTS));
                let latest = latest.map_err(|error| error.to_string())?;
                let found = latest.found.ok_or(NONE_YET)?;
                let record = RunRecord::read(&run.folder).map_err(text)?;
                network(&record.settings.model, &found.checkpoint.arrays)
            }
        }
    }
}

/// A network of these parameters, among which there may be others.
fn network(text: &str, arrays: &[NamedArray]) -> Result<Network, Why> {
    let mut network = Network::new(text, Init::Zero, 0).map_err(|error| error.to_string())?;
    let names: Vec<String> = network.parameters().map(|(name, _)| name).collect();
    let named = names.iter().filter_map(|name| arrays.iter().find(|array| array.name == *name));
    let state: Vec<NamedArray> = named.cloned().collect();
    network.load_state(&state).map_err(|error| error.to_string())?;
    Ok(network)
}
