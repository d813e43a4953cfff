//! The page: a document, a style and a few modules, which are part of the program.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

/// A file of the page.
struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        Asset { name: $name, kind: $kind, text: include_str!(concat!("../page/", $name)) }
    };
}

/// The document itself.
static INDEX: Asset = asset!("index.html", HTML);

/// What it loads. There is nothing else to be had: names are compared, never made paths.
static ASSETS: &[Asset] = &[
    asset!("style.css", CSS),
    asset!("network.css", CSS),
    asset!("icon.svg", SVG),
    asset!("chooser.js", JS),
    asset!("comparison.js", JS),
    asset!("dom.js", JS),
    asset!("flow.js", JS),
    asset!("format.js", JS),
    asset!("gallery.js", JS),
    asset!("head.js", JS),
    asset!("main.js", JS),
    asset!("latest.js", JS),
    asset!("network.js", JS),
    asset!("pad.js", JS),
    asset!("paint.js", JS),
    asset!("panels.js", JS),
    asset!("pictures.js", JS),
    asset!("place.js", JS),
    asset!("runs.js", JS),
    asset!("settings.js", JS),
    asset!("step.js", JS),
    asset!("store.js", JS),
    asset!("stream.js", JS),
    asset!("template.js", JS),
    asset!("theme.js", JS),
    asset!("tiles.js", JS),
    asset!("unit.js", JS),
    asset!("warnings.js", JS),
];

/// A number that stands for this build of the page.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let texts = ASSETS.iter().chain([&INDEX]).flat_map(|asset| asset.text.bytes());
    let hash = texts.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
});

pub(super) async fn index(headers: HeaderMap) -> Response {
    answer(&INDEX, &headers)
}

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => answer(asset, &headers),
        None => super::nowhere().await.into_response(),
    }
}

/// The file, unless the browser has it already.
fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let tag = [(header::ETAG, TAG.as_str()), (header::CACHE_CONTROL, "private, no-cache")];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|given| given == TAG.as_str()) {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, [(header::CONTENT_TYPE, asset.kind)], asset.text).into_response()
}
