//! The arguments of `run` and `plan`, for clap. Their comments are the help.

use super::options::{JobArgs, NowArgs, ScreenArgs, SetArgs, WaitArgs, at_least_one};
use crate::commands::{JobRequest, PayloadSource, PlanRequest, RunOptions, RunRequest};
use crate::text::Span;
use crate::trigger::WindowArgument;
use crate::window::Window;
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The variable with the payload, where no argument names a window.
const PAYLOAD: &str = "ETL_RUNNER_PAYLOAD";

pub const RUN_EXAMPLES: &str = "\
Examples:
  etl-runner run job.yaml --window 2026-11-20T05/PT1H
  etl-runner run job.yaml --last 1h --output json
  etl-runner run job.yaml                   # continue where the job's `schedule` left off
  etl-runner run job.yaml --window 2026-11-20 --set sink.url=/tmp/out --dry-run
  etl-runner run job.yaml --payload @payload.json

";

pub const PLAN_EXAMPLES: &str = "\
Examples:
  etl-runner plan job.yaml --window 2026-11-20T05/PT1H
  etl-runner plan job.yaml --last 1h --output json
  etl-runner plan job.yaml                  # which windows the schedule would run, and why

";

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Path to the job file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub options: RunOptionArgs,
}

/// All of `run` but the job file, which may be named in two ways.
#[derive(Debug, Args)]
pub struct RunOptionArgs {
    #[command(flatten)]
    window: WindowArgs,
    /// Payload of the scheduler that names the window: JSON, @FILE, or - for stdin.
    #[arg(long, value_name = "JSON", conflicts_with_all = ["window", "last"])]
    payload: Option<String>,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    now: NowArgs,
    #[command(flatten)]
    threads: ThreadsArgs,
    /// Do everything except publish.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    allowed: AllowedArgs,
    #[command(flatten)]
    pub screen: ScreenArgs,
}

/// What a run may do when it is told to.
#[derive(Debug, Args)]
struct AllowedArgs {
    /// Remove the window's rows if its input is gone.
    #[arg(long)]
    allow_empty: bool,
    /// Also replace the rows of committed windows within this one.
    #[arg(long)]
    supersede: bool,
    /// Also run a window that is not closed; it is run again once it is.
    #[arg(long)]
    allow_open: bool,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    now: NowArgs,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    allowed: AllowedArgs,
    #[command(flatten)]
    pub screen: ScreenArgs,
}

#[derive(Debug, Args)]
struct WindowArgs {
    /// Window to run, [start, end) in UTC: START/END, a day, or START/LENGTH such as 2026-11-20T05/PT1H.
    #[arg(long, value_name = "WINDOW", conflicts_with = "last")]
    window: Option<Window>,
    /// Run the last whole span before now: 1h is the last full hour, in UTC.
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    last: Option<Span>,
}

#[derive(Debug, Args)]
struct ThreadsArgs {
    /// Number of worker threads; overrides limits.threads.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<NonZeroUsize>,
}

impl WindowArgs {
    fn argument(&self) -> Option<WindowArgument> {
        self.window.map(WindowArgument::Window).or(self.last.map(WindowArgument::Last))
    }
}

impl AllowedArgs {
    fn options(&self) -> RunOptions {
        RunOptions {
            allow_empty: self.allow_empty,
            supersede: self.supersede,
            allow_open: self.allow_open,
            ..RunOptions::default()
        }
    }
}

impl RunOptionArgs {
    /// The payload that is given; a window that is named goes before that of the environment.
    fn payload(&self) -> Option<PayloadSource> {
        let of_environment = || std::env::var(PAYLOAD).ok().filter(|text| !text.is_empty());
        let is_named = self.window.argument().is_some();
        let text = self.payload.clone().or_else(|| if is_named { None } else { of_environment() })?;
        Some(match text.strip_prefix('@') {
            _ if text == "-" => PayloadSource::Stdin,
            Some(file) => PayloadSource::File(file.into()),
            None => PayloadSource::Text(text),
        })
    }
}

impl RunArgs {
    pub fn into_request(self) -> RunRequest {
        let args = self.options;
        let payload = args.payload();
        RunRequest {
            job: JobRequest { job_file: self.file, overrides: args.set.overrides, now: args.now.now },
            payload,
            window: args.window.argument(),
            options: RunOptions {
                dry_run: args.dry_run,
                wait: args.wait.duration(),
                threads: args.threads.threads,
                ..args.allowed.options()
            },
        }
    }
}

impl PlanArgs {
    pub fn into_request(self) -> PlanRequest {
        PlanRequest {
            job: JobRequest { now: self.now.now, ..self.job.into_request() },
            window: self.window.argument(),
            options: RunOptions { dry_run: true, threads: self.threads.threads, ..self.allowed.options() },
        }
    }
}
