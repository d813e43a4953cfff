//! A run as it is known here: its history for the pictures, its facts for the tiles, and what is notable.

use crate::facts::Facts;
use glassbox::Event;
use glassbox_plot::History;

/// What is known of a run.
#[derive(Clone)]
pub(crate) struct Story {
    pub history: History,
    pub facts: Facts,
    /// Warnings, and what somebody changed.
    pub notable: Vec<Event>,
    /// Rises with everything that shows in a picture.
    pub version: u64,
}

/// The most that is notable.
const MOST_NOTABLE: usize = 500;

impl Story {
    pub fn new(name: &str) -> Story {
        let (history, facts) = (History::new(name), Facts::default());
        Story { history, facts, notable: Vec::new(), version: 0 }
    }

    pub fn hear(&mut self, event: &Event) {
        self.history.push(event);
        self.facts.hear(event);
        match event {
            Event::Started { step, .. } => self.forget_after(*step),
            Event::Warning { .. } | Event::Control { .. } if self.notable.len() < MOST_NOTABLE => {
                self.notable.push(event.clone());
            }
            _ => {}
        }
        let is_shown = matches!(
            event,
            Event::Started { .. } | Event::Step { .. } | Event::Inside { .. } | Event::Epoch(_)
        );
        self.version += u64::from(is_shown);
    }

    /// What a run that is resumed from an earlier step will go through again.
    fn forget_after(&mut self, step: u64) {
        self.notable.retain(|event| match event {
            Event::Warning { step: at, .. } | Event::Control { step: at, .. } => *at <= step,
            _ => false,
        });
        self.facts.warnings =
            self.notable.iter().filter(|event| matches!(event, Event::Warning { .. })).count();
    }
}
