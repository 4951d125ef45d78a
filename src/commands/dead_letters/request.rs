//! What the commands of dead letters are asked to do, in plain values.

use crate::commands::request::JobRequest;
use crate::window::Window;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Whose dead letters, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LettersRequest {
    /// The job.
    pub job: JobRequest,
    /// The windows.
    pub windows: WindowChoice,
    /// Only those with this reason code.
    pub reason: Option<String>,
}

/// Which windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowChoice {
    /// All that there are.
    #[default]
    All,
    /// This one.
    One(Window),
    /// Those that lie in a span.
    Within(Window),
}

/// `list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRequest {
    /// Whose and which.
    pub letters: LettersRequest,
    /// Most windows to print.
    pub limit: NonZeroUsize,
}

/// `show`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowRequest {
    /// The job.
    pub job: JobRequest,
    /// The window.
    pub window: Window,
    /// Only those with this reason code.
    pub reason: Option<String>,
    /// Most dead letters to print.
    pub limit: NonZeroUsize,
    /// All bytes that are kept, not only the first.
    pub raw: bool,
    /// Also those that are replayed or dropped.
    pub all_states: bool,
}

/// `replay`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// Whose and which.
    pub letters: LettersRequest,
    /// Where Firehose's error records are, in place of the windows' own dead letters.
    pub firehose: Option<String>,
    /// Do all but publish.
    pub dry_run: bool,
    /// How long to wait for another run of a window.
    pub wait: Duration,
    /// Worker threads; overrides `limits.threads`.
    pub threads: Option<NonZeroUsize>,
}

/// `drop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropRequest {
    /// The job.
    pub job: JobRequest,
    /// The window.
    pub window: Window,
    /// Only those with this reason code.
    pub reason: Option<String>,
    /// Only show what would be dropped.
    pub dry_run: bool,
    /// Whether it is meant.
    pub yes: bool,
    /// How long to wait for another run of the window.
    pub wait: Duration,
}
