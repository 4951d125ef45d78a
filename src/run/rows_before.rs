//! Numbers of rows of earlier runs, from the commit log.

use crate::commit::JobState;
use crate::window::Window;

/// Rows of a table in the last `runs` committed windows before `window`, the last one first. Only windows of the same
/// length count: the rows of a day say nothing of those of an hour.
pub fn rows_before(state: &JobState, window: &Window, table: &str, runs: u32) -> Vec<u64> {
    let length = window.end - window.start;
    let rows = state
        .windows
        .range(..window)
        .rev()
        .filter(|(other, known)| {
            !known.commits.is_empty() && other.end <= window.start && other.end - other.start == length
        })
        .map(|(_, known)| known.commits.iter().filter_map(|commit| commit.counts.rows.get(table)).sum());
    rows.take(runs as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{CommitState, Counts, WindowState};

    fn commit(rows: u64) -> CommitState {
        let counts = Counts { rows: [("event".to_owned(), rows)].into(), ..Counts::default() };
        CommitState { version: 1, counts, ..CommitState::default() }
    }

    #[test]
    fn only_committed_windows_of_the_same_length_before_count() {
        let mut state = JobState::default();
        let mut add = |window: &str, rows: &[u64]| {
            let commits = rows.iter().map(|rows| commit(*rows)).collect();
            state
                .windows
                .insert(Window::parse(window).unwrap(), WindowState { commits, ..WindowState::default() }.into());
        };
        add("2026-11-19", &[7_000]);
        add("2026-11-20T01/PT1H", &[10]);
        add("2026-11-20T02/PT1H", &[20, 1]);
        add("2026-11-20T03/PT1H", &[]);
        add("2026-11-20T04/PT1H", &[40]);
        add("2026-11-20T05/PT1H", &[50]);
        let window = Window::parse("2026-11-20T04/PT1H").unwrap();
        assert_eq!(rows_before(&state, &window, "event", 7), [21, 10]);
        assert_eq!(rows_before(&state, &window, "event", 1), [21]);
        assert_eq!(rows_before(&state, &window, "item", 7), [0, 0]);
        assert!(rows_before(&JobState::default(), &window, "event", 7).is_empty());
    }
}
