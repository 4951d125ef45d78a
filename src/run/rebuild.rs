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
use crate::text::{counted, one_line};
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
    // The latest instant of a run that is part of the output.
    let mut latest = EpochMillis(plan.now.timestamp_millis());
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
            stop.check()?;
            (plan.each)(window, index + 1, runs.len());
            let read = read_window(context, plan, *window, commit, stop)?;
            let replayed = Replayed::read(context, &state, window)?;
            warnings.extend(replayed.warnings(window, commit, read.dead_letters));
            warnings.extend(read.warnings);
            latest = latest.max(read.now);
            failpoint!("rebuild.read");
            pieces.insert(commit.name.clone(), read.pieces);
        }
        let (stamp, warning) = stamp(context, &state, latest);
        if let Some(rows) = keep(context, &state, &runs, &pieces, (plan.now, stamp), stop)? {
            warnings.extend(warning);
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
    let runs = windows.filter_map(|(window, known)| Some((*window, known.commits.first()?)));
    runs.filter(|(_, commit)| !commit.forgets).collect()
}

/// What was replayed of a window.
#[derive(Default)]
struct Replayed {
    /// Dead letters that replays took.
    letters: u64,
    /// Dead letters that came of it.
    again: u64,
    /// Whether error records of Firehose were among it: they are no input of their window.
    is_firehose: bool,
}

impl Replayed {
    fn read(context: &JobContext<'_>, state: &JobState, window: &Window) -> Result<Self> {
        let mut replayed = Self::default();
        let has_replays = |commit: &&CommitState| commit.amendment > 0 || !commit.compacts.is_empty();
        for commit in state.window(window).commits.iter().filter(has_replays) {
            let detail = CommitDetail::read(context.objects(), &commit.detail, &commit.detail_hash)?;
            replayed.letters += detail.replayed.iter().flat_map(|file| file.reasons.values()).sum::<u64>();
            // What a compacted window's replays could not use is among its own letters.
            replayed.again += if commit.amendment > 0 { commit.counts.dead_letters } else { 0 };
            replayed.is_firehose |= !detail.replayed_objects.is_empty();
        }
        Ok(replayed)
    }

    /// What a person should know when `dead` records of the input of `run` are dead as the job is now: letters that were
    /// replayed with other settings are among them.
    fn warnings(&self, window: &Window, run: &CommitState, dead: u64) -> Vec<String> {
        let mut warnings = Vec::new();
        let open = (run.counts.dead_letters + self.again).saturating_sub(self.letters);
        if self.letters > 0 && dead > open {
            warnings.push(format!(
                "window {window}: {} dead letters that were replayed are dead with the job as it is now, and what they say \
                 of users and sessions is forgotten. If they were replayed with --set, rebuild with the same",
                (dead - open).min(self.letters)
            ));
        }
        if self.is_firehose {
            warnings.push(format!(
                "window {window}: what its replayed Firehose records say of users and sessions is forgotten"
            ));
        }
        warnings
    }
}

/// The latest stamp that a row of the output may have, epoch microseconds, and what a person should know of it. A run
/// stamps its rows with its instant, or just past an earlier stamp of the key: no further past the instants than there
/// were commits. What is carried says it exactly, also of runs that were replaced since.
fn stamp(context: &JobContext<'_>, state: &JobState, latest: EpochMillis) -> (i64, Option<String>) {
    let bound = latest.micros().saturating_add(i64::try_from(state.version).unwrap_or(i64::MAX));
    let Some((_, kept)) = &state.carried else { return (bound, None) };
    match CarriedState::read(context.objects(), kept) {
        Ok(carried) => (carried.tables.values().flatten().map(|piece| piece.stamp).fold(bound, i64::max), None),
        Err(error) => {
            let warning = format!(
                "{}: later rows are stamped past those of the runs that were read. If a run that was replaced since had a \
                 later instant (--now), rows of a key may have the same created_time",
                one_line(&error.to_string())
            );
            (bound, Some(warning))
        }
    }
}

/// What a window contributes.
struct WindowRead {
    pieces: TablePieces,
    /// The instant of its run.
    now: EpochMillis,
    /// Records that cannot be used, with the job as it is now.
    dead_letters: u64,
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
    let listed = list(context, &window, None, &progress, stop)?;
    let before = inputs::read(context.objects(), &detail.inputs)?;
    let changes = before.map(|before| inputs::changes(&before, listed.objects()).warnings()).unwrap_or_default();
    let run = run_of(&context.job.config.job, &window, detail.now_msec);
    // Rows of later runs are stamped past this instant, whenever the window itself was run.
    let instant = EpochMillis(plan.now.timestamp_millis()).max(run.now);
    let carrying = Carrying::empty(context.objects(), of_run(window, &commit.name, instant));
    let worker = context.run_context(&run, &commit.name, stop, &progress, None)?;
    let tasks = read_unregistered(&worker, &Threads(plan.threads), &listed)?.tasks;
    let dead_letters = tasks.results.iter().filter_map(|result| result.dead_letters.as_ref()).map(|file| file.count);
    let dead_letters = dead_letters.sum();
    // Their files are not wanted.
    tasks.results.iter().for_each(|result| give_up(&worker, result));
    let tables = context.pipeline.tables.iter().zip(tasks.collectors).filter(|(plan, _)| carries_rows(plan));
    let pieces = tables.map(|(plan, rows)| Ok((name_of(plan), carrying.contribute(plan, rows, &worker.sorter)?)));
    Ok(WindowRead {
        now: run.now,
        dead_letters,
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
    (now, stamp): (DateTime<Utc>, i64),
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
        let stamped = of_table.map(|piece| Piece { stamp: piece.stamp.max(stamp), ..piece });
        let kept = carrying.keep(plan, stamped.collect(), &sorter)?;
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
    let reason = format!("rebuilt from {}", counted(runs.len() as u64, "window"));
    let rests_on = state.carried.as_ref().map_or(0, |(version, _)| *version);
    let condition = Condition { carried: Some(rests_on), ..Condition::default() };
    failpoint!("rebuild.before_entry");
    let decided = context.stores.log.commit(Event::Rebuilt { carried, reason }, &condition)?;
    failpoint!("rebuild.after_entry");
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
