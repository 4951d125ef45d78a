//! Merged: partial rows of the tasks are rows of merged tables, and all of the run's output is there.

use super::context::JobContext;
use crate::engine::context::RunContext;
use crate::engine::dispatch::Dispatch;
use crate::engine::merged::merge_all;
use crate::engine::output::RunOutput;
use crate::engine::read::Tasks;
use crate::rows::quality::Findings;
use etl_sdk::{Error, ErrorKind, Result};

/// The output of a run, before anything is judged.
pub struct Merged {
    /// Files, dead letters and counts.
    pub output: RunOutput,
    /// What the quality rules found.
    pub findings: Findings,
}

/// Merges what tasks left behind. On a failure what is registered nowhere is given up.
pub fn merge(run: &RunContext<'_>, dispatch: &dyn Dispatch, tasks: Tasks) -> Result<Merged> {
    let mut output = RunOutput::of(run.pipeline, &tasks);
    let mut findings = Findings { keys: tasks.keys, ..Findings::default() };
    tasks.results.iter().for_each(|result| findings.counts.merge(&result.quality));
    let merged = merge_all(run, dispatch, tasks.collectors, tasks.results.len());
    for mut table in merged.inspect_err(|_| output.give_up(run))? {
        findings.merge(std::mem::take(&mut table.quality));
        output.add(table);
    }
    Ok(Merged { output, findings })
}

/// The entry of the log that made what merged tables carry now; 0 for none.
pub fn carried_version(context: &JobContext<'_>) -> Result<u64> {
    Ok(context.stores.log.refresh()?.carried.as_ref().map_or(0, |(version, _)| *version))
}

/// Whether a failure is that rows are gone which merged tables carried in `version`: others have left rows of their own
/// since, and `gc` has cleared the former ones away.
pub fn is_overtaken(context: &JobContext<'_>, version: u64, error: &Error) -> Result<bool> {
    Ok(error.kind() == ErrorKind::Damaged && carried_version(context)? != version)
}
