//! What the runs of a command have in common.

use crate::report::Progress;
use crate::run::RunPlan;
use crate::window::Window;
use chrono::{DateTime, Utc};
use etl_sdk::EpochMillis;
use std::time::Duration;

/// What the runs of a command have in common.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own on the command line")]
pub struct RunSettings {
    /// The instant of all runs.
    pub now: DateTime<Utc>,
    /// Whether a person chose it.
    pub now_given: bool,
    /// Do everything except publish.
    pub dry_run: bool,
    /// How long to wait for another run of a window.
    pub wait: Duration,
    /// Replace rows by nothing when the input is gone.
    pub allow_empty: bool,
    /// Replace the rows of covered windows.
    pub supersede: bool,
    /// Run a window that is open, and keep its rows as provisional.
    pub allow_open: bool,
    /// What was lowered to fit into the memory there is.
    pub warnings: Vec<String>,
}

impl RunSettings {
    /// The plan of one run.
    pub fn plan(&self, window: Window, threads: usize, progress: Progress) -> RunPlan {
        RunPlan {
            window,
            now_msec: EpochMillis(self.now.timestamp_millis()),
            now_given: self.now_given,
            threads,
            dry_run: self.dry_run,
            wait: self.wait,
            allow_empty: self.allow_empty,
            supersede: self.supersede,
            allow_open: self.allow_open,
            progress,
            warnings: self.warnings.clone(),
            stretch: None,
        }
    }
}
