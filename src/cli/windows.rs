//! The arguments of the commands that look after many windows, for clap. Their comments are the help.

use super::options::{OutputArgs, ScreenArgs, TimedJobArgs, WaitArgs, at_least_one, usage};
use crate::commands::{BackfillRequest, ForgetRequest, Forgettable, RetryRequest, RunOptions, StatusRequest};
use crate::status::WindowStatus;
use crate::trigger::WindowSpan;
use crate::window::{Every, Instant, Window};
use clap::{Args, ValueEnum};
use etl_sdk::Result;
use std::num::NonZeroUsize;

pub const BACKFILL_EXAMPLES: &str = "\
Examples:
  etl-runner backfill job.yaml --from 2026-11-01 --to 2026-11-04 --every 1h --parallel 4
  etl-runner backfill job.yaml --from 2026-11 --to 2026-12 --every 1d --order newest --dry-run
  etl-runner backfill job.yaml --from 2026-11-20T05 --to 2026-11-20T08 --every 1h --again

To resume a stopped backfill, run the same command again: windows that are done are skipped.

Exit codes:
  0  all windows are done
  1  all windows failed
  2  the command line or the job file is invalid
  4  other runs hold all remaining windows
  5  some windows failed; `etl-runner retry` runs them again
  6  stopped by a signal";

pub const RETRY_EXAMPLES: &str = "\
Examples:
  etl-runner retry job.yaml --dry-run
  etl-runner retry job.yaml --parallel 4
  etl-runner retry job.yaml --window 2026-11-20T05/PT1H

";

pub const STATUS_EXAMPLES: &str = "\
Examples:
  etl-runner status job.yaml
  etl-runner status job.yaml --from 2026-11-20 --list
  etl-runner status job.yaml --only failed,missing --output json
  etl-runner status job.yaml --fail-on failed,refused,missing

Exit codes:
  0  the status is printed
  1  the state cannot be read
  2  the command line or the job file is invalid
  5  some windows have a status of --fail-on";

pub const FORGET_EXAMPLES: &str = "\
Examples:
  etl-runner forget job.yaml --window 2026-11-20T05/PT1H
  etl-runner forget job.yaml --window 2027-01-01 --apply --reason 'a mistyped year'
  etl-runner forget job.yaml --backfill 2026-08-01/2026-10-30 --apply

";

#[derive(Debug, Args)]
pub struct ForgetArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    #[command(flatten)]
    what: ForgettableArgs,
    /// Forget it instead of only showing what would go.
    #[arg(long)]
    apply: bool,
    /// Reason to record in the log.
    #[arg(long, value_name = "TEXT", conflicts_with = "backfill")]
    reason: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ForgettableArgs {
    /// Window to forget, as `status --list` shows it: its files and dead letters are removed.
    #[arg(long, value_name = "WINDOW")]
    window: Option<Window>,
    /// Stopped backfill to forget, from its first instant to its last: START/END; its windows stay as they are.
    #[arg(long, value_name = "SPAN")]
    backfill: Option<Window>,
}

#[derive(Debug, Args)]
pub struct BackfillArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// Start of the first window, in UTC: 2026-11-20 or 2026-11-20T05.
    #[arg(long, value_name = "INSTANT")]
    from: Instant,
    /// End of the last window, exclusive: 2026-11-21 ends with the 20th.
    #[arg(long, value_name = "INSTANT")]
    to: Instant,
    /// Length of each window: 15m, 1h, 1d, 1w or 1mo. Default: the job's schedule.every.
    #[arg(long, value_name = "LENGTH")]
    every: Option<Every>,
    /// Which windows to run first.
    #[arg(long, value_enum, default_value_t, value_name = "ORDER")]
    order: Order,
    /// Also run windows that are done; their rows are replaced.
    #[arg(long)]
    again: bool,
    /// Start no more windows after one has failed.
    #[arg(long)]
    stop_on_failure: bool,
    #[command(flatten)]
    runs: ManyRunsArgs,
    /// Also replace the rows of committed windows within one of these.
    #[arg(long)]
    supersede: bool,
    #[command(flatten)]
    pub screen: ScreenArgs,
}

/// Which windows come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Oldest first.
    #[default]
    Oldest,
    /// Newest first.
    Newest,
}

#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// Only run this window, as `status` shows it.
    #[arg(long, value_name = "WINDOW")]
    window: Option<Window>,
    #[command(flatten)]
    runs: ManyRunsArgs,
    #[command(flatten)]
    pub screen: ScreenArgs,
}

/// How many windows are run.
#[derive(Debug, Args)]
struct ManyRunsArgs {
    /// Maximum number of windows to run in parallel; they share threads and memory.
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    parallel: NonZeroUsize,
    /// Only show which windows would run.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
    /// Remove a window's rows if its input is gone.
    #[arg(long)]
    allow_empty: bool,
    /// Number of worker threads for all windows together; overrides limits.threads.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// Start of the time to show. Default: the start of the first known window.
    #[arg(long, value_name = "INSTANT")]
    from: Option<Instant>,
    /// End of the time to show, exclusive. Default: the end of the last known or closed window.
    #[arg(long, value_name = "INSTANT")]
    to: Option<Instant>,
    /// Length of missing windows. Default: schedule.every, else the most common length.
    #[arg(long, value_name = "LENGTH")]
    every: Option<Every>,
    /// Only show windows with these statuses: done, empty, late, provisional, running, unannounced, unpublished,
    /// stopped, missing, refused, failed.
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    only: Vec<WindowStatus>,
    /// End with exit code 5 if a window within the time that is shown has one of these statuses.
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    fail_on: Vec<WindowStatus>,
    /// Print one line per window instead of the calendar.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ManyRunsArgs {
    fn options(&self, supersede: bool) -> RunOptions {
        RunOptions {
            dry_run: self.dry_run,
            wait: self.wait.duration(),
            allow_empty: self.allow_empty,
            supersede,
            allow_open: false,
            threads: self.threads,
        }
    }
}

impl BackfillArgs {
    pub fn into_request(self) -> BackfillRequest {
        let newest_first = self.order == Order::Newest;
        BackfillRequest {
            job: self.job.into_request(),
            span: WindowSpan { from: self.from, to: self.to, every: self.every, newest_first },
            parallel: self.runs.parallel,
            again: self.again,
            stop_on_failure: self.stop_on_failure,
            options: self.runs.options(self.supersede),
        }
    }
}

impl RetryArgs {
    pub fn into_request(self) -> RetryRequest {
        RetryRequest {
            job: self.job.into_request(),
            window: self.window,
            parallel: self.runs.parallel,
            options: self.runs.options(false),
        }
    }
}

impl ForgetArgs {
    pub fn into_request(self) -> Result<ForgetRequest> {
        let what = match (self.what.window, self.what.backfill) {
            (Some(window), _) => Forgettable::Window(window),
            (None, Some(span)) => Forgettable::Backfill(span),
            (None, None) => {
                return Err(usage("nothing is named that is to be forgotten", "add --window or --backfill"));
            }
        };
        let (reason, apply, wait) = (self.reason, self.apply, self.wait.duration());
        Ok(ForgetRequest { job: self.job.into_request(), what, reason, apply, wait })
    }
}

impl StatusArgs {
    pub fn into_request(self) -> StatusRequest {
        StatusRequest {
            job: self.job.into_request(),
            from: self.from,
            to: self.to,
            every: self.every,
            only: self.only,
            fail_on: self.fail_on,
            list: self.list,
        }
    }
}
