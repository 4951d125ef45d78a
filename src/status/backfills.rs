//! What is left of backfills that are not at their end.

use crate::commit::lease::Holder;
use crate::commit::{BackfillSpan, JobState};
use crate::schedule::{Coverage, coverage};
use crate::text::{count, instant};
use crate::window::Window;
use serde::Serialize;
use std::path::Path;

/// A backfill that is not at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackfillReport {
    /// First instant of its first window.
    pub from: String,
    /// First instant after its last window.
    pub to: String,
    /// Length of its windows.
    pub every: String,
    /// Windows that are not done.
    pub left: u64,
    /// Those of them that never began: `retry` does not run them.
    pub never_began: u64,
    /// First instant of the first of these.
    pub stopped_at: String,
    /// Whether a run holds one of its windows now.
    pub running: bool,
    /// The command that goes on. Values of `--set` are left out.
    pub command: String,
}

impl BackfillReport {
    /// What is left of a backfill; `None` when each of its windows has been run, well or not. `job` is the job file as it was
    /// named.
    pub fn of(span: &BackfillSpan, state: &JobState, leases: &[Holder], job: &Path) -> Option<Self> {
        let Left { windows, never_began, first } = left(span, state);
        let mut part = span.span;
        if span.again {
            // The command would begin anew: it is told what is left.
            let last = windows.last()?;
            if span.newest_first {
                part.end = last.end;
            } else {
                part.start = windows.first()?.start;
            }
        }
        let overrides = span.overrides.iter().map(|key| format!("{key}=…"));
        Some(Self {
            from: instant(span.span.start),
            to: instant(span.span.end),
            every: span.every.to_string(),
            left: windows.len() as u64,
            never_began,
            stopped_at: instant(first?.start),
            running: leases.iter().any(|holder| span.span.covers(&holder.window)),
            command: command(&BackfillSpan { span: part, ..span.clone() }, job, overrides),
        })
    }

    /// The sentence for people.
    pub fn text(&self) -> String {
        let Self { from, to, every, stopped_at, command, .. } = self;
        let what = format!("a backfill of {from} to {to} every {every}");
        if self.running {
            let left = left_over(self.left);
            return format!("{what} is under way; {left}: if it was killed, the same command goes on: {command}");
        }
        format!("{what} stopped at {stopped_at}; {}: the same command goes on: {command}", left_over(self.left))
    }
}

/// `2,002 windows are left`.
fn left_over(windows: u64) -> String {
    format!("{} {} left", count(windows), if windows == 1 { "window is" } else { "windows are" })
}

struct Left {
    /// Windows that are not done, oldest first.
    windows: Vec<Window>,
    never_began: u64,
    /// The first that never began, in the order of the backfill.
    first: Option<Window>,
}

fn left(span: &BackfillSpan, state: &JobState) -> Left {
    let mut left = Left { windows: Vec::new(), never_began: 0, first: None };
    for window in span.every.tiles(span.span.start, span.span.end) {
        let known = state.windows.get(&window);
        let is_done = if span.again {
            known.is_some_and(|known| known.commits.first().is_some_and(|commit| commit.at >= span.since))
        } else {
            match coverage(state, &window) {
                Coverage::Itself => !state.is_provisional(&window),
                Coverage::Whole => true,
                Coverage::Nothing | Coverage::Part(_) => false,
            }
        };
        if is_done {
            continue;
        }
        left.windows.push(window);
        let failure = known.and_then(|known| known.last_failure.as_ref());
        if failure.is_none_or(|failure| span.again && failure.at < span.since) {
            left.never_began += 1;
            if span.newest_first || left.first.is_none() {
                left.first = Some(window);
            }
        }
    }
    left
}

/// Whether all windows of a backfill are done.
pub fn is_complete(span: &BackfillSpan, state: &JobState) -> bool {
    left(span, state).windows.is_empty()
}

/// The command of a backfill, as a shell reads it.
pub fn command(span: &BackfillSpan, job: &Path, overrides: impl Iterator<Item = String>) -> String {
    let mut words = vec!["etl-runner".to_owned(), "backfill".to_owned(), job.display().to_string()];
    let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
    add("--from", instant(span.span.start));
    add("--to", instant(span.span.end));
    add("--every", span.every.to_string());
    if span.parallel > 1 {
        add("--parallel", span.parallel.to_string());
    }
    if span.newest_first {
        add("--order", "newest".to_owned());
    }
    overrides.for_each(|text| add("--set", text));
    if span.again {
        words.push("--again".to_owned());
    }
    if span.supersede {
        words.push("--supersede".to_owned());
    }
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || "-_./:=,%+…".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{Entry, Event, Failure, FailureStatus, Runner};
    use crate::window::Every;
    use chrono::DateTime;

    fn span() -> BackfillSpan {
        BackfillSpan {
            span: Window::parse("2026-11-20/P1D").unwrap(),
            every: Every::HOUR,
            newest_first: false,
            again: false,
            supersede: false,
            parallel: 2,
            overrides: vec!["limits.dead_letters".to_owned()],
            since: DateTime::UNIX_EPOCH,
        }
    }

    fn failed(hours: std::ops::Range<u32>) -> JobState {
        let mut state = JobState::default();
        for hour in hours {
            let window = Window::parse(&format!("2026-11-20T{hour:02}")).unwrap();
            let (kind, message) = ("stopped".to_owned(), String::new());
            let event = Event::Failed(Failure { window, status: FailureStatus::Stopped, kind, message });
            let (version, at) = (u64::from(hour) + 1, DateTime::UNIX_EPOCH);
            state.apply(&Entry { version, at, by: Runner::default(), token: String::new(), event });
        }
        state
    }

    fn of(span: &BackfillSpan, state: &JobState) -> Option<BackfillReport> {
        BackfillReport::of(span, state, &[], Path::new("a job.yaml"))
    }

    #[test]
    fn windows_that_never_began_are_told_with_the_command_that_runs_them() {
        let report = of(&span(), &failed(0..3)).unwrap();
        assert_eq!((report.left, report.never_began), (24, 21));
        assert_eq!(
            report.text(),
            "a backfill of 2026-11-20T00:00:00Z to 2026-11-21T00:00:00Z every 1h stopped at 2026-11-20T03:00:00Z; 24 \
             windows are left: the same command goes on: etl-runner backfill 'a job.yaml' --from 2026-11-20T00:00:00Z --to \
             2026-11-21T00:00:00Z --every 1h --parallel 2 --set limits.dead_letters=…"
        );
        let newest = BackfillSpan { newest_first: true, parallel: 1, ..span() };
        let report = of(&newest, &failed(20..24)).unwrap();
        assert_eq!(report.stopped_at, "2026-11-20T19:00:00Z");
        assert!(report.command.contains("--every 1h --order newest"), "{}", report.command);
    }

    #[test]
    fn one_whose_windows_all_began_is_not_told() {
        assert_eq!(of(&span(), &failed(0..24)), None);
        assert!(!is_complete(&span(), &failed(0..24)));
    }
}
