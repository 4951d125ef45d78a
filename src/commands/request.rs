//! What a command is asked to do, in plain values.

use crate::ddl::Dialect;
use crate::policy::{Arns, Purpose};
use crate::report::Status;
use crate::status::WindowStatus;
use crate::text::Span;
use crate::trigger::{WindowArgument, WindowSpan};
use crate::window::{Every, Instant, Window};
use chrono::{DateTime, Utc};
use etl_sdk::Arguments;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use strum::IntoStaticStr;

/// A job, as a command takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRequest {
    /// The job file.
    pub job_file: PathBuf,
    /// `path=value` overrides of the job file, in order.
    pub overrides: Vec<String>,
    /// The command's instant; the clock's when absent.
    pub now: Option<DateTime<Utc>>,
}

/// What all runs of a command have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own on the command line")]
pub struct RunOptions {
    /// Do everything except publish.
    pub dry_run: bool,
    /// How long to wait for another run of a window.
    pub wait: Duration,
    /// Replace a window's rows by nothing when its input is gone.
    pub allow_empty: bool,
    /// Also replace the rows of committed windows that the window covers.
    pub supersede: bool,
    /// Run a window that is open, and keep its rows as provisional.
    pub allow_open: bool,
    /// Worker threads of all windows together; overrides `limits.threads`.
    pub threads: Option<NonZeroUsize>,
}

/// One run of a job over one window, or those that its schedule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// The job.
    pub job: JobRequest,
    /// The window; the schedule decides when absent.
    pub window: Option<WindowArgument>,
    /// What the scheduler says, in place of the window.
    pub payload: Option<PayloadSource>,
    /// How it is run.
    pub options: RunOptions,
}

/// Where the payload of a scheduler is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadSource {
    /// In the request.
    Text(String),
    /// In a file.
    File(PathBuf),
    /// On stdin.
    Stdin,
}

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    /// The job.
    pub job: JobRequest,
    /// The window; the schedule decides when absent.
    pub window: Option<WindowArgument>,
    /// How it would be run.
    pub options: RunOptions,
}

/// Many windows of a span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillRequest {
    /// The job.
    pub job: JobRequest,
    /// The windows.
    pub span: WindowSpan,
    /// Windows at the same time.
    pub parallel: NonZeroUsize,
    /// Also run windows that are done.
    pub again: bool,
    /// Begin no more windows after one has failed.
    pub stop_on_failure: bool,
    /// How they are run; a dry run only shows which would be.
    pub options: RunOptions,
}

/// The failed windows once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryRequest {
    /// The job.
    pub job: JobRequest,
    /// Only this window.
    pub window: Option<Window>,
    /// Windows at the same time.
    pub parallel: NonZeroUsize,
    /// How they are run; a dry run only shows which would be.
    pub options: RunOptions,
}

/// A look at a job's windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusRequest {
    /// The job.
    pub job: JobRequest,
    /// First instant.
    pub from: Option<Instant>,
    /// First instant after.
    pub to: Option<Instant>,
    /// Length of the windows that may be missing.
    pub every: Option<Every>,
    /// Only windows of these; all when empty.
    pub only: Vec<WindowStatus>,
    /// A window with one of these fails the command.
    pub fail_on: Vec<WindowStatus>,
    /// A line per window.
    pub list: bool,
}

/// Something with a job's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRequest {
    /// The job.
    pub job: JobRequest,
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
        /// Everything before it counts as done; `None` forgets the watermark.
        watermark: Option<DateTime<Utc>>,
        /// Why, for people.
        reason: Option<String>,
    },
    /// Print the state.
    Export {
        /// In which form.
        format: StateFormat,
    },
    /// Set the watermark from a file.
    Import {
        /// The file; `-` is stdin.
        file: PathBuf,
        /// Its form.
        format: StateFormat,
    },
    /// Compute again, from the raw input, what merged tables carry from run to run.
    Rebuild {
        /// Windows that start earlier are forgotten.
        from: DateTime<Utc>,
        /// Worker threads; overrides `limits.threads`.
        threads: Option<NonZeroUsize>,
        /// Only say which windows would be read.
        dry_run: bool,
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

/// Something that is to count no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetRequest {
    /// The job.
    pub job: JobRequest,
    /// What.
    pub what: Forgettable,
    /// Why, for people.
    pub reason: Option<String>,
    /// Forget it; else it is only shown.
    pub apply: bool,
    /// How long to wait for a run of the window.
    pub wait: Duration,
}

/// What can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgettable {
    /// A window, with its rows.
    Window(Window),
    /// That a backfill of a span is not at its end.
    Backfill(Window),
}

/// Short windows that become one window for each period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactRequest {
    /// The job. Ages are counted to its instant.
    pub job: JobRequest,
    /// Length of the periods.
    pub every: Every,
    /// First instant.
    pub from: Option<Instant>,
    /// First instant after.
    pub to: Option<Instant>,
    /// Periods that ended since then are left alone.
    pub older_than: Span,
    /// How long to wait for another run of a period.
    pub wait: Duration,
    /// Only say what would be merged.
    pub dry_run: bool,
}

/// A look for what stopped and killed runs left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcRequest {
    /// The job. Ages are counted from its instant.
    pub job: JobRequest,
    /// What has been written to since then is left alone.
    pub older_than: Span,
    /// Remove it.
    pub apply: bool,
}

/// A look for what runs have committed and not published, or at the log itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverRequest {
    /// The job.
    pub job: JobRequest,
    /// Whether the log itself is to be looked at, and whether it is to be repaired then.
    pub log: Option<LogRepair>,
}

/// What to do about a log that is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRepair {
    /// Say what could be done.
    Show,
    /// Do it.
    Apply,
}

/// A look at the runs of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsRequest {
    /// The job.
    pub job: JobRequest,
    /// Most runs that are shown, the newest first.
    pub last: NonZeroUsize,
    /// Only runs that ended so.
    pub status: Option<Status>,
    /// Only runs whose window overlaps this one.
    pub window: Option<Window>,
    /// The one run whose whole report is shown: its id, the name of its report, or its window.
    pub show: Option<String>,
}

/// A query over the tables of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlRequest {
    /// The job.
    pub job: JobRequest,
    /// Where the query is.
    pub source: SqlSource,
    /// Most rows that are printed, 0 for all. Default: 1,000 as text and all for programs.
    pub limit: Option<usize>,
    /// How rows are printed; else as all output is.
    pub format: Option<SqlFormat>,
}

/// Statements for the tables of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DdlRequest {
    /// The job.
    pub job: JobRequest,
    /// Who is to know the tables.
    pub dialect: Dialect,
    /// Names of tables; all without one.
    pub tables: Vec<String>,
    /// Their database or schema; the dialect's default when absent.
    pub database: Option<String>,
    /// Queries over the tables instead of what makes them.
    pub queries: bool,
}

/// What is to be done with the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogRequest {
    /// The job.
    pub job: JobRequest,
    /// How far it goes.
    pub action: CatalogAction,
    /// Only what commits of this window wrote.
    pub window: Option<Window>,
    /// Also partitions from today on to so long ahead of now.
    pub ahead: Option<Span>,
    /// Whether the catalog is changed.
    pub apply: bool,
}

/// What may be done with the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum CatalogAction {
    /// Show how it differs.
    Plan,
    /// Add and change.
    Sync,
    /// Add, change and remove.
    Repair,
}

impl CatalogAction {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What `iam-policy` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IamPolicyRequest {
    /// The job.
    pub job: JobRequest,
    /// Whose permissions are printed.
    pub purpose: Purpose,
    /// What stands in the names of things.
    pub arns: Arns,
}

/// Where a query is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlSource {
    /// In the request.
    Text(String),
    /// In a file.
    File(PathBuf),
    /// On stdin.
    Stdin,
    /// There is none: the tables and their columns are shown.
    Tables,
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
    /// The job that has the component's options.
    pub job: Option<JobRequest>,
}
