//! The arguments of `check`, `recover` and `gc`, for clap. Their comments are the help.

use super::options::{JobArgs, OutputArgs, TimedJobArgs};
use crate::commands::{GcRequest, JobRequest, LogRepair, RecoverRequest};
use crate::text::Span;
use clap::Args;

pub const CHECK_EXAMPLES: &str = "\
Examples:
  etl-runner check job.yaml
  etl-runner check job.yaml --set source.url=s3://raw/clickstream --output json

";

pub const RECOVER_EXAMPLES: &str = "\
Examples:
  etl-runner recover job.yaml
  etl-runner recover job.yaml --output json
  etl-runner recover job.yaml --log
  etl-runner recover job.yaml --log --apply

";

pub const GC_EXAMPLES: &str = "\
Examples:
  etl-runner gc job.yaml
  etl-runner gc job.yaml --older-than 7d --output json
  etl-runner gc job.yaml --apply

";

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Check the commit log itself: show what is damaged or missing, what can be repaired and what is lost.
    #[arg(long)]
    log: bool,
    /// Repair the log instead of only showing what is wrong with it.
    #[arg(long, requires = "log")]
    apply: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct GcArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// Keep everything written within this span before now.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    older_than: Span,
    /// Remove the leftovers instead of only listing them.
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl CheckArgs {
    pub fn into_request(self) -> JobRequest {
        self.job.into_request()
    }
}

impl RecoverArgs {
    pub fn into_request(self) -> RecoverRequest {
        let repair = if self.apply { LogRepair::Apply } else { LogRepair::Show };
        RecoverRequest { job: self.job.into_request(), log: self.log.then_some(repair) }
    }
}

impl GcArgs {
    pub fn into_request(self) -> GcRequest {
        GcRequest { job: self.job.into_request(), older_than: self.older_than, apply: self.apply }
    }
}
