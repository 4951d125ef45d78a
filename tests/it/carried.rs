//! Users and sessions that span runs: whatever the order of the runs, and however often one is repeated, the latest row
//! of each key is the one that a single run over everything writes.

use crate::support::events::{START, event_with, good, line, request};
use crate::support::{Run, Scene, files};
use chrono::{DateTime, TimeDelta, Utc};
use etl_runner::process::clock::Clock;
use fastrand::Rng;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;

const HOUR: i64 = 3_600_000;

/// Names of events that say something of users, of sessions, of both and of neither.
const NAMES: [&str; 6] = ["_first_open", "_profile_set", "_session_start", "_page_view", "_user_engagement", "click"];

fn instant(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(START + hour * HOUR).unwrap()
}

fn folder(hour: i64) -> String {
    instant(hour).format("year=%Y/month=%m/day=%d/hour=%H").to_string()
}

fn window(from: i64, to: i64) -> String {
    format!("{}/{}", instant(from).to_rfc3339(), instant(to).to_rfc3339())
}

/// An event of one of a few users and sessions. Times are few, so that many are equal, within an hour and across them.
fn event(random: &mut Rng, hour: i64, number: usize) -> Value {
    let user = random.u32(0..12);
    let at = START + random.i64(0..6) * 60_000 + if random.bool() { hour * HOUR } else { 0 };
    let mut attributes = json!({
        "_session_id": format!("s{}", random.u32(0..2)),
        "_session_number": number,
        "_page_referrer": format!("https://r{number}.example/"),
    });
    match random.u32(0..4) {
        0 => attributes["_traffic_source_source"] = json!("Direct"),
        1 => attributes["_traffic_source_source"] = json!(format!("source{number}")),
        _ => {}
    }
    let mut properties = json!({"_user_first_touch_timestamp": {"value": at}});
    if random.bool() {
        properties["_user_id"] = json!({"value": format!("id{}", random.u32(0..30))});
        properties["colour"] = json!({"value": number, "set_timestamp": at});
    }
    json!({
        "event_type": NAMES[random.usize(0..NAMES.len())],
        "event_id": format!("e{hour}-{number}"),
        "app_id": "shop",
        "timestamp": at,
        "unique_id": format!("u{user}"),
        "user": properties,
        "attributes": attributes,
    })
}

/// A batch of a few requests of an hour.
fn batch(random: &mut Rng, hour: i64) -> String {
    let lines = (0..random.usize(3..6)).map(|line| {
        let events: Vec<Value> = (0..random.usize(2..6)).map(|place| event(random, hour, line * 10 + place)).collect();
        let mut request = request(json!(Value::from(events).to_string()));
        request["ingest_time"] = json!(START + hour * HOUR + 2 * HOUR);
        format!("{request}\n")
    });
    lines.collect()
}

fn put(scene: &Scene, hour: i64, text: &str) {
    scene.raw_at(&folder(hour), "batch.log", text);
}

/// Runs hours `from` to `to` at the `nth` instant after all of them.
fn run(scene: &Scene, (from, to): (i64, i64), nth: i64, more: &[&str]) -> Run {
    let now = (instant(60) + TimeDelta::try_minutes(nth).unwrap()).to_rfc3339();
    let run = scene.run_window(&["--window", &window(from, to)], &[&["--now", &now], more].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.balanced()
}

/// The latest row of each key: what a reader takes. Without what tells one run from another.
fn latest(scene: &Scene, table: &str, key: &[&str]) -> BTreeMap<String, Value> {
    let mut latest: BTreeMap<String, Value> = BTreeMap::new();
    for row in scene.rows(table) {
        let of = key.iter().map(|column| row[column].to_string()).collect::<Vec<_>>().join(" ");
        let created = |row: &Value| row["created_time"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        match latest.get(&of) {
            Some(known) if created(known) > created(&row) => {}
            Some(known) => {
                assert_ne!(created(known), created(&row), "two rows of one run: {known} {row}");
                latest.insert(of, row);
            }
            None => {
                latest.insert(of, row);
            }
        }
    }
    for row in latest.values_mut() {
        row.as_object_mut().unwrap().remove("created_time");
        if let Some(info) = row["process_info"].as_object_mut() {
            info.retain(|name, _| !matches!(name.as_str(), "process_job_id" | "process_time"));
            if let Some(file) = info.get_mut("input_file_name") {
                *file = json!(file.as_str().unwrap().rsplit("/raw/").next());
            }
        }
    }
    latest
}

pub fn people(scene: &Scene) -> [BTreeMap<String, Value>; 2] {
    [latest(scene, "user_v2", &["user_pseudo_id"]), latest(scene, "session", &["user_pseudo_id", "session_id"])]
}

fn scene() -> Scene {
    Scene::in_memory(|job| job["transformer"]["with"]["freshness_hours"] = json!(1_000))
}

/// What one run over hours `0..hours` of a folder makes.
fn in_one_run(batches: &BTreeMap<i64, String>) -> [BTreeMap<String, Value>; 2] {
    let scene = scene();
    for (hour, text) in batches {
        put(&scene, *hour, text);
    }
    let end = batches.keys().max().unwrap() + 1;
    run(&scene, (0, end), 0, &[]);
    let people = people(&scene);
    assert!(people.iter().all(|rows| rows.len() > 3), "there is something to compare");
    people
}

#[track_caller]
fn assert_same(seed: u64, ours: &[BTreeMap<String, Value>; 2], expected: &[BTreeMap<String, Value>; 2]) {
    for (ours, expected) in ours.iter().zip(expected) {
        for (key, row) in expected {
            assert_eq!(ours.get(key), Some(row), "seed {seed}, {key}");
        }
        assert_eq!(ours.len(), expected.len(), "seed {seed}: {:?}", ours.keys());
    }
}

/// A batch for each of the first hours.
fn batches(random: &mut Rng, hours: i64) -> BTreeMap<i64, String> {
    (0..hours).map(|hour| (hour, batch(random, hour))).collect()
}

#[test]
fn three_runs_one_repeated_and_one_late_are_one_big_run() {
    for seed in 0..6 {
        let mut random = Rng::with_seed(seed);
        let (scene, mut batches) = (scene(), batches(&mut random, 3));
        for (hour, text) in &batches {
            put(&scene, *hour, text);
        }
        run(&scene, (0, 1), 1, &[]);
        run(&scene, (2, 3), 2, &[]);
        let before = scene.rows("event_v2");
        run(&scene, (0, 1), 3, &[]);
        assert_eq!(scene.rows("event_v2").len(), before.len(), "repeated, not doubled");
        run(&scene, (1, 2), 4, &[]);
        assert_same(seed, &people(&scene), &in_one_run(&batches));

        // The first hour's input is corrected: users that only it named are gone, what it said of others is taken back.
        batches.insert(0, batch(&mut random, 0));
        put(&scene, 0, &batches[&0]);
        run(&scene, (0, 1), 5, &[]);
        let expected = in_one_run(&batches);
        assert_same(seed, &people(&scene), &expected);
        // A year later, when its users and sessions are long forgotten by what runs then.
        run(&scene, (1, 2), 525_600, &[]);
        assert_same(seed, &people(&scene), &expected);
        // All hours in one run instead of three.
        run(&scene, (0, 3), 525_601, &["--supersede"]);
        assert_same(seed, &people(&scene), &expected);
    }
}

#[test]
fn a_window_that_is_forgotten_is_in_no_row_once_the_others_ran_again() {
    for seed in 0..6 {
        let mut random = Rng::with_seed(seed);
        let (scene, mut batches) = (scene(), batches(&mut random, 3));
        for (hour, text) in &batches {
            put(&scene, *hour, text);
            run(&scene, (*hour, hour + 1), hour + 1, &[]);
        }
        // Its second revision takes back what the first said of users of the hour after it.
        put(&scene, 1, &batch(&mut random, 1));
        run(&scene, (1, 2), 4, &[]);
        let forgotten = scene.call(&["forget", "job.yaml", "--window", &window(1, 2), "--apply"]);
        assert_eq!(forgotten.code, 0, "{}", forgotten.stderr);
        assert!(forgotten.stderr.contains("run the 2 other windows again"), "{}", forgotten.stderr);
        run(&scene, (0, 1), 5, &[]);
        run(&scene, (2, 3), 6, &[]);
        batches.remove(&1);
        assert_same(seed, &people(&scene), &in_one_run(&batches));
    }
}

#[test]
fn a_long_history_is_merged_and_taken_apart_again() {
    let mut random = Rng::with_seed(7);
    let hours = 38;
    let (scene, mut batches) = (scene(), batches(&mut random, hours));
    for (hour, text) in &batches {
        put(&scene, *hour, text);
        run(&scene, (*hour, hour + 1), *hour, &[]);
    }
    assert_same(7, &people(&scene), &in_one_run(&batches));
    let state = state(&scene);
    let pieces = state["user_v2"]["pieces"].as_u64().unwrap();
    assert!(pieces < 16, "{state}");

    for (nth, hour) in [3, 17, 37].into_iter().enumerate() {
        batches.insert(hour, batch(&mut random, hour));
        put(&scene, hour, &batches[&hour]);
        run(&scene, (hour, hour + 1), 100 + nth as i64, &[]);
    }
    assert_same(7, &people(&scene), &in_one_run(&batches));

    // What no run can take rows from any more is garbage; the rest is what the next run needs.
    let tomorrow = (Clock::system().now() + TimeDelta::days(2)).to_rfc3339();
    let gc = scene.call(&["gc", "job.yaml", "--output", "json", "--now", &tomorrow, "--apply"]);
    assert_eq!(gc.code, 0, "{}", gc.stderr);
    assert!(gc.stdout.contains("\"carried\""), "{}", gc.stdout);
    run(&scene, (5, 6), 200, &[]);
    assert_same(7, &people(&scene), &in_one_run(&batches));
}

/// What `state show` says of carried rows.
fn state(scene: &Scene) -> Value {
    let run = scene.call(&["state", "show", "job.yaml", "--output", "json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.report["state"]["carried"].clone()
}

#[test]
fn a_user_who_was_away_for_too_long_is_new() {
    let scene = Scene::with(|job| {
        job["transformer"]["with"]["freshness_hours"] = json!(10_000);
        job["transformer"]["with"]["user_days"] = json!(1);
    });
    let visit = |hour: i64, user: &str| {
        let at = START + hour * HOUR;
        let event = json!([{
            "event_type": "_first_open", "event_id": format!("{user}{hour}"), "app_id": "shop", "timestamp": at,
            "unique_id": user, "user": {"_user_first_touch_timestamp": {"value": at}}, "attributes": {},
        }]);
        let mut request = request(json!(event.to_string()));
        request["ingest_time"] = json!(at + 1);
        format!("{request}\n")
    };
    for (hour, users) in [(0, &["gone", "back", "faithful"][..]), (20, &["faithful"]), (30, &["back", "faithful"])] {
        let lines: String = users.iter().map(|user| visit(hour, user)).collect();
        put(&scene, hour, &lines);
        let now = instant(hour + 1).to_rfc3339();
        let run = scene.run_window(&["--window", &window(hour, hour + 1)], &["--now", &now]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    let users = latest(&scene, "user_v2", &["user_pseudo_id"]);
    let first = |user: &str| users[&format!("\"{user}\"")]["first_touch_time_msec"].as_i64().unwrap();
    assert_eq!(first("back"), START + 30 * HOUR, "away for more than a day");
    assert_eq!(first("faithful"), START, "the days count from the last visit");
    assert_eq!(first("gone"), START);
}

#[test]
fn what_a_run_does_not_carry_stays_for_the_next() {
    let mut random = Rng::with_seed(31);
    let scene = scene();
    for hour in 0..3 {
        put(&scene, hour, &batch(&mut random, hour));
    }
    run(&scene, (0, 1), 0, &[]);
    let before = state(&scene);
    let none = ["--set", "transformer.with.user_days=0", "--set", "transformer.with.session_days=0"];
    run(&scene, (1, 2), 1, &none);
    assert_eq!(state(&scene), before);
    run(&scene, (2, 3), 2, &none[..2]);
    assert_eq!(state(&scene)["user_v2"], before["user_v2"]);
    assert_ne!(state(&scene)["session"], before["session"]);
    // A window that runs again takes its rows back, whether or not it leaves new ones.
    run(&scene, (0, 1), 3, &none);
    assert_eq!(state(&scene)["user_v2"]["rows"], 0);
}

#[test]
fn the_state_can_be_rebuilt_from_the_raw_input() {
    let mut random = Rng::with_seed(11);
    let batches = batches(&mut random, 4);
    let scene = scene();
    for hour in 0..3 {
        put(&scene, hour, &batches[&hour]);
        run(&scene, (hour, hour + 1), hour, &[]);
    }
    let whole = state(&scene);
    // A damaged state says so, and how to mend it.
    let carried = scene.path("out/_state/test/carried");
    fs::remove_dir_all(&carried).unwrap();
    put(&scene, 3, &batches[&3]);
    let now = instant(61).to_rfc3339();
    let failed = scene.run_window(&["--window", &window(3, 4)], &["--now", &now]);
    assert_eq!((failed.code, &failed.report["error"]["kind"]), (1, &json!("damaged")), "{}", failed.stdout);
    assert!(failed.stderr.contains("state rebuild"), "{}", failed.stderr);

    let dry = scene.call(&["state", "rebuild", "job.yaml", "--from", "2026-11-20", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(!carried.exists());
    let rebuilt = scene.call(&["state", "rebuild", "job.yaml", "--from", "2026-11-20", "--output", "json"]);
    assert_eq!(rebuilt.code, 0, "{}", rebuilt.stderr);
    assert_eq!(rebuilt.report["rebuilt"]["windows"], 3, "{}", rebuilt.stdout);
    let rows = |state: &Value| -> Map<String, Value> {
        let tables = state.as_object().unwrap().iter();
        tables.map(|(table, state)| (table.clone(), state["rows"].clone())).collect()
    };
    assert_eq!(rows(&state(&scene)), rows(&whole));
    run(&scene, (3, 4), 4, &[]);
    assert_same(11, &people(&scene), &in_one_run(&batches));
    assert!(files(&carried).iter().all(|path| !path.contains('#')));
}

#[test]
fn a_rebuild_keeps_later_rows_behind_those_of_the_same_instant() {
    for (seed, is_lost) in [(12, false), (13, true)] {
        let mut random = Rng::with_seed(seed);
        let batches = batches(&mut random, 4);
        let scene = scene();
        for hour in 0..3 {
            put(&scene, hour, &batches[&hour]);
            run(&scene, (hour, hour + 1), 0, &[]);
        }
        if is_lost {
            fs::remove_dir_all(scene.path("out/_state/test/carried")).unwrap();
        }
        let now = instant(60).to_rfc3339();
        let command = ["state", "rebuild", "job.yaml", "--from", "2026-11-20", "--now", &now, "--output", "json"];
        let rebuilt = scene.call(&command);
        assert_eq!(rebuilt.code, 0, "{}", rebuilt.stderr);
        let warnings = rebuilt.report["rebuilt"]["warnings"].to_string();
        assert_eq!(warnings.contains("are stamped past those of the runs that were read"), is_lost, "{warnings}");
        put(&scene, 3, &batches[&3]);
        run(&scene, (3, 4), 0, &[]);
        assert_same(seed, &people(&scene), &in_one_run(&batches));
    }
}

#[test]
fn a_rebuild_says_which_replayed_letters_it_cannot_use() {
    let scene = Scene::with(|job| job["limits"]["record_bytes"] = json!(4_000));
    let long = event_with("a2", &[("app_title", "x".repeat(5_000).into())]);
    scene.raw("a.log", [good("a1"), line(&[long])].join("\n"));
    scene.run(&[]).done();
    let wide = ["--set", "limits.record_bytes=1MiB"];
    let replay = scene.call(&[&["dead-letters", "replay", "job.yaml", "--all"], &wide[..]].concat());
    assert_eq!(replay.code, 0, "{}", replay.stderr);
    let command = ["state", "rebuild", "job.yaml", "--from", "2026-11-20", "--output", "json"];
    let told = |more: &[&str]| {
        let rebuilt = scene.call(&[&command[..], more].concat());
        assert_eq!(rebuilt.code, 0, "{}", rebuilt.stderr);
        let users = rebuilt.report["rebuilt"]["rows"]["user_v2"].as_u64();
        (
            users,
            rebuilt.report["rebuilt"]["warnings"].to_string().contains("1 dead letters that were replayed are dead"),
        )
    };
    assert_eq!(told(&[]), (Some(1), true));
    assert_eq!(told(&wide), (Some(2), false));
}

#[test]
fn windows_that_run_side_by_side_see_each_other() {
    for seed in 20..23 {
        let mut random = Rng::with_seed(seed);
        let batches = batches(&mut random, 5);
        let scene = scene();
        for (hour, text) in &batches {
            put(&scene, *hour, text);
        }
        // All have the same instant: which row is the latest is told by their order in the log.
        let one = |hour: i64| {
            let scene = &scene;
            move || drop(run(scene, (hour, hour + 1), 0, &[]))
        };
        std::thread::scope(|scope| {
            for hour in batches.keys() {
                scope.spawn(one(*hour));
            }
        });
        assert_same(seed, &people(&scene), &in_one_run(&batches));
    }
}

#[test]
fn an_event_that_comes_again_is_left_out_where_it_is_told_to() {
    let scene = Scene::in_memory(|job| {
        job["transformer"]["with"]["freshness_hours"] = json!(1_000);
        job["transformer"]["with"]["unique_events"] = json!({"look_back_hours": 3});
    });
    let events = |ids: &[&str]| -> String {
        let lines = ids.iter().enumerate().map(|(place, id)| {
            let event = json!([{
                "event_type": "click", "event_id": id, "app_id": "shop", "timestamp": START + place as i64,
                "unique_id": "u", "attributes": {},
            }]);
            let mut request = request(json!(event.to_string()));
            request["ingest_time"] = json!(START + 1);
            format!("{request}\n")
        });
        lines.collect()
    };
    let times = |scene: &Scene| -> BTreeMap<String, Vec<i64>> {
        let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for row in scene.rows("event_v2") {
            let id = row["event_id"].as_str().unwrap().to_owned();
            times.entry(id).or_default().push(row["event_time_msec"].as_i64().unwrap() - START);
        }
        times
    };
    put(&scene, 0, &events(&["a", "b", "a", "b", "b"]));
    put(&scene, 1, &events(&["x", "a", "c", "c"]));
    put(&scene, 6, &events(&["a", "x"]));
    let first = run(&scene, (0, 1), 0, &[]);
    assert_eq!(first.filtered("merge event_v2", "same_key"), 3);
    let second = run(&scene, (1, 2), 1, &[]);
    assert_eq!((second.filtered("merge event_v2", "known_key"), second.table_rows("event_v2")), (1, 2));
    run(&scene, (6, 7), 2, &[]);
    let expected: BTreeMap<String, Vec<i64>> = [
        ("a", vec![0, 0]), // The last window is too far away to know of the first.
        ("b", vec![1]),
        ("c", vec![2]),
        ("x", vec![0, 1]),
    ]
    .map(|(id, times)| (id.to_owned(), times))
    .into();
    assert_eq!(times(&scene), expected);
    // A window that runs again knows itself not.
    let again = run(&scene, (1, 2), 3, &[]);
    assert_eq!(again.table_rows("event_v2"), 2);
    assert_eq!(times(&scene), expected);
}
