//! What the commit log says: one entry per event, in one order that everybody agrees on.

use super::state_object::{ContentHash, StateObject};
use crate::window::Window;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One object of the log. Its version is its place; there are no gaps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Place in the log, from 1.
    pub version: u64,
    /// When it was written, by its writer's clock. Nothing depends on it but what people are shown.
    pub at: DateTime<Utc>,
    /// Who wrote it.
    pub by: Runner,
    /// Tells this entry from any other that was meant for the same place: an answer may be lost on its way.
    pub token: String,
    /// What happened.
    pub event: Event,
}

/// A process that runs jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// Drawn at random when the process starts.
    pub id: String,
    /// Name of its machine.
    pub host: String,
    /// Its process on that machine.
    pub pid: u32,
    /// Version of the program.
    pub program: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A run or a replay is decided: its files are the output of the window, whether or not they are visible yet.
    Commit(Box<Commit>),
    /// Windows that follow each other are decided together: none of them has input. There is nothing to publish.
    Empty(Box<EmptyWindows>),
    /// All that a commit decided is visible, and what it replaced is gone.
    Published {
        /// Version of the commit.
        commit: u64,
        /// Its window.
        window: Window,
        /// Names of the targets to which it was not announced by then.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        owed: Vec<String>,
    },
    /// A commit was announced to one of its targets.
    Announced {
        /// Version of the commit.
        commit: u64,
        /// Its window.
        window: Window,
        /// Name of the target.
        target: String,
    },
    /// A run ended without a commit.
    Failed(Failure),
    /// What runs of these windows left behind, and did not commit, is about to be given up: they must not commit it any more.
    Fence {
        /// The windows.
        windows: Vec<Window>,
        /// Why, for people.
        reason: String,
    },
    /// That runs of a window ended without a commit counts no more. Runs that are at work on it must not commit.
    Forgotten {
        /// The window, which nothing is committed of.
        window: Window,
        /// Why, for people.
        reason: String,
    },
    /// The watermark was set by hand, or for the first time.
    Watermark {
        /// Everything before it is done; `None` forgets it.
        at: Option<DateTime<Utc>>,
        /// Why, for people.
        reason: String,
    },
    /// Dead letters of a window are marked.
    Marked(Marked),
    /// What merged tables carry was made anew, from the raw input.
    Rebuilt {
        /// The list of its pieces.
        carried: StateObject,
        /// Why, for people.
        reason: String,
    },
}

/// A decided run or replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The window.
    pub window: Window,
    /// 0 for the first run of the window that commits, then one more with each that replaces it.
    pub revision: u32,
    /// 0 for the run; `k` for the `k`th replay that adds to it.
    pub amendment: u32,
    /// Name of the files' stem: the run, its revision and its amendment.
    pub name: String,
    /// Path of the [`super::CommitDetail`] below the job's state.
    pub detail: String,
    /// Hash of the detail's bytes, so that nobody publishes from another.
    pub detail_hash: ContentHash,
    /// Committed windows that this one covers and replaces as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<Window>,
    /// What it did.
    pub counts: Counts,
    /// Objects that arrived after their hour's window was closed, by the first instant of the hour in their path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Late>,
    /// The list of what merged tables carry, with this run's rows; `None` when none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<StateObject>,
    /// Whether the window was open when it was run: objects may have arrived since, so it is not done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// Whether the window is forgotten with it: what it replaces goes, and nothing comes in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgets: bool,
    /// Names of the commits whose rows it has as they were, when it compacts them: what they left to merged tables is its
    /// own from here on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compacts: Vec<String>,
}

/// Windows without input, decided by one entry. Each counts as a run of its own, and can be run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmptyWindows {
    /// From the start of the first to the end of the last.
    pub span: Window,
    /// Length of each in seconds: they tile the span.
    pub seconds: i64,
    /// What the name of each begins with, before its window: the job.
    pub job: String,
    /// Path of the [`super::CommitDetail`] that they share, below the job's state.
    pub detail: String,
    /// Hash of its bytes.
    pub detail_hash: ContentHash,
}

/// What a commit did, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Input objects.
    pub objects: u64,
    /// Their bytes as stored.
    pub input_bytes: u64,
    /// Raw records.
    pub records: u64,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Output files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

/// Objects of one hour that a later window took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// First instant of the hour their path names.
    pub hour: DateTime<Utc>,
    /// How many.
    pub objects: u64,
    /// Their bytes as stored.
    pub bytes: u64,
}

/// A run that ended without a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The window.
    pub window: Window,
    /// How it ended.
    pub status: FailureStatus,
    /// Kind of the error, as in reports.
    pub kind: String,
    /// The error in one line.
    pub message: String,
}

/// How a run without a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FailureStatus {
    /// With an error.
    Failed,
    /// A gate refused to publish.
    Refused,
    /// Stopped by a signal.
    Stopped,
}

/// Dead letters that are done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// The window.
    pub window: Window,
    /// Version of the commit whose dead letters they are.
    pub commit: u64,
    /// `dropped`. Replayed ones are marked by the detail of the amendment that took them.
    pub what: String,
    /// Reason codes; all when empty.
    pub reasons: Vec<String>,
    /// How many.
    pub count: u64,
}

impl Event {
    /// Whether a commit of `window` that started before this event must give way to it.
    pub fn conflicts_with(&self, window: &Window) -> bool {
        match self {
            Self::Commit(commit) => commit.window.overlaps(window),
            Self::Forgotten { window: forgotten, .. } => forgotten.overlaps(window),
            Self::Empty(empty) => empty.span.overlaps(window),
            Self::Fence { windows, .. } => windows.iter().any(|fenced| fenced.overlaps(window)),
            Self::Published { .. }
            | Self::Announced { .. }
            | Self::Failed(_)
            | Self::Watermark { .. }
            | Self::Marked(_)
            | Self::Rebuilt { .. } => false,
        }
    }

    /// Whether dead letters of a window within this one were marked: who takes them over must know of it.
    pub fn marks(&self, window: &Window) -> bool {
        matches!(self, Self::Marked(marked) if window.covers(&marked.window))
    }

    /// What merged tables carry from here on, if the event says so.
    pub fn carried(&self) -> Option<&StateObject> {
        match self {
            Self::Commit(commit) => commit.carried.as_ref(),
            Self::Rebuilt { carried, .. } => Some(carried),
            _ => None,
        }
    }
}

impl EmptyWindows {
    /// The windows, oldest first.
    pub fn windows(&self) -> impl Iterator<Item = Window> + use<> {
        let Window { start, end } = self.span;
        // An entry that was tampered with must not go on for ever.
        let length = self.seconds.max(1);
        let starts = (start.timestamp()..end.timestamp()).step_by(usize::try_from(length).unwrap_or(usize::MAX));
        starts.filter_map(move |start| {
            let start = DateTime::from_timestamp(start, 0)?;
            Some(Window { start, end: DateTime::from_timestamp(start.timestamp().checked_add(length)?, 0)? })
        })
    }

    /// The name that a window's run has.
    pub fn name_of(&self, window: &Window) -> String {
        format!("{}-{}", self.job, window.id())
    }
}

impl Runner {
    /// This process.
    pub fn this() -> Self {
        Self {
            id: token(),
            host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Sixteen digits that nobody else draws.
pub fn token() -> String {
    use std::hash::{BuildHasher, RandomState};
    // Seeded from the system's random numbers for each process.
    let state = RandomState::new();
    format!("{:016x}", state.hash_one((std::process::id(), std::time::Instant::now())))
}
