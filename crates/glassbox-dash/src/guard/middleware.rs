//! The guard before all routes, and what every answer says.

use super::{Rules, Verdict};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// No script, style or picture but ours, and nowhere else to send anything. Pictures hold images as `data:`, and are shown
/// as `blob:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ALWAYS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A page that opens itself again. Then it is our own page that asks, and the browser sends the cookie.
const AGAIN: &str = "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=\"0;url=./\">\
    <title>Glassbox</title><p>One moment…";

/// Lets in who may come in.
pub(crate) async fn guard(
    State(rules): State<Arc<Rules>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match rules.verdict(request.method(), request.uri(), request.headers()) {
        Verdict::Pass => next.run(request).await,
        Verdict::Welcome => welcome(&rules),
        Verdict::Again => {
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], AGAIN).into_response()
        }
        Verdict::Refuse(status, why) => (status, format!("{why}\n")).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is shown is shown to whoever has the key, and to nobody who comes later.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The cookie, and the way to the same page without the key in its address. Both are relative to the address that the
/// browser sees, which a proxy may have put a prefix before.
fn welcome(rules: &Rules) -> Response {
    let cookie = format!("{}={}; HttpOnly; SameSite=Strict", rules.cookie, rules.token.digits());
    let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, "./".to_string())];
    (StatusCode::SEE_OTHER, headers).into_response()
}
