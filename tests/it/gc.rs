//! What killed runs leave behind: found, left alone as long as somebody may count on it, and removed.

use crate::support::events::good;
use crate::support::{Run, Scene, files};
use etl_runner::process::clock::Clock;
use serde_json::Value;
use std::fs;
use std::process::Command;

/// Calls `gc` with JSON output, counting ages from a day after now.
fn gc(scene: &Scene, more: &[&str]) -> Run {
    let tomorrow = (Clock::system().now() + chrono::TimeDelta::days(2)).to_rfc3339();
    let run = scene.call(&[&["gc", "job.yaml", "--output", "json", "--now", &tomorrow], more].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    run
}

fn kinds(run: &Run) -> Vec<&str> {
    let garbage = run.report["gc"]["garbage"].as_array().unwrap();
    garbage.iter().map(|piece| piece["kind"].as_str().unwrap()).collect()
}

fn hidden(scene: &Scene) -> Vec<String> {
    files(&scene.path("out")).into_iter().filter(|path| path.contains(".pending/")).collect()
}

/// A hidden file as a killed run leaves it.
fn leave(scene: &Scene, name: &str) {
    fs::create_dir_all(scene.path("out/.pending")).unwrap();
    fs::write(scene.path("out/.pending").join(format!(".{name}.00000000000000ff-1.pending")), "half").unwrap();
}

const RUN: &str = "test-20261120T000000Z-20261121T000000Z";

#[test]
fn what_a_killed_run_left_is_shown_and_then_removed_and_the_output_stays() {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    scene.run(&[]).done();
    let whole = files(&scene.path("out"));
    assert_eq!(kinds(&gc(&scene, &["--apply"])), [""; 0], "a run that is done leaves nothing");

    leave(&scene, &format!("{RUN}.r1-00000-0.snappy.parquet"));
    leave(&scene, "other-20261120T000000Z-20261121T000000Z-00000-0.snappy.parquet");
    let state = scene.path("out/_state/test");
    fs::write(state.join(format!("commits/{RUN}.r1-0123456789abcdef.json")), "{}").unwrap();
    fs::write(state.join(format!("inputs/{RUN}.r1-0123456789abcdef.json.zst")), "x").unwrap();
    fs::write(state.join("log/00000000000000000099.json#1"), "{").unwrap();

    let young = scene.call(&["gc", "job.yaml", "--output", "json", "--apply"]);
    assert_eq!((kinds(&young), &young.report["gc"]["left"]["young"]), (vec![], &4.into()), "{}", young.stdout);
    let dry = gc(&scene, &[]);
    assert_eq!(kinds(&dry), ["unfinished", "hidden_file", "detail", "inputs"]);
    assert_eq!(dry.report["gc"]["left"]["foreign"], 1);
    assert_eq!(dry.report["gc"]["garbage"][1]["run"], RUN);
    assert_eq!(dry.report["gc"]["removed"], Value::Null);
    assert_eq!(hidden(&scene).len(), 2);
    let text = scene.call(&["gc", "job.yaml", "--older-than", "0s"]);
    assert!(text.stdout.contains("would remove 4 pieces") && text.stderr.contains("--apply"), "{}", text.stdout);

    let done = gc(&scene, &["--apply"]);
    assert_eq!(done.report["gc"]["removed"]["pieces"], 4, "{}", done.stdout);
    assert_eq!(hidden(&scene).len(), 1, "another job's file stays");
    fs::remove_dir_all(scene.path("out/.pending")).unwrap();
    let is_log = |path: &String| path.contains("/log/") && !path.contains('#');
    let left: Vec<String> = files(&scene.path("out")).into_iter().filter(|path| !is_log(path)).collect();
    assert_eq!(left, whole.into_iter().filter(|path| !is_log(path)).collect::<Vec<_>>());
    // And a re-run goes well behind the fence.
    scene.run(&[]).done();
    assert_eq!(scene.event_ids(), ["a"]);
    let replaced = ["detail", "inputs", "carried", "carried", "carried"];
    assert_eq!(kinds(&gc(&scene, &["--apply"])), replaced, "those of the replaced run");
}

#[test]
fn finished_tasks_that_nobody_goes_on_with_are_removed_with_their_files() {
    let scene = Scene::with(|job| job["limits"]["dead_letters"] = 0.into());
    let bad = scene.raw("a.log", format!("{}\nnot json\n", good("a")));
    assert_eq!(scene.run(&[]).code, 3);
    let staged = hidden(&scene).len();
    assert!(staged > 0, "a refused run can be gone on with");
    let found = gc(&scene, &[]);
    let of_kind = |kind: &str| kinds(&found).iter().filter(|found| **found == kind).count();
    assert_eq!((of_kind("hidden_file"), of_kind("work"), of_kind("inputs")), (staged, 1, 1), "{}", found.stdout);
    gc(&scene, &["--apply"]);
    let state = files(&scene.path("out/_state/test"));
    assert_eq!(hidden(&scene), [""; 0]);
    assert!(!state.iter().any(|path| path.starts_with("work/") || path.starts_with("inputs/")), "{state:?}");
    let dead_letters = files(&scene.path("out/_dead_letters"));
    assert_eq!(dead_letters.len(), 1, "what explains the refusal stays: {dead_letters:?}");

    fs::write(bad, good("a")).unwrap();
    scene.run(&[]).done();
    assert_eq!(scene.event_ids(), ["a"]);
    assert_eq!(kinds(&gc(&scene, &[])), [""; 0]);
}

#[test]
fn a_window_that_somebody_works_on_is_left_alone() {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    scene.run(&[]).done();
    leave(&scene, &format!("{RUN}.r1-00000-0.snappy.parquet"));
    let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
    let host = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
    let until = Clock::system().now() + chrono::TimeDelta::hours(1);
    let lease = |pid: u32| {
        serde_json::json!({
            "window": "2026-11-20T00:00:00Z/2026-11-21T00:00:00Z",
            "by": {"id": "x", "host": host, "pid": pid, "program": "0"},
            "since": Clock::system().now(), "until": until,
        })
    };
    let folder = scene.path("out/_state/test/leases/20261120T000000Z-20261121T000000Z");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("0000000001.json"), lease(sleeper.id()).to_string()).unwrap();
    let run = gc(&scene, &["--apply"]);
    assert_eq!((kinds(&run), &run.report["gc"]["left"]["working"]), (vec![], &1.into()), "{}", run.stdout);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    let run = gc(&scene, &["--apply"]);
    assert_eq!(kinds(&run), ["hidden_file", "lease"], "its process is gone");
    assert_eq!(hidden(&scene), [""; 0]);
    assert!(!folder.exists());
}

#[test]
fn what_no_run_can_count_on_goes_first_and_needs_no_room() {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    scene.run(&[]).done();
    scene.run(&[]).done();
    let state = scene.path("out/_state/test");
    let object = |name: &str| state.join(name);
    // A run of the next revision and a replay of this one may only be asleep.
    for name in ["r2", "r1.a1"] {
        fs::write(object(&format!("commits/{RUN}.{name}-0123456789abcdef.json")), "{}").unwrap();
    }
    let found = gc(&scene, &[]);
    let all = ["detail", "detail", "detail", "inputs", "carried", "carried", "carried"];
    assert_eq!(kinds(&found), all);
    // Where no lease can be written, as on a full disk.
    fs::remove_dir_all(object("leases")).ok();
    fs::write(object("leases"), "").unwrap();
    let tomorrow = (Clock::system().now() + chrono::TimeDelta::days(2)).to_rfc3339();
    let refused = scene.call(&["gc", "job.yaml", "--apply", "--now", &tomorrow]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stderr.contains("/leases"), "{}", refused.stderr);
    fs::remove_file(object("leases")).unwrap();
    let left = gc(&scene, &[]);
    assert_eq!(kinds(&left), ["detail", "detail", "carried", "carried", "carried"], "{}", left.stdout);
    let places: Vec<&str> = left.report["gc"]["garbage"].as_array().unwrap()[..2]
        .iter()
        .map(|piece| piece["place"].as_str().unwrap())
        .collect();
    assert!(places[0].contains(".r1.a1-") && places[1].contains(".r2-"), "{places:?}");
    gc(&scene, &["--apply"]);
    assert_eq!(kinds(&gc(&scene, &[])), [""; 0]);
    scene.run(&[]).done();
    assert_eq!(scene.event_ids(), ["a"]);
}
