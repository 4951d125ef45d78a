//! How a command ended that ran windows.

use super::happening::{Happening, Outcome};
use crate::report::ErrorReport;
use serde::Serialize;
use std::collections::BTreeMap;

/// How a command ended that ran windows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandEnd {
    /// Name of the job.
    pub job: String,
    /// `run`, `backfill` or `retry`.
    pub command: &'static str,
    /// Whether all was done.
    #[serde(skip)]
    pub is_done: bool,
    /// `done`, `partly`, or the kind of the error.
    pub outcome: String,
    /// Why it failed, when that is not said by a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
    /// How many runs ended.
    pub ended: usize,
    /// The first of them.
    pub runs: Vec<RunBrief>,
}

/// What a machine that waits for a command needs to know of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunBrief {
    pub run_id: String,
    pub window_start: String,
    pub window_end: String,
    pub outcome: Outcome,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    pub dead_letters: u64,
    /// Where the whole report is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RunBrief {
    /// The brief of a run that has ended so.
    pub(super) fn of(happening: &Happening, outcome: Outcome) -> Self {
        let report = &happening.report;
        Self {
            run_id: report.run_id.clone(),
            window_start: report.window.start.clone(),
            window_end: report.window.end.clone(),
            outcome,
            rows: report.tables.iter().map(|table| (table.name.clone(), table.rows)).collect(),
            dead_letters: report.dead_letters.total,
            report: happening.report_uri.clone(),
            error: report.error.as_ref().map(|error| error.message.clone()),
        }
    }
}
