//! Which changes of a record are made. A change rests on the status and the owner that were there before.

use super::record::{Record, RecordStatus};
use crate::listen::happening::Happening;
use serde::Deserialize;

/// What a record says now, as far as a change rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Seen {
    pub status: String,
    pub owner: String,
    pub updated_at: String,
    pub attempt: u64,
}

/// The record that a happening leaves; `None` when it changes nothing: what is there is as new, or newer.
pub fn next(happening: &Happening, seen: Option<&Seen>) -> Option<Record> {
    let record = Record::of(happening)?;
    let Some(seen) = seen else { return Some(record) };
    let is_own = seen.owner == record.owner;
    if is_own && seen.updated_at >= record.updated_at {
        return None;
    }
    let is_published =
        matches!(record.status, RecordStatus::Succeeded | RecordStatus::SucceededWithRejects | RecordStatus::Skipped);
    let is_start = seen_is_over(seen) || !is_own;
    // Clocks differ: who holds the window now may be behind who held it. What is told late, and what did not come to a
    // commit while another process took the window over, is older than what is there.
    let is_older = !is_own
        && if happening.is_owed {
            seen.updated_at >= record.updated_at
        } else {
            record.finished_at.is_some() && !is_published && !seen_is_over(seen)
        };
    let is_new_run = record.finished_at.is_none() && is_start;
    (!is_older).then(|| Record { attempt: seen.attempt + u64::from(is_new_run), ..record })
}

fn seen_is_over(seen: &Seen) -> bool {
    seen.status != RecordStatus::Running.name()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::happening::{Outcome, What};
    use crate::report::RunReport;
    use chrono::DateTime;

    /// Something at a second of an owner's run.
    fn happening(what: What, owner: &str, second: i64) -> Happening {
        let ended_at = matches!(what, What::Ended(_)).then(|| "then".to_owned());
        Happening {
            what,
            at: DateTime::from_timestamp(second, 0).unwrap(),
            owner: owner.to_owned(),
            run_name: "run".to_owned(),
            lease_expires_at: None,
            watermark: None,
            report: RunReport { run_id: "run".to_owned(), ended_at, ..RunReport::default() },
            report_uri: None,
            is_owed: false,
        }
    }

    fn seen(record: &Record) -> Seen {
        Seen {
            status: record.status.name().to_owned(),
            owner: record.owner.clone(),
            updated_at: record.updated_at.clone(),
            attempt: record.attempt,
        }
    }

    /// The status and attempt that the happenings leave, one behind the other; `-` for one that changes nothing.
    fn left(happenings: &[Happening]) -> Vec<String> {
        let mut known = None;
        let step = |happening| match next(happening, known.as_ref()) {
            Some(record) => {
                known = Some(seen(&record));
                format!("{} {}", record.status.name(), record.attempt)
            }
            None => "-".to_owned(),
        };
        happenings.iter().map(step).collect()
    }

    #[test]
    fn a_run_begins_and_ends_and_is_run_again() {
        let done = What::Ended(Outcome::Done);
        let events = [
            happening(What::Started, "a", 1),
            happening(done, "a", 2),
            happening(done, "a", 2),
            happening(What::Started, "b", 3),
            happening(What::Ended(Outcome::Stopped), "b", 4),
            // Its clock is behind.
            happening(What::Started, "c", 2),
            happening(What::Ended(Outcome::Partly), "c", 3),
            happening(done, "c", 5),
        ];
        let expected =
            ["RUNNING 1", "SUCCEEDED 1", "-", "RUNNING 2", "CANCELLED 2", "RUNNING 3", "RUNNING 3", "SUCCEEDED 3"];
        assert_eq!(left(&events), expected);
    }

    #[test]
    fn held_and_skipped_windows_are_no_change() {
        for outcome in [Outcome::Held, Outcome::Skipped] {
            assert_eq!(left(&[happening(What::Started, "a", 1), happening(What::Ended(outcome), "b", 2)])[1], "-");
        }
    }

    #[test]
    fn who_lost_the_window_does_not_end_the_run_of_another() {
        let begun = [happening(What::Started, "a", 1), happening(What::Started, "b", 2)];
        let ended = |what| left(&[begun[0].clone(), begun[1].clone(), happening(what, "a", 3)])[2].clone();
        assert_eq!(ended(What::Ended(Outcome::Failed)), "-");
        assert_eq!(ended(What::Ended(Outcome::Done)), "SUCCEEDED 2", "it is in the log");
    }

    #[test]
    fn what_is_told_late_does_not_hide_what_came_after() {
        let late = |what, second| Happening { is_owed: true, ..happening(what, "a", second) };
        let done = What::Ended(Outcome::Done);
        assert_eq!(left(&[late(done, 2)]), ["SUCCEEDED 1"]);
        assert_eq!(left(&[happening(What::Started, "a", 1), late(done, 2)])[1], "SUCCEEDED 1");
        assert_eq!(left(&[happening(What::Started, "b", 3), late(done, 2)])[1], "-");
        assert_eq!(left(&[happening(done, "b", 3), late(What::Ended(Outcome::Failed), 2)])[1], "-");
    }
}
