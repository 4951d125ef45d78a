//! Judged: whether the output may be published.

use super::context::JobContext;
use super::rows_before::rows_before;
use super::toll::toll;
use crate::engine::balance;
use crate::engine::context::RunContext;
use crate::engine::output::RunOutput;
use crate::output::sink::check_partitions;
use crate::output::staging::DeadLetterFile;
use crate::rows::quality::{Findings, Rule, Verdict, check_dead_letters, conclude};
use crate::window::Window;
use etl_sdk::Result;
use std::sync::Arc;

/// Judges the output of a run: its ledger balances, it has no more dead letters than the job allows, and what its quality
/// rules say.
///
/// Fails when that cannot be found out. A refusal is part of the verdict.
pub fn judge(
    context: &JobContext<'_>,
    window: &Window,
    run: &RunContext<'_>,
    output: &RunOutput,
    findings: Findings,
) -> Result<Verdict> {
    balance::check(&output.ledger, run.pipeline, output.files())?;
    check_partitions(run.pipeline.sinks(), output.files())?;
    let rules = &run.pipeline.rules;
    let state = if rules.is_empty() { Arc::default() } else { context.stores.log.refresh()? };
    let history = |table: &str, runs| rows_before(&state, window, table, runs);
    let verdict = conclude(rules, findings, &run.sorter, &|table| output.rows(table), &history);
    // Too many dead letters come first: they may be why a rule is broken.
    match check_dead_letters(&run.config.limits.dead_letters, &toll(run.pipeline, output)) {
        Ok(()) => verdict,
        Err(refusal) => Ok(Verdict { refusal: Some(refusal), ..verdict.unwrap_or_default() }),
    }
}

/// Judges what a replay adds to its window. Rules over the number of rows are about whole windows, as
/// `limits.dead_letters` is.
pub fn judge_addition(run: &RunContext<'_>, output: &RunOutput, findings: Findings) -> Result<Verdict> {
    let rules = run.pipeline.rules.iter().filter(|rule| rule.test.kind() != "rows");
    let rules: Vec<Arc<Rule>> = rules.map(Arc::clone).collect();
    conclude(&rules, findings, &run.sorter, &|table| output.rows(table), &|_, _| Vec::new())
}

/// Makes the dead letters of a refused run visible: they are what explains the refusal. Only those are shown that the next
/// run of the window takes over.
pub fn show_dead_letters(context: &JobContext<'_>, output: &RunOutput) -> Result<Vec<DeadLetterFile>> {
    let files = output.registered_dead_letters();
    files.iter().try_for_each(|file| context.stores.dead_letters.publish(&file.pending))?;
    Ok(files.to_vec())
}
