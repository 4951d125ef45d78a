//! What listeners are told.

use crate::report::{ErrorReport, RunReport, Status};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// Something in the life of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// What it is.
    pub what: What,
    /// When, by the clock of the machine.
    pub at: DateTime<Utc>,
    /// The process it happened in.
    pub owner: String,
    /// What whoever started the run calls it; the run's id when they gave no name.
    pub run_name: String,
    /// Until when the window is held without another sign of life, while the run works.
    #[serde(default)]
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// Everything before it is done.
    #[serde(default)]
    pub watermark: Option<DateTime<Utc>>,
    /// The run: of one that begins, its names and window alone. Without the list of its files.
    pub report: RunReport,
    /// Where the whole report is kept.
    #[serde(default)]
    pub report_uri: Option<String>,
    /// It was owed: it happened earlier, perhaps in another process.
    #[serde(default, skip_serializing)]
    pub is_owed: bool,
}

/// Kinds of happenings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A run holds its window and begins.
    Started,
    /// A run has ended.
    Ended(Outcome),
    /// A command failed before or beside its runs.
    CommandFailed,
    /// Objects arrived in a window that is done; it is run again.
    LateData {
        /// How many.
        objects: u64,
        /// Their bytes as stored.
        bytes: u64,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Its rows are published.
    Done,
    /// There was no object in its window.
    Empty,
    /// A gate refused to publish.
    Refused,
    /// It failed.
    Failed,
    /// It was told to end.
    Stopped,
    /// It is committed, and something is still to be made visible or announced.
    Partly,
    /// Another run holds its window.
    Held,
    /// Its window was done before.
    Skipped,
}

impl Outcome {
    /// As in events.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether nothing was published, and not because a person or a machine ended it.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Refused)
    }
}

impl From<Status> for Outcome {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => Self::Done,
            Status::Empty => Self::Empty,
            Status::Failed => Self::Failed,
            Status::Refused => Self::Refused,
            Status::Partly => Self::Partly,
            Status::Held => Self::Held,
            Status::Stopped => Self::Stopped,
        }
    }
}

impl Happening {
    /// How it ended, if it did.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.what {
            What::Ended(outcome) => Some(outcome),
            What::CommandFailed => Some(Outcome::Failed),
            What::Started | What::LateData { .. } => None,
        }
    }

    /// Why it failed.
    pub fn error(&self) -> Option<&ErrorReport> {
        self.report.error.as_ref()
    }

    /// The name of the gate that refused: a quality rule, or the limit of dead letters. `None` when none did.
    pub fn gate(&self) -> Option<&str> {
        if self.what != What::Ended(Outcome::Refused) {
            return None;
        }
        let facts = &self.error()?.facts;
        let limit = || facts.keys().find(|fact| fact.starts_with("limits.")).map(String::as_str);
        Some(facts.get("rule").map(String::as_str).or_else(limit).unwrap_or("gate"))
    }

    /// One line for people.
    pub fn text(&self) -> String {
        let RunReport { job, window, error, .. } = &self.report;
        let window =
            if window.start.is_empty() { String::new() } else { format!(", window {}/{}", window.start, window.end) };
        let what = match self.what {
            What::Started => "started".to_owned(),
            What::Ended(outcome) => outcome.name().to_owned(),
            What::CommandFailed => "failed".to_owned(),
            What::LateData { objects, .. } => format!("{objects} objects arrived late; the window is run again"),
        };
        match error {
            Some(error) => format!("job {job}{window}: {what}: {}", error.message),
            None => format!("job {job}{window}: {what}"),
        }
    }
}
