//! The seam: what a listener is, and what it is made of.

use super::end::CommandEnd;
use super::events::NotifyConfig;
use super::happening::{Happening, What};
use super::metrics::MetricsConfig;
use super::status::StatusConfig;
use crate::storage::{AwsConfig, S3Config};
use crate::text::Span;
use async_trait::async_trait;
use etl_sdk::Result;
use std::path::Path;
use std::sync::Arc;

/// Somebody who is told of runs.
///
/// Calls may come from several runs at the same time, and are given up when they take too long. The same may be told
/// twice. Clients are made at the first call: a job whose listeners hear of nothing looks for no credentials.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Its name in warnings and in the state, as in the job file: `notify.sns`.
    fn name(&self) -> &'static str;

    /// Whether it is told of this at all.
    fn hears(&self, what: &What) -> bool;

    /// Whether it is owed how each run that it was told of ended: when that cannot be told now, or the process ends before,
    /// the next command tells it.
    fn is_owed(&self) -> bool {
        false
    }

    /// Is told.
    async fn told(&self, happening: &Happening) -> Result<()>;

    /// A command begins that runs windows.
    async fn command_begins(&self) -> Result<()> {
        Ok(())
    }

    /// A command is at its end.
    async fn command_ends(&self, end: &CommandEnd) -> Result<()> {
        let _ = end;
        Ok(())
    }
}

/// What listeners are made of.
pub struct ListenerSetup<'a> {
    /// Name of the job.
    pub job: &'a str,
    /// The folder that paths of the job file start from.
    pub folder: &'a Path,
    /// The section `status`.
    pub status: &'a StatusConfig,
    /// The section `notify`.
    pub notify: &'a NotifyConfig,
    /// The section `metrics`.
    pub metrics: &'a MetricsConfig,
    /// How AWS is reached.
    pub aws: &'a AwsConfig,
    /// How buckets are reached.
    pub s3: &'a S3Config,
    /// How long a listener is waited for in all.
    pub patience: Span,
    /// Prints.
    pub voice: &'a Voice,
}

/// What is printed on behalf of listeners.
#[derive(Clone)]
pub struct Voice {
    /// A line for programs.
    pub line: Arc<dyn Fn(&str) + Send + Sync>,
    /// A note for people.
    pub note: Arc<dyn Fn(&str) + Send + Sync>,
    /// A warning for people.
    pub warning: Arc<dyn Fn(&str) + Send + Sync>,
}
