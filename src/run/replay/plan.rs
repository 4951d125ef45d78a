//! What to replay.

use crate::report::Progress;
use crate::source::InputObject;
use crate::storage::Storage;
use crate::window::Window;
use etl_sdk::EpochMillis;
use std::time::Duration;

/// What is read again.
#[derive(Clone, Copy)]
pub enum Take<'a> {
    /// The window's open dead letters, of one reason code or all.
    Letters(Option<&'a str>),
    /// Objects with Firehose error records, of which those that arrived in the window are taken.
    Errors(&'a Storage, &'a [InputObject]),
}

/// What to replay.
pub struct ReplayPlan<'a> {
    /// A committed window.
    pub window: Window,
    /// What is read again.
    pub take: Take<'a>,
    /// The command's instant: a window that is open then is not replayed.
    pub now: EpochMillis,
    /// Worker threads of the merges.
    pub threads: usize,
    /// Do all but publish.
    pub dry_run: bool,
    /// How long to wait for another run of the window.
    pub wait: Duration,
    /// Counts what is done.
    pub progress: Progress,
}
