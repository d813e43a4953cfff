//! The images of runs: those that a training in this process holds, or those that lie where the run found them.

use crate::feed::lock;
use crate::models::Why;
use crate::run::Run;
use glassbox::data::{DataError, DataPair, Dataset, LoadOptions, load};
use glassbox::{RunRecord, Samples};
use std::sync::{Arc, Mutex, Weak};

/// The images that a training holds, for as long as it does: nothing stays in memory for a dashboard's sake. What the
/// training has let go of, as it does of training images of which it holds some out, is read again.
#[derive(Clone, Debug, Default)]
pub struct Lent {
    sums: Sums,
    train: Weak<Dataset>,
    test: Weak<Dataset>,
}

/// SHA-256 of the four files of a set: images are known by what they are, not by where they lie.
type Sums = Vec<String>;

impl Lent {
    /// Those of a training that is given these.
    pub fn new(data: &DataPair) -> Lent {
        let sums = data.files.iter().map(|file| file.sha256.clone()).collect();
        Lent { sums, train: Arc::downgrade(&data.train), test: Arc::downgrade(&data.test) }
    }
}

/// Images that were lent or read: the newest test set, and a piece of the newest training set.
pub(crate) struct Images {
    options: LoadOptions,
    lent: Mutex<Vec<Lent>>,
    test: Mutex<Option<(Sums, Arc<Dataset>)>>,
    piece: Mutex<Option<Piece>>,
}

/// Images that a step was asked for, and others around them: never a whole set of training images.
struct Piece {
    sums: Sums,
    first: usize,
    /// How many there are in the whole set.
    all: usize,
    samples: Samples,
}

/// Why there is no batch.
pub(crate) enum Missing {
    /// The images are not at hand.
    Absent(Why),
    /// There are no such images.
    Beyond(Why),
}

/// So many images are kept, beginning at a multiple of half of them.
const PIECE: usize = 4096;

/// The most images of a batch: any of them lies within a piece.
const MOST_BATCH: usize = PIECE / 2;

impl Images {
    /// None yet. Data are looked for as the options say, and never fetched over the network.
    pub fn new(options: LoadOptions) -> Images {
        let options = LoadOptions { allow_download: false, ..options };
        let (lent, test, piece) = (Mutex::default(), Mutex::default(), Mutex::default());
        Images { options, lent, test, piece }
    }

    /// Lends the images of a training to whoever looks at runs of the same data.
    pub fn lend(&self, lent: Lent) {
        let mut all = lock(&self.lent);
        all.retain(|other| other.test.strong_count() > 0);
        all.push(lent);
    }

    /// What is still lent of these data.
    fn lent(&self, sums: &Sums, half: impl Fn(&Lent) -> &Weak<Dataset>) -> Option<Arc<Dataset>> {
        lock(&self.lent)
            .iter()
            .filter(|lent| lent.sums == *sums)
            .find_map(|lent| half(lent).upgrade())
    }

    /// The test images of a run.
    pub fn test(&self, run: &Run) -> Result<Arc<Dataset>, Why> {
        let record = record(run)?;
        let sums = &record.data.sha256;
        if let Some(set) = self.lent(sums, |lent| &lent.test) {
            return Ok(set);
        }
        let mut kept = lock(&self.test);
        if let Some((others, set)) = &*kept
            && others == sums
        {
            return Ok(Arc::clone(set));
        }
        let set = self.read(run, &record, "test")?.test;
        *kept = Some((sums.clone(), Arc::clone(&set)));
        Ok(set)
    }

    /// The images first..first + count of the test set.
    pub fn test_batch(&self, run: &Run, first: usize, count: usize) -> Result<Samples, Missing> {
        batch(self.test(run).map_err(Missing::Absent)?, first, count, "test")
    }

    /// The images first..first + count of the training set.
    pub fn training_batch(
        &self,
        run: &Run,
        first: usize,
        count: usize,
    ) -> Result<Samples, Missing> {
        let record = record(run).map_err(Missing::Absent)?;
        let (name, sums) = (&record.data.name, &record.data.sha256);
        if let Some(set) = self.lent(sums, |lent| &lent.train) {
            return batch(set, first, count, "training");
        }
        let mut kept = lock(&self.piece);
        if let Some(piece) = kept.as_ref().filter(|piece| piece.sums == *sums) {
            check(first, count, piece.all, name, "training")?;
        }
        let begin = first / MOST_BATCH * MOST_BATCH;
        if !kept.as_ref().is_some_and(|piece| piece.sums == *sums && piece.first == begin) {
            *kept = None;
            let read = self.read(run, &record, "training").and_then(|pair| samples(pair.train));
            let samples = read.map_err(Missing::Absent)?;
            let all = samples.len();
            let samples = samples.range(begin.min(all)..all.min(begin.saturating_add(PIECE)));
            *kept = Some(Piece { sums: sums.clone(), first: begin, all, samples });
        }
        let piece = kept.as_ref().expect("it was just read");
        check(first, count, piece.all, name, "training")?;
        Ok(piece.samples.range(first - begin..first - begin + count))
    }

    /// The data of a run, of which the training or the test images are wanted.
    fn read(&self, run: &Run, record: &RunRecord, which: &str) -> Result<DataPair, Why> {
        let name = &record.data.name;
        let pair = load(record.data.place(), &self.options).map_err(|error| match error {
            // A list of all places is more than a page wants.
            DataError::NotAtHand(_) | DataError::UnknownName { .. } => format!(
                "The {which} images of {name} are not at hand. Say where they lie with --data-dir."
            ),
            error => format!("The {which} images of {name} cannot be read: {error}"),
        })?;
        match record.check_data(&run.folder, &pair) {
            Ok(()) => Ok(pair),
            Err(_) => Err(format!(
                "{} now holds other images than those of this run. Say where they lie with --data-dir.",
                pair.source
            )),
        }
    }
}

fn record(run: &Run) -> Result<RunRecord, Why> {
    run.facts().1.ok_or("The run's folder does not say which data it is of.".to_string())
}

fn samples(set: Arc<Dataset>) -> Result<Samples, Why> {
    Samples::new(set).map_err(|error| error.to_string())
}

fn batch(set: Arc<Dataset>, first: usize, count: usize, which: &str) -> Result<Samples, Missing> {
    check(first, count, set.len(), &set.name, which)?;
    Ok(samples(set).map_err(Missing::Absent)?.range(first..first + count))
}

/// An error unless there are such images.
fn check(first: usize, count: usize, all: usize, name: &str, which: &str) -> Result<(), Missing> {
    if count > 0 && count <= MOST_BATCH && first.checked_add(count).is_some_and(|end| end <= all) {
        return Ok(());
    }
    Err(Missing::Beyond(format!(
        "{name} has {all} {which} images, counted from 0, and a batch 1 to {MOST_BATCH} of them."
    )))
}
