//! Windows that are not closed: refused, or run as provisional and taken again.

use crate::support::events::good;
use crate::support::{Run, Scene, files};
use serde_json::{Value, json};

const HOUR: [&str; 2] = ["--window", "2026-11-20T05/PT1H"];
const DURING: &str = "2026-11-20T05:36:00Z";
const AFTER: &str = "2026-11-20T06:05:00Z";

fn scene() -> Scene {
    let scene = Scene::in_memory(|job| job["schedule"] = json!({"every": "1h", "start": "2026-11-20T04"}));
    scene.raw("a.log", good("a"));
    scene
}

fn call(scene: &Scene, command: &str, now: &str, more: &[&str]) -> Run {
    scene.call(&[&[command, "job.yaml", "--now", now, "--output", "json"], more].concat())
}

fn status(scene: &Scene, now: &str) -> Value {
    let run = call(scene, "status", now, &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.report["status"].clone()
}

/// Runs the hour while it is open.
fn provisional(scene: &Scene) {
    let run = call(scene, "run", DURING, &[&HOUR[..], &["--allow-open"]].concat());
    assert_eq!((run.code, &run.report["status"]), (0, &json!("done")), "{}", run.stderr);
    assert_eq!(run.report["provisional"], true, "{}", run.stdout);
    assert!(run.report["warnings"].to_string().contains("open until 2026-11-20T06:02:00Z"), "{}", run.stdout);
    assert_eq!(status(scene, DURING)["counts"]["provisional"], 1);
    scene.raw("b.log", good("b"));
}

#[track_caller]
fn is_final(scene: &Scene, now: &str) {
    let told = status(scene, now);
    assert_eq!((&told["counts"]["provisional"], &told["counts"]["done"]), (&json!(0), &json!(1)), "{told}");
    assert_eq!(scene.event_ids(), ["a", "b"]);
}

#[test]
fn a_window_that_is_open_is_refused_and_leaves_nothing_behind() {
    let scene = scene();
    let before = files(&scene.path(""));
    for (window, now, what) in [
        (["--window", "2026-11-20T05/PT1H"], DURING, "objects may still arrive in it"),
        (["--window", "2026-11-20T05/PT1H"], "2026-11-20T06:01:59Z", "closes=2026-11-20T06:02:00Z"),
        (["--window", "2026-11-20"], "2026-11-20T23:00:00Z", "closes=2026-11-21T00:02:00Z"),
        (["--window", "2027-11-20"], "2026-11-21T00:05:00Z", "it lies in the future"),
        (["--window", "9999-12-30"], "2026-11-21T00:05:00Z", "it lies in the future"),
        (["--last", "1h"], "2026-11-20T06:01:00Z", "--allow-open"),
    ] {
        for more in [&[][..], &["--dry-run"], &["--supersede", "--allow-empty"]] {
            let run = call(&scene, "run", now, &[&window[..], more].concat());
            assert_eq!((run.code, &run.report["error"]["kind"]), (2, &json!("usage")), "{window:?}: {}", run.stderr);
            assert!(run.stderr.contains("the window is not closed") && run.stderr.contains(what), "{}", run.stderr);
        }
        assert_eq!(files(&scene.path("")), before, "{window:?}");
    }
    let by_the_clock = scene.call(&["run", "job.yaml", "--window", "9998-11-20"]);
    assert_eq!(by_the_clock.code, 2, "{}", by_the_clock.stderr);
    assert_eq!(status(&scene, "2026-11-20T04:30:00Z")["version"], 0);
}

#[test]
fn without_a_schedule_a_window_is_closed_at_its_end() {
    let scene = Scene::in_memory(|_| {});
    scene.raw("a.log", good("a"));
    assert_eq!(call(&scene, "run", "2026-11-20T05:59:59Z", &HOUR).code, 2);
    assert_eq!(call(&scene, "run", "2026-11-20T06:00:00Z", &HOUR).code, 0);
}

#[test]
fn a_provisional_window_is_taken_again_by_the_schedule() {
    let scene = scene();
    provisional(&scene);
    let early = call(&scene, "run", "2026-11-20T05:40:00Z", &[]);
    assert_eq!((early.code, &early.report["watermark"]), (0, &json!("2026-11-20T05:00:00Z")), "{}", early.stderr);
    let plan = call(&scene, "plan", AFTER, &[]);
    assert_eq!(plan.report["plan"]["windows"][0]["reason"], "provisional", "{}", plan.stdout);
    let run = call(&scene, "run", AFTER, &[]);
    assert_eq!((run.code, &run.report["counts"]["done"]), (0, &json!(1)), "{}{}", run.stdout, run.stderr);
    assert_eq!(run.report["watermark"], "2026-11-20T06:00:00Z");
    is_final(&scene, AFTER);
    assert_eq!(call(&scene, "run", AFTER, &[]).report["total"], 0);
}

#[test]
fn a_provisional_window_is_taken_again_by_a_backfill() {
    let scene = scene();
    provisional(&scene);
    let range = ["--from", "2026-11-20T05", "--to", "2026-11-20T06", "--every", "1h"];
    assert_eq!(call(&scene, "backfill", DURING, &range).code, 2);
    let run = call(&scene, "backfill", AFTER, &range);
    assert_eq!((run.code, &run.report["counts"]["done"]), (0, &json!(1)), "{}", run.stderr);
    is_final(&scene, AFTER);
    assert_eq!(call(&scene, "backfill", AFTER, &range).report["counts"]["skipped"], 1);
}

#[test]
fn a_provisional_window_is_taken_again_by_retry() {
    let scene = scene();
    provisional(&scene);
    let early = call(&scene, "retry", DURING, &[]);
    assert_eq!(early.code, 0, "{}", early.stderr);
    assert!(early.stderr.contains("is left out: it is not closed before 2026-11-20T06:02:00Z"), "{}", early.stderr);
    let named = call(&scene, "retry", DURING, &HOUR);
    assert_eq!(named.code, 2, "{}", named.stderr);
    let run = call(&scene, "retry", AFTER, &[]);
    assert_eq!((run.code, &run.report["counts"]["done"]), (0, &json!(1)), "{}", run.stderr);
    is_final(&scene, AFTER);
}

#[test]
fn a_provisional_day_holds_up_its_hours_and_is_run_again_as_a_whole() {
    let scene = scene();
    let day = ["--window", "2026-11-20", "--allow-open"];
    assert_eq!(call(&scene, "run", DURING, &day).code, 0);
    let hours = ["--from", "2026-11-20T04", "--to", "2026-11-20T06", "--every", "1h"];
    let refused = call(&scene, "backfill", AFTER, &hours);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("etl-runner retry JOB"), "{}", refused.stderr);
    let open = call(&scene, "run", AFTER, &[]);
    assert_eq!((open.code, &open.report["total"]), (0, &json!(0)), "{}{}", open.stdout, open.stderr);
    scene.raw("b.log", good("b"));
    let run = call(&scene, "run", "2026-11-21T00:02:00Z", &[]);
    assert_eq!((run.code, &run.report["counts"]["done"]), (0, &json!(1)), "{}{}", run.stdout, run.stderr);
    assert_eq!(run.report["watermark"], "2026-11-21T00:00:00Z");
    is_final(&scene, "2026-11-21T00:02:00Z");
}

#[test]
fn the_watermark_never_passes_now() {
    let scene = scene();
    let future = call(&scene, "run", "2026-11-20T05:05:00Z", &["--window", "2026-11-20T06/PT3H", "--allow-open"]);
    assert_eq!((future.code, &future.report["status"]), (0, &json!("empty")), "{}", future.stderr);
    let run = call(&scene, "run", AFTER, &[]);
    assert_eq!((run.code, &run.report["watermark"]), (0, &json!("2026-11-20T06:00:00Z")), "{}", run.stdout);
    let later = call(&scene, "run", "2026-11-20T09:02:00Z", &[]);
    assert_eq!(later.report["windows"][0]["reason"], "provisional", "{}", later.stdout);
    assert_eq!(later.report["watermark"], "2026-11-20T09:00:00Z");

    let set = |now: &str| {
        scene.call(&["state", "set", "job.yaml", "--watermark", "2027-11-20T05", "--now", now, "--output", "json"])
    };
    let refused = set("2026-11-20T09:02:00Z");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("it lies in the future"), "{}", refused.stderr);
    assert_eq!(status(&scene, AFTER)["watermark"], "2026-11-20T09:00:00Z");
}

#[test]
fn usage_errors_leave_no_failed_window_behind() {
    let scene = Scene::in_memory(|_| {});
    scene.raw("a.log", good("a"));
    let before = files(&scene.path(""));
    for window in [["--last", "90m"], ["--last", "30m"], ["--window", "2026-11-20T05:30/PT1H"]] {
        let run = call(&scene, "run", "2026-11-21T01:40:00Z", &window);
        assert_eq!(run.code, 2, "{window:?}: {}", run.stderr);
        assert!(run.stderr.contains("whole hours"), "{}", run.stderr);
        assert_eq!(files(&scene.path("")), before, "{window:?}");
    }
    assert_eq!(call(&scene, "run", "2026-11-21T01:40:00Z", &HOUR).code, 0);
    let overlap = call(&scene, "run", "2026-11-21T01:40:00Z", &["--window", "2026-11-20"]);
    assert_eq!(overlap.code, 2, "{}", overlap.stderr);
    let told = status(&scene, "2026-11-21T01:40:00Z");
    assert_eq!((&told["total"], &told["counts"]["failed"]), (&json!(1), &json!(0)));
    let runs = scene.call(&["runs", "job.yaml", "--output", "json"]);
    assert_eq!(runs.report.as_array().map(Vec::len), Some(1), "{}", runs.stdout);
}
