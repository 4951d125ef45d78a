//! The record of a run as others read it. Names are a contract.

use crate::listen::happening::{Happening, Outcome, What};
use crate::listen::limit::cut;
use crate::process::placement::Placement;
use crate::report::RunReport;
use crate::text::instant_millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::IntoStaticStr;

/// Longest message of an error.
const MAX_MESSAGE: usize = 2_000;

/// The record of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The run: the same for each run of a window.
    pub job_id: String,
    pub job_name: String,
    /// What started it, where that has a name: the job of AWS Batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_job_id: Option<String>,
    pub status: RecordStatus,
    pub window_start: String,
    pub window_end: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    pub updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Counts the runs of the window.
    pub attempt: u64,
    /// The process that runs it, or ran it last.
    pub owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_expires_at: Option<String>,
    pub input_files: u64,
    pub input_bytes: u64,
    pub rows_in: u64,
    /// By table.
    pub rows_out: BTreeMap<String, u64>,
    /// By reason.
    pub rows_rejected: BTreeMap<String, u64>,
    /// Where the run report is, which has all the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum RecordStatus {
    Running,
    Succeeded,
    SucceededWithRejects,
    Failed,
    Cancelled,
    Skipped,
}

impl RecordStatus {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Record {
    /// What a happening changes the record to; `None` when it changes nothing. The attempt is still to be counted.
    pub fn of(happening: &Happening) -> Option<Self> {
        let report = &happening.report;
        let status = match happening.what {
            What::Started => RecordStatus::Running,
            What::Ended(outcome) => status(outcome, report)?,
            What::CommandFailed | What::LateData { .. } => return None,
        };
        let is_over = status != RecordStatus::Running;
        let code = || happening.gate().or(happening.error().map(|error| error.kind.as_str()));
        Some(Self {
            job_id: report.run_id.clone(),
            job_name: report.job.clone(),
            parent_job_id: Placement::of_environment().batch_job_id.clone(),
            status,
            window_start: report.window.start.clone(),
            window_end: report.window.end.clone(),
            started_at: report.started_at.clone(),
            updated_at: instant_millis(happening.at),
            finished_at: report.ended_at.clone().filter(|_| is_over),
            attempt: 1,
            owner: happening.owner.clone(),
            lease_expires_at: happening.lease_expires_at.map(instant_millis).filter(|_| !is_over),
            input_files: report.objects.read,
            input_bytes: report.bytes.compressed,
            rows_in: report.records,
            rows_out: report.tables.iter().map(|table| (table.name.clone(), table.rows)).collect(),
            rows_rejected: report.dead_letters.by_reason.clone(),
            outputs: happening.report_uri.clone(),
            error_code: code().map(str::to_owned),
            error_message: happening.error().map(|error| cut(&error.message, MAX_MESSAGE)),
        })
    }
}

/// The status that an outcome leaves; `None` for one that is no change.
fn status(outcome: Outcome, report: &RunReport) -> Option<RecordStatus> {
    Some(match outcome {
        Outcome::Done if report.dead_letters.total > 0 => RecordStatus::SucceededWithRejects,
        Outcome::Done => RecordStatus::Succeeded,
        Outcome::Empty => RecordStatus::Skipped,
        Outcome::Refused | Outcome::Failed => RecordStatus::Failed,
        Outcome::Stopped => RecordStatus::Cancelled,
        Outcome::Partly => RecordStatus::Running,
        Outcome::Held | Outcome::Skipped => return None,
    })
}
