//! The arguments of the commands that look after many windows. Their comments are the help.

use super::args::{OutputArgs, ScreenArgs, SetArgs};
use crate::commands::{BackfillRequest, RetryRequest, StateAction, StateFormat, StateRequest, StatusRequest};
use clap::{Args, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub(super) const BACKFILL_EXAMPLES: &str = "\
Examples:
  etl-runner backfill job.yaml --from 2026-11-01 --to 2026-11-04 --every 1h --parallel 4
  etl-runner backfill job.yaml --from 2026-11 --to 2026-12 --every 1d --order newest --dry-run
  etl-runner backfill job.yaml --from 2026-11-20T05 --to 2026-11-20T08 --every 1h --again

A stopped backfill goes on when the same command is run again: windows that are done are skipped.

Exit codes:
  0  all windows are done
  1  all windows failed
  2  the command line or the job file is wrong
  4  other runs hold all windows that are left
  5  some windows failed; `etl-runner retry` runs them again
  6  stopped by a signal";

pub(super) const RETRY_EXAMPLES: &str = "\
Examples:
  etl-runner retry job.yaml --dry-run
  etl-runner retry job.yaml --parallel 4
  etl-runner retry job.yaml --window 2026-11-20T05/PT1H

";

pub(super) const STATUS_EXAMPLES: &str = "\
Examples:
  etl-runner status job.yaml
  etl-runner status job.yaml --from 2026-11-20 --list
  etl-runner status job.yaml --only failed,missing --output json";

pub(super) const STATE_EXAMPLES: &str = "\
Examples:
  etl-runner state show job.yaml
  etl-runner state set job.yaml --watermark 2026-11-20T05
  etl-runner state export job.yaml > state.json
  etl-runner state import job.yaml state.json
  etl-runner state rebuild job.yaml --from 2026-11-01
  etl-runner state import job.yaml job-latest.json --format job-latest";

/// The job and how it is run.
#[derive(Debug, Args)]
struct JobArgs {
    /// The job file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    set: SetArgs,
    /// The run's instant instead of the clock's, such as 2026-11-20T01:05:00Z.
    #[arg(long, value_name = "INSTANT")]
    now: Option<String>,
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct BackfillArgs {
    #[command(flatten)]
    job: JobArgs,
    /// First instant, a border between windows, in UTC: 2026-11-20 or 2026-11-20T05.
    #[arg(long, value_name = "INSTANT")]
    from: String,
    /// First instant after the last window: 2026-11-21 ends with the 20th.
    #[arg(long, value_name = "INSTANT")]
    to: String,
    /// Length of the windows: 15m, 1h, 1d, 1w or 1mo. Default: schedule.every of the job.
    #[arg(long, value_name = "LENGTH")]
    every: Option<String>,
    /// Windows at the same time; they share threads and memory.
    #[arg(long, value_name = "N", default_value = "1")]
    parallel: NonZeroUsize,
    /// Which windows come first.
    #[arg(long, value_enum, default_value_t, value_name = "ORDER")]
    order: Order,
    /// Also run windows that are done; their rows are replaced.
    #[arg(long)]
    again: bool,
    /// Begin no more windows after one has failed.
    #[arg(long)]
    stop_on_failure: bool,
    /// Show which windows would be run.
    #[arg(long)]
    dry_run: bool,
    /// Wait this long for other runs of a window, such as 10m.
    #[arg(long, value_name = "SPAN")]
    wait: Option<String>,
    /// Replace a window's rows by nothing when its input is gone.
    #[arg(long)]
    allow_empty: bool,
    /// Also replace the rows of committed windows that one of these covers.
    #[arg(long)]
    supersede: bool,
    /// Worker threads of all windows together; overrides limits.threads.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(super) screen: ScreenArgs,
}

/// Which windows come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// The earliest.
    #[default]
    Oldest,
    /// The latest.
    Newest,
}

#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Only this window, as `status` shows it.
    #[arg(long, value_name = "WINDOW")]
    window: Option<String>,
    /// Windows at the same time; they share threads and memory.
    #[arg(long, value_name = "N", default_value = "1")]
    parallel: NonZeroUsize,
    /// Show which windows would be run.
    #[arg(long)]
    dry_run: bool,
    /// Wait this long for other runs of a window, such as 10m.
    #[arg(long, value_name = "SPAN")]
    wait: Option<String>,
    /// Replace a window's rows by nothing when its input is gone.
    #[arg(long)]
    allow_empty: bool,
    /// Worker threads of all windows together; overrides limits.threads.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(super) screen: ScreenArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    job: JobArgs,
    /// First instant to show. Default: that of the first window that is known.
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// First instant after. Default: the end of the last window that is known or closed.
    #[arg(long, value_name = "INSTANT")]
    to: Option<String>,
    /// Length of the windows that missing ones are told by. Default: schedule.every, else the commonest.
    #[arg(long, value_name = "LENGTH")]
    every: Option<String>,
    /// Only windows of these: done, empty, late, running, unannounced, unpublished, stopped, missing, refused, failed.
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    only: Vec<String>,
    /// A line per window instead of the calendar.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    action: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Show the watermark and what the log counts.
    Show(StateShowArgs),
    /// Set the watermark: everything before it counts as done.
    Set(StateSetArgs),
    /// Print the state as JSON.
    Export(StateExportArgs),
    /// Set the watermark from an exported state or a job-latest.json.
    Import(StateImportArgs),
    /// Make users and sessions that are carried from run to run anew, from the raw input of the windows that are done.
    Rebuild(StateRebuildArgs),
}

#[derive(Debug, Args)]
struct StateShowArgs {
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct StateSetArgs {
    #[command(flatten)]
    job: JobArgs,
    /// The instant, such as 2026-11-20T05; `none` forgets the watermark.
    #[arg(long, value_name = "INSTANT")]
    watermark: String,
    /// Why, for those who read the log.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct StateExportArgs {
    #[command(flatten)]
    job: JobArgs,
    /// What to write.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct StateImportArgs {
    #[command(flatten)]
    job: JobArgs,
    /// The file; `-` reads stdin.
    #[arg(value_name = "STATE")]
    state: PathBuf,
    /// What the file is.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct StateRebuildArgs {
    #[command(flatten)]
    job: JobArgs,
    /// The first instant to read from; what is known from windows before it is forgotten.
    #[arg(long, value_name = "INSTANT")]
    from: String,
    /// Worker threads [default: limits.threads, else all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Say which windows would be read, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// A form of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// All that the log says, of this program.
    #[default]
    State,
    /// `job-latest.json` of the Spark pipeline.
    JobLatest,
}

impl From<Format> for StateFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::State => Self::State,
            Format::JobLatest => Self::JobLatest,
        }
    }
}

impl BackfillArgs {
    pub fn into_request(self) -> BackfillRequest {
        BackfillRequest {
            job_file: self.job.file,
            overrides: self.job.set.overrides,
            now: self.job.now,
            from: self.from,
            to: self.to,
            every: self.every,
            parallel: self.parallel.get(),
            newest_first: self.order == Order::Newest,
            again: self.again,
            stop_on_failure: self.stop_on_failure,
            dry_run: self.dry_run,
            wait: self.wait,
            allow_empty: self.allow_empty,
            supersede: self.supersede,
            threads: self.threads.map(NonZeroUsize::get),
        }
    }
}

impl RetryArgs {
    pub fn into_request(self) -> RetryRequest {
        RetryRequest {
            job_file: self.job.file,
            overrides: self.job.set.overrides,
            now: self.job.now,
            window: self.window,
            parallel: self.parallel.get(),
            dry_run: self.dry_run,
            wait: self.wait,
            allow_empty: self.allow_empty,
            threads: self.threads.map(NonZeroUsize::get),
        }
    }
}

impl StatusArgs {
    pub fn into_request(self) -> StatusRequest {
        StatusRequest {
            job_file: self.job.file,
            overrides: self.job.set.overrides,
            now: self.job.now,
            from: self.from,
            to: self.to,
            every: self.every,
            only: self.only,
            list: self.list,
        }
    }
}

impl StateArgs {
    pub fn output(&self) -> OutputArgs {
        match &self.action {
            StateCommand::Show(args) => args.output,
            StateCommand::Set(args) => args.output,
            StateCommand::Export(args) => args.output,
            StateCommand::Import(args) => args.output,
            StateCommand::Rebuild(args) => args.output,
        }
    }

    pub fn into_request(self) -> StateRequest {
        let (job, action) = match self.action {
            StateCommand::Show(args) => (args.job, StateAction::Show),
            StateCommand::Set(args) => (args.job, StateAction::Set { watermark: args.watermark, reason: args.reason }),
            StateCommand::Export(args) => (args.job, StateAction::Export { format: args.format.into() }),
            StateCommand::Import(args) => {
                (args.job, StateAction::Import { file: args.state, format: args.format.into() })
            }
            StateCommand::Rebuild(args) => {
                let threads = args.threads.map(NonZeroUsize::get);
                (args.job, StateAction::Rebuild { from: args.from, threads, dry_run: args.dry_run })
            }
        };
        StateRequest { job_file: job.file, overrides: job.set.overrides, now: job.now, action }
    }
}
