//! The phases of a run and their times.

use crate::process::clock::Clock;
use crate::process::usage::{Meter, Usage};
use crate::report::{PhaseReport, Progress, RunReport, S3Report};
use crate::text::instant_millis;
use chrono::{DateTime, Utc};
use std::time::Instant;

/// The phases of a run, for the progress and the report.
pub struct Phases {
    progress: Progress,
    begun: Instant,
    started_at: DateTime<Utc>,
    clock: Clock,
    meter: Meter,
    current: Option<(&'static str, Instant)>,
    done: Vec<PhaseReport>,
}

/// Where the time went, and what it cost.
pub struct Times {
    /// The phases, in order.
    phases: Vec<PhaseReport>,
    /// From the start to the end.
    elapsed_seconds: f64,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended.
    ended_at: DateTime<Utc>,
    /// What was used between.
    used: Usage,
}

impl Times {
    /// Puts what was measured into a report.
    pub fn reported(self, report: RunReport) -> RunReport {
        RunReport {
            phases: self.phases,
            elapsed_seconds: self.elapsed_seconds,
            started_at: Some(instant_millis(self.started_at)),
            ended_at: Some(instant_millis(self.ended_at)),
            cpu_seconds: self.used.cpu_seconds,
            peak_memory_bytes: self.used.peak_memory_bytes,
            s3: S3Report::of(&self.used.traffic),
            ..report
        }
    }
}

impl Phases {
    /// Starts to measure.
    pub fn new(progress: Progress, clock: &Clock) -> Self {
        let (meter, clock, started_at) = (Meter::start(), clock.clone(), clock.now());
        Self { progress, begun: Instant::now(), started_at, clock, meter, current: None, done: Vec::new() }
    }

    /// Ends the phase before and begins the next.
    pub fn begin(&mut self, name: &'static str) {
        self.end();
        self.progress.set_phase(name);
        self.current = Some((name, Instant::now()));
    }

    /// Ends the last phase, and reads what was measured.
    pub fn finish(mut self) -> Times {
        self.end();
        Times {
            phases: self.done,
            elapsed_seconds: self.begun.elapsed().as_secs_f64(),
            started_at: self.started_at,
            ended_at: self.clock.now(),
            used: self.meter.read(),
        }
    }

    fn end(&mut self) {
        if let Some((name, begun)) = self.current.take() {
            let elapsed_seconds = begun.elapsed().as_secs_f64();
            self.done.push(PhaseReport { name: name.to_owned(), elapsed_seconds });
        }
    }
}
