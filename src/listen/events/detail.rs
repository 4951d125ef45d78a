//! What an event says. Names are a contract: those of the first block are what rules for runs of EMR Serverless match.

use crate::listen::happening::{Happening, Outcome, What};
use crate::listen::limit::cut;
use crate::text::instant_millis;
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest message of an error.
const MAX_MESSAGE: usize = 4_000;

/// The detail of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    pub state: &'static str,
    pub job_run_id: String,
    pub job_run_name: String,
    pub application_id: String,
    pub created_at: Option<String>,
    pub updated_at: String,

    /// `started`, `late_data`, or how the run ended.
    pub event: &'static str,
    pub job: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowDetail>,
    pub revision: u32,
    pub provisional: bool,
    pub objects: u64,
    pub records: u64,
    /// By table.
    pub rows: BTreeMap<String, u64>,
    pub dead_letters: u64,
    /// Everything before it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// Where the run report is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// The gate that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<LateDetail>,
}

/// A window, RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowDetail {
    pub start: String,
    pub end: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorDetail {
    pub kind: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LateDetail {
    pub objects: u64,
    pub bytes: u64,
}

impl Detail {
    /// The detail of a happening. `application` is what the job is called by rules.
    pub fn of(happening: &Happening, application: &str) -> Self {
        let report = &happening.report;
        let error = happening.error().map(|error| ErrorDetail {
            kind: error.kind.clone(),
            message: cut(&error.message, MAX_MESSAGE),
            hint: error.hint.clone(),
        });
        let late = match happening.what {
            What::LateData { objects, bytes } => Some(LateDetail { objects, bytes }),
            _ => None,
        };
        let window = (!report.window.start.is_empty())
            .then(|| WindowDetail { start: report.window.start.clone(), end: report.window.end.clone() });
        Self {
            state: state(happening),
            job_run_id: report.run_id.clone(),
            job_run_name: happening.run_name.clone(),
            application_id: application.to_owned(),
            created_at: report.started_at.clone(),
            updated_at: instant_millis(happening.at),
            event: event(happening),
            job: report.job.clone(),
            window,
            revision: report.revision,
            provisional: report.provisional,
            objects: report.objects.read,
            records: report.records,
            rows: report.tables.iter().map(|table| (table.name.clone(), table.rows)).collect(),
            dead_letters: report.dead_letters.total,
            watermark: happening.watermark.map(instant_millis),
            report: happening.report_uri.clone(),
            error,
            gate: happening.gate().map(str::to_owned),
            late,
        }
    }
}

/// The name of a happening in events.
fn event(happening: &Happening) -> &'static str {
    match (happening.what, happening.outcome()) {
        (What::LateData { .. }, _) => "late_data",
        (_, Some(outcome)) => outcome.name(),
        (_, None) => "started",
    }
}

/// Its state in the words of EMR Serverless, with one more: `SKIPPED`, of a run without input, which leads to no load.
fn state(happening: &Happening) -> &'static str {
    match happening.outcome() {
        None if matches!(happening.what, What::LateData { .. }) => "LATE_DATA",
        None | Some(Outcome::Partly | Outcome::Held) => "RUNNING",
        Some(Outcome::Done) => "SUCCESS",
        Some(Outcome::Empty | Outcome::Skipped) => "SKIPPED",
        Some(Outcome::Refused | Outcome::Failed) => "FAILED",
        Some(Outcome::Stopped) => "CANCELLED",
    }
}
