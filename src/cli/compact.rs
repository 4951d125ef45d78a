//! The arguments of `compact`, for clap. Their comments are the help.

use super::options::{OutputArgs, TimedJobArgs, WaitArgs};
use crate::commands::CompactRequest;
use crate::text::Span;
use crate::window::{Every, Instant};
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  etl-runner compact job.yaml --dry-run
  etl-runner compact job.yaml
  etl-runner compact job.yaml --every 1mo --older-than 40d
  etl-runner compact job.yaml --from 2026-11-01 --to 2026-11-08 --output json

Exit codes:
  0  done; also when there is nothing to merge
  1  failed, no period was changed
  2  the command line or the job file is invalid
  4  other runs hold the periods, or were faster
  5  some periods failed, or are committed and not all of it is announced
  6  stopped by a signal";

#[derive(Debug, Args)]
pub struct CompactArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// Length of the periods: all windows of one become one window.
    #[arg(long, value_name = "LENGTH", default_value = "1d")]
    every: Every,
    /// Start of the first period, in UTC. Default: that of the first window that is done.
    #[arg(long, value_name = "INSTANT")]
    from: Option<Instant>,
    /// End of the last period, exclusive. Default: that of the last window that is done.
    #[arg(long, value_name = "INSTANT")]
    to: Option<Instant>,
    /// Leave periods alone that ended within this span before now.
    #[arg(long, value_name = "SPAN", default_value = "2d")]
    older_than: Span,
    #[command(flatten)]
    wait: WaitArgs,
    /// Only show which periods would be merged.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl CompactArgs {
    pub fn into_request(self) -> CompactRequest {
        CompactRequest {
            every: self.every,
            from: self.from,
            to: self.to,
            older_than: self.older_than,
            wait: self.wait.duration(),
            dry_run: self.dry_run,
            job: self.job.into_request(),
        }
    }
}
