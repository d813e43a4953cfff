//! `api/runs`, all runs in short, and `api/runs/ID`, one in full.

use super::{Refusal, broken, no_run};
use crate::facts::Facts;
use crate::feed::lock;
use crate::run::Run;
use crate::shared::Shared;
use axum::Json;
use axum::extract::{Path, State};
use glassbox::{Event, RunRecord};
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;

/// All runs, and the place in the stream from which on nothing of them is missing.
#[derive(Serialize)]
pub(super) struct List {
    id: String,
    /// How many more runs there are, which are not among these.
    left_out: usize,
    runs: Vec<Short>,
}

/// A run in short.
#[derive(Serialize)]
pub(crate) struct Short {
    id: String,
    name: String,
    /// Whether this process trains it.
    live: bool,
    /// When something was last written, in seconds since 1970.
    modified: Option<u64>,
    data: Option<String>,
    device: Option<String>,
    seed: Option<u64>,
    lr: Option<f32>,
    facts: Facts,
}

/// A run in full.
#[derive(Serialize)]
pub(super) struct Full {
    /// The place in the stream from which on nothing of it is missing.
    stream: String,
    #[serde(flatten)]
    short: Short,
    folder: String,
    record: Option<RunRecord>,
    /// Warnings and changes.
    notable: Vec<Event>,
    has_validation: bool,
}

/// `GET api/runs`
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<List>, Refusal> {
    let with = Arc::clone(&shared);
    let list = with.turns.looking.take(move || {
        // First the place: what comes while the rest is read comes again in the stream.
        let id = lock(&shared.news).last().to_string();
        shared.look();
        let runs = shared.runs.all().iter().map(|run| Short::of(run)).collect();
        List { id, left_out: shared.runs.left_out(), runs }
    });
    list.await.map(Json).map_err(broken)
}

/// `GET api/runs/ID`
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Full>, Refusal> {
    let run = shared.runs.find(&id).ok_or_else(no_run)?;
    let stream = lock(&shared.news).last().to_string();
    let with = Arc::clone(&shared);
    let full = with.turns.reading.take(move || Full::of(&shared, &run, stream));
    full.await.map(Json).map_err(broken)
}

impl Short {
    pub fn of(run: &Run) -> Short {
        let (facts, record) = run.facts();
        let since = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).ok();
        Short {
            id: run.id.clone(),
            name: run.name.clone(),
            live: run.live.is_some(),
            modified: run.modified().and_then(since).map(|since| since.as_secs()),
            data: record.as_ref().map(|record| record.data.name.clone()),
            device: record.as_ref().map(|record| record.device.clone()),
            seed: record.as_ref().map(|record| record.settings.seed),
            lr: record.as_ref().map(|record| record.settings.lr),
            facts,
        }
    }
}

impl Full {
    fn of(shared: &Shared, run: &Run, stream: String) -> Full {
        shared.look_at(run);
        let notable = run.with_story(|story, _| story.notable.clone());
        let (short, (_, record)) = (Short::of(run), run.facts());
        Full {
            stream,
            short,
            folder: run.folder.display().to_string(),
            has_validation: record.as_ref().is_some_and(|record| record.settings.validation > 0.0),
            record,
            notable,
        }
    }
}
