//! A trainer that looks inside its steps, with a doctor who hears of it.

use super::Trainer;
use crate::diagnose::Doctor;
use crate::inside::Looks;

impl Trainer {
    /// Emits [`Event::Inside`] for the first steps and now and then, and [`Event::Warning`] where a [`Doctor`] finds an
    /// illness, from now on. What training comes to does not depend on it.
    pub fn look_inside(&mut self) {
        self.look(true);
    }

    /// The same, however long it takes: which steps are looked at depends on their numbers alone, and so does what the
    /// doctor finds.
    pub fn look_inside_at_any_cost(&mut self) {
        self.look(false);
    }

    fn look(&mut self, is_frugal: bool) {
        self.looks = Some(Looks::new(self.progress.step, is_frugal));
        let mut doctor = Doctor::new(&self.settings, Some(self.training.clone()));
        if let Some(validation) = &self.validation {
            doctor.compare(validation, "validation");
        }
        self.doctor = Some(Box::new(doctor));
    }

    /// The doctor, if steps are looked into.
    pub fn doctor(&self) -> Option<&Doctor> {
        self.doctor.as_deref()
    }
}
