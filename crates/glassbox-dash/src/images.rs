//! The images of runs: those that a training in this process holds, or those that lie where the run found them.

use crate::feed::lock;
use crate::models::Why;
use crate::run::Run;
use glassbox::data::{DataPair, Dataset, LoadOptions, load};
use glassbox::{RunRecord, Samples};
use std::sync::{Arc, Mutex, Weak};

/// The images that a training holds, for as long as it does: nothing stays in memory for a dashboard's sake. What the
/// training has let go of is read again.
#[derive(Clone, Debug, Default)]
pub struct Lent {
    train: Weak<Dataset>,
    test: Weak<Dataset>,
}

impl Lent {
    /// Those of a training that is given these.
    pub fn new(data: &DataPair) -> Lent {
        Lent { train: Arc::downgrade(&data.train), test: Arc::downgrade(&data.test) }
    }
}

/// Images that were read: the newest test set, and a piece of the newest training set.
pub(crate) struct Images {
    options: LoadOptions,
    test: Mutex<Option<(String, Arc<Dataset>)>>,
    piece: Mutex<Option<Piece>>,
}

/// Images that a step was asked for, and others around them: never a whole set of training images.
struct Piece {
    place: String,
    first: usize,
    /// How many there are in the whole set.
    all: usize,
    samples: Samples,
}

/// So many images are kept, beginning at a multiple of half of them.
const PIECE: usize = 4096;

/// The most images of a batch: any of them lies within a piece.
const MOST_BATCH: usize = PIECE / 2;

impl Images {
    /// None yet. Data are looked for as the options say, and never fetched over the network.
    pub fn new(options: LoadOptions) -> Images {
        let options = LoadOptions { allow_download: false, ..options };
        Images { options, test: Mutex::default(), piece: Mutex::default() }
    }

    /// The test images of a run.
    pub fn test(&self, run: &Run) -> Result<Arc<Dataset>, Why> {
        if let Some(set) = run.live.as_ref().and_then(|live| live.lent.test.upgrade()) {
            return Ok(set);
        }
        let record = record(run)?;
        let place = record.data.place();
        let mut kept = lock(&self.test);
        if let Some((name, set)) = &*kept
            && name == place
        {
            return Ok(Arc::clone(set));
        }
        let set = self.read(run, &record, "test")?.test;
        *kept = Some((place.to_string(), Arc::clone(&set)));
        Ok(set)
    }

    /// The images first..first + count of the test set.
    pub fn test_batch(&self, run: &Run, first: usize, count: usize) -> Result<Samples, Why> {
        batch(self.test(run)?, first, count, "test")
    }

    /// The images first..first + count of the training set.
    pub fn training_batch(&self, run: &Run, first: usize, count: usize) -> Result<Samples, Why> {
        if let Some(set) = run.live.as_ref().and_then(|live| live.lent.train.upgrade()) {
            return batch(set, first, count, "training");
        }
        let record = record(run)?;
        let place = record.data.place();
        let begin = first / MOST_BATCH * MOST_BATCH;
        let mut kept = lock(&self.piece);
        if !kept.as_ref().is_some_and(|piece| piece.place == place && piece.first == begin) {
            *kept = None;
            let samples = samples(self.read(run, &record, "training")?.train)?;
            let all = samples.len();
            let samples = samples.range(begin.min(all)..all.min(begin.saturating_add(PIECE)));
            *kept = Some(Piece { place: place.to_string(), first: begin, all, samples });
        }
        let piece = kept.as_ref().expect("it was just read");
        check(first, count, piece.all, &record.data.name, "training")?;
        Ok(piece.samples.range(first - begin..first - begin + count))
    }

    /// The data of a run, of which the training or the test images are wanted.
    fn read(&self, run: &Run, record: &RunRecord, which: &str) -> Result<DataPair, Why> {
        let name = &record.data.name;
        let pair = load(record.data.place(), &self.options).map_err(|_| {
            format!(
                "The {which} images of {name} are not at hand. Say where they lie with --data-dir."
            )
        })?;
        match record.check_data(&run.folder, &pair) {
            Ok(()) => Ok(pair),
            Err(_) => Err(format!("The {which} images of {name} are others than this run's.")),
        }
    }
}

fn record(run: &Run) -> Result<RunRecord, Why> {
    run.facts().1.ok_or("The run's folder does not say which data it is of.".to_string())
}

fn samples(set: Arc<Dataset>) -> Result<Samples, Why> {
    Samples::new(set).map_err(|error| error.to_string())
}

fn batch(set: Arc<Dataset>, first: usize, count: usize, which: &str) -> Result<Samples, Why> {
    check(first, count, set.len(), &set.name, which)?;
    Ok(samples(set)?.range(first..first + count))
}

/// An error unless there are such images.
fn check(first: usize, count: usize, all: usize, name: &str, which: &str) -> Result<(), Why> {
    if count > 0 && count <= MOST_BATCH && first.checked_add(count).is_some_and(|end| end <= all) {
        return Ok(());
    }
    Err(format!(
        "{name} has {all} {which} images, counted from 0, and a batch 1 to {MOST_BATCH} of them."
    ))
}
