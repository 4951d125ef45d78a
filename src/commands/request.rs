//! What a command is asked to do, in plain structs.

use etl_sdk::Arguments;
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

/// A look at the runs of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// Most runs that are shown, the newest first.
    pub last: usize,
    /// Only runs that ended so.
    pub status: Option<String>,
    /// Only runs whose window overlaps this one, as it was written.
    pub window: Option<String>,
    /// The one run whose whole report is shown: its id, the name of its report, or its window.
    pub show: Option<String>,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
}

/// A question to the tables of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// The question; `-` reads it from stdin.
    pub sql: Option<String>,
    /// The file that holds the question.
    pub file: Option<PathBuf>,
    /// Show the tables and their columns instead.
    pub tables: bool,
    /// Most rows that are printed, 0 for all. Default: 1,000 as text and all for programs.
    pub limit: Option<usize>,
    /// How rows are printed; else as all output is.
    pub format: Option<SqlFormat>,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
}

/// Forms of rows that only `sql` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlFormat {
    /// Comma separated, with a heading.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// A question that a component answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplanationRequest {
    /// The question: `traffic-source`.
    pub name: String,
    /// What is asked.
    pub arguments: Arguments,
    /// The job file that has the component's options.
    pub job_file: Option<PathBuf>,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
}
