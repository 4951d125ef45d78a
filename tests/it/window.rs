//! Windows of modified time, and what a run leaves behind when it is empty, refused, wrong or a dry one.

use crate::report::fingerprints;
use crate::support::events::{START, good};
use crate::support::{Run, Scene, files, visible_files};
use serde_json::Value;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

/// A job that selects by modified time.
fn scene() -> Scene {
    Scene::with(|job| job["source"]["select"] = "modified".into())
}

/// A batch with one event of the same name, written `msec` after 05:00.
fn batch(scene: &Scene, hour: u32, name: &str, msec: i64) {
    let path = scene.raw_at(&format!("year=2026/month=11/day=20/hour={hour:02}"), &format!("{name}.log"), good(name));
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis((START + msec) as u64);
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

#[test]
fn windows_tile_each_object_belongs_to_one() {
    const HOUR: i64 = 3_600_000;
    let scene = scene();
    let mut names = Vec::new();
    for (hour, name, msec) in [
        (4, "first-instant", -HOUR),
        (4, "last-millisecond", -1),
        (5, "on-the-border", 0),
        (4, "written-an-hour-late", 1),
        (5, "in-the-middle", HOUR / 2),
        (5, "before-the-border", HOUR - 1),
        (6, "clock-ahead", HOUR - 2),
        (5, "on-the-next-border", HOUR),
        (6, "last", 2 * HOUR - 1),
    ] {
        batch(&scene, hour, name, msec);
        names.push(name);
    }
    batch(&scene, 6, "after-all", 2 * HOUR);
    batch(&scene, 4, "before-all", -HOUR - 1);
    let mut read = Vec::new();
    for hour in ["04", "05", "06"] {
        let run = scene.run_window(&["--window", &format!("2026-11-20T{hour}/PT1H")], &[]).done();
        read.push(run.report["objects"]["read"].as_u64().unwrap());
    }
    assert_eq!(read, [2, 5, 2]);
    names.sort_unstable();
    assert_eq!(scene.event_ids(), names);
}

#[test]
fn a_late_object_is_found_as_far_as_the_look_back_reaches() {
    let scene = scene();
    batch(&scene, 5, "in-time", 1_000);
    batch(&scene, 3, "two-hours-late", 1_000);
    batch(&scene, 2, "three-hours-late", 1_000);
    let window = ["--window", "2026-11-20T05/PT1H"];
    scene.run_window(&window, &[]).done();
    assert_eq!(scene.event_ids(), ["in-time", "two-hours-late"]);
    scene.run_window(&window, &["--set", "source.look_back=3h"]).done();
    assert_eq!(scene.event_ids(), ["in-time", "three-hours-late", "two-hours-late"], "the window's rows are replaced");
}

#[test]
fn the_last_span_is_the_last_whole_one() {
    let scene = scene();
    batch(&scene, 5, "in", 600_000);
    batch(&scene, 5, "at-the-end", 1_800_000);
    let run = scene.run_window(&["--last", "30m"], &["--now", "2026-11-20T05:47:00.700Z"]).done();
    assert_eq!(run.report["window"]["start"], "2026-11-20T05:00:00Z");
    assert_eq!(run.report["window"]["end"], "2026-11-20T05:30:00Z");
    assert_eq!(run.report["now"], "2026-11-20T05:47:00.700Z");
    assert_eq!(scene.event_ids(), ["in"]);
}

#[test]
fn an_empty_window_is_done_and_says_so() {
    let scene = scene();
    batch(&scene, 5, "of-another-window", 0);
    for window in ["2026-11-20T06/PT1H", "2019-01-01"] {
        let run = scene.run_window(&["--window", window], &[]);
        assert_eq!((run.code, &run.report["status"]), (0, &Value::from("empty")), "{}", run.stderr);
        assert!(run.report["tables"].as_array().unwrap().iter().all(|table| table["rows"] == 0 && table["files"] == 0));
        let text = scene.call(&["run", "job.yaml", "--window", window]);
        assert_eq!(text.code, 0, "{}", text.stderr);
        assert!(text.stdout.contains("no object"), "{}", text.stdout);
    }
    assert!(visible_files(&scene.path("out")).is_empty());
}

#[test]
fn windows_that_are_none_are_usage_errors() {
    let scene = scene();
    for wrong in [
        "",
        "yesterday",
        "2026-11-20T05/2026-11-20T05",
        "2026-11-20T06/2026-11-20T05",
        "2026-13-01",
        "2026-11-20/",
        "2026-11-20T05/PT0H",
        "2026-11-20T05/-PT1H",
        "2026-11-20T05:00:00.5Z/PT1H",
        "10000-01-01/P1D",
        "2026-11-20/P1D/P1D",
        "0001-01-01",
        "2026-11-20T05/P99999999999Y",
    ] {
        let run = scene.run_window(&[&format!("--window={wrong}")], &[]);
        assert_eq!((run.code, &run.report["error"]["kind"]), (2, &Value::from("usage")), "{wrong}: {}", run.stderr);
        assert!(run.report["error"]["hint"].is_string(), "{wrong}: {}", run.stdout);
    }
    for wrong in [["--last", "0h"], ["--last", "soon"], ["--last", "99999999999999999999h"]] {
        assert_eq!(scene.run_window(&wrong, &[]).code, 2, "{wrong:?}");
    }
    assert_eq!(scene.run_window(&["--last", "1h"], &["--now", "noon"]).code, 2);
    assert_eq!(scene.run_window(&["--last", "1h", "--window", "2026-11-20"], &[]).code, 2);
    assert_eq!(scene.run_window(&[], &[]).code, 2);
    assert!(!scene.path("out").exists());
    let half_hour = scene.run_window(&["--window", "2026-11-20T05:30Z/PT1H"], &["--set", "source.select=path"]);
    assert_eq!(half_hour.code, 2, "a path names whole hours");
}

#[test]
fn json_output_is_one_value_alone() {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    for arguments in [
        ["run", "job.yaml", "--window", "2026-11-20"],
        ["run", "job.yaml", "--window", "9999-01-01"],
        ["run", "none.yaml", "--window", "2026-11-20"],
        ["plan", "job.yaml", "--window", "2026-11-20"],
    ] {
        let run = scene.call(&[arguments.as_slice(), &["--output", "json", "--progress", "log"]].concat());
        let value: Value = serde_json::from_str(&run.stdout).unwrap();
        assert!(value.is_object(), "{arguments:?}: {}", run.stdout);
    }
}

/// A good record and one that is none.
fn spoiled(change: impl FnOnce(&mut Value)) -> Scene {
    let scene = Scene::with(change);
    scene.raw("a.log", format!("{}\nspoiled\n", good("a")));
    scene
}

#[test]
fn a_refused_run_keeps_its_dead_letters_and_publishes_no_table() {
    for limit in [Value::from(0), Value::from("10%")] {
        let scene = spoiled(|job| job["limits"]["dead_letters"] = limit);
        let run = scene.run(&[]).balanced();
        assert_eq!((run.code, &run.report["status"]), (3, &Value::from("refused")), "{}", run.stderr);
        assert_eq!(run.report["error"]["kind"], "gate");
        assert_eq!(run.dead("not_json"), 1);
        assert!(visible_files(&scene.path("out")).is_empty());
        let left = files(&scene.path("out"));
        assert!(left.iter().any(|name| name.starts_with("_dead_letters/")), "{left:?}");
        // What its tasks made waits for a run with another limit; nobody sees it, and `gc` removes it.
        let own = |name: &&String| !["_dead_letters/", "_state/", ".pending/"].iter().any(|own| name.starts_with(own));
        assert_eq!(left.iter().find(own), None, "{left:?}");
        let gc = scene.call(&["gc", "job.yaml", "--apply", "--older-than", "0s"]);
        assert_eq!(gc.code, 0, "{}", gc.stderr);
        assert!(!scene.path("out/.pending").exists(), "{}", gc.stdout);
    }
    let scene = spoiled(|job| job["limits"]["dead_letters"] = 1.into());
    assert_eq!(scene.run(&[]).done().table_rows("event_v2"), 1);
}

#[test]
fn a_dry_run_writes_nothing() {
    let scene = spoiled(|_| {});
    let before = files(&scene.path(""));
    let run = scene.run(&["--dry-run"]).done();
    assert_eq!(run.report["dry_run"], true);
    assert_eq!((run.table_rows("event_v2"), run.dead("not_json")), (1, 1));
    assert_eq!(run.report["dead_letters"]["files"], Value::Array(Vec::new()));
    assert_eq!(files(&scene.path("")), before);
    let refused = scene.run(&["--dry-run", "--set", "limits.dead_letters=0"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert_eq!(files(&scene.path("")), before);
    assert!(fs::read_dir(scene.path("")).unwrap().count() <= 3, "an empty out/ at most");
}

/// Names and bytes of the tables' files, without the revision in the names.
fn table_files(scene: &Scene) -> Vec<(String, u64)> {
    let found = fingerprints(&scene.path("out")).into_iter();
    let tables = found.filter(|(name, _)| !name.starts_with('_'));
    tables.map(|(name, hash)| (name.replace(".r1", ""), hash)).collect()
}

#[test]
fn a_window_run_twice_has_its_rows_once() {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    scene.run(&[]).done();
    let first = table_files(&scene);
    let again = scene.run(&[]).done();
    assert_eq!(again.report["revision"], 1);
    assert_eq!(table_files(&scene), first);
    assert_eq!(scene.event_ids(), ["a"]);
}

fn warnings(run: &Run) -> String {
    run.report["warnings"].to_string()
}

#[test]
fn input_that_changed_since_is_told() {
    let scene = Scene::new();
    let raw = scene.raw("a.log", good("a"));
    scene.raw("b.log", good("b"));
    scene.run(&[]).done();
    assert!(!warnings(&scene.run(&[]).done()).contains("since the window was last run"));
    scene.raw("a.log", good("another"));
    scene.raw("c.log", good("c"));
    fs::remove_file(scene.path(raw.parent().unwrap()).join("b.log")).unwrap();
    let run = scene.run(&[]).done();
    for what in ["1 input objects have changed", "1 input objects are gone", "1 input objects are new"] {
        assert!(warnings(&run).contains(what), "{what}: {}", warnings(&run));
    }
    assert_eq!(scene.event_ids(), ["another", "c"], "and its rows are those of the input as it is");
}

#[test]
fn input_that_is_gone_does_not_empty_the_window_unasked() {
    let scene = Scene::new();
    let raw = scene.raw("a.log", good("a"));
    scene.run(&[]).done();
    fs::remove_file(raw).unwrap();
    let refused = scene.run(&[]);
    assert_eq!((refused.code, &refused.report["status"]), (3, &Value::from("refused")), "{}", refused.stderr);
    assert!(refused.stderr.contains("--allow-empty"), "{}", refused.stderr);
    assert_eq!(scene.event_ids(), ["a"]);
    let run = scene.run(&["--allow-empty"]);
    assert_eq!((run.code, &run.report["status"]), (0, &Value::from("empty")), "{}", run.stderr);
    assert!(scene.event_ids().is_empty());
}

#[test]
fn windows_that_overlap_committed_ones_are_refused_unless_they_cover_them() {
    let scene = scene();
    batch(&scene, 5, "a", 1_000);
    batch(&scene, 6, "b", 3_600_000);
    for hour in ["05", "06"] {
        scene.run_window(&["--window", &format!("2026-11-20T{hour}/PT1H")], &[]).done();
    }
    let parts = scene.run_window(&["--window", "2026-11-20T05:30/PT1H"], &[]);
    assert_eq!((parts.code, &parts.report["error"]["kind"]), (2, &Value::from("usage")), "{}", parts.stderr);
    let day = scene.run_window(&["--window", "2026-11-20"], &[]);
    assert_eq!(day.code, 2, "{}", day.stderr);
    assert!(day.stderr.contains("--supersede"), "{}", day.stderr);
    assert_eq!(scene.event_ids(), ["a", "b"]);
    scene.run_window(&["--window", "2026-11-20"], &["--supersede"]).done();
    assert_eq!(scene.event_ids(), ["a", "b"]);
    let hour = scene.run_window(&["--window", "2026-11-20T05/PT1H"], &[]);
    assert_eq!(hour.code, 2, "the day is committed now: {}", hour.stderr);
}
