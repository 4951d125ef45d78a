//! Which periods of time are to be compacted.

use super::gathered::FileCount;
use crate::commit::JobState;
use crate::schedule::{Coverage, coverage};
use crate::text::{bytes, count};
use crate::window::{Every, Window, split};
use chrono::{DateTime, TimeDelta, Utc};
use etl_sdk::Result;
use serde::Serialize;
use strum::IntoStaticStr;

/// Windows of a day, and files of it, from which on a person is told of them.
const MANY_FILES: u64 = 16;

/// The age from which on a period is compacted unless a person says otherwise.
const USUAL_AGE: TimeDelta = TimeDelta::days(2);

/// Windows of a period that are looked at for that, from the latest back.
const LOOK_BACK: usize = 4_096;

/// Where to look for periods.
#[derive(Clone, Copy, Debug)]
pub struct PeriodSpan {
    /// Length of the periods.
    pub every: Every,
    /// First instant; the start of the period that has the first committed window when absent.
    pub from: Option<DateTime<Utc>>,
    /// First instant after; the end of the period that has the last committed window when absent.
    pub to: Option<DateTime<Utc>>,
    /// Periods that end later are too young.
    pub until: DateTime<Utc>,
}

/// A period in which something is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// From its start to its end.
    pub window: Window,
    /// The committed windows that tile it, or why it is left alone.
    pub windows: Result<Vec<Window>, Left>,
}

/// Why a period is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Left {
    /// It is one window whose files were merged.
    Compacted,
    /// No partition has several files that would become fewer.
    FewFiles,
    /// It ended too short a time ago.
    Young,
    /// A window in it is not committed.
    Gap,
    /// A committed window reaches beyond it.
    Straddled,
    /// A window in it is provisional: it is to be run again.
    Provisional,
    /// A commit in it is not published yet.
    Unpublished,
    /// Somebody works on a window in it.
    Running,
    /// Its files have columns or tables that the job has not: merging them would lose something.
    Columns,
}

impl Left {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// For a person: `3 periods …`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Compacted => "compacted before",
            Self::FewFiles => "with nothing to merge",
            Self::Young => "too young",
            Self::Gap => "with windows that are not done",
            Self::Straddled => "with a window that reaches beyond them",
            Self::Provisional => "with provisional windows",
            Self::Unpublished => "with a commit that is not published; `etl-runner recover JOB` goes on with it",
            Self::Running => "that another run works on",
            Self::Columns => "with files of other columns than the job's",
        }
    }
}

/// The periods in which something is committed, oldest first.
///
/// Fails with kind `Usage` when an end of the span that was given is no border of periods.
pub fn periods(state: &JobState, span: &PeriodSpan) -> Result<Vec<Period>> {
    let committed = || state.windows.iter().filter(|(_, known)| known.is_committed()).map(|(window, _)| *window);
    let (Some(first), Some(last)) = (committed().next(), committed().next_back()) else { return Ok(Vec::new()) };
    let from = span.from.unwrap_or_else(|| span.every.floor(first.start));
    let end = last.end - TimeDelta::seconds(1);
    let to = span.to.unwrap_or_else(|| span.every.after(end).max(span.every.after(from)));
    let mut periods = Vec::new();
    for window in split(from, to, span.every)? {
        let windows = match standing(state, &window) {
            None => continue,
            Some(Ok(_)) if window.end > span.until => Err(Left::Young),
            Some(windows) => windows,
        };
        periods.push(Period { window, windows });
    }
    Ok(periods)
}

/// How a period stands; `None` when nothing of it is committed.
pub fn standing(state: &JobState, period: &Window) -> Option<Result<Vec<Window>, Left>> {
    let windows = match coverage(state, period) {
        Coverage::Nothing => return None,
        Coverage::Part(_) => return Some(Err(Left::Gap)),
        Coverage::Itself => vec![*period],
        Coverage::Whole => state.overlapping(period),
    };
    Some(judge(state, period, windows))
}

fn judge(state: &JobState, period: &Window, windows: Vec<Window>) -> Result<Vec<Window>, Left> {
    if !windows.iter().all(|window| period.covers(window)) {
        return Err(Left::Straddled);
    }
    if windows.iter().any(|window| state.is_provisional(window)) {
        return Err(Left::Provisional);
    }
    if !windows.iter().all(|window| state.is_done(window)) {
        return Err(Left::Unpublished);
    }
    let commits: Vec<_> =
        windows.iter().filter_map(|window| state.windows.get(window)).flat_map(|w| &w.commits).collect();
    if let [only] = commits.as_slice()
        && !only.compacts.is_empty()
    {
        return Err(Left::Compacted);
    }
    if commits.iter().map(|commit| commit.counts.files).sum::<u64>() < 2 {
        return Err(Left::FewFiles);
    }
    Ok(windows)
}

/// What a person should know of a job whose windows leave many small files, at `now`. The log's state alone tells it, by the
/// last day that `compact` would take.
pub fn advice(state: &JobState, now: DateTime<Utc>, target_file_size: u64) -> Option<String> {
    let (day, FileCount { files, bytes: size }) = crowded(state, now, target_file_size)?;
    Some(format!(
        "the {} files of {day} have {} on average: `etl-runner compact JOB` merges those of past days",
        count(files),
        bytes(size / files.max(1))
    ))
}

fn crowded(state: &JobState, now: DateTime<Utc>, target_file_size: u64) -> Option<(Window, FileCount)> {
    let every = Every::seconds(86_400).ok()?;
    let border = every.floor(now.checked_sub_signed(USUAL_AGE)?);
    let before = Window { start: border, end: border };
    let last = state.windows.range(..before).rev().take(LOOK_BACK).find(|(_, known)| known.is_committed())?.0;
    let start = every.floor(last.start);
    let period = Window { start, end: every.after(start) };
    let windows = standing(state, &period)?.ok()?;
    let mut sum = FileCount::default();
    for commit in windows.iter().filter_map(|window| state.windows.get(window)).flat_map(|known| &known.commits) {
        sum.add(FileCount { files: commit.counts.files, bytes: commit.counts.bytes });
    }
    let is_small = sum.bytes / sum.files.max(1) < target_file_size / 16;
    (windows.len() as u64 >= MANY_FILES && sum.files >= MANY_FILES && is_small).then_some((period, sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{CommitState, Counts, Unpublished, WindowState};

    fn window(text: &str) -> Window {
        Window::parse(text).unwrap()
    }

    fn commit(version: u64) -> CommitState {
        let counts = Counts { files: 2, bytes: 2_000, ..Counts::default() };
        CommitState { version, counts, ..CommitState::default() }
    }

    /// The hours of a day, each a commit of two files.
    fn hours(state: &mut JobState, day: &str, hours: std::ops::Range<u64>) {
        for hour in hours {
            let known = WindowState { commits: vec![commit(hour + 1)], ..WindowState::default() };
            state.windows.insert(window(&format!("{day}T{hour:02}")), known.into());
        }
    }

    fn span() -> PeriodSpan {
        let until = window("2026-11-22").end;
        PeriodSpan { every: "1d".parse().unwrap(), from: None, to: None, until }
    }

    fn found(state: &JobState) -> Vec<(String, Result<usize, Left>)> {
        let periods = periods(state, &span()).unwrap();
        periods.into_iter().map(|of| (of.window.start.format("%d").to_string(), of.windows.map(|w| w.len()))).collect()
    }

    #[test]
    fn a_period_is_compacted_when_done_windows_tile_it() {
        let mut state = JobState::default();
        assert_eq!(found(&state), []);
        hours(&mut state, "2026-11-18", 0..24);
        hours(&mut state, "2026-11-20", 3..24);
        hours(&mut state, "2026-11-22", 0..24);
        hours(&mut state, "2026-11-23", 0..24);
        let day = |text: &str, windows| (text.to_owned(), windows);
        let expected = [day("18", Ok(24)), day("20", Err(Left::Gap)), day("22", Ok(24)), day("23", Err(Left::Young))];
        assert_eq!(found(&state), expected);
        let mut change = |text: &str, change: &dyn Fn(&mut CommitState)| {
            change(&mut state.windows.get_mut(&window(text)).unwrap().commits[0]);
            found(&state)[0].1
        };
        assert_eq!(change("2026-11-18T05", &|commit| commit.provisional = true), Err(Left::Provisional));
        assert_eq!(change("2026-11-18T05", &|commit| commit.provisional = false), Ok(24));
        let open = Unpublished {
            window: window("2026-11-18T05"),
            detail: String::new(),
            detail_hash: crate::commit::ContentHash::default(),
            announced: std::collections::BTreeSet::new(),
        };
        state.unpublished.insert(6, open);
        assert_eq!(found(&state)[0].1, Err(Left::Unpublished));
    }

    #[test]
    fn what_is_merged_or_reaches_beyond_is_left_alone() {
        let mut state = JobState::default();
        let mut put = |text: &str, commits: Vec<CommitState>| {
            let known = WindowState { commits, ..WindowState::default() };
            state.windows.insert(window(text), known.into());
            found(&state).last().unwrap().1
        };
        let merged = CommitState { compacts: vec!["x".to_owned()], ..commit(1) };
        assert_eq!(put("2026-11-18", vec![merged.clone()]), Err(Left::Compacted));
        assert_eq!(put("2026-11-18", vec![merged, commit(2)]), Ok(1), "a replay has added to it");
        assert_eq!(put("2026-11-18", vec![commit(1)]), Ok(1), "one run may leave several files in a partition");
        let single = CommitState { counts: Counts { files: 1, ..Counts::default() }, ..commit(1) };
        assert_eq!(put("2026-11-18", vec![single]), Err(Left::FewFiles));
        assert_eq!(put("2026-11-19/P3D", vec![commit(3)]), Err(Left::Straddled));
    }

    #[test]
    fn a_person_is_told_of_many_small_files_of_the_last_day() {
        let mut state = JobState::default();
        let now = window("2026-11-25").start;
        let told = |state: &JobState, size| crowded(state, now, size).map(|(of, _)| of);
        assert_eq!(told(&state, 1 << 28), None);
        hours(&mut state, "2026-11-20", 0..24);
        hours(&mut state, "2026-11-23", 0..24);
        assert_eq!(told(&state, 1 << 28), Some(window("2026-11-20")));
        assert_eq!(told(&state, 8_000), None, "they are as large as they are to be");
        state
            .windows
            .insert(window("2026-11-21"), WindowState { commits: vec![commit(99)], ..Default::default() }.into());
        assert_eq!(told(&state, 1 << 28), None, "the last day is one window");
    }
}
