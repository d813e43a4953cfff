//! `api/events`: all runs' news, as server-sent events.
//!
//! A `batch` has the id of its last entry; whoever comes back with `Last-Event-ID`, or with `?after=ID`, goes on there. A
//! viewer that does not keep up is not remembered anything for: its next batch is made from what is kept when it comes.
//! A `reset` says that ids of before mean nothing here, and that all there is follows. `end` says that the process ends.

use super::Asked;
use super::runs::Short;
use crate::feed::lock;
use crate::news::{Batch, Id};
use crate::shared::Shared;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// A viewer that hears nothing else hears that we are there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A viewer that lost us comes back after so long.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

/// A viewer.
struct Viewer {
    shared: Arc<Shared>,
    bell: watch::Receiver<u64>,
    host: watch::Receiver<String>,
    is_silent: watch::Receiver<bool>,
    /// It has all up to here.
    after: u64,
    /// What it is told first.
    first: Vec<Event>,
    has_ended: bool,
}

/// `GET api/events`
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    Asked(query): Asked<After>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let viewer = Viewer::new(shared, last.or(query.after.as_deref()));
    let stream = unfold(viewer, |mut viewer| async move {
        let event = viewer.next().await?;
        Some((Ok(event), viewer))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

impl Viewer {
    fn new(shared: Arc<Shared>, last: Option<&str>) -> Viewer {
        let mut first = vec![Event::default().retry(RETRY).comment("glassbox")];
        let news = lock(&shared.news);
        let id = last.map(|last| last.parse::<Id>().ok().and_then(|id| news.resume(id)));
        drop(news);
        if id == Some(None) {
            first.push(Event::default().event("reset").data("{}"));
        }
        shared.viewers.fetch_add(1, Ordering::Relaxed);
        let (bell, mut host) = (shared.bell.subscribe(), shared.host.subscribe());
        if !host.borrow().is_empty() {
            host.mark_changed();
        }
        let (is_silent, after) = (shared.is_silent.subscribe(), id.flatten().unwrap_or(0));
        Viewer { shared, bell, host, is_silent, after, first, has_ended: false }
    }

    /// What it is told next, as soon as there is something.
    async fn next(&mut self) -> Option<Event> {
        if !self.first.is_empty() {
            return Some(self.first.remove(0));
        }
        if self.has_ended {
            return None;
        }
        loop {
            let is_silent = *self.is_silent.borrow_and_update();
            self.bell.mark_unchanged();
            let batch = lock(&self.shared.news).batch(self.after);
            if let Some(batch) = batch {
                self.after = batch.id.number;
                return Some(self.tell(batch));
            }
            if is_silent {
                self.has_ended = true;
                return Some(Event::default().event("end").data("{}"));
            }
            tokio::select! {
                changed = self.bell.changed() => changed.ok()?,
                changed = self.host.changed() => {
                    changed.ok()?;
                    let reading = self.host.borrow_and_update().clone();
                    return Some(Event::default().event("host").data(reading));
                }
                _ = self.is_silent.changed() => {}
            }
        }
    }

    /// `from` and `id` say which entries these are; with them come the runs that they are about, in short, as they are now.
    fn tell(&self, Batch { from, id, entries, runs }: Batch) -> Event {
        let (from, all) = (Id { number: from, ..id }, self.shared.runs.all());
        let runs = runs.iter().filter_map(|index| all.get(*index)).map(|run| Short::of(run));
        let runs = serde_json::to_string(&runs.collect::<Vec<_>>()).expect("they are plain values");
        // Entries are JSON already, and many: they are not read again.
        let text = format!(r#"{{"from":"{from}","id":"{id}","events":{entries},"runs":{runs}}}"#);
        Event::default().event("batch").id(id.to_string()).data(text)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.shared.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}
