//! `state rebuild`: what merged tables carry, made anew from the raw input of the windows that are committed.

use super::context::JobContext;
use crate::commit::carried::{CarriedState, Piece};
use crate::commit::{CommitDetail, CommitState, Condition, Event, JobState, inputs};
use crate::engine::carry::{Carrying, CarryingRun, carry_of};
use crate::engine::read::{give_up, read_all};
use crate::engine::{TablePlan, pack};
use crate::process::stop::Stop;
use crate::report::Progress;
use crate::source;
use crate::window::Window;
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Carry, EpochMillis, Error, Result, Run};
use serde::Serialize;
use std::collections::BTreeMap;

/// What to rebuild.
pub struct RebuildPlan<'a> {
    /// Windows that start earlier are forgotten.
    pub from: DateTime<Utc>,
    /// Worker threads.
    pub threads: usize,
    /// Read nothing and write nothing, only say which windows there are.
    pub dry_run: bool,
    /// Told before each window: the window, its number from 1, and how many there are.
    pub each: &'a dyn Fn(&Window, usize, usize),
}

/// What was rebuilt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// Windows whose input was read.
    pub windows: usize,
    /// The first and the last of them.
    pub first: Option<Window>,
    /// See `first`.
    pub last: Option<Window>,
    /// Rows carried, by table.
    pub rows: BTreeMap<String, u64>,
    /// What a person should know of.
    pub warnings: Vec<String>,
}

/// Reads the windows that are committed from `plan.from` on, oldest first, and makes what merged tables carry of them.
/// Windows that are committed meanwhile are read too. Nothing is changed before the end.
pub fn rebuild(context: &JobContext<'_>, plan: &RebuildPlan<'_>, stop: &Stop) -> Result<RebuildReport> {
    if !context.pipeline.tables.iter().any(carries_rows) {
        return Err(Error::config("rebuild what merged tables carry")
            .with("job", &context.job.config.job)
            .hint("no table of the job carries rows from run to run"));
    }
    let mut report = RebuildReport::default();
    let mut made: BTreeMap<String, BTreeMap<String, Piece>> = BTreeMap::new();
    loop {
        let state = context.log.refresh()?;
        let runs = runs(&state, plan.from);
        report.windows = runs.len();
        report.first = runs.first().map(|(window, _)| *window);
        report.last = runs.last().map(|(window, _)| *window);
        if plan.dry_run {
            return Ok(report);
        }
        for (place, (window, commit)) in runs.iter().enumerate() {
            if !made.contains_key(&commit.name) {
                report.warnings.extend(firehose_replays(context, &state, window)?);
                stop.check()?;
                (plan.each)(window, place + 1, runs.len());
                let pieces = read_window(context, plan, *window, commit, stop, &mut report.warnings)?;
                made.insert(commit.name.clone(), pieces);
            }
        }
        if keep(context, &state, &runs, &made, &mut report, stop)? {
            return Ok(report);
        }
    }
}

/// The runs that count, oldest window first, without the replays that add to them: their records are in the input.
fn runs(state: &JobState, from: DateTime<Utc>) -> Vec<(Window, &CommitState)> {
    let windows = state.windows.iter().filter(|(window, _)| window.start >= from);
    windows.filter_map(|(window, known)| Some((*window, known.commits.first()?))).collect()
}

/// Error records of Firehose that were replayed are no input of their window.
fn firehose_replays(context: &JobContext<'_>, state: &JobState, window: &Window) -> Result<Option<String>> {
    for commit in state.window(window).commits.iter().filter(|commit| commit.amendment > 0) {
        let detail = CommitDetail::read(context.objects(), &commit.detail, &commit.detail_hash)?;
        if !detail.replayed_objects.is_empty() {
            return Ok(Some(format!(
                "window {window}: what its replayed Firehose records say of users and sessions is forgotten"
            )));
        }
    }
    Ok(None)
}

/// What one window contributes, by table.
fn read_window(
    context: &JobContext<'_>,
    plan: &RebuildPlan<'_>,
    window: Window,
    commit: &CommitState,
    stop: &Stop,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, Piece>> {
    let config = &context.job.config;
    let detail = CommitDetail::read(context.objects(), &commit.detail, &commit.detail_hash)?;
    let listing = source::list(&context.places.source, &config.source, &window, &config.limits);
    let listing = context.runtime.block_on(stop.unless(listing))?;
    if let Some(before) = inputs::read(context.objects(), &detail.inputs)? {
        let changes = inputs::changes(&before, &listing.objects).warnings();
        warnings.extend(changes.into_iter().map(|change| format!("window {window}: {change}")));
    }
    let run = Run {
        id: format!("{}-{}", config.job, window.id()),
        now: detail.now_msec,
        window_start: EpochMillis(window.start.timestamp_millis()),
        window_end: EpochMillis(window.end.timestamp_millis()),
    };
    // Rows of later runs are stamped past this instant, whenever the window itself was run.
    let instant = EpochMillis(Utc::now().timestamp_millis()).max(run.now);
    let carrying = Carrying::empty(context.objects(), of_run(window, &commit.name, instant));
    let shared = context.shared(&run, &commit.name, stop, &Progress::default(), None)?;
    let tasks = pack(listing.objects, config.limits.task_bytes.0);
    let read = read_all(&shared, &tasks, plan.threads, None, BTreeMap::new())?;
    // Their files are not wanted.
    read.results.iter().for_each(|result| give_up(&shared, result));
    let tables = context.pipeline.tables.iter().zip(read.collectors).filter(|(plan, _)| carries_rows(plan));
    tables.map(|(plan, rows)| Ok((name_of(plan), carrying.contribute(plan, rows, &shared.sorter)?))).collect()
}

/// Decides, if nothing has been committed since `state`.
fn keep(
    context: &JobContext<'_>,
    state: &JobState,
    runs: &[(Window, &CommitState)],
    made: &BTreeMap<String, BTreeMap<String, Piece>>,
    report: &mut RebuildReport,
    stop: &Stop,
) -> Result<bool> {
    let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap_or_default();
    let (window, name) = if let Some((window, commit)) = runs.last() {
        (*window, commit.name.clone())
    } else {
        let window = Window::new(now, now + TimeDelta::hours(1))?;
        (window, format!("{}-{}", context.job.config.job, window.id()))
    };
    let carrying = Carrying::empty(context.objects(), of_run(window, &name, EpochMillis(now.timestamp_millis())));
    let sorter = crate::rows::sort::Sorter::new(&context.job.config.limits, context.runtime.clone())?.with_stop(stop);
    report.rows.clear();
    for plan in context.pipeline.tables.iter().filter(|plan| carries_rows(plan)) {
        let table = name_of(plan);
        let pieces = runs.iter().filter_map(|(_, commit)| made.get(&commit.name)?.get(&table).cloned());
        let rows = carrying.keep(plan, pieces.collect(), &sorter)?;
        report.rows.insert(table, rows);
    }
    // Keys alone are those of the rows that were written: the input does not tell which these are.
    let before = state.carried.as_ref().and_then(|(_, kept)| CarriedState::read(context.objects(), kept).ok());
    for (table, pieces) in before.map(|before| before.tables).unwrap_or_default() {
        if !report.rows.contains_key(&table) {
            carrying.leave_as_they_are(&table, pieces);
        }
    }
    let Some(carried) = carrying.finish()? else { return Ok(true) };
    let reason = format!("rebuilt from {} windows", runs.len());
    let rests_on = state.carried.as_ref().map_or(0, |(version, _)| *version);
    let condition = Condition { window: None, carried: Some(rests_on) };
    Ok(context.log.commit(Event::Rebuilt { carried, reason }, &condition)?.is_some())
}

fn carries_rows(plan: &TablePlan) -> bool {
    matches!(carry_of(plan), Some((_, Carry::Rows { .. })))
}

fn name_of(plan: &TablePlan) -> String {
    plan.table.schema.table.clone()
}

fn of_run(window: Window, name: &str, now_msec: EpochMillis) -> CarryingRun<'_> {
    CarryingRun { window, replaces: None, name, now_msec, keep: true }
}
