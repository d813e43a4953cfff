//! Pictures: of trainings that Python remembers, of runs in their folders, of recorded benchmarks; as SVG and as PNG.

use crate::errors::to_python;
use crate::work::{run_detached, run_interruptibly};
use glassbox::data::LoadOptions;
use glassbox::file::durable;
use glassbox::{Error, Event};
use glassbox_plot::{CurveOptions, Details, Group, History, Look, Picture, Rooflines, Runs, Theme};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::path::PathBuf;

/// A training: its name, its events as JSON, and the folder that has them if it is a run's.
type Training = (Option<String>, Vec<String>, Option<PathBuf>);

/// A width in pixels, and whether the picture is dark.
type AsSeen = (u32, bool);

fn look((width, is_dark): AsSeen) -> Look {
    Look::new(f64::from(width), if is_dark { Theme::Dark } else { Theme::Light })
}

/// The names of the pictures of runs.
#[pyfunction]
pub fn pictures() -> Vec<&'static str> {
    Picture::ALL.map(Picture::name).to_vec()
}

/// The curves of trainings, as SVG.
#[pyfunction]
pub fn curves(
    py: Python,
    trainings: Vec<Training>,
    smooth: f64,
    log: bool,
    as_seen: AsSeen,
) -> PyResult<String> {
    run_interruptibly(py, true, move |_| {
        let histories = trainings.into_iter().map(history).collect::<glassbox::Result<Vec<_>>>()?;
        let groups = histories.iter().map(|history| Group {
            name: history.name.clone(),
            runs: vec![history],
            test: None,
        });
        let groups: Vec<Group> = groups.collect();
        Ok(glassbox_plot::curves(&groups, &CurveOptions { smooth, log }, &look(as_seen)))
    })
}

/// What is known of a training.
fn history((name, events, folder): Training) -> glassbox::Result<History> {
    if let Some(folder) = folder {
        let name = name.unwrap_or_else(|| glassbox::run::name(&folder));
        return Ok(History::read(&folder, &name)?.0);
    }
    let mut history = History::new(name.as_deref().unwrap_or_default());
    for event in events {
        let event: Event = serde_json::from_str(&event).map_err(|error| Error::Setting {
            setting: "a history",
            value: event,
            // Where in the JSON it stands means nothing to its user, who gave no JSON.
            reason: error.to_string().split(" at line ").next().unwrap_or_default().to_string(),
            hint: "give it as fit returned it".to_string(),
        })?;
        history.push(&event);
    }
    if let (None, Some(start)) = (name, &history.start) {
        history.name = start.network.clone();
    }
    Ok(history)
}

/// A picture of runs in their folders, as SVG.
#[pyfunction]
pub fn picture(
    py: Python,
    folders: Vec<PathBuf>,
    name: &str,
    as_seen: AsSeen,
    smooth: f64,
    log: bool,
    row: usize,
    data_dir: Option<PathBuf>,
) -> PyResult<String> {
    let picture: Picture = name.parse().map_err(to_python)?;
    run_interruptibly(py, true, move |_| {
        let options = LoadOptions { data_dir, allow_download: false, ..LoadOptions::from_env() };
        let details = Details { look: look(as_seen), curves: CurveOptions { smooth, log }, row };
        let drawn = Runs::read(&folders, options).and_then(|mut runs| runs.draw(picture, &details));
        drawn.map_err(in_python)
    })
}

/// Where data lie is an argument here.
fn in_python(error: Error) -> Error {
    match error {
        Error::Run { path, reason, hint } => {
            Error::Run { path, reason, hint: hint.replace("--data-dir", "data_dir") }
        }
        error => error,
    }
}

/// Recorded products of matrices beside what the machine allows, as SVG.
#[pyfunction]
pub fn roofline(py: Python, file: PathBuf, as_seen: AsSeen) -> PyResult<String> {
    run_interruptibly(py, true, move |_| {
        Ok(glassbox_plot::roofline(&Rooflines::read(&file)?, &look(as_seen)))
    })
}

/// The bytes of a picture as a PNG file.
#[pyfunction]
pub fn png(py: Python, svg: &str, scale: f64) -> PyResult<Vec<u8>> {
    let made = run_detached(py, || Ok(glassbox_plot::png(svg, scale)))?;
    made.map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Writes bytes to a file, which has its name when it is whole.
#[pyfunction]
pub fn write(py: Python, path: PathBuf, bytes: &[u8]) -> PyResult<()> {
    run_detached(py, || Ok(durable::write(&path, bytes)?))
}
