//! Control of a training from outside: pause, go on, one step, stop, another learning rate.
//!
//! A [`Control`] is shared between a trainer and whoever wants a say, a dashboard perhaps. Nobody waits for the other:
//! wishes are written down, and the trainer reads them between two calls of its plan, at most 40 ms apart unless a step
//! takes longer. Network, optimizer and progress are whole then, as in a checkpoint. As long as nobody wishes for
//! another learning rate, what training comes to does not depend on it.

use crate::error::{Error, Result};
use serde::Serialize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a training is to do, and what it does. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wishes: Mutex<Wishes>,
    changed: Condvar,
}

#[derive(Debug)]
struct Wishes {
    is_paused: bool,
    is_stopped: bool,
    /// Steps that may be made although it is paused.
    steps: u64,
    factor: Option<f32>,
    state: ControlState,
}

/// What a training does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ControlState {
    /// Whether it makes steps.
    pub phase: Phase,
    /// The steps made, when it last looked here.
    pub step: u64,
    /// What the rates of the schedule are multiplied by.
    pub factor: f32,
}

/// Whether a training makes steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It has not begun.
    #[default]
    Waiting,
    /// It makes steps.
    Running,
    /// It is to pause, and still finishes the steps at hand.
    Pausing,
    /// It makes no step until somebody says so.
    Paused,
    /// It is to stop, and still finishes the steps at hand.
    Stopping,
    /// It is over.
    Over,
}

/// The least and the largest factor of the learning rate.
pub const FACTORS: [f32; 2] = [1e-3, 1e3];

/// The most single steps that wait to be made: more than a finger can ask for.
const MOST_STEPS: u64 = 100;

impl Default for Wishes {
    fn default() -> Wishes {
        let state = ControlState { phase: Phase::Waiting, step: 0, factor: 1.0 };
        Wishes { is_paused: false, is_stopped: false, steps: 0, factor: None, state }
    }
}

/// What the trainer is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As many steps as it likes.
    Run,
    /// One step, then it pauses again.
    One,
    Pause,
    Stop,
}

impl Control {
    /// One that nobody has used yet.
    pub fn new() -> Control {
        Control::default()
    }

    /// Makes no further step, once those at hand are done.
    pub fn pause(&self) {
        self.change(|wishes| wishes.is_paused = true);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.change(|wishes| (wishes.is_paused, wishes.steps) = (false, 0));
    }

    /// Makes exactly one step, and pauses: also where it was not paused. False if a hundred steps wait to be made
    /// already: then this one is not.
    pub fn step(&self) -> bool {
        let mut is_taken = true;
        self.change(|wishes| {
            let waiting = if wishes.is_paused { wishes.steps } else { 0 };
            is_taken = waiting < MOST_STEPS;
            wishes.steps = MOST_STEPS.min(waiting + 1);
            wishes.is_paused = true;
        });
        is_taken
    }

    /// Ends as if it were interrupted: with a checkpoint, from which it can go on.
    pub fn stop(&self) {
        self.change(|wishes| wishes.is_stopped = true);
    }

    /// Multiplies the rates of the schedule by `factor`, from the next step on, until there is another. It is written
    /// into the next checkpoint, which follows at once, so that a run that is resumed goes on with it.
    ///
    /// # Errors
    /// If the factor is not within [`FACTORS`].
    pub fn set_rate_factor(&self, factor: f32) -> Result<()> {
        if !(FACTORS[0]..=FACTORS[1]).contains(&factor) {
            return Err(Error::Setting {
                setting: "factor",
                value: factor.to_string(),
                reason: format!("it is not from {:e} to {:e}", FACTORS[0], FACTORS[1]),
                hint: "1 is the schedule as it was set, 0.5 is half of it".to_string(),
            });
        }
        self.change(|wishes| wishes.factor = Some(factor));
        Ok(())
    }

    /// What the training does.
    pub fn state(&self) -> ControlState {
        let wishes = self.wishes();
        let phase = match wishes.state.phase {
            Phase::Running | Phase::Paused if wishes.is_stopped => Phase::Stopping,
            Phase::Running if wishes.is_paused => Phase::Pausing,
            phase => phase,
        };
        ControlState { phase, ..wishes.state }
    }

    /// Whether it is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.wishes().is_stopped
    }

    /// What to do next, now that so many steps are made.
    pub(crate) fn order(&self, step: u64) -> Order {
        let mut wishes = self.wishes();
        wishes.state.step = step;
        match (wishes.is_stopped, wishes.is_paused, wishes.steps) {
            (true, ..) => Order::Stop,
            (_, true, 0) => Order::Pause,
            (_, true, _) => {
                wishes.steps -= 1;
                Order::One
            }
            _ => Order::Run,
        }
    }

    /// The factor that somebody wishes for, once.
    pub(crate) fn take_factor(&self) -> Option<f32> {
        self.wishes().factor.take()
    }

    /// Says what the training does.
    pub(crate) fn tell(&self, phase: Phase, step: u64, factor: f32) {
        self.wishes().state = ControlState { phase, step, factor };
    }

    /// Returns when somebody wishes for something, or after a moment.
    pub(crate) fn wait(&self, moment: Duration) {
        let wishes = self.wishes();
        if wishes.is_paused && wishes.steps == 0 && !wishes.is_stopped && wishes.factor.is_none() {
            drop(self.shared.changed.wait_timeout(wishes, moment));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.wishes());
        self.shared.changed.notify_all();
    }

    /// Wishes are plain values, whole also where somebody panicked.
    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.shared.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
