//! Training from Python: a listener that hears events, and an interpreter that wants to look after its signals.

use crate::arrays::{AnswerArray, InputArray};
use crate::device::Device;
use crate::errors::{apart, to_python};
use crate::network::Network;
use glassbox::{Event, PlanName, Sink, Trainer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a signal waits at most, if no step takes longer.
const SIGNALS: Duration = Duration::from_millis(20);

/// Trains. `listener` gets each event as JSON, steps no more often than every `interval` seconds, and returns whether
/// to stop. Returns why the training ended, the plan, and why it was taken.
#[pyfunction]
pub fn fit(
    py: Python,
    network: &Bound<Network>,
    device: &Device,
    plan: &str,
    x: InputArray,
    y: AnswerArray,
    settings_json: &str,
    listener: Py<PyAny>,
    interval: f64,
) -> PyResult<(String, String, Option<String>)> {
    let network = network.get();
    let settings = settings(settings_json)?;
    let plan: PlanName = serde_json::from_value(plan.into()).map_err(|_| {
        let hint = "auto, layered or fused";
        PyValueError::new_err(format!("there is no plan {plan:?} (hint: {hint})"))
    })?;
    let (x, y) = (x.give()?, y.give()?);
    let stop = AtomicBool::new(false);
    let mut listener = Listener {
        network,
        call: listener,
        interval: Duration::try_from_secs_f64(interval).unwrap_or_default(),
        heard: None,
        looked: Instant::now(),
        stop: &stop,
        raised: None,
    };
    let result = apart(py, || {
        let _training = Training::begin(network)?;
        let device = device.get()?;
        let samples = x.samples(x.inputs_of_a_run()?, &y, network.output_width())?;
        let (plan, why) = plan.choose_for(&samples, &settings, &device)?;
        let name = plan.name();
        let mut trainer = Trainer::of(network.snapshot()?, settings, device, plan, samples, None)?;
        let ending = trainer.run(&mut listener, &stop)?;
        network.lock().set(trainer.network().clone());
        Ok((ending, name, why))
    });
    // What was raised while training ran is why it ended.
    if let Some(raised) = listener.raised {
        return Err(raised);
    }
    let (ending, plan, why) = result?;
    let ending = serde_json::to_value(ending).expect("an ending is a word");
    Ok((ending.as_str().unwrap_or_default().to_string(), plan.to_string(), why))
}

/// A training that has the network for itself.
struct Training<'a>(&'a Network);

impl Training<'_> {
    fn begin(network: &Network) -> glassbox::Result<Training<'_>> {
        network.to_change()?.trained_by = Some(std::process::id());
        Ok(Training(network))
    }
}

impl Drop for Training<'_> {
    fn drop(&mut self) {
        self.0.lock().trained_by = None;
    }
}

struct Listener<'a> {
    network: &'a Network,
    call: Py<PyAny>,
    interval: Duration,
    /// When it last heard of a step.
    heard: Option<Instant>,
    /// When signals were last looked after.
    looked: Instant,
    stop: &'a AtomicBool,
    raised: Option<PyErr>,
}

impl Listener<'_> {
    /// Ends the training, for a reason if there is one.
    fn end(&mut self, reason: Option<PyErr>) {
        self.stop.store(true, Ordering::Relaxed);
        if self.raised.is_none() {
            self.raised = reason;
        }
    }
}

impl Sink for Listener<'_> {
    fn event(&mut self, event: &Event) -> glassbox::Result<()> {
        if let Event::Step { .. } = event {
            if self.heard.is_some_and(|heard| heard.elapsed() < self.interval) {
                return Ok(());
            }
            self.heard = Some(Instant::now());
        }
        // Whoever raised something is not called again.
        if self.raised.is_some() {
            return Ok(());
        }
        let json = serde_json::to_string(event).expect("an event is plain values");
        let said = Python::attach(|py| self.call.call1(py, (json,))?.extract::<bool>(py));
        match said {
            Ok(false) => {}
            Ok(true) => self.end(None),
            Err(error) => self.end(Some(error)),
        }
        Ok(())
    }

    fn idle(&mut self) {
        if self.looked.elapsed() < SIGNALS {
            return;
        }
        self.looked = Instant::now();
        if let Err(error) = Python::attach(|py| py.check_signals()) {
            self.end(Some(error));
        }
    }

    /// Whoever asks the network something meanwhile is answered by what it was at the end of the last epoch.
    fn watch(&mut self, network: &glassbox::Network) {
        self.network.lock().set(network.clone());
    }
}

/// The exception for settings that cannot be.
fn settings(json: &str) -> PyResult<glassbox::Settings> {
    let settings: glassbox::Settings = serde_json::from_str(json).map_err(|error| {
        // Where in the JSON it stands means nothing to its user, who gave no JSON.
        let text = error.to_string();
        PyValueError::new_err(text.split(" at line ").next().unwrap_or_default().to_string())
    })?;
    settings.check().map_err(to_python)?;
    Ok(settings)
}
