//! A dry run: everything but what others can see. It takes no lease, keeps no result and leaves nothing behind.

use super::context::JobContext;
use super::describe;
use super::execute::RunPlan;
use super::phases::Phases;
use crate::engine::carry::{Carrying, CarryingRun};
use crate::engine::merged::merge_all;
use crate::engine::output::RunOutput;
use crate::engine::read::read_all;
use crate::engine::{balance, pack};
use crate::process::stop::Stop;
use crate::report::{RunReport, Status};
use crate::source;
use etl_sdk::{Result, Run};
use std::collections::BTreeMap;

/// Does all that a run does up to the commit, and gives it up.
pub fn rehearse(
    context: &JobContext<'_>,
    plan: &RunPlan,
    run: &Run,
    stop: &Stop,
    phases: &mut Phases,
    report: &mut RunReport,
) -> Result<()> {
    let config = &context.job.config;
    phases.begin("list");
    let listing = source::list(&context.places.source, &config.source, &plan.window, &config.limits);
    let listing = context.runtime.block_on(stop.unless(listing))?;
    describe::listing(report, &listing);
    let bytes = listing.objects.iter().map(|object| object.size).sum();
    plan.progress.set_total(listing.objects.len() as u64, bytes);
    let tasks = pack(listing.objects, config.limits.task_bytes.0);
    phases.begin("read");
    let state = context.log.refresh()?;
    let covered = state.overlapping(&plan.window);
    let of_run =
        CarryingRun { window: plan.window, replaces: Some(&covered), name: &run.id, now_msec: run.now, keep: false };
    let carrying = Carrying::open(context.pipeline, context.objects(), &state, of_run)?;
    let shared = context.shared(run, &run.id, stop, &plan.progress, carrying)?;
    let mut read = read_all(&shared, &tasks, plan.threads, None, BTreeMap::new())?;
    phases.begin("merge");
    let mut output = RunOutput::of(context.pipeline, &mut read);
    let merged = merge_all(&shared, read.collectors, tasks.len(), plan.threads);
    let done = output
        .add_merged(merged, &shared)
        .and_then(|()| balance::check(&output.ledger, context.pipeline, output.files()));
    describe::output(report, context.pipeline, &output);
    let done = done.and_then(|()| describe::gate(context, &plan.window, &shared, &mut output, report));
    output.give_up_all(&shared);
    report.status = if tasks.is_empty() { Status::Empty } else { Status::Done };
    done
}
