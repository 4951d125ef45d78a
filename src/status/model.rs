//! The status as data. Field names are a contract.

use super::backfills::BackfillReport;
use crate::commit::lease::Holder;
use crate::commit::{FailureState, FailureStatus, JobState, LateState, WindowState};
use crate::schedule::{Coverage, coverage, undone};
use crate::text::instant;
use crate::text::suggest::variant;
use crate::window::{Every, Window};
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Error, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use strum::{IntoStaticStr, VariantArray};

/// Version of the fields. It grows when a field changes its meaning or goes away, not when one is added.
const SCHEMA_VERSION: u32 = 1;

/// What is known of a window; the harmless ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WindowStatus {
    /// Its rows are published.
    Done,
    /// It ran, and there was no object in it.
    Empty,
    /// Its rows are published; objects whose path names its hours arrived later and are in the output of other windows.
    Late,
    /// It was run while it was open: it is to be run again once it is closed, which the next scheduled run, `retry` and a
    /// backfill do.
    Provisional,
    /// Somebody runs it now.
    Running,
    /// Its rows are published, and a target is still to be told of them; the next command that writes does that.
    Unannounced,
    /// Its rows are committed and not all visible yet; the next command that writes finishes that.
    Unpublished,
    /// Its last run was stopped by a signal, and it has no rows; the next run goes on from what is there.
    Stopped,
    /// Nobody ran it, and it is closed.
    Missing,
    /// A gate refused its last run, and it has no rows.
    Refused,
    /// Its last run failed, and it has no rows.
    Failed,
}

impl WindowStatus {
    /// As in JSON and in `--only`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Its letter in the grid.
    pub fn letter(self) -> char {
        match self {
            Self::Done => '.',
            Self::Empty => 'o',
            Self::Late => 'l',
            Self::Provisional => 'p',
            Self::Running => '>',
            Self::Unannounced => 'a',
            Self::Unpublished => 'u',
            Self::Stopped => 'S',
            Self::Missing => 'M',
            Self::Refused => 'R',
            Self::Failed => 'F',
        }
    }

    /// Whether its last run ended without a commit, and it has no rows.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Stopped | Self::Refused | Self::Failed)
    }
}

impl From<FailureStatus> for WindowStatus {
    fn from(failure: FailureStatus) -> Self {
        match failure {
            FailureStatus::Stopped => Self::Stopped,
            FailureStatus::Refused => Self::Refused,
            FailureStatus::Failed => Self::Failed,
        }
    }
}

impl FromStr for WindowStatus {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        variant("status", name)
    }
}

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// First instant. Default: the first window, `schedule.start` or the watermark, whichever is first.
    pub from: Option<DateTime<Utc>>,
    /// First instant after. Default: the end of the last window that is known or closed.
    pub to: Option<DateTime<Utc>>,
    /// Only windows of these; all when empty. The counts are of all.
    pub only: Vec<WindowStatus>,
    /// Windows of the schedule, by which missing ones are told. Default: the commonest length of windows that are known.
    pub every: Option<Every>,
    /// `schedule.start`.
    pub start: Option<DateTime<Utc>>,
    /// Time after its end at which a window is closed.
    pub buffer: TimeDelta,
    /// Whether windows are expected up to now: there is a schedule, or a watermark.
    pub is_scheduled: bool,
}

/// The status of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusReport {
    /// Grows when a field changes its meaning or goes away.
    pub schema_version: u32,
    /// Name of the job.
    pub job: String,
    /// The instant it is told for, RFC 3339 in UTC.
    pub now: String,
    /// Version of the log that was read; 0 when nothing ran yet.
    pub version: u64,
    /// Where scheduled runs go on; none until a scheduled run or a person sets it.
    pub watermark: Option<String>,
    /// Windows before the watermark that are not done, since the first that is known: no scheduled run takes them.
    pub undone_before_watermark: u64,
    /// Length of the windows that missing ones are told by; none when nothing is known.
    pub every: Option<String>,
    /// First instant that was looked at.
    pub from: Option<String>,
    /// First instant after.
    pub to: Option<String>,
    /// Windows by status, each status named.
    pub counts: BTreeMap<&'static str, u64>,
    /// All windows.
    pub total: u64,
    /// Objects that arrived after their window, in all windows.
    pub late_objects: u64,
    /// Windows with rows whose last re-run ended without a commit: the rows of the run before stay.
    pub failed_reruns: u64,
    /// What a person should know of the job's input.
    pub warnings: Vec<String>,
    /// Backfills that have windows left which never began.
    pub backfills: Vec<BackfillReport>,
    /// The windows, oldest first.
    pub windows: Vec<WindowReport>,
    /// How re-runs of windows with rows ended, of which the rows of the run before stay.
    #[serde(skip)]
    reruns: Vec<WindowStatus>,
    /// From the first to the last window that is missing, and that no scheduled run takes.
    #[serde(skip)]
    pub(super) missing: Option<Window>,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowReport {
    /// First instant, RFC 3339 in UTC.
    pub start: String,
    /// First instant after.
    pub end: String,
    /// What is known of it.
    pub status: WindowStatus,
    /// 0 for its first commit, then one more with each re-run; none without a commit.
    pub revision: Option<u32>,
    /// Replays of dead letters that added to it.
    pub replays: u32,
    /// When its last commit was decided.
    pub committed_at: Option<String>,
    /// Input objects.
    pub objects: u64,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Dead letters.
    pub dead_letters: u64,
    /// Runs since its last commit that ended without one.
    pub failures: u32,
    /// The last of them.
    pub failure: Option<FailureReport>,
    /// Who runs it now.
    pub running: Option<RunningReport>,
    /// Objects of its hours that arrived later.
    pub late: Vec<LateReport>,
    /// Names of the targets that are still to be told of it.
    pub owed: Vec<String>,
    #[serde(skip)]
    pub(super) window: Window,
}

/// A run that ended without a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureReport {
    /// When.
    pub at: String,
    /// How it ended.
    pub status: FailureStatus,
    /// Kind of the error, as in run reports.
    pub kind: String,
    /// The error in one line.
    pub message: String,
}

/// A lease that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunningReport {
    /// Name of the machine.
    pub host: String,
    /// The process on it.
    pub pid: u32,
    /// Since when.
    pub since: String,
    /// Until when, unless it is renewed.
    pub until: String,
}

/// Objects that arrived late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LateReport {
    /// First instant of the hour their paths name.
    pub hour: String,
    /// How many.
    pub objects: u64,
    /// Their bytes as stored.
    pub bytes: u64,
    /// The window whose output they are in.
    pub taken_by: Window,
}

/// The status of a job from all that is known.
pub fn build(job: &str, state: &JobState, leases: &[Holder], now: DateTime<Utc>, scope: &Scope) -> StatusReport {
    let running: BTreeMap<Window, &Holder> = leases.iter().map(|holder| (holder.window, holder)).collect();
    let known = known(state, &running);
    let every = scope.every.or_else(|| commonest(state));
    let ends = ends(state, &known, every, now, scope);
    let mut report = StatusReport {
        schema_version: SCHEMA_VERSION,
        job: job.to_owned(),
        now: instant(now),
        version: state.version,
        watermark: state.watermark.map(instant),
        undone_before_watermark: undone_before_watermark(state, every),
        every: every.map(|every| every.to_string()),
        from: ends.map(|(from, _)| instant(from)),
        to: ends.map(|(_, to)| instant(to)),
        counts: WindowStatus::VARIANTS.iter().map(|status| (status.name(), 0)).collect(),
        total: 0,
        late_objects: 0,
        failed_reruns: 0,
        warnings: Vec::new(),
        backfills: Vec::new(),
        windows: Vec::new(),
        reruns: Vec::new(),
        missing: None,
    };
    let Some((from, to)) = ends else { return report };
    let mut add = |window: WindowReport| {
        *report.counts.entry(window.status.name()).or_default() += 1;
        report.total += 1;
        report.late_objects += window.late.iter().map(|late| late.objects).sum::<u64>();
        report.failed_reruns += u64::from(window.is_failed_rerun());
        let rerun = window.failure.as_ref().filter(|_| window.is_failed_rerun());
        report.reruns.extend(rerun.map(|failure| WindowStatus::from(failure.status)));
        let is_due = scope.is_scheduled && state.watermark.is_none_or(|watermark| window.window.start >= watermark);
        if window.status == WindowStatus::Missing && !is_due {
            let start = report.missing.map_or(window.window.start, |missing| missing.start);
            report.missing = Some(Window { start, end: window.window.end });
        }
        if scope.only.is_empty() || scope.only.contains(&window.status) {
            report.windows.push(window);
        }
    };
    let closed = every.map(|every| every.floor(now - scope.buffer));
    let mut cursor = from;
    for window in known {
        if window.end <= from || window.start >= to {
            continue;
        }
        gap(every, cursor, window.start.min(to), closed, &mut add);
        add(describe(state, window, running.get(&window).copied()));
        cursor = cursor.max(window.end);
    }
    gap(every, cursor, to, closed, &mut add);
    report
}

impl StatusReport {
    /// Whether a window has this status. One that is done has failed, was refused or stopped too when that is how its last
    /// re-run ended; and what a backfill has left to begin is missing.
    pub fn has(&self, status: WindowStatus) -> bool {
        let is_left = || self.backfills.iter().any(|backfill| backfill.never_began > 0);
        self.counts.get(status.name()).is_some_and(|windows| *windows > 0)
            || self.reruns.contains(&status)
            || (status == WindowStatus::Missing && is_left())
    }
}

/// Closed windows between the first that is known and the watermark that are not done.
pub fn undone_before_watermark(state: &JobState, every: Option<Every>) -> u64 {
    let first = state.windows.iter().find(|(_, known)| known.is_known()).map(|(window, _)| window.start);
    let (Some(every), Some(watermark), Some(first)) = (every, state.watermark, first) else { return 0 };
    undone(state, every, first, watermark).count() as u64
}

/// The windows that something is known of, in order. One that never committed, and whose time others have committed, is
/// none of them.
fn known(state: &JobState, running: &BTreeMap<Window, &Holder>) -> Vec<Window> {
    let of_state = state.windows.iter().filter(|(window, known)| {
        known.is_committed()
            || running.contains_key(window)
            || (known.is_known() && coverage(state, window) != Coverage::Whole)
    });
    let mut windows: Vec<Window> = of_state.map(|(window, _)| *window).collect();
    windows.extend(running.keys().filter(|window| !state.windows.contains_key(window)));
    windows.sort_unstable();
    windows
}

/// The commonest length of known windows, if it is one of a grid.
pub fn commonest(state: &JobState) -> Option<Every> {
    let mut lengths: BTreeMap<i64, u64> = BTreeMap::new();
    for (window, _) in state.windows.iter().filter(|(_, known)| known.is_known()) {
        *lengths.entry((window.end - window.start).num_seconds()).or_default() += 1;
    }
    let (length, _) = lengths.into_iter().max_by_key(|(_, count)| *count)?;
    Every::seconds(length).ok()
}

fn ends(
    state: &JobState,
    known: &[Window],
    every: Option<Every>,
    now: DateTime<Utc>,
    scope: &Scope,
) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let first = known.first().map(|window| window.start);
    let start = scope.start.filter(|_| state.watermark.is_none());
    let from = scope.from.or_else(|| [first, state.watermark, start].into_iter().flatten().min())?;
    let last = known.iter().map(|window| window.end).max();
    let is_expected = scope.is_scheduled || state.watermark.is_some() || scope.from.is_some();
    let closed = every.filter(|_| is_expected).map(|every| every.floor(now - scope.buffer));
    let to = scope.to.or_else(|| [last, closed].into_iter().flatten().max())?;
    (from < to).then_some((from, to))
}

/// The windows between two known ones: missing, as far as they are closed.
fn gap(
    every: Option<Every>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    closed: Option<DateTime<Utc>>,
    add: &mut impl FnMut(WindowReport),
) {
    let (Some(every), Some(closed)) = (every, closed) else { return };
    for window in every.tiles(from, to).take_while(|window| window.end <= closed) {
        add(WindowReport::new(window, WindowStatus::Missing));
    }
}

fn describe(state: &JobState, window: Window, lease: Option<&Holder>) -> WindowReport {
    let nothing = WindowState::default();
    let known = state.windows.get(&window).map_or(&nothing, |known| known);
    let status = match (known.commits.as_slice(), &known.last_failure) {
        _ if lease.is_some() => WindowStatus::Running,
        ([], Some(failure)) => failure.status.into(),
        ([], None) => WindowStatus::Missing,
        (commits, _) if commits.iter().any(|commit| state.unpublished.contains_key(&commit.version)) => {
            WindowStatus::Unpublished
        }
        (commits, _) if commits.iter().any(|commit| !commit.owed.is_empty()) => WindowStatus::Unannounced,
        _ if known.is_provisional() => WindowStatus::Provisional,
        _ if !known.late.is_empty() => WindowStatus::Late,
        (commits, _) if commits.iter().all(|commit| commit.counts.objects == 0) => WindowStatus::Empty,
        _ => WindowStatus::Done,
    };
    let last = known.commits.last();
    let owed: BTreeSet<&String> = known.commits.iter().flat_map(|commit| &commit.owed).collect();
    WindowReport {
        revision: last.map(|commit| commit.revision),
        replays: last.map_or(0, |commit| commit.amendment),
        committed_at: last.map(|commit| instant(commit.at)),
        objects: known.commits.iter().map(|commit| commit.counts.objects).sum(),
        rows: known.rows(),
        dead_letters: known.commits.iter().map(|commit| commit.counts.dead_letters).sum(),
        failures: known.failures,
        failure: known.last_failure.as_ref().map(FailureReport::from),
        running: lease.map(RunningReport::from),
        late: known.late.iter().map(LateReport::from).collect(),
        owed: owed.into_iter().cloned().collect(),
        ..WindowReport::new(window, status)
    }
}

impl WindowReport {
    fn new(window: Window, status: WindowStatus) -> Self {
        Self {
            start: instant(window.start),
            end: instant(window.end),
            status,
            revision: None,
            replays: 0,
            committed_at: None,
            objects: 0,
            rows: BTreeMap::new(),
            dead_letters: 0,
            failures: 0,
            failure: None,
            running: None,
            late: Vec::new(),
            owed: Vec::new(),
            window,
        }
    }

    /// Whether it has rows and its last re-run ended without a commit.
    pub fn is_failed_rerun(&self) -> bool {
        self.revision.is_some() && self.failure.is_some() && self.running.is_none()
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }
}

impl From<&FailureState> for FailureReport {
    fn from(failure: &FailureState) -> Self {
        Self {
            at: instant(failure.at),
            status: failure.status,
            kind: failure.kind.clone(),
            message: failure.message.clone(),
        }
    }
}

impl From<&Holder> for RunningReport {
    fn from(holder: &Holder) -> Self {
        Self {
            host: holder.by.host.clone(),
            pid: holder.by.pid,
            since: instant(holder.since),
            until: instant(holder.until),
        }
    }
}

impl From<&LateState> for LateReport {
    fn from(state: &LateState) -> Self {
        let late = &state.late;
        Self { hour: instant(late.hour), objects: late.objects, bytes: late.bytes, taken_by: state.taken_by }
    }
}
