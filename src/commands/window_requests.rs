//! What the commands that look after many windows are asked to do, in plain structs.

use std::path::PathBuf;

/// Many windows of a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct BackfillRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The runs' instant as it was written; the clock's when absent.
    pub now: Option<String>,
    /// First instant as it was written.
    pub from: String,
    /// First instant after, as it was written.
    pub to: String,
    /// Length of the windows as it was written; that of the schedule when absent.
    pub every: Option<String>,
    /// Windows at the same time.
    pub parallel: usize,
    /// The latest windows first.
    pub newest_first: bool,
    /// Also run windows that are done.
    pub again: bool,
    /// Begin no more windows after one has failed.
    pub stop_on_failure: bool,
    /// Only show which windows would be run.
    pub dry_run: bool,
    /// How long to wait for other runs of a window.
    pub wait: Option<String>,
    /// Replace a window's rows by nothing when its input is gone.
    pub allow_empty: bool,
    /// Also replace the rows of committed windows that one of these covers.
    pub supersede: bool,
    /// Worker threads of all windows together; overrides `limits.threads`.
    pub threads: Option<usize>,
}

/// The failed windows once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The runs' instant as it was written; the clock's when absent.
    pub now: Option<String>,
    /// Only this window, as it was written.
    pub window: Option<String>,
    /// Windows at the same time.
    pub parallel: usize,
    /// Only show which windows would be run.
    pub dry_run: bool,
    /// How long to wait for other runs of a window.
    pub wait: Option<String>,
    /// Replace a window's rows by nothing when its input is gone.
    pub allow_empty: bool,
    /// Worker threads of all windows together; overrides `limits.threads`.
    pub threads: Option<usize>,
}

/// A look at a job's windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The instant it is told for, as it was written; the clock's when absent.
    pub now: Option<String>,
    /// First instant as it was written.
    pub from: Option<String>,
    /// First instant after, as it was written.
    pub to: Option<String>,
    /// Length of the windows that missing ones are told by, as it was written.
    pub every: Option<String>,
    /// Names of statuses; all when empty.
    pub only: Vec<String>,
    /// A line per window.
    pub list: bool,
}

/// Something with a job's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The instant as it was written; the clock's when absent.
    pub now: Option<String>,
    /// What to do.
    pub action: StateAction,
}

/// What to do with a job's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateAction {
    /// Print the watermark and what the log counts.
    Show,
    /// Set the watermark.
    Set {
        /// As it was written; `none` forgets it.
        watermark: String,
        /// Why, for people.
        reason: Option<String>,
    },
    /// Print the state.
    Export {
        /// In which form.
        format: StateFormat,
    },
    /// Make anew what merged tables carry from run to run.
    Rebuild {
        /// Windows that start earlier are forgotten; as it was written.
        from: String,
        /// Worker threads; all cores when absent.
        threads: Option<usize>,
        /// Only say which windows would be read.
        dry_run: bool,
    },
    /// Set the watermark from a file.
    Import {
        /// The file; `-` is stdin.
        file: PathBuf,
        /// Its form.
        format: StateFormat,
    },
}

/// A form of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateFormat {
    /// All that the log says.
    #[default]
    State,
    /// `job-latest.json` of the Spark pipeline.
    JobLatest,
}
