//! `api/pictures/SUBJECT?runs=ID,ID&width=…`: a picture as SVG, or the reason why there is none.

use super::{Asked, Refusal, broken, no_run, refuse};
use crate::pictures::{Ask, Options, Shown};
use crate::shared::Shared;
use crate::turns::Broken;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use glassbox_plot::Picture;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use tokio::task::spawn_blocking;

#[derive(Deserialize)]
pub(super) struct Runs {
    runs: String,
}

/// The most runs on one picture.
const MOST_RUNS: usize = 50;

/// For how many milliseconds nothing newer is drawn: whether or not there is already something newer to be drawn.
const STALE: HeaderName = HeaderName::from_static("glassbox-stale");
const FRESH: HeaderName = HeaderName::from_static("glassbox-fresh");

/// `GET api/pictures/SUBJECT`
pub(super) async fn picture(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Asked(runs): Asked<Runs>,
    Asked(options): Asked<Options>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let subject: Picture = name
        .parse()
        .map_err(|error: glassbox::Error| refuse(StatusCode::BAD_REQUEST, error.to_string()))?;
    let mut ids: Vec<String> = Vec::new();
    for id in runs.runs.split(',').filter(|id| shared.runs.find(id).is_some()) {
        if !ids.iter().any(|other| other == id) {
            ids.push(id.to_string());
        }
    }
    if ids.is_empty() {
        return Err(no_run());
    }
    if ids.len() > MOST_RUNS {
        let why = format!("A picture shows {MOST_RUNS} runs at most.");
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let ask = Ask::new(subject, ids, &options);
    let shown = show(&shared, ask).await.map_err(broken)?;
    let mut common = HeaderMap::new();
    common.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if shown.is_stale || !shown.wait.is_zero() {
        let name = if shown.is_stale { STALE } else { FRESH };
        common.insert(name, HeaderValue::from(shown.wait.as_millis() as u64 + 1));
    }
    let tag = shown.drawn.tag();
    let is_had = headers.get(header::IF_NONE_MATCH).is_some_and(|given| given == tag.as_str());
    let tag = [(header::ETAG, tag)];
    if is_had {
        return Ok((StatusCode::NOT_MODIFIED, common, tag).into_response());
    }
    // That there is none is an answer too, not a failure.
    let (kind, text) = match &shown.drawn.picture {
        Ok(svg) => ("image/svg+xml", svg.clone()),
        Err(why) => ("application/json", json!({ "why": why }).to_string()),
    };
    Ok((common, tag, [(header::CONTENT_TYPE, kind)], text).into_response())
}

/// What is at hand, or what is drawn when it is its turn.
async fn show(shared: &Arc<Shared>, ask: Ask) -> Result<Shown, Broken> {
    if let Some(shown) = at_hand(shared, &ask).await {
        return Ok(shown);
    }
    let place = shared.turns.drawing.place().await?;
    // While it waited for its turn, another may have drawn the same. Of a network, that is found out where it is drawn.
    if !ask.subject.is_of_network()
        && let Some(shown) = shared.pictures.at_hand(shared, &ask)
    {
        return Ok(shown);
    }
    let with = Arc::clone(shared);
    place.take(move || with.pictures.show(&with, &ask)).await
}

/// What need not be drawn. Whether a network has changed is asked of the file system, which may take its time; all else is
/// told at once: to wake another thread would take longer.
async fn at_hand(shared: &Arc<Shared>, ask: &Ask) -> Option<Shown> {
    if !ask.subject.is_of_network() {
        return shared.pictures.at_hand(shared, ask);
    }
    let (with, ask) = (Arc::clone(shared), ask.clone());
    spawn_blocking(move || with.pictures.at_hand(&with, &ask)).await.ok().flatten()
}
