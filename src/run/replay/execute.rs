//! One replay, from the lease of its window to its report. It is small: one that is stopped begins again.

use super::feed::Tally;
use super::plan::ReplayPlan;
use super::planned::{Planned, plan as plan_replay};
use super::read::{ReadAgain, read};
use super::report::{ReplayReport, of_replay};
use super::stages::{Stages, taken};
use crate::commit::CommitDetail;
use crate::engine::carry::{Carrying, CarryingRun};
use crate::engine::context::RunContext;
use crate::engine::output::RunOutput;
use crate::engine::{Threads, balance};
use crate::output::sink::check_partitions;
use crate::process::panics::catch;
use crate::process::stop::Stop;
use crate::publish::{Replacing, records};
use crate::report::{RunReport, Status};
use crate::rows::quality::{Findings, Verdict};
use crate::run::admitted::closing;
use crate::run::announced::announce;
use crate::run::committed::{Decided, Decision};
use crate::run::context::JobContext;
use crate::run::judged::judge_addition;
use crate::run::lease::claim;
use crate::run::merged::{Merged, carried_version, is_overtaken, merge};
use crate::run::phases::{Phases, Times};
use crate::run::recovered::recover;
use crate::run::report::{dead_letters, keep, with_output};
use etl_sdk::{Error, ErrorKind, Result};

/// Replays dead letters of one window.
pub fn replay(context: &JobContext<'_>, plan: &ReplayPlan<'_>) -> (ReplayReport, Result<()>) {
    let replay = Replay { context, plan, stop: &context.stop.child() };
    let mut phases = Phases::new(plan.progress.clone(), context.objects().clock());
    let mut stages = Stages::default();
    let result = catch(|| replay.run(&mut phases, &mut stages), |error| error).and_then(|amendment| match amendment {
        Some(planned) => keep(context, &replay.run_report(&planned, &stages, phases.finish())).map(|_| ()),
        None => Ok(()),
    });
    let owed = stages.announced.as_mut().and_then(|announced| announced.owed.take()).map_or(Ok(()), Err);
    let result = result.and(owed).map_err(|error| replay.stop.explain(error));
    (of_replay(plan.window, &stages, result.as_ref().err()), result)
}

/// One try to replay dead letters.
struct Replay<'a> {
    context: &'a JobContext<'a>,
    plan: &'a ReplayPlan<'a>,
    stop: &'a Stop,
}

impl Replay<'_> {
    /// Does all that a replay does. Gives the plan of one that added something to its window.
    fn run(&self, phases: &mut Phases, stages: &mut Stages) -> Result<Option<Planned>> {
        let Self { context, plan, stop } = *self;
        closing(context, plan.now).refuse_open(
            &plan.window,
            "replay it once it is closed and was run again, which reads all of its input anew",
        )?;
        let _lease = if plan.dry_run {
            None
        } else {
            let lease = claim(context, plan.window, plan.wait, stop, || phases.begin("wait"))?;
            phases.begin("recover");
            stages.recovery = Some(recover(context, plan.window)?);
            Some(lease)
        };
        let planned = plan_replay(context, &plan.window)?;
        let version = carried_version(context)?;
        let unless_overtaken = |error| match is_overtaken(context, version, &error) {
            Ok(true) => self.overtaken().source(error),
            _ => error,
        };
        let carrying = self.carrying(&planned).map_err(unless_overtaken)?;
        let run = context.run_context(&planned.run, &planned.name, stop, &plan.progress, carrying)?;
        phases.begin("read");
        let ReadAgain { tasks, tally } = read(context, plan, &planned, &run)?;
        let tally = stages.tally.insert(tally);
        phases.begin("merge");
        let Merged { output, findings } = merge(&run, &Threads(plan.threads), tasks).map_err(unless_overtaken)?;
        let output = stages.merged.insert(output);
        balance::check(&output.ledger, run.pipeline, output.files())
            .and_then(|()| check_partitions(run.pipeline.sinks(), output.files()))
            .inspect_err(|_| output.give_up(&run))?;
        if plan.dry_run || taken(tally, output) == 0 {
            output.give_up(&run);
            return Ok(None);
        }
        stages.judged = Some(judge(&run, output, findings)?);
        phases.begin("commit");
        let version = self.commit(&planned, tally, &run, output)?;
        stages.committed = Some(planned.amendment);
        phases.begin("publish");
        stages.announced = Some(announce(context, version)?);
        drop(run);
        Ok(Some(planned))
    }

    fn carrying(&self, planned: &Planned) -> Result<Option<Carrying>> {
        let run = CarryingRun {
            window: self.plan.window,
            replaces: None,
            name: &planned.name,
            now_msec: planned.run.now,
            keep: !self.plan.dry_run,
        };
        let state = self.context.stores.log.refresh()?;
        Carrying::open(self.context.pipeline, self.context.objects(), &state, run)
    }

    fn commit(&self, planned: &Planned, tally: &Tally, run: &RunContext<'_>, output: &RunOutput) -> Result<u64> {
        let detail = CommitDetail {
            inputs: planned.inputs.clone(),
            replayed: tally.replayed.clone(),
            replayed_objects: tally.replayed_objects.clone(),
            targets: records(&self.context.targets, &Replacing::default())?,
            ..CommitDetail::new(&planned.name, self.plan.window, planned.run.now)
        };
        let decision = Decision {
            detail,
            base: planned.base,
            revision: planned.revision,
            amendment: planned.amendment,
            supersedes: Vec::new(),
            objects: output.objects,
            input_bytes: output.compressed_bytes,
            late: Vec::new(),
            provisional: false,
        };
        match decision.commit(self.context, self.context.objects(), run, output)? {
            Decided::Committed(version) => Ok(version),
            Decided::Moved => Err(self.overtaken()),
        }
    }

    fn overtaken(&self) -> Error {
        Error::new(ErrorKind::Held, "another window was committed while this one was replayed")
            .with("window", self.plan.window)
            .hint("nothing was published; replay it again")
    }

    /// The report of the amendment as the job's history keeps it.
    fn run_report(&self, planned: &Planned, stages: &Stages, times: Times) -> RunReport {
        let job = &self.context.job.config.job;
        let owed = stages.announced.as_ref().and_then(|announced| announced.owed.as_ref());
        let mut report = RunReport {
            revision: planned.revision,
            amendment: planned.amendment,
            status: if owed.is_some() { Status::Partly } else { Status::Done },
            error: owed.map(Into::into),
            ..times.reported(RunReport::new(&planned.run.id, job, self.plan.window, planned.run.now))
        };
        if let Some(output) = &stages.merged {
            report = with_output(report, self.context.pipeline, output);
            report.dead_letters.files = dead_letters(&self.context.places, output.dead_letters());
        }
        report.quality = stages.judged.as_ref().map(|judged| judged.results.clone()).unwrap_or_default();
        report
    }
}

/// What the quality rules say of what is added. If they refuse it, it is given up.
fn judge(run: &RunContext<'_>, output: &RunOutput, findings: Findings) -> Result<Verdict> {
    let judged = judge_addition(run, output, findings).and_then(|mut verdict| match verdict.refusal.take() {
        Some(refusal) => Err(refusal),
        None => Ok(verdict),
    });
    judged.inspect_err(|_| output.give_up(run))
}
