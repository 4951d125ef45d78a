//! Why a dead letter stays open.

use serde::Serialize;

/// Why a dead letter could not be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// Other rows of its record may be in the output.
    Partial,
    /// Its object is gone, and no whole copy of the record was kept.
    Gone,
    /// Its object has other bytes today, and no whole copy of the record was kept.
    Changed,
    /// Its object is in an archive.
    Archived,
    /// The framing of today finds another record at its place.
    Moved,
}

impl Left {
    /// What it means and what to do, for people.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Partial => {
                "refused behind the transformer, so other rows of the record are in the output: run the window again"
            }
            Self::Gone => "the object is gone and no whole copy of the record was kept: restore it, or drop them",
            Self::Changed => {
                "the object has changed and no whole copy of the record was kept: run the window again, or drop them"
            }
            Self::Archived => "the object is archived: restore it, and replay again",
            Self::Moved => "the source's settings frame other records there today: run the window again",
        }
    }
}
