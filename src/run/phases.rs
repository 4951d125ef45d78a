//! The phases of a run and their times.

use crate::report::{PhaseReport, Progress};
use std::time::Instant;

/// The phases of a run, for the progress and the report.
pub struct Phases {
    progress: Progress,
    current: Option<(&'static str, Instant)>,
    /// Those that have ended.
    pub done: Vec<PhaseReport>,
}

impl Phases {
    pub fn new(progress: Progress) -> Self {
        Self { progress, current: None, done: Vec::new() }
    }

    /// Ends the phase before and begins the next.
    pub fn begin(&mut self, name: &'static str) {
        self.end();
        self.progress.set_phase(name);
        self.current = Some((name, Instant::now()));
    }

    pub fn end(&mut self) {
        if let Some((name, begun)) = self.current.take() {
            let elapsed_seconds = begun.elapsed().as_secs_f64();
            self.done.push(PhaseReport { name: name.to_owned(), elapsed_seconds });
        }
    }
}
