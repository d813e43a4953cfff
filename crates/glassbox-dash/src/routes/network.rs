//! `api/runs/ID/network…`: what a run's network is made of, a unit, an image on its way, a drawing, the open step.

use super::{Asked, Refusal, broken, no_run, refuse};
use crate::anatomy::{Anatomy, Unit};
use crate::feed::lock;
use crate::look::{Choice, Looked, MOST_SIDE};
use crate::models::{Model, Told, Why};
use crate::run::Run;
use crate::shared::Shared;
use crate::step::{Ask, Opened};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// So long a drawing may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// A wish that cannot be is refused; that there is nothing yet is an answer, not a failure.
type Answer<T> = Result<Json<Told<T>>, Refusal>;

#[derive(Deserialize)]
pub(super) struct Place {
    layer: usize,
    unit: usize,
}

/// Whose template is shown; without a word, that of the most probable class.
#[derive(Deserialize)]
pub(super) struct Output {
    output: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct Sides {
    width: usize,
    height: usize,
}

/// `GET api/runs/ID/network`
pub(super) async fn anatomy(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Answer<Anatomy> {
    with_model(shared, &id, |shared, run, model| {
        let images = shared.images.test(run);
        let images = images.as_ref().map(Arc::as_ref);
        Ok(Told::Known(Anatomy::of(&lock(&model.network), images)))
    })
    .await
}

/// `GET api/runs/ID/network/unit?layer=1&unit=17`
pub(super) async fn unit(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Asked(place): Asked<Place>,
) -> Answer<Unit> {
    with_model(shared, &id, move |_, _, model| {
        Unit::of(model.version, &lock(&model.network), place.layer, place.unit).map(Told::Known)
    })
    .await
}

/// `GET api/runs/ID/network/image?row=5&go=next&class=7&wrong=1&output=3`
pub(super) async fn image(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Asked(choice): Asked<Choice>,
    Asked(output): Asked<Output>,
) -> Answer<Looked> {
    with_model(shared, &id, move |shared, run, model| {
        let set = match shared.images.test(run) {
            Ok(set) => set,
            Err(why) => return Ok(Told::Not { why }),
        };
        let seen = || model.seen(run, &shared.images);
        let mistakes = match choice.wrong {
            0 => None,
            _ => Some(shared.pictures.charge(shared.is_training(), seen)?.0),
        };
        let found = choice.find(&set, mistakes.as_ref().map(|seen| &seen.mistakes[..]))?;
        Looked::at_row(model, &mut lock(&model.network), &set, found, output.output)
            .map(Told::Known)
    })
    .await
}

/// `POST api/runs/ID/network/drawing?width=140&height=140`, with a byte a pixel, 0 where there is no ink.
pub(super) async fn drawing(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Asked(sides): Asked<Sides>,
    Asked(output): Asked<Output>,
    request: Request,
) -> Answer<Looked> {
    let sizes = 1..=MOST_SIDE;
    if !sizes.contains(&sides.width) || !sizes.contains(&sides.height) {
        let why = format!("The sides of a drawing have 1 to {MOST_SIDE} pixels.");
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let ink = timeout(PATIENCE, Bytes::from_request(request, &())).await;
    let ink =
        ink.map_err(|_| refuse(StatusCode::REQUEST_TIMEOUT, "The drawing did not arrive."))?;
    let ink = ink.map_err(|error| refuse(error.status(), error.body_text()))?;
    let count = sides.width * sides.height;
    if ink.len() != count {
        let why = format!(
            "A drawing of {} by {} is {count} bytes, not {}.",
            sides.width,
            sides.height,
            ink.len()
        );
        return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    with_model(shared, &id, move |_, _, model| {
        Looked::at_drawing(model, &mut lock(&model.network), &ink, sides.width, output.output)
            .map(Told::Known)
    })
    .await
}

/// `GET api/runs/ID/network/step?what=dL/dW2[17,3]&first=0&batch=64`
pub(super) async fn step(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Asked(ask): Asked<Ask>,
) -> Answer<Opened> {
    with_model(shared, &id, move |shared, run, model| {
        // A copy, so that whoever draws meanwhile does not wait for it.
        let network = lock(&model.network).clone();
        ask.open(&network, run, &shared.images)
    })
    .await
}

/// Does something with the newest network of a run, where it keeps no viewer waiting.
async fn with_model<T: Send + 'static>(
    shared: Arc<Shared>,
    id: &str,
    with: impl FnOnce(&Shared, &Run, &Model) -> Result<Told<T>, Why> + Send + 'static,
) -> Answer<T> {
    let run = shared.runs.find(id).ok_or_else(no_run)?;
    let turns = Arc::clone(&shared);
    let found = turns.turns.computing.take(move || {
        shared.look_at(&run);
        let model = match shared.models.of(&run) {
            Ok(model) => model,
            Err(why) => return Ok(Told::Not { why }),
        };
        with(&shared, &run, &model)
    });
    let found = found.await.map_err(broken)?;
    found.map(Json).map_err(|why| refuse(StatusCode::UNPROCESSABLE_ENTITY, why))
}
