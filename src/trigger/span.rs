//! All windows between two instants.

use crate::job::Job;
use crate::schedule::{DEFAULT_BUFFER, closed_until};
use crate::source::Select;
use crate::text::instant;
use crate::window::{Every, Instant, Window, split};
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Error, ErrorKind, Result};

/// A span of time that is divided into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSpan {
    /// First instant.
    pub from: Instant,
    /// First instant after.
    pub to: Instant,
    /// Length of the windows; that of the job's schedule when absent.
    pub every: Option<Every>,
    /// The latest windows first.
    pub newest_first: bool,
}

impl WindowSpan {
    /// The windows, in the order to run them.
    ///
    /// Fails with kind `Usage` when the span is not made of whole windows, and when one of them is not closed at `now`.
    pub fn windows(&self, job: &Job, now: DateTime<Utc>) -> Result<Vec<Window>> {
        let schedule = job.config.schedule.as_ref();
        let Some(every) = self.every.or(schedule.map(|schedule| schedule.every)) else {
            return Err(Error::new(ErrorKind::Usage, "no length of windows is given")
                .hint("add --every 1h, or write `schedule: {every: 1h}` into the job file"));
        };
        if job.config.source.select == Select::Path && !every.is_of_whole_hours() {
            return Err(Error::new(ErrorKind::Usage, "split into windows")
                .with("every", every)
                .with("source.select", "path")
                .hint("paths name an hour: take whole hours"));
        }
        let mut windows: Vec<Window> = split(self.from.0, self.to.0, every)?.collect();
        let buffer = schedule.map_or(DEFAULT_BUFFER, |schedule| schedule.buffer);
        let closed = closed_until(every, TimeDelta::seconds(buffer.seconds), now);
        if let Some(open) = windows.iter().find(|window| window.end > closed) {
            return Err(Error::new(ErrorKind::Usage, "a window is not closed yet: objects may still arrive in it")
                .with("window", open)
                .with("now", instant(now))
                .hint(format!("write --to {}, the end of the last closed window", instant(closed))));
        }
        if self.newest_first {
            windows.reverse();
        }
        Ok(windows)
    }
}
