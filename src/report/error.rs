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
    /// What a store answered: its first 2 KiB, without credentials. It is in reports alone, and never in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
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
        Self {
            kind: kind.to_owned(),
            message: one_line(&error.to_string()),
            hint: error.hint_text().map(str::to_owned),
            facts,
            answer: answer_of(error).map(str::to_owned),
        }
    }
}
