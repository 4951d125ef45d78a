//! The arguments of `catalog`, for clap. Their comments are the help.

use super::options::{OutputArgs, TimedJobArgs};
use crate::commands::{CatalogAction, CatalogRequest};
use crate::text::Span;
use crate::window::Window;
use clap::{Args, Subcommand};

pub const EXAMPLES: &str = "\
Examples:
  etl-runner catalog plan job.yaml
  etl-runner catalog sync job.yaml --window 2026-11-20 --apply
  etl-runner catalog sync job.yaml --ahead 1d --apply
  etl-runner catalog repair job.yaml --apply

";

#[derive(Debug, Args)]
pub struct CatalogArgs {
    #[command(subcommand)]
    command: CatalogCommand,
}

#[derive(Debug, Subcommand)]
enum CatalogCommand {
    /// Show how the catalog differs from what the job's commits wrote. Nothing is changed.
    Plan(CatalogPlanArgs),
    /// Make missing tables and partitions, and change those that differ; only shown without --apply.
    Sync(CatalogSyncArgs),
    /// As sync, and remove partitions that hold no file; only shown without --apply.
    Repair(CatalogSyncArgs),
}

#[derive(Debug, Args)]
struct CatalogPlanArgs {
    #[command(flatten)]
    job: TimedJobArgs,
    /// Only what commits of this window wrote; what the catalog has beyond that is not looked at.
    #[arg(long, value_name = "WINDOW", value_parser = Window::parse)]
    window: Option<Window>,
    /// Also the partitions from today on to so long ahead of now, for the apps that are there.
    #[arg(long, value_name = "SPAN")]
    ahead: Option<Span>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct CatalogSyncArgs {
    #[command(flatten)]
    plan: CatalogPlanArgs,
    /// Change the catalog instead of only showing how.
    #[arg(long)]
    apply: bool,
}

impl CatalogArgs {
    pub fn output(&self) -> OutputArgs {
        match &self.command {
            CatalogCommand::Plan(plan) => plan.output,
            CatalogCommand::Sync(sync) | CatalogCommand::Repair(sync) => sync.plan.output,
        }
    }

    pub fn into_request(self) -> CatalogRequest {
        match self.command {
            CatalogCommand::Plan(plan) => plan.into_request(CatalogAction::Plan, false),
            CatalogCommand::Sync(sync) => sync.plan.into_request(CatalogAction::Sync, sync.apply),
            CatalogCommand::Repair(sync) => sync.plan.into_request(CatalogAction::Repair, sync.apply),
        }
    }
}

impl CatalogPlanArgs {
    fn into_request(self, action: CatalogAction, apply: bool) -> CatalogRequest {
        CatalogRequest { job: self.job.into_request(), action, window: self.window, ahead: self.ahead, apply }
    }
}
