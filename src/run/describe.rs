//! The run report, filled in as the run goes on, and the gate that reads it.

use super::context::JobContext;
use super::execute::report_name;
use super::rows_before::rows_before;
use crate::commit::CommitDetail;
use crate::engine::Pipeline;
use crate::engine::output::RunOutput;
use crate::engine::worker::Shared;
use crate::job::Places;
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::report::{CacheReport, EnrichmentReport, FileReport, RunReport, Status};
use crate::rows::quality::{check_dead_letters, conclude};
use crate::source::Listing;
use crate::window::Window;
use etl_sdk::{Error, Result};
use std::sync::Arc;

/// What the listing found.
pub fn listing(report: &mut RunReport, listing: &Listing) {
    report.objects.listed = listing.listed;
    report.objects.selected = listing.objects.len() as u64;
    report.objects.skipped =
        listing.skipped.iter().map(|(reason, (count, _))| ((*reason).to_owned(), *count)).collect();
}

/// What the run made.
pub fn output(report: &mut RunReport, pipeline: &Pipeline, work: &RunOutput) {
    report.objects.read = work.objects;
    report.objects.archived = work.archived;
    report.bytes.compressed = work.compressed_bytes;
    report.bytes.decompressed = work.decompressed_bytes;
    report.records = work.records();
    report.set_ledger(&work.ledger, &|step| pipeline.table_of(step));
    set_files(report, pipeline, work.files());
    report.caches = work.caches.values().map(CacheReport::from).collect();
    report.enrichments = pipeline
        .tables
        .iter()
        .flat_map(|plan| &plan.steps)
        .map(|step| EnrichmentReport::new(&step.name, &step.enrichment.facts()))
        .filter(|enrichment| !enrichment.facts.is_empty())
        .collect();
    if work.archived > 0 {
        report.warnings.push(format!("{} objects are archived and were not read; restore them first", work.archived));
    }
}

fn set_files(report: &mut RunReport, pipeline: &Pipeline, files: &[WrittenFile]) {
    let names: Vec<_> = pipeline.tables.iter().map(|plan| plan.table.schema.table.as_str()).collect();
    let files = files.iter().map(|file| FileReport {
        table: file.table.clone(),
        path: file.pending.path.clone(),
        partition: partition_path(&file.pending.path),
        rows: file.rows,
        bytes: file.pending.bytes,
    });
    report.set_files(&names, files.collect());
}

/// The part of a file's path between the table's folder and its name.
fn partition_path(path: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.split_once('/').map_or("", |(_, partition)| partition).to_owned()
}

/// Where the dead letters are.
pub fn dead_letters(report: &mut RunReport, places: &Places, files: &[DeadLetterFile]) {
    report.dead_letters.files =
        files.iter().map(|file| format!("{}/{}", places.dead_letters.url(), file.pending.path)).collect();
    report.dead_letters.files.sort_unstable();
}

/// Says that tasks were done before.
pub fn resumed(report: &mut RunReport, resumed: u64, tasks: usize) {
    report.resumed_tasks = resumed;
    if resumed > 0 {
        report.warnings.push(format!("{resumed} of {tasks} tasks were finished by an earlier run and not read again"));
    }
}

/// The report of a run that found its window committed and only had to publish it.
pub fn recovered(context: &JobContext<'_>, window: Window, version: u64, report: &mut RunReport) -> Result<()> {
    let state = context.log.refresh()?;
    let known = state.window(&window);
    let Some(commit) = known.commits.iter().find(|commit| commit.version == version) else {
        return Err(Error::internal("find the commit that was just published").with("version", version));
    };
    let detail = CommitDetail::read(context.objects(), &commit.detail, &commit.detail_hash)?;
    report.revision = commit.revision;
    report.objects.selected = commit.counts.objects;
    report.objects.read = commit.counts.objects;
    report.bytes.compressed = commit.counts.input_bytes;
    report.records = commit.counts.records;
    report.set_ledger(&detail.ledger, &|step| context.pipeline.table_of(step));
    set_files(report, context.pipeline, &detail.files);
    dead_letters(report, &context.places, &detail.dead_letters);
    report.warnings.push(format!("an earlier run had committed the window (commit {version}); it is published now"));
    report.status = if commit.counts.objects == 0 { Status::Empty } else { Status::Done };
    Ok(())
}

/// Keeps the report of an attempt.
pub fn keep(context: &JobContext<'_>, report: &RunReport) -> Result<()> {
    let text =
        serde_json::to_vec_pretty(report).map_err(|error| Error::internal("write the run report").source(error))?;
    context.objects().put(&format!("runs/{}.json", report_name(report)), text)
}

/// Refuses to publish a run with more dead letters than the job allows, or that breaks a quality rule. Puts what the
/// rules found into the report, which must have the output already.
pub fn gate(
    context: &JobContext<'_>,
    window: &Window,
    shared: &Shared<'_>,
    output: &mut RunOutput,
    report: &mut RunReport,
) -> Result<()> {
    let rules = &context.pipeline.rules;
    let state = if rules.is_empty() { Arc::default() } else { context.log.refresh()? };
    let history = |table: &str, runs| rows_before(&state, window, table, runs);
    let judged = conclude(rules, std::mem::take(&mut output.quality), &shared.sorter, &history, report);
    let ledger = &output.ledger;
    let chain = context.pipeline.transformer.chain();
    let made = chain.iter().filter_map(|step| ledger.get(step)).map(|counts| counts.added).sum::<u64>();
    check_dead_letters(context.job.config.limits.dead_letters.as_ref(), ledger, output.records() + made).and(judged)
}
