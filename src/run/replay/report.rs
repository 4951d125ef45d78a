//! What a replay did, put together once, at the end, from the stages that were reached.

use super::left::Left;
use super::stages::{Stages, dead, taken};
use crate::engine::output::RunOutput;
use crate::report::{ErrorReport, Status};
use crate::run::recovered::Recovery;
use crate::run::report::status_of;
use crate::window::Window;
use etl_sdk::Error;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a replay of one window did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayReport {
    /// The window.
    pub window: Window,
    /// `done`, `empty` when nothing came of it and nothing was changed, or how it failed.
    pub status: Status,
    /// Number of the amendment; none when there is none.
    pub amendment: Option<u32>,
    /// Dead letters or error records that are done with now.
    pub taken: u64,
    /// Dead letters of the amendment by reason: what could not be used again.
    pub again: BTreeMap<String, u64>,
    /// Dead letters that stay open, by the reason why they could not be read again.
    pub left: BTreeMap<Left, u64>,
    /// Rows added, by table.
    pub rows: BTreeMap<String, u64>,
    /// What a person should know of.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
}

/// The report of a replay that came as far as `stages`, and failed with `error` if it did.
pub fn of_replay(window: Window, stages: &Stages, error: Option<&Error>) -> ReplayReport {
    let mut rows = BTreeMap::new();
    for file in stages.merged.iter().flat_map(RunOutput::files) {
        *rows.entry(file.table.clone()).or_insert(0) += file.rows;
    }
    let taken = match (&stages.tally, &stages.merged) {
        (Some(tally), Some(output)) => taken(tally, output),
        _ => 0,
    };
    let mut warnings: Vec<String> = stages.recovery.iter().flat_map(Recovery::warnings).collect();
    warnings.extend(stages.judged.iter().flat_map(|judged| judged.warnings.clone()));
    warnings.extend(stages.announced.iter().flat_map(|announced| announced.warnings.clone()));
    let status = match error {
        Some(_) if stages.committed.is_some() => Status::Partly,
        Some(error) => status_of(error),
        None if taken == 0 => Status::Empty,
        None => Status::Done,
    };
    ReplayReport {
        window,
        status,
        amendment: stages.committed,
        taken,
        again: stages.merged.as_ref().map(dead).unwrap_or_default(),
        left: stages.tally.as_ref().map(|tally| tally.left.clone()).unwrap_or_default(),
        rows,
        warnings,
        error: error.map(Into::into),
    }
}
