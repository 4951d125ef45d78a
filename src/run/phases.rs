//! The phases of a run and their times.

use crate::report::{PhaseReport, Progress};
use std::time::Instant;

/// The phases of a run, for the progress and the report.
pub struct Phases {
    progress: Progress,
    begun: Instant,
    current: Option<(&'static str, Instant)>,
    done: Vec<PhaseReport>,
}

/// Where the time went.
pub struct Times {
    /// The phases, in order.
    pub phases: Vec<PhaseReport>,
    /// From the start to the end.
    pub elapsed_seconds: f64,
}

impl Phases {
    /// Starts the clock.
    pub fn new(progress: Progress) -> Self {
        Self { progress, begun: Instant::now(), current: None, done: Vec::new() }
    }

    /// Ends the phase before and begins the next.
    pub fn begin(&mut self, name: &'static str) {
        self.end();
        self.progress.set_phase(name);
        self.current = Some((name, Instant::now()));
    }

    /// Ends the last phase, and stops the clock.
    pub fn finish(mut self) -> Times {
        self.end();
        Times { phases: self.done, elapsed_seconds: self.begun.elapsed().as_secs_f64() }
    }

    fn end(&mut self) {
        if let Some((name, begun)) = self.current.take() {
            let elapsed_seconds = begun.elapsed().as_secs_f64();
            self.done.push(PhaseReport { name: name.to_owned(), elapsed_seconds });
        }
    }
}
