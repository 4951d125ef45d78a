use super::*;
use crate::commit::lease::Holder;
use crate::commit::{Commit, ContentHash, Counts, Entry, Event, Failure, FailureStatus, JobState, Late, Runner};
use crate::window::{Every, Instant, Window};
use chrono::{DateTime, TimeDelta, Utc};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse::<Instant>().unwrap().0
}

fn window(text: &str) -> Window {
    Window::parse(text).unwrap()
}

struct Log(JobState);

impl Log {
    fn add(&mut self, event: Event) -> u64 {
        let version = self.0.version + 1;
        let at = instant("2026-11-20T12:00:05");
        self.0.apply(&Entry { version, at, by: Runner::default(), token: String::new(), event });
        version
    }

    fn commit(&mut self, text: &str, objects: u64, late: Vec<Late>) -> u64 {
        let window = window(text);
        let rows = [("event".to_owned(), objects * 10)].into();
        self.add(Event::Commit(Box::new(Commit {
            window,
            revision: self.0.window(&window).next_revision(),
            amendment: 0,
            name: String::new(),
            detail: String::new(),
            detail_hash: ContentHash::default(),
            supersedes: Vec::new(),
            counts: Counts { objects, rows, dead_letters: 1, ..Counts::default() },
            late,
            carried: None,
            provisional: false,
            forgets: false,
            compacts: Vec::new(),
        })))
    }

    fn done(&mut self, text: &str, objects: u64, late: Vec<Late>) {
        let commit = self.commit(text, objects, late);
        self.published(commit, text, &[]);
    }

    fn published(&mut self, commit: u64, text: &str, owed: &[&str]) {
        let owed = owed.iter().map(|target| (*target).to_owned()).collect();
        self.add(Event::Published { commit, window: window(text), owed });
    }

    fn failed(&mut self, text: &str, status: FailureStatus) {
        self.add(Event::Failed(Failure {
            window: window(text),
            status,
            kind: "unavailable".to_owned(),
            message: "read the object: no answer".to_owned(),
        }));
    }
}

/// Two days of hours: one of each status.
fn sample() -> Log {
    let mut log = Log(JobState::default());
    log.add(Event::Watermark { at: Some(instant("2026-11-19")), reason: "test".to_owned() });
    for hour in 0..34 {
        let start = instant("2026-11-19") + TimeDelta::hours(hour);
        let name = start.format("%Y-%m-%dT%H").to_string();
        match hour {
            3 => log.done(&name, 0, Vec::new()),
            7 | 25 => {}
            12 => {
                log.failed(&name, FailureStatus::Failed);
                log.failed(&name, FailureStatus::Failed);
            }
            13 => log.failed(&name, FailureStatus::Refused),
            14 => log.failed(&name, FailureStatus::Stopped),
            29 => {
                let commit = log.commit(&name, 5, Vec::new());
                log.published(commit, &name, &["catalog", "manifests"]);
                log.add(Event::Announced { commit, window: window(&name), target: "manifests".to_owned() });
            }
            30 => {
                log.commit(&name, 1, Vec::new());
            }
            31 => log.done(&name, 4, vec![Late { hour: instant("2026-11-19T05"), objects: 3, bytes: 300 }]),
            _ => log.done(&name, 5, Vec::new()),
        }
    }
    log
}

fn holder(text: &str) -> Holder {
    Holder {
        window: window(text),
        by: Runner { id: "x".to_owned(), host: "box".to_owned(), pid: 7, program: "0.1.0".to_owned() },
        since: instant("2026-11-20T12:00"),
        until: instant("2026-11-20T12:05"),
        length_millis: None,
    }
}

fn scope() -> Scope {
    Scope { every: Some(Every::HOUR), buffer: TimeDelta::minutes(2), is_scheduled: true, ..Scope::default() }
}

fn report(scope: &Scope) -> StatusReport {
    build("shop", &sample().0, &[holder("2026-11-20T10")], instant("2026-11-20T12:30"), scope)
}

fn plain(report: &StatusReport) -> String {
    grid(report, &|text, _| text.to_owned())
}

#[test]
fn each_window_has_one_status() {
    let report = report(&scope());
    assert_eq!(
        summary(&report),
        "36 windows: 25 done, 1 empty, 1 late, 1 running, 1 unannounced, 1 unpublished, 1 stopped, 3 missing, 1 refused, 1 failed"
    );
    assert_eq!(report.total, report.counts.values().sum::<u64>());
    assert_eq!((report.late_objects, report.watermark.as_deref()), (3, Some("2026-11-19T07:00:00Z")));
    assert_eq!(
        plain(&report),
        "            00     06     12     18
2026-11-19  ...o.l .M.... FRS... ......
2026-11-20  .M...a u...>M

            . done  o empty  l late  > running  a unannounced  u unpublished  S stopped  M missing  R refused  F failed; UTC, a letter per hour
"
    );
}

#[test]
fn lines_say_what_failed_and_how_to_run_it_again() {
    let all = report(&scope());
    assert_eq!(
        failures(&all, "job.yaml"),
        "\
failed 2026-11-19T12:00:00Z/2026-11-19T13:00:00Z  2026-11-20T12:00:05Z, 2 attempts
  read the object: no answer
refused 2026-11-19T13:00:00Z/2026-11-19T14:00:00Z  2026-11-20T12:00:05Z
  read the object: no answer
stopped 2026-11-19T14:00:00Z/2026-11-19T15:00:00Z  2026-11-20T12:00:05Z
  read the object: no answer
run them again: etl-runner retry job.yaml
"
    );
    let only = report(&Scope { only: vec![WindowStatus::Failed], ..scope() });
    assert_eq!(only.total, 36, "the counts are of all");
    assert!(
        failures(&only, "job.yaml").ends_with("retry job.yaml --window 2026-11-19T12:00:00Z/2026-11-19T13:00:00Z\n")
    );
    let lines = list(&report(&Scope { only: vec![WindowStatus::Late, WindowStatus::Running], ..scope() }));
    assert!(lines.contains("late       50             1         0"), "{lines}");
    assert!(lines.contains("3 late objects in 2026-11-20T07:00:00Z/2026-11-20T08:00:00Z"), "{lines}");
    assert!(lines.contains("box:7 since 2026-11-20T12:00:00Z"), "{lines}");
    let lines = list(&report(&Scope { only: vec![WindowStatus::Unannounced], ..scope() }));
    assert!(lines.contains("announcement owed: catalog"), "{lines}");
}

#[test]
fn the_ends_may_be_told() {
    let part = report(&Scope { from: Some(instant("2026-11-19T12")), to: Some(instant("2026-11-19T14")), ..scope() });
    assert_eq!(summary(&part), "2 windows: 1 refused, 1 failed");
    let before = report(&Scope { from: Some(instant("2026-11-18T22")), to: Some(instant("2026-11-19T01")), ..scope() });
    assert_eq!(summary(&before), "3 windows: 1 done, 2 missing");
    let none = build("shop", &JobState::default(), &[], instant("2026-11-20"), &scope());
    assert_eq!((none.total, plain(&none).as_str()), (0, ""));
    assert!(summary(&none).contains("nothing ran yet"));
}

#[test]
fn without_a_schedule_only_gaps_between_windows_are_missing() {
    let mut log = Log(JobState::default());
    for name in ["2026-11-20T01", "2026-11-20T02", "2026-11-20T05"] {
        log.done(name, 1, Vec::new());
    }
    let scope = Scope::default();
    let report = build("shop", &log.0, &[], instant("2026-11-21"), &scope);
    assert_eq!((summary(&report).as_str(), report.every.as_deref()), ("5 windows: 3 done, 2 missing", Some("1h")));
}

#[test]
fn a_failed_day_whose_hours_are_done_is_no_failure() {
    let mut log = Log(JobState::default());
    log.failed("2026-11-20", FailureStatus::Failed);
    for hour in 0..23 {
        log.done(&format!("2026-11-20T{hour:02}"), 1, Vec::new());
    }
    let now = instant("2026-11-21");
    assert_eq!(build("shop", &log.0, &[], now, &Scope::default()).counts["failed"], 1);
    log.done("2026-11-20T23", 1, Vec::new());
    assert_eq!(build("shop", &log.0, &[], now, &Scope::default()).counts["failed"], 0);
}

#[test]
fn a_re_run_that_failed_leaves_the_window_done_and_is_told() {
    let mut log = Log(JobState::default());
    log.done("2026-11-20T05", 5, Vec::new());
    log.failed("2026-11-20T05", FailureStatus::Failed);
    let report = build("shop", &log.0, &[], instant("2026-11-21"), &Scope::default());
    assert_eq!(summary(&report), "1 window: 1 done; the last re-run of 1 ended without a commit");
    assert!(failures(&report, "j.yaml").starts_with("re-run failed 2026-11-20T05:00:00Z/"));
    log.done("2026-11-20T05", 5, Vec::new());
    let report = build("shop", &log.0, &[], instant("2026-11-21"), &Scope::default());
    assert_eq!((summary(&report).as_str(), failures(&report, "j.yaml").as_str()), ("1 window: 1 done", ""));
    assert_eq!(report.windows[0].revision, Some(1));
}

#[test]
fn long_calendars_have_longer_cells() {
    let mut log = Log(JobState::default());
    let start = instant("2026-09-20");
    for hour in 0..100 * 24 {
        let start = start + TimeDelta::hours(hour);
        if hour != 1_000 {
            log.done(&format!("{}/PT1H", start.format("%Y-%m-%dT%H")), 1, Vec::new());
        }
    }
    let report = build("shop", &log.0, &[], instant("2027-01-01"), &Scope::default());
    assert_eq!(
        plain(&report),
        "         01    06    11    16    21    26    31
2026-09                        . ..... .....
2026-10  ..... ..... ..... ..... ..... ..... M
2026-11  ..... ..... ..... ..... ..... .....
2026-12  ..... ..... ..... ..... ..... ...

         . done  M missing; UTC, a letter per day: the worst of its windows; --from and --to show a part by its hours
"
    );
    let mut months = Log(JobState::default());
    for month in ["2025-11", "2025-12", "2026-01", "2026-03"] {
        months.done(month, 1, Vec::new());
    }
    let scope = Scope { every: Some("1mo".parse().unwrap()), ..Scope::default() };
    let report = build("shop", &months.0, &[], instant("2026-05-15"), &scope);
    assert_eq!(
        plain(&report),
        "      01  04  07  10
2025               ..
2026  .M.

      . done  M missing; UTC, a letter per month
"
    );
}

#[test]
fn json_fields_are_a_contract() {
    let one = report(&Scope { only: vec![WindowStatus::Late, WindowStatus::Failed, WindowStatus::Running], ..scope() });
    let value = serde_json::to_value(&one).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&value),
        [
            "schema_version",
            "job",
            "now",
            "version",
            "watermark",
            "undone_before_watermark",
            "every",
            "from",
            "to",
            "counts",
            "total",
            "late_objects",
            "failed_reruns",
            "warnings",
            "backfills",
            "windows"
        ]
    );
    let windows = value["windows"].as_array().unwrap();
    assert_eq!(
        keys(&windows[0]),
        [
            "start",
            "end",
            "status",
            "revision",
            "replays",
            "committed_at",
            "objects",
            "rows",
            "dead_letters",
            "failures",
            "failure",
            "running",
            "late",
            "owed"
        ]
    );
    assert_eq!(windows[0]["late"][0]["taken_by"], "2026-11-20T07:00:00Z/2026-11-20T08:00:00Z");
    assert_eq!((&windows[1]["status"], &windows[1]["failure"]["kind"]), (&"failed".into(), &"unavailable".into()));
    assert_eq!(windows[2]["running"]["host"], "box");
}
