//! The ledger's last word: nothing is lost within a step, nor between two steps.

use super::pipeline::{Pipeline, is_merged, merge_step};
use crate::output::sink::STEP as SINK_STEP;
use crate::output::staging::WrittenFile;
use crate::source::STEP as SOURCE_STEP;
use etl_sdk::{Error, Ledger, Result, StepName};

/// Checks that every step balances, that each step reads what the one before keeps, and that the files hold the rows
/// that went into the sink.
pub fn check(ledger: &Ledger, pipeline: &Pipeline, files: &[WrittenFile]) -> Result<()> {
    if let Some(step) = ledger.unbalanced().first() {
        let counts = ledger.get(step).cloned().unwrap_or_default();
        return Err(lost(step)
            .with("read", counts.read)
            .with("added", counts.added)
            .with("kept", counts.kept)
            .with("filtered", counts.filtered_total())
            .with("dead", counts.dead_total()));
    }
    let kept = |step: &str| ledger.get(step).map_or(0, |counts| counts.kept);
    let read = |step: &str| ledger.get(step).map_or(0, |counts| counts.read);
    let door = |from: &str, to: &str| {
        if kept(from) == read(to) {
            return Ok(());
        }
        Err(lost(to).with("kept_by", from).with("kept", kept(from)).with("read", read(to)))
    };
    let chain: Vec<&str> =
        std::iter::once(SOURCE_STEP).chain(pipeline.transformer.chain().iter().map(StepName::as_str)).collect();
    for pair in chain.windows(2) {
        door(pair[0], pair[1])?;
    }
    let mut into_sink = 0;
    for plan in pipeline.tables.iter().filter(|plan| plan.sink.is_some()) {
        let mut last = plan.table.step.to_string();
        let merge = is_merged(&plan.table).then(|| merge_step(&plan.table));
        for step in merge.into_iter().chain(plan.step_names().map(str::to_owned)) {
            door(&last, &step)?;
            last = step;
        }
        into_sink += kept(&last);
    }
    let in_files = files.iter().map(|file| file.rows).sum::<u64>();
    if into_sink != read(SINK_STEP) || in_files != kept(SINK_STEP) {
        return Err(lost(SINK_STEP)
            .with("kept_before", into_sink)
            .with("read", read(SINK_STEP))
            .with("kept", kept(SINK_STEP))
            .with("in_files", in_files));
    }
    Ok(())
}

fn lost(step: &str) -> Error {
    Error::internal("balance the ledger: rows appeared or vanished").with("step", step)
}
