//! Networks of runs, and what they make of the test images: for pictures of what was learned.
//!
//! A training in this process is asked for a copy of its network, which it gives at the end of an epoch and at a pause;
//! until then, and for runs of others, the newest checkpoint or the finished model is read.

use crate::feed::{Snapshot, lock};
use crate::images::Images;
use crate::run::Run;
use glassbox::control::Phase;
use glassbox::data::Dataset;
use glassbox::file::{NamedArray, checkpoint};
use glassbox::run::{CHECKPOINTS, MODEL, load_model};
use glassbox::{Device, Init, Network, RunRecord};
use glassbox_plot::Seen;
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

impl Models {
    /// The newest network of a run that is at hand.
    pub fn of(&self, run: &Run) -> Result<Arc<Model>, Why> {
        let version = wanted(run).ok_or(NONE_YET)?;
        let mut kept = lock(&self.kept);
        if let Some((_, model)) =
            kept.iter().find(|(id, model)| *id == run.id && model.version == version)
        {
            return Ok(Arc::clone(model));
        }
        let network = Mutex::new(read(run)?);
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
        wanted(run).unwrap_or(0)
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

/// The copy that a training gave, as long as it goes on: then the model is in its file.
fn copy(run: &Run) -> Option<Arc<Snapshot>> {
    let live = run.live.as_ref()?;
    let is_over = live.control.state().phase == Phase::Over;
    live.inbox.network().filter(|_| !is_over)
}

/// Which network is the newest; somebody looks, so a training in this process is asked for the next one.
fn wanted(run: &Run) -> Option<Version> {
    if let Some(live) = &run.live {
        live.inbox.want_network();
    }
    version(run)
}

/// Which network is the newest, if there is any.
fn version(run: &Run) -> Option<Version> {
    if let Some(copy) = copy(run) {
        return Some(copy.number);
    }
    let written = |name: &str| run.folder.join(name).metadata().ok()?.modified().ok();
    let written = written(MODEL).or_else(|| written(CHECKPOINTS))?;
    Some(written.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis() as Version)
}

const NONE_YET: &str = "There is no network yet: it is kept at the end of each epoch.";

/// The network, from where [`version`] found it.
fn read(run: &Run) -> Result<Network, Why> {
    if let Some(copy) = copy(run) {
        return network(&copy.network, &copy.parameters);
    }
    if run.folder.join(MODEL).is_file() {
        return load_model(&run.folder, None).map_err(|error| error.to_string());
    }
    let latest =
        checkpoint::latest(&run.folder.join(CHECKPOINTS)).map_err(|error| error.to_string())?;
    let found = latest.found.ok_or(NONE_YET)?;
    let record = RunRecord::read(&run.folder).map_err(|error| error.to_string())?;
    network(&record.settings.model, &found.checkpoint.arrays)
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
