//! Compared: what a window holds beside what earlier runs of it found and made.

use super::context::JobContext;
use super::listed::Listed;
use super::plan::RunPlan;
use crate::commit::{CommitDetail, CommitState, JobState, inputs};
use crate::engine::carry;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result};

/// What differs from earlier runs of the window.
pub struct Compared {
    /// What a person should know of it.
    pub warnings: Vec<String>,
}

/// Compares the input with that of the last run, and warns of what the run takes out of the output.
pub fn compare(
    context: &JobContext<'_>,
    state: &JobState,
    window: &Window,
    covered: &[Window],
    listed: &Listed,
) -> Result<Compared> {
    let mut warnings = changed_inputs(context, state, window, listed)?;
    warnings.extend(forgotten(context, state, window, covered)?);
    warnings.extend(carry::unknown(context.pipeline, state, window));
    Ok(Compared { warnings })
}

fn changed_inputs(context: &JobContext<'_>, state: &JobState, window: &Window, listed: &Listed) -> Result<Vec<String>> {
    let known = state.window(window);
    let Some(last) = known.commits.first() else { return Ok(Vec::new()) };
    let detail = CommitDetail::read(context.objects(), &last.detail, &last.detail_hash)?;
    let before = inputs::read(context.objects(), &detail.inputs)?;
    Ok(before.map(|before| inputs::changes(&before, listed.objects()).warnings()).unwrap_or_default())
}

/// What a run of `window` takes out of the output and does not bring back: error records of Firehose are no input of it.
fn forgotten(context: &JobContext<'_>, state: &JobState, window: &Window, covered: &[Window]) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let has_replays = |commit: &CommitState| commit.amendment > 0 || !commit.compacts.is_empty();
    for (of, commit) in inputs::replaced(state, window, covered).iter().filter(|(_, commit)| has_replays(commit)) {
        let detail = CommitDetail::read(context.objects(), &commit.detail, &commit.detail_hash)?;
        if detail.replayed_objects.is_empty() {
            continue;
        }
        let records = match commit.amendment {
            0 => format!("the replayed Firehose records of {} objects of {of}", detail.replayed_objects.len()),
            _ => format!("{} replayed Firehose records of {of}", commit.counts.records),
        };
        warnings.push(format!(
            "{records} are not in the output of this run: replay them again with `etl-runner dead-letters replay JOB \
             --firehose URL --window {window}`"
        ));
    }
    Ok(warnings)
}

/// Committed windows that the plan's covers and may replace.
pub fn covered(state: &JobState, plan: &RunPlan) -> Result<Vec<Window>> {
    let overlapping = state.overlapping(&plan.window);
    let Some(first) = overlapping.first() else { return Ok(Vec::new()) };
    let error = || {
        Error::new(ErrorKind::Usage, "the window overlaps others that are committed; their rows would be there twice")
            .with("window", plan.window)
            .with("overlaps", first)
            .with("windows", overlapping.len())
    };
    if overlapping.iter().any(|other| !plan.window.covers(other)) {
        return Err(error().hint("run windows that tile with those that `etl-runner status` shows"));
    }
    if plan.supersede {
        return Ok(overlapping);
    }
    Err(error().hint("run those windows one by one, or replace all of them by this one with --supersede"))
}

/// Refuses to replace rows by nothing, unless the plan says so.
pub fn refuse_to_empty(state: &JobState, plan: &RunPlan, covered: &[Window], listed: &Listed) -> Result<()> {
    if plan.allow_empty || !listed.tasks.is_empty() {
        return Ok(());
    }
    let replaced = inputs::replaced(state, &plan.window, covered);
    let rows: u64 = replaced.iter().map(|(_, commit)| commit.counts.rows.values().sum::<u64>()).sum();
    if rows == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Gate, "refuse to replace the window's rows by nothing: its input is gone")
        .with("window", plan.window)
        .with("rows", rows)
        .hint("restore the input; or, if the rows are to go, add --allow-empty"))
}
