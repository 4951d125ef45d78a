//! One run, from the lease of its window to the report.

use super::admitted::admit;
use super::announced::announce;
use super::committed::{Decided, Decision};
use super::compared::{compare, covered, refuse_to_empty};
use super::context::JobContext;
use super::foreseen::foresee;
use super::judged::{judge, show_dead_letters};
use super::lease::claim;
use super::listed::{Listed, list};
use super::merged::{Merged, carried_version, is_overtaken, merge};
use super::phases::Phases;
use super::plan::{RunPlan, run_of};
use super::planned::{Planned, path_of_inputs, plan};
use super::read::{read, read_unregistered};
use super::recovered::{EarlierCommit, recover};
use super::report;
use super::stages::{OutputStages, Stages};
use crate::commit::{Event, Failure, FailureStatus};
use crate::engine::Threads;
use crate::engine::carry::{Carrying, CarryingRun, carry_of};
use crate::engine::context::RunContext;
use crate::engine::dispatch::Dispatch;
use crate::engine::output::RunOutput;
use crate::engine::read::Tasks;
use crate::process::panics::catch;
use crate::process::stop::Stop;
use crate::report::{ErrorReport, RunReport, Status};
use etl_sdk::{Error, ErrorKind, Result};
use std::sync::{MutexGuard, PoisonError};

/// Runs the job over a window. The report is complete as far as the run came, whether it failed or not.
pub fn execute(context: &JobContext<'_>, plan: &RunPlan) -> (RunReport, Result<()>) {
    execute_on(context, plan, &Threads(plan.threads))
}

/// Runs the job over a window, with its units done by `dispatch`.
pub(super) fn execute_on(context: &JobContext<'_>, plan: &RunPlan, dispatch: &dyn Dispatch) -> (RunReport, Result<()>) {
    let attempt = Attempt { context, plan, dispatch, stop: &context.stop.child() };
    let mut phases = Phases::new(plan.progress.clone(), context.objects().clock());
    let mut stages = Stages::default();
    let go = || {
        if plan.dry_run { attempt.rehearse(&mut phases, &mut stages) } else { attempt.run(&mut phases, &mut stages) }
    };
    let result = catch(go, |error| error);
    let result = result.map_err(|error| attempt.stop.explain(error));
    let report = report::of_run(context, plan, &stages, result.as_ref().err(), phases.finish());
    if plan.dry_run || result.as_ref().is_err_and(|error| is_refused_as_asked(error, &stages)) {
        return (report, result);
    }
    note_failure(context, plan, &report);
    let kept = report::keep(context, &report);
    failpoint!("run.kept");
    let path = kept.as_ref().ok().cloned();
    let (mut report, result) = match (kept, result) {
        (Err(error), Ok(())) => (report::not_kept(report, &error), Err(error)),
        // A report that cannot be kept must not hide why the run failed.
        (_, result) => (report, result),
    };
    let untold = context.tell_ended(&report, path.as_deref());
    report.warnings.extend(untold);
    (report, result)
}

/// One try to run a window.
struct Attempt<'a> {
    context: &'a JobContext<'a>,
    plan: &'a RunPlan,
    dispatch: &'a dyn Dispatch,
    stop: &'a Stop,
}

impl Attempt<'_> {
    /// Does all that a run does.
    fn run(&self, phases: &mut Phases, stages: &mut Stages) -> Result<()> {
        let Self { context, plan: asked, stop, .. } = *self;
        stages.admitted = Some(admit(context, asked)?);
        let _lease = claim(context, asked.window, asked.wait, stop, || phases.begin("wait"))?;
        failpoint!("run.leased");
        phases.begin("recover");
        let recovery = stages.recovery.insert(recover(context, asked.window)?);
        let state = context.stores.log.refresh()?;
        let covered = covered(&state, asked)?;
        phases.begin("list");
        let listed =
            stages.listed.insert(list(context, &asked.window, asked.stretch.as_deref(), &asked.progress, stop)?);
        if let Some(own) = &mut recovery.own {
            let earlier = EarlierCommit::read(context, &asked.window, own.commit.version)?;
            let is_open = stages.admitted.as_ref().is_some_and(|admitted| admitted.open_until.is_some());
            let is_as_final = earlier.state.provisional == is_open;
            if is_as_final && earlier.is_of(&path_of_inputs(context, asked, &earlier.state.name, listed)) {
                stages.earlier = Some(earlier);
                return own.owed.take().map_or(Ok(()), |owed| Err(owed.error));
            }
            recovery.go_on();
        }
        stages.compared = Some(compare(context, &state, &asked.window, &covered, listed)?);
        refuse_to_empty(&state, asked, &covered, listed)?;
        stages.untold = Some(context.tell_started(asked));
        let planned = stages.planned.insert(plan(context, asked, state, covered, listed)?);
        let version = *stages.committed.insert(self.decide(listed, planned, phases, &mut stages.output)?);
        phases.begin("publish");
        let announced = stages.announced.insert(announce(context, version)?);
        // No run needs it any more; what stays for lack of an answer, `gc` removes.
        let _ = planned.work.remove();
        failpoint!("run.done");
        announced.owed.take().map_or(Ok(()), Err)
    }

    /// Does all that a run does but what others can see: it takes no lease, keeps no result and leaves nothing behind.
    fn rehearse(&self, phases: &mut Phases, stages: &mut Stages) -> Result<()> {
        let Self { context, plan: asked, stop, .. } = *self;
        stages.admitted = Some(admit(context, asked)?);
        phases.begin("list");
        let listed =
            stages.listed.insert(list(context, &asked.window, asked.stretch.as_deref(), &asked.progress, stop)?);
        let foreseen = stages.foreseen.insert(foresee(context, asked, listed)?);
        if let Some(refusal) = foreseen.refusal.take() {
            return Err(refusal);
        }
        phases.begin("read");
        let run = run_of(&context.job.config.job, &asked.window, asked.now_msec);
        let state = context.stores.log.refresh()?;
        let carrying_run = CarryingRun {
            window: asked.window,
            replaces: Some(&foreseen.covered),
            name: &run.id,
            now_msec: run.now,
            keep: false,
        };
        let carrying = Carrying::open(context.pipeline, context.objects(), &state, carrying_run)?;
        let worker = context.run_context(&run, &run.id, stop, &asked.progress, carrying)?;
        let read = read_unregistered(&worker, self.dispatch, listed)?;
        self.finish(&worker, read.tasks, phases, &mut stages.output)?.give_up(&worker);
        Ok(())
    }

    /// Reads, merges and judges, and decides; all but the reading again when another run leaves rows of merged tables
    /// meanwhile, or takes away those that this one rests on. Gives the version of the commit.
    fn decide(
        &self,
        listed: &Listed,
        planned: &mut Planned,
        phases: &mut Phases,
        stages: &mut OutputStages,
    ) -> Result<u64> {
        let mut finished = std::mem::take(&mut planned.finished);
        loop {
            phases.begin("read");
            let mut run =
                self.context.run_context(&planned.run, &planned.name, self.stop, &self.plan.progress, None)?;
            let read = read(&run, self.dispatch, listed, &planned.work, finished)?;
            stages.resumed.get_or_insert(read.resumed);
            let _turn = self.turn(phases)?;
            let version = carried_version(self.context)?;
            let merged = self.carrying(planned).and_then(|carrying| {
                run.carrying = carrying;
                self.finish(&run, read.tasks, phases, stages)
            });
            let output = match merged {
                Err(error) if is_overtaken(self.context, version, &error)? => {
                    finished = planned.work.results()?;
                    continue;
                }
                merged => merged?,
            };
            phases.begin("commit");
            match Decision::of_run(&self.plan.window, planned, listed).commit(
                self.context,
                &planned.unsettled,
                &run,
                output,
            )? {
                Decided::Committed(version) => return Ok(version),
                Decided::Moved => finished = planned.work.results()?,
            }
        }
    }

    /// Of windows that run side by side, one at a time merges with what earlier runs left, and commits: the others would
    /// have to do it again.
    fn turn(&self, phases: &mut Phases) -> Result<Option<MutexGuard<'_, ()>>> {
        let Self { context, .. } = *self;
        let is_carrying = context.pipeline.tables.iter().any(|plan| carry_of(plan).is_some())
            || context.stores.log.refresh()?.carried.is_some();
        if !is_carrying {
            return Ok(None);
        }
        if let Ok(turn) = context.turn.try_lock() {
            return Ok(Some(turn));
        }
        phases.begin("wait");
        let turn = context.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.check()?;
        Ok(Some(turn))
    }

    fn carrying(&self, planned: &Planned) -> Result<Option<Carrying>> {
        let run = CarryingRun {
            window: self.plan.window,
            replaces: Some(&planned.covered),
            name: &planned.name,
            now_msec: planned.run.now,
            keep: true,
        };
        let state = self.context.stores.log.refresh()?;
        Carrying::open(self.context.pipeline, &planned.unsettled, &state, run)
    }

    /// Merges what was read and judges the output. If it may not be published it is given up.
    fn finish<'s>(
        &self,
        run: &RunContext<'_>,
        tasks: Tasks,
        phases: &mut Phases,
        stages: &'s mut OutputStages,
    ) -> Result<&'s RunOutput> {
        phases.begin("merge");
        let Merged { output, findings } = merge(run, self.dispatch, tasks)?;
        let output = stages.merged.insert(output);
        stages.carried = run.carrying.as_ref().map(Carrying::warnings).unwrap_or_default();
        failpoint!("run.merged");
        let refusal = match judge(self.context, &self.plan.window, run, output, findings) {
            Ok(verdict) => stages.judged.insert(verdict).refusal.take(),
            Err(error) => Some(error),
        };
        let Some(error) = refusal else { return Ok(output) };
        let shown = match error.kind() {
            ErrorKind::Gate => show_dead_letters(self.context, output),
            _ => Ok(Vec::new()),
        };
        output.give_up(run);
        stages.shown = shown?;
        Err(error)
    }
}

/// Whether the command line or the job file is wrong, so that the window was not run at all: no failure of the window.
fn is_refused_as_asked(error: &Error, stages: &Stages) -> bool {
    match error.kind() {
        // Listeners that were told of its beginning are told of its end.
        _ if stages.untold.is_some() => false,
        ErrorKind::Usage => true,
        ErrorKind::Config => stages.listed.is_none(),
        _ => false,
    }
}

/// Notes in the log that a run did not commit. The log must not hide why it failed.
fn note_failure(context: &JobContext<'_>, plan: &RunPlan, report: &RunReport) {
    let status = match report.status {
        Status::Failed => FailureStatus::Failed,
        Status::Refused => FailureStatus::Refused,
        Status::Stopped => FailureStatus::Stopped,
        Status::Done | Status::Empty | Status::Partly | Status::Held => return,
    };
    let ErrorReport { kind, message, .. } = report.error.clone().unwrap_or_default();
    let failure = Failure { window: plan.window, status, kind, message };
    let _ = context.stores.log.append(Event::Failed(failure));
}
