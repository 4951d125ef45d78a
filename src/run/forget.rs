//! Forgetting a window: its files go, what was announced of them is taken back, and nothing counts of it any more. Or, when
//! nothing is committed of it, that its runs failed.
//!
//! What is committed goes by a commit that replaces it by nothing, so that any process brings it to its end. Once that is
//! published, the window is as one that never ran.

use super::announced::announce;
use super::context::JobContext;
use super::foreseen::replaced as replaced_commits;
use super::lease::claim;
use super::plan::run_of;
use super::planned::{replaced, replacing};
use crate::commit::{Commit, CommitDetail, Condition, Counts, Event, JobState, WindowState, token};
use crate::engine::carry::{Carrying, CarryingRun, carry_of};
use crate::process::stop::Stop;
use crate::publish::records;
use crate::report::ReplacedCommits;
use crate::text::{count, instant};
use crate::window::{Every, Window};
use chrono::{DateTime, Utc};
use etl_sdk::{EpochMillis, Error, ErrorKind, Result};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// What to forget.
#[derive(Clone, Debug)]
pub struct ForgetPlan {
    /// The window, as it was run.
    pub window: Window,
    /// Why, for people.
    pub reason: String,
    /// The command's instant.
    pub now: DateTime<Utc>,
    /// How long to wait for a run of the window.
    pub wait: Duration,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What is forgotten.
#[derive(Debug, Serialize)]
pub struct ForgetReport {
    /// The window, `START/END`.
    pub window: Window,
    /// Its commits; none when its runs failed.
    pub committed: Option<ReplacedCommits>,
    /// Runs since its last commit that ended without one.
    pub failures: u32,
    /// What a person should know of, and do.
    pub warnings: Vec<String>,
    /// Announcements that were taken back by none: why the commit is not at its end.
    #[serde(skip)]
    pub owed: Option<Error>,
}

/// Forgets a window.
///
/// Fails with kind `Usage` when nothing is known of it, and with `Held` when another run works on it.
pub fn forget(context: &JobContext<'_>, plan: &ForgetPlan, stop: &Stop) -> Result<ForgetReport> {
    if plan.dry_run {
        return report(context, context.stores.log.refresh()?.as_ref(), &plan.window);
    }
    report(context, context.stores.log.refresh()?.as_ref(), &plan.window)?;
    let _lease = claim(context, plan.window, plan.wait, stop, || {})?;
    context.recover(Some(plan.window))?;
    let state = context.stores.log.refresh()?;
    let mut report = report(context, &state, &plan.window)?;
    let known = state.window(&plan.window);
    if known.is_committed() {
        let version = decide(context, plan, state, &known, stop)?;
        let announced = announce(context, version)?;
        report.warnings.extend(announced.warnings);
        report.owed = announced.owed;
    } else {
        context.stores.clean_up(state, &plan.window, "", &name_of(context, plan, &known))?;
        context.stores.log.append(Event::Forgotten { window: plan.window, reason: plan.reason.clone() })?;
    }
    Ok(report)
}

/// What there is to forget.
fn report(context: &JobContext<'_>, state: &JobState, window: &Window) -> Result<ForgetReport> {
    let known = state.window(window);
    if !known.is_known() {
        let error = Error::new(ErrorKind::Usage, "forget a window: nothing is known of it").with("window", window);
        return Err(match state.overlapping(window).first() {
            Some(other) => error.with("overlaps", other).hint("name a window as `etl-runner status --list` shows it"),
            None => error.hint("`etl-runner status --list` shows the windows that are known"),
        });
    }
    let committed = replaced_commits(state, window, &[]).into_iter().next();
    let mut warnings = Vec::new();
    if committed.is_some() {
        warnings.extend(told_elsewhere(context, state, window));
        if let Some(watermark) = state.watermark.filter(|watermark| *watermark > window.start) {
            warnings.push(format!(
                "the watermark, {}, is past the window: no scheduled run takes it again, `etl-runner run JOB --window \
                 {window}` does",
                instant(watermark)
            ));
        }
    }
    Ok(ForgetReport { window: *window, committed, failures: known.failures, warnings, owed: None })
}

/// Merged rows of other windows that tell of this one, and what to do.
fn told_elsewhere(context: &JobContext<'_>, state: &JobState, window: &Window) -> Option<String> {
    let tables: Vec<&str> = context
        .pipeline
        .tables
        .iter()
        .filter(|plan| carry_of(plan).is_some())
        .map(|plan| plan.table.schema.table.as_str())
        .collect();
    let others = state.windows.iter().filter(|(other, known)| *other != window && known.is_committed());
    let others: Vec<&Window> = others.map(|(other, _)| other).collect();
    if tables.is_empty() || others.is_empty() {
        return None;
    }
    // Not the window itself, which would be there again.
    let number = others.len() as u64;
    let (before, after): (Vec<&Window>, Vec<&Window>) = others.into_iter().partition(|other| **other < *window);
    let commands: Vec<String> = [before, after].iter().filter_map(|windows| run_again(windows)).collect();
    Some(format!(
        "rows of {} that other windows wrote may still tell of it: run the {} other windows again, once it is forgotten: {}",
        tables.join(", "),
        count(number),
        commands.join(" and ")
    ))
}

/// The command that runs windows again.
fn run_again(windows: &[&Window]) -> Option<String> {
    let (first, last) = (windows.first()?, windows.last()?);
    let every = Every::seconds((first.end - first.start).num_seconds()).ok();
    let every = every.map_or_else(|| "LENGTH".to_owned(), |every| every.to_string());
    let (from, to) = (instant(first.start), instant(last.end));
    Some(format!("`etl-runner backfill JOB --from {from} --to {to} --every {every} --again`"))
}

/// Stem of the names that the next run of the window would give to its files.
fn name_of(context: &JobContext<'_>, plan: &ForgetPlan, known: &WindowState) -> String {
    let id = run_of(&context.job.config.job, &plan.window, EpochMillis(plan.now.timestamp_millis())).id;
    match known.next_revision() {
        0 => id,
        revision => format!("{id}.r{revision}"),
    }
}

/// Decides that the window's commits go. Gives the version of the entry that says so.
fn decide(
    context: &JobContext<'_>,
    plan: &ForgetPlan,
    state: Arc<JobState>,
    known: &WindowState,
    stop: &Stop,
) -> Result<u64> {
    let (window, objects) = (plan.window, context.objects());
    let now_msec = EpochMillis(plan.now.timestamp_millis());
    let revision = known.next_revision();
    let name = name_of(context, plan, known);
    let state = context.stores.clean_up(state, &window, "", &name)?;
    let replacing = replacing(context, &state, &window, &[])?;
    let detail = CommitDetail {
        inputs: replacing.replaced.first().map(|detail| detail.inputs.clone()).unwrap_or_default(),
        sink: context.places.sink.url().to_owned(),
        dead_letter_url: context.places.dead_letters.url().to_owned(),
        replaces: replaced(&replacing),
        targets: records(&context.targets, &replacing)?,
        forgets: true,
        ..CommitDetail::new(&name, window, now_msec)
    };
    loop {
        stop.check()?;
        let run = CarryingRun { window, replaces: Some(&[]), name: &name, now_msec, keep: true };
        let now = context.stores.log.refresh()?;
        let carrying = Carrying::open(context.pipeline, objects, &now, run)?;
        if let Some(carrying) = &carrying {
            carrying.leave_others();
        }
        let carried = carrying.as_ref().map(Carrying::finish).transpose()?.flatten();
        let (path, hash) = detail.keep(objects, &token())?;
        failpoint!("commit.before_entry");
        let commit = Commit {
            window,
            revision,
            amendment: 0,
            name: name.clone(),
            detail: path.clone(),
            detail_hash: hash,
            supersedes: Vec::new(),
            counts: Counts::default(),
            late: Vec::new(),
            carried,
            provisional: false,
            forgets: true,
            compacts: Vec::new(),
        };
        let condition = Condition {
            window: Some((window, state.version)),
            carried: carrying.as_ref().map(Carrying::version),
            ..Condition::default()
        };
        if let Some(version) = context.stores.log.commit(Event::Commit(Box::new(commit)), &condition)? {
            failpoint!("commit.after_entry");
            return Ok(version);
        }
        // Another window was committed meanwhile: what it carries stays.
        let _ = objects.delete(&path);
        if let Some(carrying) = &carrying {
            carrying.give_up();
        }
    }
}
