//! Arguments that several commands have. Their comments are the help.

use crate::commands::JobRequest;
use crate::screen::{Color, OutputFormat, Printer, ProgressStyle};
use crate::text::{Malformed, Span};
use chrono::{DateTime, Utc};
use clap::Args;
use etl_sdk::{Error, ErrorKind, Result};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; also when the window has no objects
  1  failed, nothing was published
  2  the command line or the job file is invalid
  3  a gate refused to publish, such as limits.dead_letters
  4  another run holds the window
  5  partly done
  6  stopped by a signal";

/// Those of commands that only read.
pub const READ_EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or the job file is invalid";

/// Those of `gc`.
pub const GC_EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or the job file is invalid
  6  stopped by a signal";

/// Those of `plan`, which is refused where the run would be.
pub const PLAN_EXIT_CODES: &str = "\
Exit codes:
  0  done; also when the window has no objects
  1  failed
  2  the command line or the job file is invalid
  3  the run would be refused, such as one that would empty its window
  4  another run holds the window";

/// A number that is at least 1.
pub fn at_least_one(text: &str) -> std::result::Result<NonZeroUsize, Malformed> {
    text.parse().map_err(|_| Malformed::new(text, "is not a number above 0", "write 1 or more"))
}

/// The job, for commands that do not ask for the time.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// Path to the job file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub set: SetArgs,
}

/// The job, and the instant that the command takes for now.
#[derive(Debug, Args)]
pub struct TimedJobArgs {
    #[command(flatten)]
    pub job: JobArgs,
    #[command(flatten)]
    pub now: NowArgs,
}

#[derive(Debug, Args)]
pub struct NowArgs {
    /// Use this instant instead of the current time, such as 2026-11-20T01:05:00Z.
    #[arg(long, value_name = "INSTANT", value_parser = now)]
    pub now: Option<DateTime<Utc>>,
}

#[derive(Debug, Args)]
pub struct SetArgs {
    /// Override a key of the job file, such as limits.threads=2; relative paths start from the job file's folder; may be
    /// repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Wait up to this long for another run of the window, such as 10m, instead of exiting with code 4.
    #[arg(long, value_name = "SPAN")]
    wait: Option<Span>,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ScreenArgs {
    #[command(flatten)]
    pub output: OutputArgs,
    /// How to show progress on stderr.
    #[arg(long, value_enum, default_value_t, value_name = "STYLE")]
    pub progress: ProgressStyle,
    /// Only print errors to stderr.
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct OutputArgs {
    /// Format of the output on stdout.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: OutputFormat,
    /// When to use colors; `auto` checks the terminal and `NO_COLOR`.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

impl JobArgs {
    pub fn into_request(self) -> JobRequest {
        JobRequest { job_file: self.file, overrides: self.set.overrides, now: None }
    }
}

impl TimedJobArgs {
    pub fn into_request(self) -> JobRequest {
        JobRequest { now: self.now.now, ..self.job.into_request() }
    }
}

impl WaitArgs {
    pub fn duration(&self) -> Duration {
        self.wait.map_or(Duration::ZERO, Span::duration)
    }
}

impl ScreenArgs {
    pub fn printer(self) -> Printer {
        Printer::new(self.output.output, self.output.color, self.progress, self.quiet)
    }
}

impl From<OutputArgs> for ScreenArgs {
    fn from(output: OutputArgs) -> Self {
        Self { output, ..Self::default() }
    }
}

/// Reads the instant of `--now`, which may have a fraction of a second.
fn now(text: &str) -> Result<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .map_err(|error| usage("read an instant", "write it as 2026-11-20T05:00:00Z").source(error))
}

/// A command line that is wrong, and what to write instead.
pub fn usage(what: &str, hint: &str) -> Error {
    Error::new(ErrorKind::Usage, what).hint(hint)
}
