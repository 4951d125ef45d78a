//! Planned: how the run is called, what of it is done already, and what its commit rests on and replaces.

use super::admitted::closing;
use super::context::JobContext;
use super::fingerprint;
use super::listed::Listed;
use super::plan::{RunPlan, run_of};
use crate::commit::{
    CommitDetail, ContentHash, JobState, Late, Objects, PlanRecord, Replaced, ReplacedFile, TargetRecord, TaskResult,
    Work, inputs,
};
use crate::publish::{Replacing, records};
use crate::window::Window;
use etl_sdk::{Result, Run};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run that knows its input.
pub struct Planned {
    /// The run as transformers know it.
    pub run: Run,
    /// Stem of its files' names.
    pub name: String,
    /// How often the window was committed before.
    pub revision: u32,
    /// Path of the list of input objects, below the job's state.
    pub inputs: String,
    /// Input that came too late for its own window.
    pub late: Vec<Late>,
    /// Whether the window is open: it is to be run again once it is closed.
    pub is_provisional: bool,
    /// Version of the log that the run rests on: whatever conflicts with it and comes later wins. The state itself is not
    /// kept: the log would have to copy it for each entry.
    pub base: u64,
    /// Committed windows that this one covers.
    pub covered: Vec<Window>,
    /// What the commit replaces.
    pub replaces: Replaced,
    /// What the commit keeps for its targets.
    pub targets: BTreeMap<String, TargetRecord>,
    /// What a person should know of the targets.
    pub warnings: Vec<String>,
    /// Where results of tasks are registered.
    pub work: Work,
    /// Results that an earlier run registered.
    pub finished: BTreeMap<u64, TaskResult>,
    /// The job's objects, for what the commit is going to name: made durable just before it.
    pub unsettled: Objects,
}

/// Puts in order what other plans of the window left behind, and finds what is done already.
pub fn plan(
    context: &JobContext<'_>,
    plan: &RunPlan,
    state: Arc<JobState>,
    covered: Vec<Window>,
    listed: &Listed,
) -> Result<Planned> {
    let (objects, window) = (context.objects().unsettled(), &plan.window);
    let mut run = run_of(&context.job.config.job, window, plan.now_msec);
    let revision = state.window(window).next_revision();
    let name = if revision == 0 { run.id.clone() } else { format!("{}.r{revision}", run.id) };
    let id = id_of(context, plan, &name, listed);
    let late = inputs::late(&context.places.source, &context.job.config.source, window, listed.objects());
    let inputs = inputs::keep(&objects, &name, &id, listed.objects())?;
    let record =
        PlanRecord { now_msec: run.now, name: name.clone(), tasks: listed.tasks.len() as u64, inputs: inputs.clone() };
    let state = context.stores.clean_up(state, window, &id, &name)?;
    let (work, record) = Work::open(context.objects(), window, &id, record)?;
    failpoint!("run.planned");
    run.now = record.now_msec;
    let (finished, state) = context.stores.finished(state, window, &work)?;
    let replacing = replacing(context, &state, window, &covered)?;
    Ok(Planned {
        run,
        name,
        revision,
        inputs,
        late,
        is_provisional: closing(context, plan.now_msec).is_open(window),
        base: state.version,
        covered,
        replaces: replaced(&replacing),
        targets: records(&context.targets, &replacing)?,
        warnings: replacing.gone(&context.targets),
        work,
        finished,
        unsettled: objects,
    })
}

/// The name of the plan of a run whose files have the stem `name`.
fn id_of(context: &JobContext<'_>, plan: &RunPlan, name: &str, listed: &Listed) -> String {
    let now = plan.now_given.then_some(plan.now_msec);
    fingerprint::of_plan(&fingerprint::of_job(context.job), name, now, listed.objects())
}

/// Where the list of input of this plan would be, had the run's files the stem `name`: a commit that was made of the same
/// plan names it.
pub fn path_of_inputs(context: &JobContext<'_>, plan: &RunPlan, name: &str, listed: &Listed) -> String {
    inputs::path_of(name, &id_of(context, plan, name, listed))
}

/// The commits that one of the window, resting on `state`, replaces.
pub fn replacing(context: &JobContext<'_>, state: &JobState, window: &Window, covered: &[Window]) -> Result<Replacing> {
    let read = |path: &str, hash: &ContentHash| CommitDetail::read(context.objects(), path, hash);
    let replaced = inputs::replaced(state, window, covered);
    let unpublished = state.unpublished.values().filter(|commit| commit.window.overlaps(window));
    Ok(Replacing {
        replaced: replaced
            .iter()
            .map(|(_, commit)| read(&commit.detail, &commit.detail_hash))
            .collect::<Result<_>>()?,
        unpublished: unpublished.map(|commit| read(&commit.detail, &commit.detail_hash)).collect::<Result<_>>()?,
    })
}

/// The files of the replaced commits, and what those were to replace and may not have.
pub fn replaced(replacing: &Replacing) -> Replaced {
    let mut all = Replaced::default();
    for detail in &replacing.replaced {
        all.files.extend(detail.files.iter().map(|file| ReplacedFile {
            table: file.table.clone(),
            partition: file.partition.clone(),
            path: file.pending.path.clone(),
        }));
        all.dead_letters.extend(detail.dead_letters.iter().map(|file| file.pending.path.clone()));
    }
    for detail in &replacing.unpublished {
        all.files.extend(detail.replaces.files.iter().cloned());
        all.dead_letters.extend(detail.replaces.dead_letters.iter().cloned());
    }
    all
}
