//! A run that is killed between its commit and its end, and then something else is asked for: another job, other input.
//! What was committed is published, and what is asked for is done.

use crate::support::events::{event_with, good, line};
use crate::support::{Run, Scene, content, is_long, visible_files};
use serde_json::json;

/// Apps of the batch, each with files of its own.
const APPS: usize = 24;

/// Points behind the decision: before, while and after its files become visible.
const POINTS: [&str; 6] = [
    "commit.after_entry",
    "publish.begin",
    "publish.file:9",
    "publish.before_announcement",
    "publish.before_entry",
    "publish.after_entry",
];

/// All of them, or every other in the short form.
fn some_points() -> impl Iterator<Item = &'static str> {
    POINTS.into_iter().step_by(if is_long() { 1 } else { 2 })
}

/// An undisturbed run goes to an output of its own.
const RIGHT: [&str; 2] = ["--set", "sink.url=right"];

fn app(number: usize) -> String {
    format!("app{number:03}")
}

fn scene() -> Scene {
    let apps: Vec<String> = (0..APPS).map(app).collect();
    let scene = Scene::in_memory(|job| job["transformer"]["with"]["app_ids"] = json!(apps));
    let of_app = |number: usize| line(&[event_with(&format!("e{number}"), &[("app_id", app(number).into())])]);
    scene.raw("a.log", (0..APPS).map(of_app).collect::<Vec<_>>().join("\n"));
    scene
}

fn killed(scene: &Scene, point: &str) {
    let arguments = ["run", "job.yaml", "--window", crate::support::WINDOW, "--now", crate::support::NOW];
    assert_eq!(scene.call_with(&arguments, &[("ETL_FAILPOINT", point)]).code, -1, "{point}");
}

/// Asserts that the output is the one of an undisturbed run into `right`.
#[track_caller]
fn assert_right(scene: &Scene, point: &str) {
    let (found, right) = (scene.content(), content(&scene.path("right")));
    for (table, rows) in &right {
        assert!(!rows.is_empty() || table.starts_with("item"), "{point}: {table}");
        assert!(found[table] == *rows, "{point}: {table} has {} rows and not {}", found[table].len(), rows.len());
    }
    let files = |folder: &str| visible_files(&scene.path(folder)).len();
    assert_eq!(files("out"), files("right"), "{point}");
}

fn warnings(run: &Run) -> String {
    run.report["warnings"].to_string()
}

#[test]
fn the_run_that_is_asked_for_happens_with_the_job_of_now() {
    let other = ["--set", "transformer.with.project_id=other"];
    for point in POINTS {
        let scene = scene();
        scene.run(&[&other[..], &RIGHT].concat()).done();
        killed(&scene, point);
        let run = scene.run(&other).done();
        assert_eq!((&run.report["status"], &run.report["revision"]), (&json!("done"), &json!(1)), "{point}");
        if point != "publish.after_entry" {
            assert!(warnings(&run).contains("published commit 1 of window"), "{point}: {}", warnings(&run));
            assert!(warnings(&run).contains("is run again"), "{point}: {}", warnings(&run));
        }
        assert_right(&scene, point);
    }
}

#[test]
fn the_run_that_is_asked_for_happens_with_the_input_of_now() {
    for point in some_points() {
        let scene = scene();
        killed(&scene, point);
        scene.raw("b.log", line(&[event_with("late", &[("app_id", app(7).into())])]));
        let run = scene.run(&[]).done();
        assert_eq!(run.report["records"], APPS + 1, "{point}");
        scene.run(&RIGHT).done();
        assert_right(&scene, point);
    }
}

#[test]
fn a_run_of_the_same_plan_is_done_when_it_is_published() {
    for point in some_points().filter(|point| *point != "publish.after_entry") {
        let scene = scene();
        scene.run(&RIGHT).done();
        killed(&scene, point);
        let run = scene.run(&[]).done();
        assert_eq!((&run.report["status"], &run.report["revision"]), (&json!("done"), &json!(0)), "{point}");
        assert!(warnings(&run).contains("an earlier run had committed the window (commit 1)"), "{}", warnings(&run));
        assert_right(&scene, point);
    }
}

#[test]
fn a_replay_that_was_cut_off_is_told_by_the_next() {
    let scene = Scene::new();
    scene.raw("a.log", [good("a1"), line(&[event_with("a2", &[("app_title", "x".repeat(5_000).into())])])].join("\n"));
    scene.run(&["--set", "limits.record_bytes=4000"]).done();
    let replay = ["dead-letters", "replay", "job.yaml", "--window", crate::support::WINDOW, "--output", "json"];
    assert_eq!(scene.call_with(&replay, &[("ETL_FAILPOINT", "commit.after_entry")]).code, -1);
    let next = scene.call(&replay);
    let warnings = next.report["replay"]["windows"][0]["warnings"].to_string();
    assert!(warnings.contains("published commit") && warnings.contains("left behind"), "{warnings}");
}
