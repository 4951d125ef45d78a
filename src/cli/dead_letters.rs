//! The arguments of `dead-letters`, for clap. Their comments are the help.

use super::options::{EXIT_CODES, JobArgs, OutputArgs, ScreenArgs, WaitArgs, at_least_one};
use crate::commands::dead_letters::{
    DropRequest, LettersRequest, ListRequest, ReplayRequest, ShowRequest, WindowChoice,
};
use crate::window::{Instant, Window};
use clap::{ArgGroup, Args, Subcommand};
use etl_sdk::Result;
use std::num::NonZeroUsize;

pub const EXAMPLES: &str = "\
Examples:
  etl-runner dead-letters list job.yaml
  etl-runner dead-letters show job.yaml --window 2026-11-20T05/PT1H --reason not_json
  etl-runner dead-letters replay job.yaml --window 2026-11-20T05/PT1H
  etl-runner dead-letters drop job.yaml --window 2026-11-20T05/PT1H --reason not_json --yes";

const LIST_EXAMPLES: &str = "\
Examples:
  etl-runner dead-letters list job.yaml
  etl-runner dead-letters list job.yaml --from 2026-11-20 --to 2026-11-21 --output json";

const SHOW_EXAMPLES: &str = "\
Examples:
  etl-runner dead-letters show job.yaml --window 2026-11-20T05/PT1H
  etl-runner dead-letters show job.yaml --window 2026-11-20T05/PT1H --reason wrong_type --limit 3 --raw";

const REPLAY_EXAMPLES: &str = "\
Examples:
  etl-runner dead-letters replay job.yaml --window 2026-11-20T05/PT1H --dry-run
  etl-runner dead-letters replay job.yaml --from 2026-11-20 --to 2026-11-21 --reason record_too_long
  etl-runner dead-letters replay job.yaml --all --wait 10m
  etl-runner dead-letters replay job.yaml --firehose s3://raw/errors --window 2026-11-20T05/PT1H

";

const DROP_EXAMPLES: &str = "\
Examples:
  etl-runner dead-letters drop job.yaml --window 2026-11-20T05/PT1H --dry-run
  etl-runner dead-letters drop job.yaml --window 2026-11-20T05/PT1H --reason not_json --yes";

#[derive(Debug, Args)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// Count dead letters by window and reason, newest window first.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListLettersArgs),
    /// Print the dead letters of a window.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Process dead letters again with the current job, and add the rows to their window.
    #[command(after_help = [REPLAY_EXAMPLES, EXIT_CODES].concat())]
    Replay(ReplayArgs),
    /// Mark the dead letters of a window as dropped; their files are kept.
    #[command(after_help = DROP_EXAMPLES)]
    Drop(DropArgs),
}

#[derive(Debug, Args)]
struct LettersArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Only dead letters with this reason code.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct SpanArgs {
    /// Only this window, as it was run.
    #[arg(long, value_name = "WINDOW", conflicts_with_all = ["from", "to"])]
    window: Option<Window>,
    /// Only windows from this instant on, such as 2026-11-20 or 2026-11-20T05:00Z.
    #[arg(long, value_name = "INSTANT", requires = "to")]
    from: Option<Instant>,
    /// Only windows up to this instant.
    #[arg(long, value_name = "INSTANT", requires = "from")]
    to: Option<Instant>,
}

#[derive(Debug, Args)]
pub struct ListLettersArgs {
    #[command(flatten)]
    letters: LettersArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// Maximum number of windows to print.
    #[arg(long, value_name = "N", default_value = "50", value_parser = at_least_one)]
    limit: NonZeroUsize,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    letters: LettersArgs,
    /// The window, as it was run.
    #[arg(long, value_name = "WINDOW")]
    window: Window,
    /// Maximum number of dead letters to print.
    #[arg(long, value_name = "N", default_value = "20", value_parser = at_least_one)]
    limit: NonZeroUsize,
    /// Print all stored bytes of each record, not only the first 200.
    #[arg(long)]
    raw: bool,
    /// Also print replayed and dropped ones.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["window", "from", "all"]))]
pub struct ReplayArgs {
    #[command(flatten)]
    letters: LettersArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// All windows.
    #[arg(long, conflicts_with_all = ["window", "from", "to"])]
    all: bool,
    /// Replay the Amazon Data Firehose error records below this folder or s3:// URL, each in the window in which it arrived,
    /// instead of the windows' own dead letters.
    #[arg(long, value_name = "URL", conflicts_with = "reason")]
    firehose: Option<String>,
    /// Do everything except publish.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
    /// Number of worker threads; overrides limits.threads.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    screen: ScreenArgs,
}

#[derive(Debug, Args)]
pub struct DropArgs {
    #[command(flatten)]
    letters: LettersArgs,
    /// The window, as it was run.
    #[arg(long, value_name = "WINDOW")]
    window: Window,
    /// Only show how many would be dropped.
    #[arg(long)]
    dry_run: bool,
    /// Confirm that they are to be dropped.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl DeadLettersCommand {
    pub fn screen(&self) -> ScreenArgs {
        match self {
            Self::Replay(replay) => replay.screen,
            Self::List(ListLettersArgs { output, .. })
            | Self::Show(ShowArgs { output, .. })
            | Self::Drop(DropArgs { output, .. }) => (*output).into(),
        }
    }
}

impl LettersArgs {
    fn into_request(self, windows: WindowChoice) -> LettersRequest {
        LettersRequest { job: self.job.into_request(), windows, reason: self.reason }
    }
}

impl SpanArgs {
    /// Fails when the span has no length.
    fn choice(&self) -> Result<WindowChoice> {
        Ok(match (self.window, self.from, self.to) {
            (Some(window), _, _) => WindowChoice::One(window),
            (None, Some(from), Some(to)) => WindowChoice::Within(Window::new(from.0, to.0)?),
            _ => WindowChoice::All,
        })
    }
}

impl ListLettersArgs {
    pub fn into_request(self) -> Result<ListRequest> {
        Ok(ListRequest { letters: self.letters.into_request(self.span.choice()?), limit: self.limit })
    }
}

impl ShowArgs {
    pub fn into_request(self) -> ShowRequest {
        ShowRequest {
            job: self.letters.job.into_request(),
            window: self.window,
            reason: self.letters.reason,
            limit: self.limit,
            raw: self.raw,
            all_states: self.all,
        }
    }
}

impl ReplayArgs {
    pub fn into_request(self) -> Result<ReplayRequest> {
        Ok(ReplayRequest {
            letters: self.letters.into_request(self.span.choice()?),
            firehose: self.firehose,
            dry_run: self.dry_run,
            wait: self.wait.duration(),
            threads: self.threads,
        })
    }
}

impl DropArgs {
    pub fn into_request(self) -> DropRequest {
        DropRequest {
            job: self.letters.job.into_request(),
            window: self.window,
            reason: self.letters.reason,
            dry_run: self.dry_run,
            yes: self.yes,
            wait: self.wait.duration(),
        }
    }
}
