//! Training from Python: on a thread of its own, while the one that called hears events and looks after signals.

use crate::arrays::{AnswerArray, InputArray};
use crate::device::Device;
use crate::errors::{apart, result_of, to_python};
use crate::network::Network;
use crate::work::{Word, Words, Work};
use glassbox::{Ending, Event, PlanName, Result, Sink, Trainer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// How long a training that a signal ends may take to finish the steps at hand. One that takes longer is left to itself.
const GRACE: Duration = Duration::from_millis(60);

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
    let plan = plan_name(plan)?;
    let (x, y, outputs) = (x.give()?, y.give()?, network.output_width());
    let (_training, own, device) =
        apart(py, || Ok((Training::begin(network)?, network.snapshot()?, device.get()?)))?;
    let stop = Arc::new(AtomicBool::new(false));
    let interval = Duration::try_from_secs_f64(interval).unwrap_or_default();
    let should_stop = Arc::clone(&stop);
    let work = Work::begin(move |words: &Words<Meanwhile, Trained>| {
        let samples = x.samples(x.inputs_of_a_run()?, &y, outputs)?;
        let (plan, why) = plan.choose_for(&samples, &settings, &device)?;
        let name = plan.name();
        let mut trainer = Trainer::of(own, settings, device, plan, samples, None)?;
        let ending = trainer.run(&mut Reporter { words, interval, heard: None }, &should_stop)?;
        Ok(Trained { network: trainer.network().clone(), ending, plan: name, why })
    })?;
    let trained = Listener { network, call: listener, stop, raised: None }.hear(py, work)?;
    let ending = serde_json::to_value(trained.ending).expect("an ending is a word");
    let ending = ending.as_str().unwrap_or_default().to_string();
    Ok((ending, trained.plan.to_string(), trained.why))
}

/// What a training came to.
struct Trained {
    network: glassbox::Network,
    ending: Ending,
    plan: &'static str,
    why: Option<String>,
}

/// What a training says while it runs.
enum Meanwhile {
    /// The network as it is.
    Network(glassbox::Network),
    /// An event as JSON. The training goes on when it hears so.
    Event(String, Sender<()>),
}

/// A training that has the network for itself.
struct Training<'a>(&'a Network);

impl Training<'_> {
    fn begin(network: &Network) -> Result<Training<'_>> {
        network.to_change()?.trained_by = Some(std::process::id());
        Ok(Training(network))
    }
}

impl Drop for Training<'_> {
    fn drop(&mut self) {
        self.0.lock().trained_by = None;
    }
}

/// The training's side: a sink that says what it hears to the thread that called.
struct Reporter<'a> {
    words: &'a Words<Meanwhile, Trained>,
    interval: Duration,
    /// When a step was last reported.
    heard: Option<Instant>,
}

impl Sink for Reporter<'_> {
    fn event(&mut self, event: &Event) -> Result<()> {
        if let Event::Step { .. } = event {
            if self.heard.is_some_and(|heard| heard.elapsed() < self.interval) {
                return Ok(());
            }
            self.heard = Some(Instant::now());
        }
        let json = serde_json::to_string(event).expect("an event is plain values");
        let (go_on, heard) = channel();
        self.words.say(Meanwhile::Event(json, go_on))?;
        // If nobody answers, nobody listens.
        heard.recv().or_else(|_| self.words.check())
    }

    /// Whoever asks the network something meanwhile is answered by what it was at the end of the last epoch.
    fn watch(&mut self, network: &glassbox::Network) {
        // If nobody listens, the next event says so.
        _ = self.words.say(Meanwhile::Network(network.clone()));
    }
}

/// The side of the thread that called.
struct Listener<'a> {
    network: &'a Network,
    call: Py<PyAny>,
    stop: Arc<AtomicBool>,
    raised: Option<PyErr>,
}

impl Listener<'_> {
    /// Hears a training to its end. What is raised meanwhile ends it, and is why it ended.
    fn hear(mut self, py: Python, mut work: Work<Meanwhile, Trained>) -> PyResult<Trained> {
        let ended = loop {
            match work.next(py) {
                Ok(Word::Meanwhile(word)) => self.see_to(py, word)?,
                Ok(Word::Done(result)) => break Some(result),
                Err(signal) => {
                    self.end(Some(signal));
                    break self.last_words(py, &mut work)?;
                }
            }
        };
        if let Some(Ok(Ok(trained))) = &ended {
            self.network.take(py, trained.network.clone())?;
        }
        match (self.raised, ended) {
            (Some(raised), _) => Err(raised),
            (None, Some(result)) => result_of(result),
            (None, None) => {
                unreachable!("a training is left to itself because something was raised")
            }
        }
    }

    /// The end of a training that a signal ends, if it comes soon.
    fn last_words(
        &mut self,
        py: Python,
        work: &mut Work<Meanwhile, Trained>,
    ) -> PyResult<Option<std::thread::Result<Result<Trained>>>> {
        let until = Instant::now() + GRACE;
        loop {
            match work.next_within(py, until.saturating_duration_since(Instant::now())) {
                Some(Word::Meanwhile(word)) => self.see_to(py, word)?,
                Some(Word::Done(result)) => return Ok(Some(result)),
                None => return Ok(None),
            }
        }
    }

    fn see_to(&mut self, py: Python, word: Meanwhile) -> PyResult<()> {
        match word {
            Meanwhile::Network(network) => self.network.take(py, network)?,
            Meanwhile::Event(json, go_on) => {
                // Whoever raised something is not called again.
                if self.raised.is_none() {
                    match self.call.call1(py, (json,)).and_then(|said| said.extract(py)) {
                        Ok(false) => {}
                        Ok(true) => self.end(None),
                        Err(error) => self.end(Some(error)),
                    }
                }
                // If it has ended meanwhile, it says so next.
                _ = go_on.send(());
            }
        }
        Ok(())
    }

    /// Ends the training, for a reason if there is one.
    fn end(&mut self, reason: Option<PyErr>) {
        self.stop.store(true, Ordering::Relaxed);
        if self.raised.is_none() {
            self.raised = reason;
        }
    }
}

fn plan_name(plan: &str) -> PyResult<PlanName> {
    serde_json::from_value(plan.into()).map_err(|_| {
        let hint = "auto, layered or fused";
        PyValueError::new_err(format!("there is no plan {plan:?} (hint: {hint})"))
    })
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
