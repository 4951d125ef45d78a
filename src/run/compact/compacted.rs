//! What became of a period.

use super::gathered::FileCount;
use super::periods::Left;
use crate::report::ErrorReport;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind};
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of a period.
#[derive(Debug, Serialize)]
pub struct Compacted {
    /// The period.
    pub window: Window,
    /// How it ended.
    pub merging: Merging,
    /// Why it was left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Left>,
    /// Windows that it has; of one that was compacted, had.
    pub windows: u64,
    /// Files of these.
    pub before: FileCount,
    /// Files that it has now; when it is only to be, about as many, and their bytes are not known.
    pub after: FileCount,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// What a person should know of.
    pub warnings: Vec<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// Kind of that.
    #[serde(skip)]
    pub kind: Option<ErrorKind>,
}

/// How the merging of a period ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Merging {
    /// It is one window now.
    Done,
    /// It is to be one; nothing was done.
    Planned,
    /// It was left alone.
    Left,
    /// It is one window, and something behind the commit is left to do.
    Partly,
    /// Another run holds it, or was faster.
    Held,
    /// It failed; nothing was changed.
    Failed,
    /// It was stopped; nothing was changed.
    Stopped,
}

impl Compacted {
    /// A period that ended as it says, without any files yet.
    pub fn new(window: Window, merging: Merging) -> Self {
        Self {
            window,
            merging,
            reason: None,
            windows: 0,
            before: FileCount::default(),
            after: FileCount::default(),
            rows: BTreeMap::new(),
            warnings: Vec::new(),
            error: None,
            kind: None,
        }
    }

    /// A period that is left alone.
    pub fn left(window: Window, reason: Left) -> Self {
        Self { reason: Some(reason), ..Self::new(window, Merging::Left) }
    }

    /// The same, after an error. What was committed by then stays.
    #[must_use]
    pub fn after(self, error: &Error) -> Self {
        let merging = match (self.merging, error.kind()) {
            (Merging::Done, _) => Merging::Partly,
            (_, ErrorKind::Held) => Merging::Held,
            (_, ErrorKind::Stopped) => Merging::Stopped,
            _ => Merging::Failed,
        };
        Self { merging, error: Some(error.into()), kind: Some(error.kind()), ..self }
    }
}
