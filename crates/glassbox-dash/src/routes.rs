//! Everything that can be asked for, by address. Addresses are relative in the page, so a proxy may put a prefix before.

mod control;
mod events;
mod network;
mod page;
mod pictures;
mod runs;

use crate::guard::{Rules, guard};
use crate::shared::Shared;
use crate::turns::Broken;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;

/// The most bytes that somebody may send us.
const MOST_BODY_BYTES: usize = 64 << 10;

/// The server's routes, behind the guard.
pub(crate) fn router(shared: Arc<Shared>, rules: Arc<Rules>) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/page/{name}", get(page::asset))
        .route("/api/events", get(events::stream))
        .route("/api/runs", get(runs::list))
        .route("/api/runs/{id}", get(runs::one))
        .route("/api/runs/{id}/control", post(control::change))
        .route("/api/runs/{id}/network", get(network::anatomy))
        .route("/api/runs/{id}/network/unit", get(network::unit))
        .route("/api/runs/{id}/network/image", get(network::image))
        .route("/api/runs/{id}/network/drawing", post(network::drawing))
        .route("/api/runs/{id}/network/step", get(network::step))
        .route("/api/pictures/{subject}", get(pictures::picture))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(from_fn_with_state(rules, guard))
        .with_state(shared)
}

/// An answer that says why there is none.
type Refusal = (StatusCode, Json<serde_json::Value>);

fn refuse(status: StatusCode, why: impl Into<String>) -> Refusal {
    (status, Json(json!({ "why": why.into() })))
}

/// What stands behind the question mark of an address; if it cannot be read, the answer says why.
struct Asked<T>(T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Refusal> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(error) => Err(refuse(error.status(), error.body_text())),
        }
    }
}

async fn nowhere() -> Refusal {
    refuse(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

/// What to say where the work for an answer broke off.
fn broken(_: Broken) -> Refusal {
    let why =
        "The answer could not be worked out: this is a fault of the dashboard, which goes on.";
    refuse(StatusCode::INTERNAL_SERVER_ERROR, why)
}

fn no_run() -> Refusal {
    refuse(StatusCode::NOT_FOUND, "There is no such run.")
}
