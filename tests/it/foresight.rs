//! `plan` and `run --dry-run` say what a run would do to what is there, and end as it would.

use crate::support::events::good;
use crate::support::{Run, Scene, copy, files, project};
use serde_json::{Value, json};

const NOW: &str = "2026-11-21T01:00:00Z";

fn scene() -> Scene {
    let scene = Scene::in_memory(|_| {});
    scene.raw("a.log", good("a"));
    scene
}

fn call(scene: &Scene, command: &[&str], window: &str, more: &[&str]) -> Run {
    let name = command[0];
    let options = ["job.yaml", "--window", window, "--now", NOW, "--output", "json"];
    scene.call(&[&[name], &options[..], &command[1..], more].concat())
}

/// What both tell: `plan`, and a dry run. They write nothing, and agree with each other in all that they say.
#[track_caller]
fn foreseen(scene: &Scene, window: &str, more: &[&str]) -> (i32, Value) {
    let before = files(&scene.path(""));
    let plan = call(scene, &["plan"], window, more);
    let dry = call(scene, &["run", "--dry-run"], window, more);
    assert_eq!(plan.code, dry.code, "{}{}", plan.stderr, dry.stderr);
    let effect = plan.report["plan"]["effect"].clone();
    assert!(effect.is_object(), "{}{}", plan.stdout, plan.stderr);
    if effect["open_until"].is_null() {
        assert_eq!(dry.report["effect"], effect, "{}", dry.stderr);
    }
    assert_eq!(files(&scene.path("")), before, "nothing is written");
    (plan.code, effect)
}

/// The code of a run after what is foreseen of it.
fn code(scene: &Scene, window: &str, more: &[&str]) -> i32 {
    call(scene, &["run"], window, more).code
}

#[test]
fn a_done_window_would_be_replaced() {
    let scene = scene();
    let (first, effect) = foreseen(&scene, "2026-11-20T05/PT1H", &[]);
    assert_eq!((first, &effect["done"], &effect["replaces"]), (0, &json!(false), &json!([])));
    assert_eq!(code(&scene, "2026-11-20T05/PT1H", &[]), 0);
    let (again, effect) = foreseen(&scene, "2026-11-20T05/PT1H", &[]);
    assert_eq!((again, &effect["done"]), (0, &json!(true)));
    let replaced = &effect["replaces"][0];
    assert_eq!((&replaced["revision"], &replaced["files"]), (&json!(0), &json!(3)), "{effect}");
    scene.raw("b.log", good("b"));
    let text = scene.call(&["plan", "job.yaml", "--window", "2026-11-20T05/PT1H", "--now", NOW]);
    assert!(text.stdout.contains("replaces  revision 0 (3 files, 3 rows)"), "{}", text.stdout);
    assert!(text.stdout.contains("1 input objects are new since the window was last run"), "{}", text.stdout);
    let dry = scene.call(&["run", "job.yaml", "--window", "2026-11-20T05/PT1H", "--now", NOW, "--dry-run"]);
    assert!(dry.stdout.contains("replaces: revision 0 (3 files, 3 rows)"), "{}", dry.stdout);
}

#[test]
fn a_window_that_would_be_refused_is_refused() {
    let scene = scene();
    let raw = scene.path("raw/year=2026/month=11/day=20/hour=05/a.log");
    assert_eq!(code(&scene, "2026-11-20", &[]), 0);
    let (refused, effect) = foreseen(&scene, "2026-11-20T05/PT1H", &[]);
    assert_eq!((refused, code(&scene, "2026-11-20T05/PT1H", &[])), (2, 2));
    assert_eq!(effect["refused"]["kind"], "usage", "{effect}");
    let text = scene.call(&["plan", "job.yaml", "--window", "2026-11-20T05/PT1H", "--now", NOW]);
    assert!(text.stdout.contains("REFUSED  the window overlaps others"), "{}", text.stdout);

    // A longer window covers it.
    let (refused, _) = foreseen(&scene, "2026-11-19/P2D", &[]);
    assert_eq!(refused, 2);
    let (covers, effect) = foreseen(&scene, "2026-11-19/P2D", &["--supersede"]);
    assert_eq!((covers, &effect["replaces"][0]["own"]), (0, &json!(false)), "{effect}");
    assert_eq!(effect["replaces"][0]["window"], "2026-11-20T00:00:00Z/2026-11-21T00:00:00Z");

    // An open one.
    for window in ["2026-11-21", "2027-11-20"] {
        let (open, effect) = foreseen(&scene, window, &[]);
        assert_eq!((open, effect["open_until"].is_string()), (2, true), "{effect}");
    }
    let (allowed, _) = foreseen(&scene, "2026-11-21", &["--allow-open"]);
    assert_eq!(allowed, 0);

    // Its input is gone.
    std::fs::remove_file(raw).unwrap();
    let (gone, effect) = foreseen(&scene, "2026-11-20", &[]);
    assert_eq!((gone, code(&scene, "2026-11-20", &[])), (3, 3));
    assert_eq!(effect["refused"]["kind"], "gate", "{effect}");
    assert_eq!(foreseen(&scene, "2026-11-20", &["--allow-empty"]).0, 0);
}

#[test]
fn a_window_that_another_run_holds_is_told() {
    let scene = scene();
    let folder = scene.path("out/_state/test/leases/20261120T050000Z-20261120T060000Z");
    std::fs::create_dir_all(&folder).unwrap();
    let holder = json!({
        "window": "2026-11-20T05:00:00Z/2026-11-20T06:00:00Z",
        "by": {"id": "x", "host": "elsewhere", "pid": 7, "program": "0.1.0"},
        "since": "2026-11-20T06:00:00Z",
        "until": "9999-01-01T00:00:00Z",
    });
    std::fs::write(folder.join("0000000001.json"), holder.to_string()).unwrap();
    let (held, effect) = foreseen(&scene, "2026-11-20T05/PT1H", &[]);
    assert_eq!((held, code(&scene, "2026-11-20T05/PT1H", &[])), (4, 4));
    assert_eq!((&effect["held"]["host"], &effect["refused"]["kind"]), (&json!("elsewhere"), &json!("held")));
    assert_eq!(foreseen(&scene, "2026-11-20T06/PT1H", &[]).0, 0, "another window is free");
}

/// `fixtures/state/v0.1` has a commit that was not published.
#[test]
fn what_a_run_does_first_for_one_that_died_is_told() {
    let scene = Scene::new();
    copy(&project().join("fixtures/state/v0.1"), &scene.path(""));
    let (code, effect) = foreseen(&scene, "2026-11-20T08/PT1H", &[]);
    assert_eq!((code, effect["publishes_first"].as_array().map(Vec::len)), (0, Some(1)), "{effect}");
    assert_eq!(effect["publishes_first"][0]["window"], "2026-11-20T07:00:00Z/2026-11-20T08:00:00Z");
    let schedule = ["--set", "schedule={every: 1h, start: 2026-11-20T05}", "--set", "limits.dead_letters=100%"];
    let before = files(&scene.path(""));
    for command in [&["plan", "job.yaml"][..], &["run", "job.yaml", "--dry-run"]] {
        let run = scene.call(&[command, &schedule, &["--now", NOW, "--output", "json"]].concat());
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(files(&scene.path("")), before, "{command:?}");
    }
}
