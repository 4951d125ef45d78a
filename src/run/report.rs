//! The run report, put together once, at the end, from the stages that were reached.

use super::admitted::provisional;
use super::context::JobContext;
use super::listed::Listed;
use super::phases::Times;
use super::placed::placed;
use super::plan::{RunPlan, run_of};
use super::recovered::EarlierCommit;
use super::stages::Stages;
use super::toll;
use crate::commit::token;
use crate::engine::Pipeline;
use crate::engine::output::RunOutput;
use crate::job::Places;
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::report::{CacheReport, EnrichmentReport, FileReport, KeptTasks, RunReport, Status};
use etl_sdk::{Error, ErrorKind, Result};

/// The report of a run that came as far as `stages`, and failed with `error` if it did.
pub fn of_run(
    context: &JobContext<'_>,
    plan: &RunPlan,
    stages: &Stages,
    error: Option<&Error>,
    times: Times,
) -> RunReport {
    let job = &context.job.config.job;
    let mut report = RunReport {
        dry_run: plan.dry_run,
        status: status(stages, error),
        revision: stages.planned.as_ref().map_or(0, |planned| planned.revision),
        provisional: stages.admitted.as_ref().is_some_and(|admitted| admitted.open_until.is_some()),
        resumed_tasks: stages.output.resumed.unwrap_or(0),
        kept: kept_tasks(plan, stages),
        placement: placed(context),
        effect: stages.foreseen.as_ref().map(|foreseen| foreseen.effect.clone()),
        warnings: warnings(context, plan, stages),
        error: error.map(Into::into),
        ..times.reported(RunReport::new(run_of(job, &plan.window, plan.now_msec).id, job, plan.window, plan.now_msec))
    };
    if let Some(earlier) = &stages.earlier {
        return earlier_report(report, context, earlier);
    }
    if let Some(listed) = &stages.listed {
        report = with_listing(report, listed);
    }
    if let Some(output) = &stages.output.merged {
        report = with_output(report, context.pipeline, output);
        report.dead_letters.files = match stages.committed {
            Some(_) => dead_letters(&context.places, output.dead_letters()),
            None => dead_letters(&context.places, &stages.output.shown),
        };
    }
    if let Some(judged) = &stages.output.judged {
        report.quality.clone_from(&judged.results);
    }
    report
}

/// What the next run of the window need not read again.
fn kept_tasks(plan: &RunPlan, stages: &Stages) -> Option<KeptTasks> {
    if stages.committed.is_some() || stages.earlier.is_some() {
        return None;
    }
    let counts = plan.progress.counts();
    (counts.tasks_kept > 0).then_some(KeptTasks { finished: counts.tasks_kept, tasks: counts.tasks_total })
}

/// How a run ended.
fn status(stages: &Stages, error: Option<&Error>) -> Status {
    if let Some(error) = error {
        return if stages.committed.is_some() || stages.earlier.is_some() { Status::Partly } else { status_of(error) };
    }
    let objects = match &stages.earlier {
        Some(earlier) => earlier.state.counts.objects,
        None => stages.listed.as_ref().map_or(0, Listed::count),
    };
    if objects == 0 { Status::Empty } else { Status::Done }
}

/// The status of what failed before it was committed.
pub fn status_of(error: &Error) -> Status {
    match error.kind() {
        ErrorKind::Gate => Status::Refused,
        ErrorKind::Stopped => Status::Stopped,
        ErrorKind::Held => Status::Held,
        _ => Status::Failed,
    }
}

/// What a person should know of, in the order in which it was found.
fn warnings(context: &JobContext<'_>, plan: &RunPlan, stages: &Stages) -> Vec<String> {
    let mut warnings = plan.warnings.clone();
    let open_until = stages.admitted.as_ref().and_then(|admitted| admitted.open_until);
    warnings.extend(open_until.map(|closes| provisional(&plan.window, closes)));
    warnings.extend(stages.untold.iter().flatten().cloned());
    warnings.extend(stages.listed.iter().flat_map(|listed| listed.warnings.clone()));
    warnings.extend(stages.recovery.iter().flat_map(|recovery| recovery.warnings.clone()));
    if let Some(earlier) = &stages.earlier {
        let version = earlier.state.version;
        warnings.push(format!("an earlier run had committed the window (commit {version}); it is published now"));
    }
    let foreseen = stages.foreseen.iter().filter_map(|foreseen| foreseen.compared.as_ref());
    warnings.extend(foreseen.flat_map(|compared| compared.warnings.clone()));
    warnings.extend(stages.compared.iter().flat_map(|compared| compared.warnings.clone()));
    warnings.extend(stages.planned.iter().flat_map(|planned| planned.warnings.clone()));
    if let Some(output) = stages.output.merged.as_ref().filter(|output| output.archived > 0) {
        warnings.push(format!("{} objects are archived and were not read; restore them first", output.archived));
    }
    warnings.extend(stages.output.carried.iter().cloned());
    warnings.extend(stages.output.merged.iter().flat_map(|output| toll::warnings(context.pipeline, output)));
    warnings.extend(stages.output.judged.iter().flat_map(|judged| judged.warnings.clone()));
    warnings.extend(stages.announced.iter().flat_map(|announced| announced.warnings.clone()));
    warnings
}

fn with_listing(mut report: RunReport, listed: &Listed) -> RunReport {
    report.objects.listed = listed.seen;
    report.objects.selected = listed.count();
    report.objects.strays = listed.strays;
    report.objects.skipped = listed.skipped.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
    report
}

/// A report with what the run made.
pub fn with_output(mut report: RunReport, pipeline: &Pipeline, output: &RunOutput) -> RunReport {
    report.objects.read = output.objects;
    report.objects.archived = output.archived;
    report.bytes.compressed = output.compressed_bytes;
    report.bytes.decompressed = output.decompressed_bytes;
    report.records = output.records();
    let lost = output.losses.estimate();
    report.objects.damaged = lost.objects;
    report.dead_letters.probably_lost = lost.total();
    report.set_ledger(&output.ledger, &|step| pipeline.table_of(step));
    report.set_files(&table_names(pipeline), output.files().iter().map(file).collect());
    report.caches = output.caches.values().map(CacheReport::from).collect();
    let steps = pipeline.tables.iter().flat_map(|plan| &plan.steps);
    let enrichments = steps.map(|step| EnrichmentReport::new(&step.name, &step.enrichment.facts()));
    report.enrichments = enrichments.filter(|enrichment| !enrichment.facts.is_empty()).collect();
    report
}

/// The report of a run that found its window committed and only had to publish it.
pub fn earlier_report(mut report: RunReport, context: &JobContext<'_>, earlier: &EarlierCommit) -> RunReport {
    let EarlierCommit { state, detail } = earlier;
    report.revision = state.revision;
    report.objects.selected = state.counts.objects;
    report.objects.read = state.counts.objects;
    report.bytes.compressed = state.counts.input_bytes;
    report.records = state.counts.records;
    report.set_ledger(&detail.ledger, &|step| context.pipeline.table_of(step));
    report.set_files(&table_names(context.pipeline), detail.files.iter().map(file).collect());
    report.dead_letters.files = dead_letters(&context.places, &detail.dead_letters);
    report
}

/// The names of the job's tables.
pub fn table_names(pipeline: &Pipeline) -> Vec<&str> {
    pipeline.tables.iter().map(|plan| plan.table.schema.table.as_str()).collect()
}

/// A file for reports.
pub fn file(file: &WrittenFile) -> FileReport {
    FileReport {
        table: file.table.clone(),
        path: file.pending.path.clone(),
        partition: partition_path(&file.pending.path),
        rows: file.rows,
        bytes: file.pending.bytes,
    }
}

/// The part of a file's path between the table's folder and its name.
fn partition_path(path: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.split_once('/').map_or("", |(_, partition)| partition).to_owned()
}

/// Where dead letters are.
pub fn dead_letters(places: &Places, files: &[DeadLetterFile]) -> Vec<String> {
    let url = places.dead_letters.url();
    let mut files: Vec<String> = files.iter().map(|file| format!("{url}/{}", file.pending.path)).collect();
    files.sort_unstable();
    files
}

/// Keeps the report of an attempt under a name that no other has, and gives its path in the state.
pub fn keep(context: &JobContext<'_>, report: &RunReport) -> Result<String> {
    let text =
        serde_json::to_vec_pretty(report).map_err(|error| Error::internal("write the run report").source(error))?;
    let instant: String = report.now.chars().filter(char::is_ascii_alphanumeric).collect();
    let path = format!("runs/{}-{instant}-{}.json", report.run_id, &token()[..8]);
    context.objects().put(&path, text)?;
    Ok(path)
}

/// The report of a run of which all is done but that its report could not be kept.
pub fn not_kept(report: RunReport, error: &Error) -> RunReport {
    RunReport { status: Status::Partly, error: Some(error.into()), ..report }
}
