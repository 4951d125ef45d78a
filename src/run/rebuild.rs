//! A rebuild: what merged tables carry, made again from the raw input of the windows that are committed.

use super::context::JobContext;
use super::listed::list;
use super::plan::run_of;
use super::read::read_unregistered;
use crate::commit::carried::{CarriedState, Piece};
use crate::commit::{CommitDetail, CommitState, Condition, Event, JobState, inputs};
use crate::engine::carry::{Carrying, CarryingRun, carry_of};
use crate::engine::read::give_up;
use crate::engine::{TablePlan, Threads};
use crate::process::stop::Stop;
use crate::report::Progress;
use crate::rows::sort::Sorter;
use crate::window::Window;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use etl_sdk::{Carry, EpochMillis, Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// What one window contributes, by table.
type TablePieces = BTreeMap<String, Piece>;

/// What to rebuild.
pub struct RebuildPlan<'a> {
    /// Windows that start earlier are forgotten.
    pub from: DateTime<Utc>,
    /// The rebuild's instant: rows of later runs are stamped past it.
    pub now: DateTime<Utc>,
    /// Worker threads.
    pub threads: usize,
    /// Read nothing and write nothing, only say which windows there are.
    pub dry_run: bool,
    /// Called before each window: the window, its number from 1, and how many there are.
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
    let mut warnings = Vec::new();
    let mut pieces: BTreeMap<String, TablePieces> = BTreeMap::new();
    loop {
        let state = context.stores.log.refresh()?;
        let runs = runs(&state, plan.from);
        if plan.dry_run {
            return Ok(report(&runs, BTreeMap::new(), warnings));
        }
        for (index, (window, commit)) in runs.iter().enumerate() {
            if pieces.contains_key(&commit.name) {
                continue;
            }
            warnings.extend(firehose_replays(context, &state, window)?);
            stop.check()?;
            (plan.each)(window, index + 1, runs.len());
            let read = read_window(context, plan, *window, commit, stop)?;
            warnings.extend(read.warnings);
            pieces.insert(commit.name.clone(), read.pieces);
        }
        if let Some(rows) = keep(context, &state, &runs, &pieces, plan.now, stop)? {
            return Ok(report(&runs, rows, warnings));
        }
    }
}

fn report(runs: &[(Window, &CommitState)], rows: BTreeMap<String, u64>, warnings: Vec<String>) -> RebuildReport {
    let window = |run: Option<&(Window, &CommitState)>| run.map(|(window, _)| *window);
    RebuildReport { windows: runs.len(), first: window(runs.first()), last: window(runs.last()), rows, warnings }
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

/// What a window contributes.
struct WindowRead {
    pieces: TablePieces,
    /// What a person should know of its input.
    warnings: Vec<String>,
}

/// Reads one window.
fn read_window(
    context: &JobContext<'_>,
    plan: &RebuildPlan<'_>,
    window: Window,
    commit: &CommitState,
    stop: &Stop,
) -> Result<WindowRead> {
    let progress = Progress::default();
    let detail = CommitDetail::read(context.objects(), &commit.detail, &commit.detail_hash)?;
    let listed = list(context, &window, &progress, stop)?;
    let before = inputs::read(context.objects(), &detail.inputs)?;
    let changes = before.map(|before| inputs::changes(&before, listed.objects()).warnings()).unwrap_or_default();
    let run = run_of(&context.job.config.job, &window, detail.now_msec);
    // Rows of later runs are stamped past this instant, whenever the window itself was run.
    let instant = EpochMillis(plan.now.timestamp_millis()).max(run.now);
    let carrying = Carrying::empty(context.objects(), of_run(window, &commit.name, instant));
    let worker = context.run_context(&run, &commit.name, stop, &progress, None)?;
    let tasks = read_unregistered(&worker, &Threads(plan.threads), &listed)?.tasks;
    // Their files are not wanted.
    tasks.results.iter().for_each(|result| give_up(&worker, result));
    let tables = context.pipeline.tables.iter().zip(tasks.collectors).filter(|(plan, _)| carries_rows(plan));
    let pieces = tables.map(|(plan, rows)| Ok((name_of(plan), carrying.contribute(plan, rows, &worker.sorter)?)));
    Ok(WindowRead {
        pieces: pieces.collect::<Result<_>>()?,
        warnings: changes.into_iter().map(|change| format!("window {window}: {change}")).collect(),
    })
}

/// Decides, if nothing has been committed since `state`. Gives the rows that are carried, by table.
fn keep(
    context: &JobContext<'_>,
    state: &JobState,
    runs: &[(Window, &CommitState)],
    pieces: &BTreeMap<String, TablePieces>,
    now: DateTime<Utc>,
    stop: &Stop,
) -> Result<Option<BTreeMap<String, u64>>> {
    let (window, name) = if let Some((window, commit)) = runs.last() {
        (*window, commit.name.clone())
    } else {
        let now = now.trunc_subsecs(0);
        let window = Window::new(now, now + TimeDelta::hours(1))?;
        (window, format!("{}-{}", context.job.config.job, window.id()))
    };
    let now_msec = EpochMillis(now.trunc_subsecs(0).timestamp_millis());
    let carrying = Carrying::empty(context.objects(), of_run(window, &name, now_msec));
    let sorter = Sorter::new(&context.job.config.limits, context.runtime.clone())?.with_stop(stop);
    let mut rows = BTreeMap::new();
    for plan in context.pipeline.tables.iter().filter(|plan| carries_rows(plan)) {
        let table = name_of(plan);
        let of_table = runs.iter().filter_map(|(_, commit)| pieces.get(&commit.name)?.get(&table).cloned());
        let kept = carrying.keep(plan, of_table.collect(), &sorter)?;
        rows.insert(table, kept);
    }
    // Keys alone are those of the rows that were written: the input does not tell which these are.
    let before = state.carried.as_ref().and_then(|(_, kept)| CarriedState::read(context.objects(), kept).ok());
    for (table, pieces) in before.map(|before| before.tables).unwrap_or_default() {
        if !rows.contains_key(&table) {
            carrying.leave_as_they_are(&table, pieces);
        }
    }
    let Some(carried) = carrying.finish()? else { return Ok(Some(rows)) };
    let reason = format!("rebuilt from {} windows", runs.len());
    let rests_on = state.carried.as_ref().map_or(0, |(version, _)| *version);
    let condition = Condition { window: None, carried: Some(rests_on) };
    let decided = context.stores.log.commit(Event::Rebuilt { carried, reason }, &condition)?;
    Ok(decided.map(|_| rows))
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
