//! Training from Python: on a thread of its own, while the one that called hears events and looks after signals.

use crate::arrays::{AnswerArray, InputArray};
use crate::device::Device;
use crate::errors::{result_of, to_python};
use crate::network::{Network, Turn};
use crate::state::Changer;
use crate::work::{Caller, Message, Work};
use glassbox::{Ending, Event, PlanName, Result, Sink, Trainer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
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
    network.make_room(py, settings.batch.min(x.rows))?;
    let turn = network.take_turn(py, Changer::Fit)?;
    let (own, device) = (network.snapshot(py)?, device.opened(py)?);
    let interval = Duration::try_from_secs_f64(interval).unwrap_or_default();
    let (stop, newest) = (Arc::new(AtomicBool::new(false)), Newest::default());
    let mut listener =
        Listener { turn, call: listener, stop: stop.clone(), newest: newest.clone(), raised: None };
    let work = Work::begin(move |caller| {
        let samples = x.samples(x.inputs_of_a_run()?, y, outputs)?;
        let (plan, why) = plan.choose_for(&samples, &settings, &device)?;
        let name = plan.name();
        let mut trainer = Trainer::of(own, settings, device, plan, samples, None)?;
        let reporter = &mut Reporter { caller, interval, newest, heard: None };
        let ending = trainer.run(reporter, &stop)?;
        Ok(Trained { network: trainer.network().clone(), ending, plan: name, why })
    })?;
    let trained = listener.hear(py, work)?;
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

/// What a training tells while it runs.
enum Meanwhile {
    /// The network at the end of an epoch.
    Network(glassbox::Network),
    /// An event as JSON. The training goes on when it hears so.
    Event(String, Sender<()>),
}

/// The network as it was between the last two calls of the plan.
type Newest = Arc<Mutex<Option<glassbox::Network>>>;

/// The training's side: a sink that tells what it hears to the thread that called.
struct Reporter<'a> {
    caller: &'a Caller<Meanwhile, Trained>,
    interval: Duration,
    newest: Newest,
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
        self.caller.tell(Meanwhile::Event(json, go_on))?;
        // If nobody answers, nobody waits.
        heard.recv().or_else(|_| self.caller.check())
    }

    fn idle(&mut self, network: &glassbox::Network) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(network.clone());
    }

    /// Whoever asks the network something meanwhile is answered by what it was at the end of the last epoch.
    fn watch(&mut self, network: &glassbox::Network) {
        // If nobody waits, the next event says so.
        _ = self.caller.tell(Meanwhile::Network(network.clone()));
    }
}

/// The side of the thread that called.
struct Listener<'a, 'py> {
    turn: Turn<'a, 'py>,
    call: Py<PyAny>,
    stop: Arc<AtomicBool>,
    newest: Newest,
    raised: Option<PyErr>,
}

impl Listener<'_, '_> {
    /// Hears a training to its end. What is raised meanwhile ends it, and is why it ended.
    fn hear(&mut self, py: Python, mut work: Work<Meanwhile, Trained>) -> PyResult<Trained> {
        let result = loop {
            match work.receive(py) {
                Ok(Message::Meanwhile(message)) => self.see_to(py, message)?,
                Ok(Message::Done(result)) => break result,
                Err(signal) => {
                    self.end(py, Some(signal));
                    match self.last_words(py, &mut work)? {
                        Some(result) => break result,
                        None => return Err(self.leave()?),
                    }
                }
            }
        };
        if let Ok(Ok(trained)) = &result {
            self.turn.set(trained.network.clone())?;
        }
        match self.raised.take() {
            Some(raised) => Err(raised),
            None => result_of(result),
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
            let left = until.saturating_duration_since(Instant::now());
            match work.receive_within(py, left)? {
                Some(Message::Meanwhile(message)) => self.see_to(py, message)?,
                Some(Message::Done(result)) => return Ok(Some(result)),
                None => return Ok(None),
            }
        }
    }

    /// Takes what there is of a training that takes too long to end. Returns why it had to.
    fn leave(&mut self) -> PyResult<PyErr> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).take();
        newest.map_or(Ok(()), |network| self.turn.set(network))?;
        Ok(self.raised.take().expect("something was raised"))
    }

    fn see_to(&mut self, py: Python, message: Meanwhile) -> PyResult<()> {
        let (json, go_on) = match message {
            Meanwhile::Network(network) => return self.turn.set(network),
            Meanwhile::Event(json, go_on) => (json, go_on),
        };
        // Once something was raised, only the history hears of what there was.
        let is_over = self.raised.is_some();
        match self.call.call1(py, (json, is_over)).and_then(|said| said.extract(py)) {
            Ok(false) => {}
            Ok(true) => self.end(py, None),
            Err(error) => self.end(py, Some(error)),
        }
        // If it has ended meanwhile, it says so next.
        _ = go_on.send(());
        Ok(())
    }

    /// Ends the training, for a reason if there is one. The last one counts: a signal, after what a callback has raised.
    fn end(&mut self, py: Python, reason: Option<PyErr>) {
        self.stop.store(true, Ordering::Relaxed);
        let Some(reason) = reason else { return };
        if let Some(before) = self.raised.replace(reason.clone_ref(py)) {
            reason.set_context(py, Some(before));
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
