//! A run between its lease and its end: what it found, what its tasks left behind, and the commit.

use super::context::JobContext;
use super::decision::{Decided, Decision};
use super::execute::RunPlan;
use super::phases::Phases;
use super::{describe, fingerprint, replay};
use crate::commit::{CommitDetail, JobState, Late, PlanRecord, Replaced, ReplacedFile, TaskResult, Work, inputs};
use crate::engine::carry::{Carrying, CarryingRun};
use crate::engine::merged::merge_all;
use crate::engine::output::RunOutput;
use crate::engine::read::{Tasks, read_all};
use crate::engine::worker::Shared;
use crate::engine::{Task, balance, carry, pack};
use crate::output::staging::DeadLetterFile;
use crate::process::stop::Stop;
use crate::report::{RunReport, Status};
use crate::source;
use crate::targets::manifests as manifest;
use crate::window::Window;
use etl_sdk::{Error, ErrorKind, Result, Run};
use std::collections::BTreeMap;

/// A run that knows its input and has not committed.
pub struct Attempt<'a> {
    context: &'a JobContext<'a>,
    plan: &'a RunPlan,
    run: Run,
    stop: &'a Stop,
    /// Version of the log that the run rests on: whatever conflicts with it and comes later wins. The state itself is not
    /// kept: the log would have to copy it for each entry.
    base: u64,
    /// What the commit replaces.
    replaces: Replaced,
    name: String,
    revision: u32,
    /// Committed windows that this one covers.
    covered: Vec<Window>,
    inputs: String,
    tasks: Vec<Task>,
    late: Vec<Late>,
    work: Work,
    finished: BTreeMap<u64, TaskResult>,
}

impl<'a> Attempt<'a> {
    /// Lists the input, compares it with that of earlier runs, and finds what is done already.
    pub fn begin(
        context: &'a JobContext<'a>,
        plan: &'a RunPlan,
        mut run: Run,
        stop: &'a Stop,
        phases: &mut Phases,
        report: &mut RunReport,
    ) -> Result<Self> {
        let config = &context.job.config;
        let state = context.log.refresh()?;
        let covered = covered(&state, plan)?;
        phases.begin("list");
        let listing = source::list(&context.places.source, &config.source, &plan.window, &config.limits);
        let listing = context.runtime.block_on(stop.unless(listing))?;
        describe::listing(report, &listing);
        let known = state.window(&plan.window);
        if let Some(last) = known.commits.first() {
            compare_inputs(context, last, &listing.objects, report)?;
        }
        report.warnings.extend(replay::forgotten(context, &state, &plan.window, &covered)?);
        report.warnings.extend(carry::unknown(context.pipeline, &state, &plan.window));
        if listing.objects.is_empty() && !plan.allow_empty {
            refuse_to_empty(&state, plan, &covered)?;
        }
        let bytes = listing.objects.iter().map(|object| object.size).sum();
        plan.progress.set_total(listing.objects.len() as u64, bytes);

        let revision = known.next_revision();
        let name = if revision == 0 { run.id.clone() } else { format!("{}.r{revision}", run.id) };
        let now = plan.now_given.then_some(plan.now_msec);
        let id = fingerprint::of_plan(&fingerprint::of_job(context.job), &name, now, &listing.objects);
        let source = &config.source;
        let late = inputs::late(&context.places.source, source.layout, &plan.window, &listing.objects);
        let objects = context.objects();
        let inputs = inputs::keep(objects, &name, &id, &listing.objects)?;
        let tasks = pack(listing.objects, config.limits.task_bytes.0);
        let record =
            PlanRecord { now_msec: run.now, name: name.clone(), tasks: tasks.len() as u64, inputs: inputs.clone() };
        let books = context.books();
        let state = books.clean_up(state, &plan.window, &id, &name)?;
        let (work, record) = Work::open(objects, &plan.window, &id, record)?;
        failpoint!("run.planned");
        run.now = record.now_msec;
        let (finished, state) = books.finished(state, &plan.window, &work)?;
        let (base, replaces) = (state.version, replaced(context, &state, &plan.window, &covered)?);
        Ok(Self {
            context,
            plan,
            run,
            stop,
            base,
            replaces,
            name,
            revision,
            covered,
            inputs,
            tasks,
            late,
            work,
            finished,
        })
    }

    /// Does what is left to do, commits and publishes.
    pub fn finish(self, phases: &mut Phases, report: &mut RunReport) -> Result<()> {
        report.revision = self.revision;
        let mut finished = self.finished.clone();
        let (version, output) = loop {
            match self.decide(finished, phases, report)? {
                (Decided::Committed(version), output) => break (version, output),
                // Only the merges are done again: all tasks are registered.
                (Decided::Moved, _) => finished = self.work.results()?,
            }
        };
        phases.begin("publish");
        report.status = Status::Partly;
        describe::dead_letters(report, &self.context.places, &output.dead_letters);
        self.context.publisher(|publisher| publisher.publish(version))?;
        report.status = if self.tasks.is_empty() { Status::Empty } else { Status::Done };
        // Nobody needs it any more; what stays for lack of an answer, `gc` removes.
        let _ = self.work.remove();
        failpoint!("run.done");
        Ok(())
    }

    /// Does what is left to do, and decides.
    fn decide(
        &self,
        finished: BTreeMap<u64, TaskResult>,
        phases: &mut Phases,
        report: &mut RunReport,
    ) -> Result<(Decided, RunOutput)> {
        phases.begin("read");
        let carrying = self.carrying()?;
        let shared = self.context.shared(&self.run, &self.name, self.stop, &self.plan.progress, carrying)?;
        let resumed = self.finished.len() as u64;
        let tasks = read_all(&shared, &self.tasks, self.plan.threads, Some(&self.work), finished)?;
        describe::resumed(report, resumed, self.tasks.len());
        phases.begin("merge");
        let mut output = self.merge(&shared, tasks)?;
        describe::output(report, self.context.pipeline, &output);
        failpoint!("run.merged");
        if let Err(error) = describe::gate(self.context, &self.plan.window, &shared, &mut output, report) {
            // The dead letters are what explains a refusal: they are shown, the tables are not.
            let shown = match error.kind() {
                ErrorKind::Gate => self.show_dead_letters(&output, report),
                _ => Ok(()),
            };
            output.give_up_merged(&shared);
            return shown.and(Err(error));
        }
        phases.begin("commit");
        Ok((self.commit(&shared, &output)?, output))
    }

    fn carrying(&self) -> Result<Option<Carrying>> {
        let run = CarryingRun {
            window: self.plan.window,
            replaces: Some(&self.covered),
            name: &self.name,
            now_msec: self.run.now,
            keep: true,
        };
        Carrying::open(self.context.pipeline, self.context.objects(), self.context.log.refresh()?.as_ref(), run)
    }

    fn merge(&self, shared: &Shared<'_>, mut tasks: Tasks) -> Result<RunOutput> {
        let mut output = RunOutput::of(self.context.pipeline, &mut tasks);
        let merged = merge_all(shared, tasks.collectors, self.tasks.len(), self.plan.threads);
        output.add_merged(merged, shared)?;
        let balanced = balance::check(&output.ledger, self.context.pipeline, output.files());
        if let Err(error) = balanced {
            output.give_up_merged(shared);
            return Err(error);
        }
        Ok(output)
    }

    /// The one decision.
    fn commit(&self, shared: &Shared<'_>, output: &RunOutput) -> Result<Decided> {
        let detail = CommitDetail {
            inputs: self.inputs.clone(),
            replaces: self.replaces.clone(),
            ..CommitDetail::new(&self.name, self.plan.window, self.run.now)
        };
        let objects = self.tasks.iter().flat_map(|task| &task.objects);
        let decision = Decision {
            detail,
            base: self.base,
            revision: self.revision,
            amendment: 0,
            supersedes: self.covered.clone(),
            objects: objects.clone().count() as u64,
            input_bytes: objects.map(|object| object.size).sum(),
            late: self.late.clone(),
        };
        decision.commit(self.context, shared, output)
    }

    fn show_dead_letters(&self, output: &RunOutput, report: &mut RunReport) -> Result<()> {
        let files: Vec<&DeadLetterFile> = output.task_dead_letters().collect();
        files.iter().try_for_each(|file| self.context.dead_letters.publish(&file.pending))?;
        let shown: Vec<DeadLetterFile> = files.into_iter().cloned().collect();
        describe::dead_letters(report, &self.context.places, &shown);
        Ok(())
    }
}

/// What a commit of the window that rests on `state` replaces.
fn replaced(context: &JobContext<'_>, state: &JobState, window: &Window, covered: &[Window]) -> Result<Replaced> {
    let mut replaced = Replaced::default();
    let objects = context.objects();
    for (_, commit) in inputs::replaced(state, window, covered) {
        let detail = CommitDetail::read(objects, &commit.detail, &commit.detail_hash)?;
        let location = manifest::location_of(&detail.sink);
        let announced = manifest::ManifestInput::of(&detail, &location);
        replaced.manifests.extend(manifest::paths(&detail.manifests, &announced));
        replaced.files.extend(detail.files.iter().map(|file| ReplacedFile {
            table: file.table.clone(),
            partition: file.partition.clone(),
            path: file.pending.path.clone(),
        }));
        replaced.dead_letters.extend(detail.dead_letters.iter().map(|file| file.pending.path.clone()));
    }
    // What a commit that was never published replaces may still be there.
    for commit in state.unpublished.values().filter(|commit| commit.window.overlaps(window)) {
        let unpublished = CommitDetail::read(objects, &commit.detail, &commit.detail_hash)?.replaces;
        replaced.files.extend(unpublished.files);
        replaced.dead_letters.extend(unpublished.dead_letters);
        replaced.manifests.extend(unpublished.manifests);
    }
    Ok(replaced)
}

/// Committed windows that the plan's covers and may replace.
fn covered(state: &JobState, plan: &RunPlan) -> Result<Vec<Window>> {
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

fn compare_inputs(
    context: &JobContext<'_>,
    last: &crate::commit::CommitState,
    now: &[source::InputObject],
    report: &mut RunReport,
) -> Result<()> {
    let detail = CommitDetail::read(context.objects(), &last.detail, &last.detail_hash)?;
    if let Some(before) = inputs::read(context.objects(), &detail.inputs)? {
        report.warnings.extend(inputs::changes(&before, now).warnings());
    }
    Ok(())
}

fn refuse_to_empty(state: &JobState, plan: &RunPlan, covered: &[Window]) -> Result<()> {
    let rows: u64 = inputs::replaced(state, &plan.window, covered)
        .iter()
        .map(|(_, commit)| commit.counts.rows.values().sum::<u64>())
        .sum();
    if rows == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Gate, "refuse to replace the window's rows by nothing: its input is gone")
        .with("window", plan.window)
        .with("rows", rows)
        .hint("restore the input; or, if the rows are to go, add --allow-empty"))
}
