//! An error as data. Field names are a contract.

use crate::storage::answer_of;
use crate::text::one_line;
use etl_sdk::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An error as data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorReport {
    /// `usage`, `config`, `not_found`, `permission`, `unavailable`, `limit`, `gate`, `held`, `stopped`,
    /// `damaged` or `internal`.
    pub kind: String,
    /// One line with all causes.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The facts that the error and its causes of our own name.
    pub facts: BTreeMap<String, String>,
    /// All that is wrong with a job file, this error included, and where; empty for an error that has no place in one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<MistakeReport>,
    /// What a store answered: its first 2 KiB, without credentials. It is in reports alone, and never in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// Something that is wrong with a file that a person wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MistakeReport {
    /// One line with all causes, without the place.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The file as it was named; none for what comes from the command line.
    pub file: Option<String>,
    /// Counted from 1.
    pub line: Option<usize>,
    /// Counted from 1, in characters.
    pub column: Option<usize>,
}

impl From<&Error> for MistakeReport {
    fn from(error: &Error) -> Self {
        let place = error.place();
        let message = one_line(&error.to_string());
        let prefix = place.map(|place| format!("{}:{}: ", place.file, place.line)).unwrap_or_default();
        Self {
            message: message.strip_prefix(&prefix).unwrap_or(&message).to_owned(),
            hint: error.hint_text().map(str::to_owned),
            file: place.map(|place| place.file.clone()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
        }
    }
}

impl From<&Error> for ErrorReport {
    fn from(error: &Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Usage => "usage",
            ErrorKind::Config => "config",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Permission => "permission",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Limit => "limit",
            ErrorKind::Gate => "gate",
            ErrorKind::Held => "held",
            ErrorKind::Stopped => "stopped",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Internal => "internal",
        };
        let mut facts = BTreeMap::new();
        let mut next: Option<&Error> = Some(error);
        while let Some(error) = next {
            for (name, value) in error.facts() {
                facts.entry((*name).to_owned()).or_insert_with(|| value.clone());
            }
            next = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Error>());
        }
        let is_of_a_file = error.place().is_some() || !error.others().is_empty();
        let mistakes = std::iter::once(error).chain(error.others()).filter(|_| is_of_a_file);
        Self {
            kind: kind.to_owned(),
            message: one_line(&error.to_string()),
            hint: error.hint_text().map(str::to_owned),
            facts,
            mistakes: mistakes.map(MistakeReport::from).collect(),
            answer: answer_of(error).map(str::to_owned),
        }
    }
}
