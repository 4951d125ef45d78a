//! The arguments of `state`, for clap. Their comments are the help.

use super::options::{OutputArgs, TimedJobArgs, at_least_one};
use crate::commands::{StateAction, StateFormat, StateRequest};
use crate::text::Malformed;
use crate::window::Instant;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

pub const EXAMPLES: &str = "\
Examples:
  etl-runner state show job.yaml
  etl-runner state set job.yaml --watermark 2026-11-20T05
  etl-runner state export job.yaml > state.json
  etl-runner state import job.yaml state.json
  etl-runner state rebuild job.yaml --from 2026-11-01
  etl-runner state import job.yaml job-latest.json --format job-latest";

#[derive(Debug, Args)]
pub struct StateArgs {
    #[command(subcommand)]
    action: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Show the watermark and a summary of the commit log.
    Show(StateShowArgs),
    /// Set the watermark: everything before it counts as done.
    Set(StateSetArgs),
    /// Print the state as JSON.
    Export(StateExportArgs),
    /// Set the watermark from an exported state or a job-latest.json.
    Import(StateImportArgs),
    /// Rebuild the users and sessions carried from run to run, from the raw input of the windows that are done.
    Rebuild(StateRebuildArgs),
}

#[derive(Debug, Args)]
struct StateShowArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct StateSetArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// The new watermark, such as 2026-11-20T05; `none` removes it.
    #[arg(long, value_name = "INSTANT")]
    watermark: Watermark,
    /// Reason to record in the log.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// An instant, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watermark(Option<DateTime<Utc>>);

#[derive(Debug, Args)]
struct StateExportArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// Format to print.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct StateImportArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// File to import; `-` reads stdin.
    #[arg(value_name = "STATE")]
    state: PathBuf,
    /// Format of the file.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct StateRebuildArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// Read windows from this instant on; what earlier windows contributed is forgotten.
    #[arg(long, value_name = "INSTANT")]
    from: Instant,
    /// Number of worker threads [default: limits.threads, else all cores]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<NonZeroUsize>,
    /// Only show which windows would be read.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// A form of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The full state of this program.
    #[default]
    State,
    /// `job-latest.json` of the Spark pipeline.
    JobLatest,
}

impl FromStr for Watermark {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse::<Instant>().map(|instant| Self(Some(instant.0)))
    }
}

impl From<Format> for StateFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::State => Self::State,
            Format::JobLatest => Self::JobLatest,
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
            StateCommand::Set(args) => {
                (args.job, StateAction::Set { watermark: args.watermark.0, reason: args.reason })
            }
            StateCommand::Export(args) => (args.job, StateAction::Export { format: args.format.into() }),
            StateCommand::Import(args) => {
                (args.job, StateAction::Import { file: args.state, format: args.format.into() })
            }
            StateCommand::Rebuild(args) => {
                let action = StateAction::Rebuild { from: args.from.0, threads: args.threads, dry_run: args.dry_run };
                (args.job, action)
            }
        };
        StateRequest { job: job.into_request(), action }
    }
}
