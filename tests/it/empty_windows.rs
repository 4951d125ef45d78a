//! Windows without input through the real binary: many are decided together, and each stays a window of its own.

use crate::support::events::good;
use crate::support::{Run, Scene, files};
use serde_json::{Value, json};
use std::fs;

const NOW: &str = "2026-11-22T00:05:00Z";
const DAY: [&str; 6] = ["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1h"];

fn call(scene: &Scene, command: &[&str], more: &[&str]) -> Run {
    scene.call(&[command, &["job.yaml", "--now", NOW, "--output", "json"], more].concat())
}

fn backfill(scene: &Scene, more: &[&str]) -> Run {
    call(scene, &["backfill"], &[&DAY[..], more].concat())
}

fn runs(scene: &Scene, more: &[&str]) -> Value {
    let run = scene.call(&[&["runs", "job.yaml", "--output", "json"], more].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.report
}

/// A batch with one event into an hour of the 20th.
fn batch(scene: &Scene, hour: u32) {
    scene.raw_at(&format!("year=2026/month=11/day=20/hour={hour:02}"), "a.log", good(&format!("e{hour}")));
}

/// A day with input in some of its hours.
fn day(hours: &[u32], change: impl FnOnce(&mut Value)) -> Scene {
    let scene = Scene::in_memory(change);
    fs::create_dir_all(scene.path("raw/year=2026")).unwrap();
    for hour in hours {
        batch(&scene, *hour);
    }
    scene
}

/// What the entries of the log say, by the name of the event.
fn events(scene: &Scene) -> Vec<String> {
    let folder = scene.path("out/_state/test/log");
    let mut names = files(&folder);
    names.sort();
    let event = |name: &String| {
        let entry: Value = serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
        entry["event"].as_object().unwrap().keys().next().unwrap().clone()
    };
    names.iter().map(event).collect()
}

fn reports(scene: &Scene) -> usize {
    files(&scene.path("out/_state/test/runs")).len()
}

/// A letter per window of the day: done, empty, missing.
fn letters(scene: &Scene) -> String {
    let run = call(scene, &["status"], &["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1h"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let windows = run.report["status"]["windows"].as_array().unwrap().clone();
    windows.iter().map(|window| window["status"].as_str().unwrap().chars().next().unwrap()).collect()
}

#[test]
fn windows_that_are_empty_together_are_one_entry_and_one_report() {
    let scene = day(&[3, 4, 9], |_| {});
    let run = backfill(&scene, &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!((&run.report["counts"]["done"], &run.report["counts"]["empty"]), (&json!(3), &json!(21)));
    let windows = run.report["windows"].as_array().unwrap();
    let ids: Vec<&str> = windows.iter().map(|window| window["run_id"].as_str().unwrap()).collect();
    assert_eq!(ids[23], "test-20261120T230000Z-20261121T000000Z");
    assert_eq!(events(&scene).iter().filter(|event| *event == "empty").count(), 3);
    assert_eq!(reports(&scene), 6);
    assert_eq!(letters(&scene), "eeeddeeeedeeeeeeeeeeeeee");
    // Each is a window of its own for the one who asks.
    for run in ["2026-11-20T17", "test-20261120T170000Z-20261120T180000Z"] {
        let shown = runs(&scene, &["--show", run]);
        assert_eq!(shown["empty"], json!({"windows": 14, "seconds": 3_600}));
        assert_eq!(shown["window"]["start"], "2026-11-20T10:00:00Z");
    }
    let listed = runs(&scene, &["--window", "2026-11-20T17"]);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["windows"]), (1, &json!(14)));
    let again = backfill(&scene, &[]);
    assert_eq!((again.code, &again.report["counts"]["skipped"]), (0, &json!(24)));
}

#[test]
fn one_of_them_is_run_again_and_the_others_stay() {
    let scene = day(&[], |_| {});
    assert_eq!(backfill(&scene, &[]).report["counts"]["empty"], json!(24));
    assert_eq!((events(&scene), reports(&scene)), (vec!["empty".to_owned()], 1));
    batch(&scene, 7);
    let run = scene.run_window(&["--window", "2026-11-20T07"], &["--now", NOW]).done();
    assert_eq!((&run.report["revision"], &run.report["records"]), (&json!(1), &json!(1)));
    let warnings = run.report["warnings"].to_string();
    assert!(warnings.contains("1 input objects are new since the window was last run"), "{warnings}");
    assert_eq!(letters(&scene), "eeeeeeedeeeeeeeeeeeeeeee");
    // What they share is kept as long as one of them needs it.
    assert_eq!(call(&scene, &["gc"], &["--apply", "--older-than", "0s"]).code, 0);
    batch(&scene, 8);
    let run = scene.run_window(&["--window", "2026-11-20T08"], &["--now", NOW]).done();
    assert_eq!(run.report["revision"], json!(1));
    let all = backfill(&scene, &["--again"]);
    assert_eq!((all.code, &all.report["counts"]["done"], &all.report["counts"]["empty"]), (0, &json!(2), &json!(22)));
    let shown = runs(&scene, &["--show", "2026-11-20T07"]);
    assert_eq!((&shown["revision"], &shown["empty"]), (&json!(2), &Value::Null));
}

#[test]
fn what_would_be_told_of_a_window_is_told() {
    // What is left out is counted in the report of its window.
    let scene = day(&[], |_| {});
    scene.raw_at("year=2026/month=11/day=20/hour=05", "_SUCCESS", "x");
    scene.raw_at("year=2026/month=11/day=20/hour=08", "empty.log", "");
    scene.raw_at("year=2026/month=11/day=20/hour=12/_temporary", "a.log", good("hidden"));
    assert_eq!(backfill(&scene, &[]).report["counts"]["empty"], json!(24));
    for (hour, reason) in [("05", "hidden_name"), ("08", "zero_bytes"), ("12", "hidden_name")] {
        let shown = runs(&scene, &["--show", &format!("2026-11-20T{hour}")]);
        assert_eq!(shown["objects"]["skipped"], json!({reason: 1}), "{hour}");
    }
    // A rule over the number of rows is asked for each window.
    let scene = day(&[2], |job| job["quality"] = json!([{"table": "event_v2", "rows": {"min": 1}, "action": "stop"}]));
    let run = backfill(&scene, &[]);
    assert_eq!((&run.report["counts"]["done"], &run.report["counts"]["refused"]), (&json!(1), &json!(23)));
}

#[test]
fn newest_first_and_side_by_side_and_after_a_failure() {
    let scene = day(&[3], |_| {});
    let run = backfill(&scene, &["--order", "newest", "--parallel", "4"]);
    assert_eq!((run.code, &run.report["counts"]["empty"]), (0, &json!(23)), "{}", run.stderr);
    assert_eq!(letters(&scene), "eeedeeeeeeeeeeeeeeeeeeee");
    assert_eq!(events(&scene).iter().filter(|event| *event == "empty").count(), 2);

    let scene = day(&[], |job| job["limits"] = json!({"dead_letters": "0%"}));
    scene.raw_at("year=2026/month=11/day=20/hour=03", "bad.log", "this is no record\n");
    let run = backfill(&scene, &["--stop-on-failure"]);
    assert_eq!((&run.report["counts"]["empty"], &run.report["counts"]["waiting"]), (&json!(3), &json!(20)));
}

#[test]
fn the_watermark_moves_over_them_and_late_objects_are_found_in_them() {
    let scene = day(&[], |job| {
        job["schedule"] = json!({"every": "1h", "start": "2026-11-20", "catch_up": 30, "look_back": "48h"});
    });
    let scheduled = |now: &str| scene.call(&["run", "job.yaml", "--now", now, "--output", "json"]);
    let run = scheduled("2026-11-21T00:10:00Z");
    assert_eq!((run.code, &run.report["watermark"]), (0, &json!("2026-11-21T00:00:00Z")), "{}", run.stderr);
    assert_eq!(run.report["counts"]["empty"], json!(24));
    batch(&scene, 7);
    let run = scheduled("2026-11-21T01:10:00Z");
    let late: Vec<&Value> =
        run.report["windows"].as_array().unwrap().iter().filter(|w| w["reason"] == "late_data").collect();
    assert_eq!(
        (late.len(), &late[0]["start"], &late[0]["status"]),
        (1, &json!("2026-11-20T07:00:00Z"), &json!("done"))
    );
}
