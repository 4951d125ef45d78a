//! What became of a window. Field names are a contract.

use super::item::Item;
use crate::report::{ErrorReport, RunReport, Status};
use crate::text::{count, instant, seconds};
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use strum::{IntoStaticStr, VariantArray};

/// How a window ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ResultStatus {
    /// Its rows are published.
    Done,
    /// There was no object in it.
    Empty,
    /// It was done before.
    Skipped,
    /// Committed, and not all of it visible.
    Partly,
    /// Another run holds it, or has committed it first.
    Held,
    /// A gate refused it.
    Refused,
    /// It failed.
    Failed,
    /// Told to end by a signal.
    Stopped,
    /// It was not begun.
    Waiting,
}

impl ResultStatus {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the window is not done although it was begun, and not for a signal.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Partly | Self::Held | Self::Refused | Self::Failed)
    }

    /// Whether the window's rows may be published: it is done, or only something behind its commit is left to do.
    pub fn is_decided(self) -> bool {
        self.is_good() || self == Self::Partly
    }

    /// Whether the window is done, now or before.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::Empty | Self::Skipped)
    }
}

/// What became of one window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowResult {
    /// First instant, RFC 3339 in UTC.
    pub start: String,
    /// First instant after.
    pub end: String,
    /// How it ended.
    pub status: ResultStatus,
    /// Why it was run: `next`, `missed`, `failed` or `late_data`; none when a person named it.
    pub reason: Option<String>,
    /// Name of the run; none when there was none.
    pub run_id: Option<String>,
    /// 0 for the first commit of the window, then one more with each re-run; none of a run that did not commit.
    pub revision: Option<u32>,
    /// Input objects read.
    pub objects: u64,
    /// Raw records read.
    pub records: u64,
    /// Rows by table; none of a run that did not commit.
    pub rows: BTreeMap<String, u64>,
    /// Dead letters, also of a run that a gate refused.
    pub dead_letters: u64,
    /// Tasks taken over from a run that was stopped.
    pub resumed_tasks: u64,
    /// On the clock.
    pub elapsed_seconds: f64,
    /// What a person should know of.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
    #[serde(skip)]
    window: Window,
    #[serde(skip)]
    pub(super) kind: Option<ErrorKind>,
}

/// The results of windows that were decided together. What kept their report from being kept is told of the first.
pub(super) fn empty_results(items: &[Item], report: &RunReport, not_kept: Option<&Error>) -> Vec<WindowResult> {
    let share = report.elapsed_seconds / items.len().max(1) as f64;
    let result = |item: &Item| WindowResult {
        run_id: Some(format!("{}-{}", report.job, item.window.id())),
        revision: Some(report.revision),
        elapsed_seconds: share,
        ..WindowResult::of(item, ResultStatus::Empty)
    };
    let mut results: Vec<WindowResult> = items.iter().map(result).collect();
    if let Some(first) = results.first_mut() {
        first.warnings.clone_from(&report.warnings);
        if let Some(error) = not_kept {
            (first.status, first.error, first.kind) = (ResultStatus::Partly, Some(error.into()), Some(error.kind()));
        }
    }
    results
}

impl WindowResult {
    /// The result of a window without a run.
    pub fn of(item: &Item, status: ResultStatus) -> Self {
        Self {
            start: instant(item.window.start),
            end: instant(item.window.end),
            status,
            reason: item.reason.as_ref().map(|reason| reason.name().to_owned()),
            run_id: None,
            revision: None,
            objects: 0,
            records: 0,
            rows: BTreeMap::new(),
            dead_letters: 0,
            resumed_tasks: 0,
            elapsed_seconds: 0.0,
            warnings: Vec::new(),
            error: None,
            window: item.window,
            kind: None,
        }
    }

    /// The result of a window whose run did not begin.
    pub fn failed(item: &Item, error: &Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Held => ResultStatus::Held,
            ErrorKind::Stopped => ResultStatus::Stopped,
            _ => ResultStatus::Failed,
        };
        Self { error: Some(error.into()), kind: Some(error.kind()), ..Self::of(item, status) }
    }

    /// The result of a run.
    pub fn of_run(item: &Item, report: RunReport, result: &Result<()>) -> Self {
        let status = match report.status {
            Status::Done => ResultStatus::Done,
            Status::Empty => ResultStatus::Empty,
            Status::Failed => ResultStatus::Failed,
            Status::Refused => ResultStatus::Refused,
            Status::Partly => ResultStatus::Partly,
            Status::Held => ResultStatus::Held,
            Status::Stopped => ResultStatus::Stopped,
        };
        // What a run made and gave up is no rows of anybody.
        let counted = matches!(status, ResultStatus::Done | ResultStatus::Partly);
        let tables = report.tables.into_iter().filter(|_| counted);
        Self {
            run_id: Some(report.run_id),
            revision: Some(report.revision).filter(|_| counted || status == ResultStatus::Empty),
            objects: report.objects.read,
            records: report.records,
            rows: tables.map(|table| (table.name, table.rows)).collect(),
            dead_letters: report.dead_letters.total,
            resumed_tasks: report.resumed_tasks,
            elapsed_seconds: report.elapsed_seconds,
            warnings: report.warnings,
            error: report.error,
            kind: result.as_ref().err().map(Error::kind),
            ..Self::of(item, status)
        }
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// One line: `2026-…/2026-… done: 1,234 rows, 2 dead letters in 0.42 s`.
    pub fn line(&self) -> String {
        let what = match (self.status, &self.error) {
            (ResultStatus::Done | ResultStatus::Partly, _) => {
                let rows = count(self.rows.values().sum());
                let dead = match self.dead_letters {
                    0 => String::new(),
                    dead => format!(", {} dead letters", count(dead)),
                };
                format!("{}: {rows} rows{dead} in {}", self.status.name(), seconds(self.elapsed_seconds))
            }
            (status, Some(error)) => format!("{}: {}", status.name(), error.message),
            (status, None) => status.name().to_owned(),
        };
        format!("{} {what}", self.window)
    }
}
