//! What to run.

use crate::report::Progress;
use crate::source::Stretch;
use crate::window::Window;
use etl_sdk::{EpochMillis, Run};
use std::sync::Arc;
use std::time::Duration;

/// What to run.
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own on the command line")]
pub struct RunPlan {
    /// The window to run.
    pub window: Window,
    /// The run's instant.
    pub now_msec: EpochMillis,
    /// Whether a person chose that instant. If not, a run that goes on after a stop keeps the instant of its beginning.
    pub now_given: bool,
    /// Worker threads.
    pub threads: usize,
    /// Do all but publish.
    pub dry_run: bool,
    /// How long to wait for another run of the window.
    pub wait: Duration,
    /// Replace rows by nothing when the window's input is gone.
    pub allow_empty: bool,
    /// Also replace the rows of committed windows that this one covers.
    pub supersede: bool,
    /// Run a window that is open, and keep its rows as provisional.
    pub allow_open: bool,
    /// Counts what is done.
    pub progress: Progress,
    /// What its report is to say beforehand.
    pub warnings: Vec<String>,
    /// A listing of many windows, among them this one; when there is none that serves, the run lists for itself.
    pub stretch: Option<Arc<Stretch>>,
}

/// The run as a transformer knows it: the same for the same job and window.
pub fn run_of(job: &str, window: &Window, now: EpochMillis) -> Run {
    Run {
        id: format!("{job}-{}", window.id()),
        now,
        window_start: EpochMillis(window.start.timestamp_millis()),
        window_end: EpochMillis(window.end.timestamp_millis()),
    }
}
