//! A replay of dead letters that is killed between its decision and its files: the next command publishes it, once.

use crate::support::events::{event_with, good, line};
use crate::support::{Scene, WINDOW, content};
use serde_json::json;

const REPLAY: [&str; 7] = ["dead-letters", "replay", "job.yaml", "--window", WINDOW, "--output", "json"];

/// A line that is too long for the first run.
fn long(id: &str) -> String {
    line(&[event_with(id, &[("app_title", "x".repeat(5_000).into())])])
}

#[test]
fn a_replay_that_dies_behind_its_decision_is_published_by_the_next() {
    for point in ["commit.before_entry", "commit.after_entry", "publish.file", "publish.before_entry"] {
        let scene = Scene::new();
        scene.raw("a.log", [good("a1"), long("a2"), long("a3")].join("\n"));
        scene.run(&["--set", "sink.url=right"]).done();
        scene.run(&["--set", "limits.record_bytes=4000"]).done();
        let killed = scene.call_with(&REPLAY, &[("ETL_FAILPOINT", point)]);
        assert_eq!(killed.code, -1, "{point}");

        let next = scene.call(&REPLAY);
        assert_eq!(next.code, 0, "{point}: {}{}", next.stdout, next.stderr);
        let taken = if point == "commit.before_entry" { 2 } else { 0 };
        assert_eq!(next.report["replay"]["windows"][0]["taken"], taken, "{point}");
        assert_eq!(scene.content(), content(&scene.path("right")), "{point}");
        let list = scene.call(&["dead-letters", "list", "job.yaml", "--output", "json"]);
        let counts = &list.report["dead_letters"]["windows"][0]["reasons"]["record_too_long"];
        assert_eq!((&counts["open"], &counts["replayed"]), (&json!(0), &json!(2)), "{point}: {counts}");
    }
}
