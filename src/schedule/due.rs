//! The windows that are due.

use super::config::ScheduleConfig;
use crate::commit::{FailureStatus, JobState};
use crate::source::Select;
use crate::text::{bytes, count, instant};
use crate::window::{Every, Window};
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::{Error, Result};

/// What a scheduled run has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The windows to run, oldest first; at most `schedule.catch_up`.
    pub windows: Vec<DueWindow>,
    /// Closed windows that wait for the next call.
    pub remaining: u64,
    /// Where it starts to look; the watermark to set when there is none.
    pub begin: DateTime<Utc>,
    /// Who says so.
    pub origin: Origin,
    /// Windows that end after this are not closed yet.
    pub closed_until: DateTime<Utc>,
    /// When the next window that is not closed yet will be.
    pub next_at: DateTime<Utc>,
    /// A provisional window that is still open, behind which nothing is due.
    pub waits_for: Option<Window>,
}

/// What decides where a scheduled run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The watermark of the log.
    Watermark,
    /// The reference's `job-latest.json`: this is the first run.
    JobLatest,
    /// `schedule.start`: this is the first run.
    Start,
    /// Nothing: this is the first run, and it takes the last closed window.
    LastClosed,
}

/// A window that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueWindow {
    /// The window.
    pub window: Window,
    /// Why.
    pub reason: DueReason,
}

/// Why a window is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DueReason {
    /// It has just closed.
    Next,
    /// It closed earlier, and was not run.
    Missed,
    /// It ran, and ended without a commit.
    Failed {
        /// How often.
        attempts: u32,
        /// How the last one ended.
        status: FailureStatus,
    },
    /// It was run while it was open.
    Provisional,
    /// It is done, and objects arrived after that.
    LateData {
        /// How many.
        objects: u64,
        /// Their bytes as stored.
        bytes: u64,
    },
}

impl DueReason {
    /// A word for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Missed => "missed",
            Self::Failed { .. } => "failed",
            Self::Provisional => "provisional",
            Self::LateData { .. } => "late_data",
        }
    }

    /// The reason for people.
    pub fn text(&self) -> String {
        match self {
            Self::Next => "has just closed".to_owned(),
            Self::Missed => "missed".to_owned(),
            Self::Provisional => "was run before it closed".to_owned(),
            Self::Failed { attempts: 1, status } => format!("{status} before"),
            Self::Failed { attempts, status } => format!("{status} before, {attempts} attempts"),
            Self::LateData { objects: 1, bytes: size } => format!("late data: 1 object, {}", bytes(*size)),
            Self::LateData { objects, bytes: size } => {
                format!("late data: {} objects, {}", count(*objects), bytes(*size))
            }
        }
    }
}

/// The border up to which windows are closed: a window is, once `buffer` has passed since its end.
pub fn closed_until(every: Every, buffer: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    every.floor(now - buffer)
}

/// The windows that are due, without late data. `first` is the watermark that a first run takes over, if there is one.
///
/// Committed windows are never touched, but provisional ones, which are run again as they are: what is between them is filled
/// with parts of windows. Fails when `select: path` would have to do with a part of an hour.
pub fn due(
    state: &JobState,
    schedule: &ScheduleConfig,
    select: Select,
    first: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Due> {
    let every = schedule.every;
    let buffer = TimeDelta::seconds(schedule.buffer.seconds);
    let closed = closed_until(every, buffer, now);
    let (begin, origin) = match (state.watermark, first, schedule.start) {
        (Some(watermark), ..) => (watermark, Origin::Watermark),
        (None, Some(first), _) => (first, Origin::JobLatest),
        (None, None, Some(start)) => (start.0, Origin::Start),
        (None, None, None) => (every.before(closed)?.start, Origin::LastClosed),
    };
    if select == Select::Path && begin.timestamp() % 3_600 != 0 {
        return Err(Error::config("find the windows that are due")
            .with("watermark", instant(begin))
            .with("source.select", "path")
            .hint("hours are run as a whole: set the watermark to a whole hour with `etl-runner state set`"));
    }
    let last = begin.max(closed - TimeDelta::seconds(1));
    let waits_for = state.window_at(last).filter(|window| state.is_provisional(window) && window.end > closed);
    let mut due = Due {
        windows: Vec::new(),
        remaining: 0,
        begin,
        origin,
        closed_until: closed,
        next_at: waits_for.map_or_else(|| every.after(closed.max(begin)), |window| window.end) + buffer,
        waits_for,
    };
    for window in (Gaps { state, every, next: begin, end: closed }) {
        if due.windows.len() < schedule.catch_up as usize {
            due.windows.push(DueWindow { window, reason: reason(state, &window, closed) });
        } else {
            due.remaining += 1;
        }
    }
    Ok(due)
}

fn reason(state: &JobState, window: &Window, closed: DateTime<Utc>) -> DueReason {
    match state.windows.get(window).and_then(|known| Some((known.failures, known.last_failure.as_ref()?))) {
        Some((attempts, failure)) => DueReason::Failed { attempts, status: failure.status },
        None if state.is_provisional(window) => DueReason::Provisional,
        None if window.end == closed => DueReason::Next,
        None => DueReason::Missed,
    }
}

/// The windows between two instants that are not done, oldest first: those of the grid of which nothing is committed, and
/// provisional ones.
pub fn undone(
    state: &JobState,
    every: Every,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> impl Iterator<Item = Window> + '_ {
    Gaps { state, every, next: from, end: until }
}

/// The windows of the grid between committed ones, and those that are provisional, oldest first.
struct Gaps<'a> {
    state: &'a JobState,
    every: Every,
    next: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Iterator for Gaps<'_> {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        while self.next < self.end {
            let start = self.next;
            if let Some(committed) = self.state.window_at(start) {
                self.next = committed.end;
                if committed.end <= self.end && self.state.is_provisional(&committed) {
                    return Some(committed);
                }
                continue;
            }
            let mut end = self.every.after(start).min(self.end);
            let (first, last) = (Window { start, end: start }, Window { start: end, end });
            let committed = self.state.windows.range(first..last).find(|(_, known)| known.is_committed());
            if let Some((window, _)) = committed {
                end = end.min(window.start);
            }
            self.next = end;
            return Some(Window { start, end });
        }
        None
    }
}

/// What committed windows have of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// No instant of it.
    Nothing,
    /// It is committed.
    Itself,
    /// Others have all of it.
    Whole,
    /// Others have a part of it; the first of them.
    Part(Window),
}

/// What committed windows have of a window.
pub fn coverage(state: &JobState, window: &Window) -> Coverage {
    if state.windows.get(window).is_some_and(|known| known.is_committed()) {
        return Coverage::Itself;
    }
    let mut first = None;
    let mut cursor = window.start;
    while let Some(committed) = state.window_at(cursor) {
        first = first.or(Some(committed));
        cursor = committed.end;
        if cursor >= window.end {
            return Coverage::Whole;
        }
    }
    if first.is_none() {
        let (start, end) = (window.start, window.end);
        let mut inside = state.windows.range(Window { start, end: start }..Window { start: end, end });
        first = inside.find(|(_, known)| known.is_committed()).map(|(committed, _)| *committed);
    }
    first.map_or(Coverage::Nothing, Coverage::Part)
}
