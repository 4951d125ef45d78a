//! What version 0.1 left behind goes on working. `fixtures/state/v0.1/README.md` says what that is: two windows that are
//! done, one of them run twice and replayed, a commit that was not published, and a refused window.

use crate::carried::people;
use crate::report::dead_letter_lines;
use crate::support::{Run, Scene, copy, files, project, visible_files};
use serde_json::{Value, json};

/// Files of tables that the killed run had committed, and those of the runs before it.
const COMMITTED: usize = 3;
const PUBLISHED: usize = 9;

fn left_behind() -> Scene {
    let scene = Scene::new();
    copy(&project().join("fixtures/state/v0.1"), &scene.path(""));
    scene
}

/// Calls a command on the job after its last window, with JSON as its result. It must be done.
#[track_caller]
fn call(scene: &Scene, command: &[&str], more: &[&str]) -> Run {
    let run = scene.call(&[command, &["job.yaml", "--output", "json"], more].concat());
    assert_eq!(run.code, 0, "{command:?}: {}{}", run.stderr, run.stdout);
    run
}

fn statuses(scene: &Scene) -> Vec<Value> {
    let status = call(scene, &["status"], &["--now", "2026-11-20T10:00:00Z"]);
    let windows = status.report["status"]["windows"].as_array().unwrap().iter();
    windows.map(|window| json!([window["status"], window["revision"], window["replays"]])).collect()
}

fn run_hour(scene: &Scene, hour: &str) -> Run {
    scene.run_window(&["--window", &format!("2026-11-20T{hour}/PT1H")], &[]).done()
}

fn pending(scene: &Scene) -> Vec<String> {
    files(&scene.path("out")).into_iter().filter(|path| path.starts_with(".pending/")).collect()
}

#[test]
fn its_windows_and_dead_letters_are_known() {
    let scene = left_behind();
    let nothing = json!(["missing", null, 0]);
    let expected = [
        json!(["done", 1, 1]),
        json!(["done", 0, 0]),
        json!(["unpublished", 0, 0]),
        nothing,
        json!(["refused", null, 0]),
    ];
    assert_eq!(statuses(&scene), expected);
    let list = call(&scene, &["dead-letters", "list"], &[]);
    let windows = list.report["dead_letters"]["windows"].as_array().unwrap();
    let counts = |reason: &Value| ["open", "replayed", "dropped"].map(|name| reason[name].as_u64().unwrap());
    assert_eq!(counts(&windows[0]["reasons"]["not_json"]), [0, 0, 1]);
    assert_eq!(counts(&windows[1]["reasons"]["not_json"]), [1, 0, 0]);
    assert_eq!(counts(&windows[1]["reasons"]["record_too_long"]), [0, 1, 0]);
    let runs = call(&scene, &["runs"], &[]);
    assert_eq!(runs.report.as_array().unwrap().len(), 5, "{}", runs.stdout);
}

#[test]
fn what_it_committed_is_published() {
    let scene = left_behind();
    assert_eq!((pending(&scene).len(), visible_files(&scene.path("out")).len()), (COMMITTED, PUBLISHED));
    call(&scene, &["recover"], &[]);
    assert_eq!((pending(&scene).len(), visible_files(&scene.path("out")).len()), (0, COMMITTED + PUBLISHED));
    assert_eq!(scene.event_ids(), ["a1", "a2", "a3", "b1", "b2", "c1"]);
    assert_eq!(statuses(&scene)[2], json!(["done", 0, 0]));
    let manifests = files(&scene.path("out/_manifests"));
    assert!(manifests.iter().any(|name| name.contains("T070000Z-20261120T080000Z")), "{manifests:?}");
}

#[test]
fn it_goes_on_and_its_windows_run_again() {
    let scene = left_behind();
    // The window after the killed one.
    let run = run_hour(&scene, "08");
    assert_eq!(run.table_rows("event_v2"), 2);
    assert_eq!(pending(&scene), [""; 0], "{}", run.stderr);
    let events = ["a1", "a2", "a3", "b1", "b2", "c1", "d1", "d2"];
    assert_eq!(scene.event_ids(), events);
    // The one that was run twice and replayed: its files and those of its replay are replaced.
    let again = run_hour(&scene, "05");
    assert_eq!((again.table_rows("event_v2"), again.dead("not_json")), (3, 1));
    assert_eq!(scene.event_ids(), events);
    // The refused one.
    let retried = call(&scene, &["retry"], &["--window", "2026-11-20T09/PT1H", "--set", "limits.dead_letters=100%"]);
    assert_eq!(retried.report["counts"]["done"], 1, "{}", retried.stdout);
    let done = |revision: u64| json!(["done", revision, 0]);
    assert_eq!(statuses(&scene), [done(2), done(0), done(0), done(0), done(0)]);

    // Users and sessions are those of one run over everything.
    let whole = left_behind();
    let run = whole
        .run_window(
            &["--window", "2026-11-20T05/PT5H"],
            &["--set", "sink.url=whole", "--set", "limits.dead_letters=100%"],
        )
        .done();
    assert_eq!(dead_letter_lines(&run.report).len(), 3);
    std::fs::remove_dir_all(whole.path("out")).unwrap();
    std::fs::rename(whole.path("whole"), whole.path("out")).unwrap();
    assert_eq!(people(&scene), people(&whole));

    let gc = call(&scene, &["gc"], &["--apply", "--older-than", "0s"]);
    assert!(gc.report["gc"]["removed"]["pieces"].as_u64().unwrap() > 3, "{}", gc.stdout);
    assert_eq!(scene.event_ids(), events);
    // Nothing was taken that the next run needs.
    run_hour(&scene, "06");
    assert_eq!(people(&scene), people(&whole));
}
