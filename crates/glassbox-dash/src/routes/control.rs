//! `api/runs/ID/control`: pause, resume, one step, stop, another learning rate.

use super::{Refusal, no_run, refuse};
use crate::shared::Shared;
use axum::Json;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::StatusCode;
use glassbox::ControlState;
use glassbox::control::Phase;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What somebody wishes for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    r#do: Verb,
    /// Of `rate`: what the schedule's rates are multiplied by.
    factor: Option<f32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Pause,
    Resume,
    Step,
    Stop,
    Rate,
}

/// So long a wish may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

const OTHERS: &str = "Another process trains this run, or nobody does: only the dashboard of its own training \
    (glassbox train --dashboard) can change how it goes on.";

const MANY_STEPS: &str = "A hundred single steps wait to be made already: let it go on instead.";

/// `POST api/runs/ID/control`
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ControlState>, Refusal> {
    let run = shared.runs.find(&id).ok_or_else(no_run)?;
    let wish = timeout(PATIENCE, Json::<Wish>::from_request(request, &())).await;
    let wish = wish.map_err(|_| refuse(StatusCode::REQUEST_TIMEOUT, "The wish did not arrive."))?;
    let Json(wish) = wish.map_err(|error| refuse(error.status(), error.body_text()))?;
    let live = run.live.as_ref().ok_or_else(|| refuse(StatusCode::CONFLICT, OTHERS))?;
    let control = &live.control;
    if control.state().phase == Phase::Over {
        return Err(refuse(StatusCode::CONFLICT, "The training is over."));
    }
    match (wish.r#do, wish.factor) {
        (Verb::Pause, None) => control.pause(),
        (Verb::Resume, None) => control.resume(),
        (Verb::Step, None) => {
            if !control.step() {
                return Err(refuse(StatusCode::TOO_MANY_REQUESTS, MANY_STEPS));
            }
        }
        (Verb::Stop, None) => control.stop(),
        (Verb::Rate, Some(factor)) => control
            .set_rate_factor(factor)
            .map_err(|error| refuse(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?,
        _ => {
            return Err(refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "`rate`, and it alone, has a `factor`.",
            ));
        }
    }
    Ok(Json(control.state()))
}
