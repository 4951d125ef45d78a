//! What a command is asked to do, in plain structs.

use std::path::PathBuf;

/// One run of a job over one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// The window as it was written: `2026-11-20T05/PT1H`. Never together with `last`.
    pub window: Option<String>,
    /// The length of the span that ends at the run's instant: `1h`.
    pub last: Option<String>,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The run's instant as it was written; the clock's when absent.
    pub now: Option<String>,
    /// Do all but publish.
    pub dry_run: bool,
    /// How long to wait for another run of the window, such as `10m`; not at all when absent.
    pub wait: Option<String>,
    /// Replace the window's rows by nothing when its input is gone.
    pub allow_empty: bool,
    /// Also replace the rows of committed windows that this one covers.
    pub supersede: bool,
    /// Worker threads; overrides `limits.threads`.
    pub threads: Option<usize>,
}

/// What a run would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// The window as it was written. Never together with `last`.
    pub window: Option<String>,
    /// The length of the span that ends at the run's instant.
    pub last: Option<String>,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The run's instant as it was written; the clock's when absent.
    pub now: Option<String>,
    /// Worker threads; overrides `limits.threads`.
    pub threads: Option<usize>,
}

/// A look at a job file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
}

/// A look for what stopped and killed runs left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// What has been written to since then is left alone: `24h`.
    pub older_than: String,
    /// Remove it.
    pub apply: bool,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The instant that ages are counted from, as it was written; the clock's when absent.
    pub now: Option<String>,
}
