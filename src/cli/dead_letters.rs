//! The arguments of `dead-letters`, for clap. Their comments are the help.

use super::args::{EXIT_CODES, OutputArgs, ScreenArgs, SetArgs};
use crate::commands::dead_letters::{
    DropRequest, LettersRequest, ListRequest, ReplayRequest, ShowRequest, WindowChoice,
};
use clap::{ArgGroup, Args, Subcommand};
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
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
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    pub(super) command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// Count them by window and reason, the newest window first.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListLettersArgs),
    /// Print dead letters of a window.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Read them again with the job as it is now, and add what comes of them to their window.
    #[command(after_help = [REPLAY_EXAMPLES, EXIT_CODES].concat())]
    Replay(ReplayArgs),
    /// Mark dead letters of a window as done with; their files stay.
    #[command(after_help = DROP_EXAMPLES)]
    Drop(DropArgs),
}

#[derive(Debug, Args)]
struct LettersArgs {
    /// The job file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only dead letters with this reason code.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    #[command(flatten)]
    set: SetArgs,
}

#[derive(Debug, Args)]
struct SpanArgs {
    /// The window, as it was run.
    #[arg(long, value_name = "WINDOW", conflicts_with_all = ["from", "to"])]
    window: Option<String>,
    /// Windows from this instant on, such as 2026-11-20 or 2026-11-20T05:00Z.
    #[arg(long, value_name = "INSTANT", requires = "to")]
    from: Option<String>,
    /// Windows up to this instant.
    #[arg(long, value_name = "INSTANT", requires = "from")]
    to: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListLettersArgs {
    #[command(flatten)]
    letters: LettersArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// Most windows to print.
    #[arg(long, value_name = "N", default_value = "50")]
    limit: NonZeroUsize,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    letters: LettersArgs,
    /// The window, as it was run.
    #[arg(long, value_name = "WINDOW")]
    window: String,
    /// Most dead letters to print.
    #[arg(long, value_name = "N", default_value = "20")]
    limit: NonZeroUsize,
    /// Print all bytes that are kept of a record, not only the first 200.
    #[arg(long)]
    raw: bool,
    /// Also print those that are replayed or dropped.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["window", "from", "all"]))]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    letters: LettersArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// All windows.
    #[arg(long, conflicts_with_all = ["window", "from", "to"])]
    all: bool,
    /// Replay the error records of Amazon Data Firehose below this folder or s3:// url, each in the window in which it
    /// arrived, instead of the windows' own dead letters.
    #[arg(long, value_name = "URL", conflicts_with = "reason")]
    firehose: Option<String>,
    /// Do everything except publish.
    #[arg(long)]
    dry_run: bool,
    /// Wait this long for another run of a window, such as 10m.
    #[arg(long, value_name = "SPAN")]
    wait: Option<String>,
    /// Worker threads; overrides limits.threads.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    screen: ScreenArgs,
}

#[derive(Debug, Args)]
pub(super) struct DropArgs {
    #[command(flatten)]
    letters: LettersArgs,
    /// The window, as it was run.
    #[arg(long, value_name = "WINDOW")]
    window: String,
    /// Only show how many would be dropped.
    #[arg(long)]
    dry_run: bool,
    /// Drop them without asking.
    #[arg(long)]
    yes: bool,
    /// Wait this long for another run of the window, such as 10m.
    #[arg(long, value_name = "SPAN")]
    wait: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

impl DeadLettersCommand {
    pub fn screen(&self) -> ScreenArgs {
        match self {
            Self::Replay(replay) => replay.screen,
            Self::List(ListLettersArgs { output, .. })
            | Self::Show(ShowArgs { output, .. })
            | Self::Drop(DropArgs { output, .. }) => ScreenArgs { output: *output, ..ScreenArgs::default() },
        }
    }
}

impl LettersArgs {
    fn into_request(self, windows: WindowChoice) -> LettersRequest {
        LettersRequest { job_file: self.file, overrides: self.set.overrides, windows, reason: self.reason }
    }
}

impl SpanArgs {
    fn into_choice(self) -> WindowChoice {
        match (self.window, self.from, self.to) {
            (Some(window), _, _) => WindowChoice::One(window),
            (None, Some(from), Some(to)) => WindowChoice::Between(from, to),
            _ => WindowChoice::All,
        }
    }
}

impl ListLettersArgs {
    pub fn into_request(self) -> ListRequest {
        ListRequest { letters: self.letters.into_request(self.span.into_choice()), limit: self.limit.get() }
    }
}

impl ShowArgs {
    pub fn into_request(self) -> ShowRequest {
        ShowRequest {
            letters: self.letters.into_request(WindowChoice::One(self.window)),
            limit: self.limit.get(),
            raw: self.raw,
            all_states: self.all,
        }
    }
}

impl ReplayArgs {
    pub fn into_request(self) -> ReplayRequest {
        ReplayRequest {
            letters: self.letters.into_request(self.span.into_choice()),
            firehose: self.firehose,
            dry_run: self.dry_run,
            wait: self.wait,
            threads: self.threads.map(NonZeroUsize::get),
        }
    }
}

impl DropArgs {
    pub fn into_request(self) -> DropRequest {
        DropRequest {
            letters: self.letters.into_request(WindowChoice::One(self.window)),
            dry_run: self.dry_run,
            yes: self.yes,
            wait: self.wait,
        }
    }
}
