use super::*;
use crate::commit::{Commit, ContentHash, Counts, Entry, Event, Failure, FailureStatus, JobState, Runner};
use crate::source::Select;
use crate::window::{Every, Instant, Window};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse::<Instant>().unwrap().0
}

fn window(text: &str) -> Window {
    Window::parse(text).unwrap()
}

/// A state with a watermark and entries after it.
fn state(watermark: Option<&str>, events: Vec<Event>) -> JobState {
    let mut state = JobState::default();
    let first = Event::Watermark { at: watermark.map(instant), reason: "test".to_owned() };
    for (place, event) in std::iter::once(first).chain(events).enumerate() {
        let version = place as u64 + 1;
        let entry = Entry { version, at: DateTime::default(), by: Runner::default(), token: String::new(), event };
        state.apply(&entry);
    }
    state
}

fn commit(of: Window) -> Event {
    Event::Commit(Box::new(Commit {
        window: of,
        revision: 0,
        amendment: 0,
        name: String::new(),
        detail: String::new(),
        detail_hash: ContentHash::default(),
        supersedes: Vec::new(),
        counts: Counts::default(),
        late: Vec::new(),
        carried: None,
        provisional: false,
        forgets: false,
        compacts: Vec::new(),
    }))
}

/// A commit and its publishing. `version` is that of the commit.
fn done(version: u64, text: &str) -> Vec<Event> {
    vec![commit(window(text)), Event::Published { commit: version, window: window(text), owed: Vec::new() }]
}

fn failed(text: &str) -> Event {
    Event::Failed(Failure {
        window: window(text),
        status: FailureStatus::Failed,
        kind: "unavailable".to_owned(),
        message: "no answer".to_owned(),
    })
}

fn hourly() -> ScheduleConfig {
    ScheduleConfig::new(Every::HOUR)
}

fn of(state: &JobState, schedule: &ScheduleConfig, now: &str) -> Due {
    due(state, schedule, Select::Modified, None, instant(now)).unwrap()
}

fn listed(due: &Due) -> Vec<String> {
    due.windows.iter().map(|due| format!("{} {}", due.window, due.reason.text())).collect()
}

#[test]
fn a_window_is_due_once_its_buffer_has_passed() {
    let state = state(Some("2026-11-20T05"), Vec::new());
    let early = of(&state, &hourly(), "2026-11-20T06:01:59Z");
    assert_eq!((listed(&early).len(), early.closed_until), (0, instant("2026-11-20T05")));
    assert_eq!(early.next_at, instant("2026-11-20T06:02"));
    let ready = of(&state, &hourly(), "2026-11-20T06:02:00Z");
    assert_eq!(listed(&ready), ["2026-11-20T05:00:00Z/2026-11-20T06:00:00Z has just closed"]);
    assert_eq!(ready.next_at, instant("2026-11-20T07:02"));
}

#[test]
fn missed_windows_come_oldest_first_and_in_steps() {
    let state = state(Some("2026-11-19T00"), vec![failed("2026-11-19T01"), failed("2026-11-19T01")]);
    let schedule = ScheduleConfig { catch_up: 3, ..hourly() };
    let due = of(&state, &schedule, "2026-11-20T00:30:00Z");
    assert_eq!(
        listed(&due),
        [
            "2026-11-19T00:00:00Z/2026-11-19T01:00:00Z missed",
            "2026-11-19T01:00:00Z/2026-11-19T02:00:00Z failed before, 2 attempts",
            "2026-11-19T02:00:00Z/2026-11-19T03:00:00Z missed",
        ]
    );
    assert_eq!((due.remaining, due.origin), (21, Origin::Watermark));
}

#[test]
fn committed_windows_are_left_alone_and_gaps_between_them_filled() {
    let mut events = done(2, "2026-11-20T01");
    events.extend(done(4, "2026-11-20T02:30/2026-11-20T04"));
    let state = state(Some("2026-11-20T00"), events);
    let due = of(&state, &hourly(), "2026-11-20T05:10:00Z");
    assert_eq!(
        listed(&due),
        [
            "2026-11-20T00:00:00Z/2026-11-20T01:00:00Z missed",
            "2026-11-20T02:00:00Z/2026-11-20T02:30:00Z missed",
            "2026-11-20T04:00:00Z/2026-11-20T05:00:00Z has just closed",
        ]
    );
}

#[test]
fn the_first_run_starts_where_it_is_told_or_with_the_last_closed_window() {
    let none = JobState::default();
    let now = "2026-11-20T05:10:00Z";
    let last = of(&none, &hourly(), now);
    assert_eq!((last.origin, last.begin), (Origin::LastClosed, instant("2026-11-20T04")));
    assert_eq!(listed(&last), ["2026-11-20T04:00:00Z/2026-11-20T05:00:00Z has just closed"]);
    let start = ScheduleConfig { start: Some(Instant(instant("2026-11-20"))), ..hourly() };
    let told = of(&none, &start, now);
    assert_eq!((told.origin, told.windows.len()), (Origin::Start, 5));
    let taken = due(&none, &start, Select::Modified, Some(instant("2026-11-20T03:12:08")), instant(now)).unwrap();
    assert_eq!(taken.origin, Origin::JobLatest);
    assert_eq!(
        listed(&taken),
        [
            "2026-11-20T03:12:08Z/2026-11-20T04:00:00Z missed",
            "2026-11-20T04:00:00Z/2026-11-20T05:00:00Z has just closed"
        ]
    );
    let error = due(&none, &start, Select::Path, Some(instant("2026-11-20T03:12:08")), instant(now)).unwrap_err();
    assert!(error.to_string().contains("watermark=2026-11-20T03:12:08Z"), "{error}");
}

#[test]
fn a_watermark_ahead_of_the_clock_is_nothing_to_do() {
    let state = state(Some("2026-11-21"), Vec::new());
    let due = of(&state, &hourly(), "2026-11-20T05:10:00Z");
    assert_eq!((due.windows.len(), due.remaining), (0, 0));
    assert_eq!(due.next_at, instant("2026-11-21T01:02"));
}

#[test]
fn done_windows_within_the_look_back_are_looked_at_again() {
    let mut events = Vec::new();
    for hour in 0..6 {
        events.extend(done(2 + 2 * hour, &format!("2026-11-20T{hour:02}")));
    }
    let state = state(Some("2026-11-20"), events);
    let watermark = state.watermark.unwrap();
    assert_eq!(watermark, instant("2026-11-20T06"));
    let names = |seconds| -> Vec<String> {
        candidates(&state, watermark, seconds).iter().map(|window| window.start.format("%H").to_string()).collect()
    };
    assert_eq!(names(7_200), ["04", "05"]);
    assert_eq!(names(7_201), ["03", "04", "05"]);
    assert!(names(0).is_empty());
}

#[test]
fn what_is_committed_of_a_window() {
    let mut events = done(2, "2026-11-20T01");
    events.extend(done(4, "2026-11-20T02"));
    let state = state(None, events);
    for (text, expected) in [
        ("2026-11-20T01", Coverage::Itself),
        ("2026-11-20T01/2026-11-20T03", Coverage::Whole),
        ("2026-11-20T01:15/2026-11-20T01:30", Coverage::Whole),
        ("2026-11-20", Coverage::Part(window("2026-11-20T01"))),
        ("2026-11-20T02:30/2026-11-20T04", Coverage::Part(window("2026-11-20T02"))),
        ("2026-11-20T03", Coverage::Nothing),
        ("2026-11-20T00", Coverage::Nothing),
    ] {
        assert_eq!(coverage(&state, &window(text)), expected, "{text}");
    }
}

#[test]
fn the_other_pipelines_end_is_taken_over_to_the_second() {
    let text = r#"{"event":{},"config":{"projectId":"p"},"jobRunId":"latest","startTimestamp":1795147200000,
                   "endTimestamp":1795150807123,"state":"LAMBDA-SUBMITTED","startRunTime":1795150837000,"more":1}"#;
    let theirs = JobLatest::read(text.as_bytes()).unwrap();
    assert_eq!(theirs.watermark(), instant("2026-11-20T05:00:08"));
    let last = window("2026-11-20T05:00:08/2026-11-20T06");
    let ours = JobLatest::after(Some(theirs), last.end, &last, 1_795_154_520_000, "shop");
    let value: Value = serde_json::from_slice(&ours.to_json().unwrap()).unwrap();
    assert_eq!(
        value,
        json!({"event": {}, "config": {"projectId": "p"}, "jobRunId": "latest", "startTimestamp": 1_795_150_808_000_i64,
            "endTimestamp": 1_795_154_399_999_i64, "state": "SUCCESS", "startRunTime": 1_795_154_520_000_i64, "more": 1})
    );
    assert_eq!(JobLatest::read(&ours.to_json().unwrap()).unwrap().watermark(), last.end);
    for end in [r#""1795150807123""#, r#""2026-11-20T05:00:07.123Z""#] {
        let text = format!(r#"{{"endTimestamp":{end}}}"#);
        assert_eq!(JobLatest::read(text.as_bytes()).unwrap().watermark(), instant("2026-11-20T05:00:08"), "{end}");
    }
    for wrong in ["", "[]", "{}", r#"{"endTimestamp":"soon"}"#, r#"{"endTimestamp":-1}"#, r#"{"endTimestamp":1e30}"#] {
        assert!(JobLatest::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

proptest! {
    /// Whatever is done already: running all that is due, in steps, brings the watermark to the closed border, and no
    /// instant is run twice.
    #[test]
    fn catching_up_tiles_exactly(
        done_hours in prop::collection::btree_set(0i64..48, 0..20),
        minutes in prop::collection::btree_set(0i64..24, 0..6),
        every in prop::sample::select(vec!["15m", "1h", "6h", "1d"]),
        catch_up in 1u32..9,
        begin in 0i64..100_000,
    ) {
        let base = instant("2026-11-20");
        let mut state = state(None, Vec::new());
        let mut version = state.version;
        let mut apply = |state: &mut JobState, event: Event| {
            version += 1;
            let entry =
                Entry { version, at: DateTime::default(), by: Runner::default(), token: String::new(), event };
            state.apply(&entry);
            version
        };
        let mut finish = |state: &mut JobState, window: Window| {
            let commit = apply(state, commit(window));
            apply(state, Event::Published { commit, window, owed: Vec::new() });
        };
        // Whole hours, and twenty minutes in the middle of others.
        let mut committed: Vec<Window> = Vec::new();
        for hour in &done_hours {
            let start = base + TimeDelta::hours(*hour);
            committed.push(Window { start, end: start + TimeDelta::hours(1) });
        }
        for hour in minutes.iter().filter(|hour| !done_hours.contains(hour)) {
            let start = base + TimeDelta::hours(*hour) + TimeDelta::minutes(20);
            committed.push(Window { start, end: start + TimeDelta::minutes(20) });
        }
        for window in &committed {
            finish(&mut state, *window);
        }
        let begin = base + TimeDelta::seconds(begin);
        state.watermark = Some(begin);
        let schedule = ScheduleConfig { catch_up, ..ScheduleConfig::new(every.parse().unwrap()) };
        let now = base + TimeDelta::hours(49);
        let mut calls = 0;
        loop {
            let due = due(&state, &schedule, Select::Modified, None, now).unwrap();
            prop_assert!(due.windows.len() <= catch_up as usize);
            if due.windows.is_empty() {
                prop_assert_eq!(due.remaining, 0);
                prop_assert!(state.watermark.unwrap() >= due.closed_until);
                break;
            }
            for due in due.windows {
                prop_assert!(committed.iter().all(|other| !other.overlaps(&due.window)));
                committed.push(due.window);
                finish(&mut state, due.window);
            }
            calls += 1;
            prop_assert!(calls < 1_000);
        }
        // From the first to the last instant, each is in exactly one window.
        committed.retain(|window| window.end > begin);
        committed.sort();
        for pair in committed.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
    }
}
