//! How a trainer heeds its control, between two calls of the plan.

use super::{Progress, RateChange, Trainer};
use crate::control::{Control, Order, Phase};
use crate::error::Result;
use crate::event::{Change, Event, Sink};
use crate::telemetry::Telemetry;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// So long a paused training sleeps before it looks whether it is to stop: a signal wakes nobody.
const NAP: Duration = Duration::from_millis(50);

impl Trainer {
    /// Heeds what is wished for there, from now on.
    pub fn set_control(&mut self, control: Control) {
        self.control = control;
        self.tell(Phase::Waiting);
    }

    /// How many steps the plan may now be given; none if the run is over. Returns when the training is not paused.
    pub(super) fn heed(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Option<u64>> {
        let mut is_waiting = false;
        loop {
            self.heed_rate(sink)?;
            if self.ending(stop).is_some() {
                return Ok(None);
            }
            let order = self.control.order(self.progress.step);
            if order == Order::Pause {
                if !is_waiting {
                    is_waiting = true;
                    self.pause(sink)?;
                }
                self.tell_system(sink)?;
                sink.idle(&self.network);
                self.control.wait(NAP);
                continue;
            }
            match order {
                Order::Run if self.is_paused => {
                    self.is_paused = false;
                    self.tell_change(Change::Resumed, sink)?;
                }
                Order::One => self.pause(sink)?,
                _ => {}
            }
            self.tell(Phase::Running);
            return Ok(Some(if order == Order::Run { self.at_once } else { 1 }));
        }
    }

    /// Says that no step is made, and shows the network as it is. Between single steps it stays paused.
    fn pause(&mut self, sink: &mut dyn Sink) -> Result<()> {
        sink.watch(&self.network);
        if !self.is_paused {
            self.is_paused = true;
            self.tell_change(Change::Paused, sink)?;
        }
        self.tell(Phase::Paused);
        Ok(())
    }

    /// From the next step on, rates are multiplied by the factor that somebody wishes for. It is kept in a checkpoint at
    /// once: what was decided is not decided again where a run is resumed.
    pub(super) fn heed_rate(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let before = self.progress.rate_factor(self.progress.step);
        let Some(factor) = self.control.take_factor().filter(|factor| *factor != before) else {
            return Ok(());
        };
        self.progress.set_rate_factor(factor);
        self.checkpoint(sink)?;
        self.tell_change(Change::Rate { factor }, sink)?;
        self.tell(if self.is_paused { Phase::Paused } else { Phase::Running });
        Ok(())
    }

    fn tell_change(&self, change: Change, sink: &mut dyn Sink) -> Result<()> {
        sink.event(&Event::Control { step: self.progress.step, change })
    }

    /// Says to the control what the training does.
    pub(crate) fn tell(&self, phase: Phase) {
        let step = self.progress.step;
        self.control.tell(phase, step, self.progress.rate_factor(step));
    }

    /// How the GPU is doing, if it is time to ask.
    pub(super) fn tell_system(&mut self, sink: &mut dyn Sink) -> Result<()> {
        match self.telemetry.as_mut().and_then(Telemetry::poll) {
            Some(gpu) => sink.event(&Event::System { step: self.progress.step, gpu }),
            None => Ok(()),
        }
    }
}

impl Progress {
    /// What the schedule's rate of a step, counted from 0, is multiplied by.
    pub fn rate_factor(&self, step: u64) -> f32 {
        let changes = self.rates.iter().rev();
        changes.into_iter().find(|change| change.step <= step).map_or(1.0, |change| change.factor)
    }

    /// The factor from here on.
    fn set_rate_factor(&mut self, factor: f32) {
        self.rates.retain(|change| change.step < self.step);
        self.rates.push(RateChange { step: self.step, factor });
    }
}
