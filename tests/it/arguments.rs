//! Values that an option does not take are refused before anything is read or written.

use crate::support::events::good;
use crate::support::{Scene, files};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A job whose one commit is not published yet: the next command that writes would publish it first.
fn unpublished() -> Scene {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    scene.run(&[]).done();
    let log = scene.path("out/_state/test/log");
    let mut entries: Vec<PathBuf> = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let last = entries.last().unwrap();
    assert!(fs::read_to_string(last).unwrap().contains("published"), "the last entry says that it is published");
    fs::remove_file(last).unwrap();
    scene
}

fn content(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let root = scene.path("out");
    files(&root).into_iter().map(|path| (path.clone(), fs::read(root.join(&path)).unwrap())).collect()
}

#[test]
fn nothing_is_done_before_all_arguments_are_known_to_be_right() {
    let scene = unpublished();
    let before = content(&scene);
    let span = ["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1d"];
    let window = ["--window", "2026-11-20"];
    for (arguments, option, hint) in [
        (&["run", "job.yaml", "--wait", "rubbish"][..], "--wait", "write 90s, 15m"),
        (&["run", "job.yaml", "--window", "rubbish"], "--window", "START/END"),
        (&["run", "job.yaml", "--last", "P1M"], "--last", "no fixed length"),
        (&["run", "job.yaml", "--last", "1h", "--now", "noon"], "--now", "2026-11-20T05:00:00Z"),
        (&[&["run", "job.yaml", "--wait", "rubbish"], &window[..]].concat(), "--wait", "write 90s, 15m"),
        (&[&["backfill", "job.yaml", "--wait", "rubbish"], &span[..]].concat(), "--wait", "write 90s, 15m"),
        (&["backfill", "job.yaml", "--from", "rubbish", "--to", "2026-11-21"], "--from", "write 2026-11-20"),
        (
            &["backfill", "job.yaml", "--from", "2026-11-20", "--to", "2026-11-21", "--every", "7h"],
            "--every",
            "divides the day",
        ),
        (&["retry", "job.yaml", "--wait", "rubbish"], "--wait", "write 90s, 15m"),
        (&["retry", "job.yaml", "--window", "2026-11-21/2026-11-20"], "--window", "after its start"),
        (&["state", "rebuild", "job.yaml", "--from", "rubbish"], "--from", "write 2026-11-20"),
        (&["state", "set", "job.yaml", "--watermark", "rubbish"], "--watermark", "write 2026-11-20"),
        (&["gc", "job.yaml", "--apply", "--older-than", "rubbish"], "--older-than", "write 90s, 15m"),
        (&["status", "job.yaml", "--only", "done,faild"], "--only", "did you mean `failed`?"),
        (&["runs", "job.yaml", "--status", "finished"], "--status", "refused"),
        (&["dead-letters", "replay", "job.yaml", "--all", "--wait", "rubbish"], "--wait", "write 90s, 15m"),
        (&["dead-letters", "drop", "job.yaml", "--yes", "--window", "rubbish"], "--window", "START/END"),
        (&["compare", "a", "b", "--key", "id", "--memory", "much"], "--memory", "write 512MiB"),
        (&["compare", "a", "b", "--key", "id", "--time-tolerance", "1"], "--time-tolerance", "write it as 1s"),
    ] {
        let run = scene.call(&[arguments, &["--output", "json"]].concat());
        let error = &run.report["error"];
        assert_eq!((run.code, &error["kind"]), (2, &Value::from("usage")), "{arguments:?}: {}", run.stderr);
        assert!(error["message"].as_str().unwrap().ends_with(&format!("for `{option}`")), "{arguments:?}: {error}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{arguments:?}: {error}");
        assert!(content(&scene) == before, "{arguments:?} has changed something");
    }
    let recovered = scene.call(&["recover", "job.yaml", "--output", "json"]);
    assert_eq!(recovered.report["published"].as_array().map(Vec::len), Some(1), "there was something to publish");
    assert!(content(&scene) != before);
}

#[test]
fn people_read_the_value_the_option_and_what_to_write() {
    let scene = Scene::new();
    let run = scene.call(&["run", "job.yaml", "--wait", "soon"]);
    assert_eq!(run.stdout, "");
    insta::assert_snapshot!(run.stderr, @r"
    error: invalid value `soon` for `--wait`
      hint: `soon` is not a length of time; write 90s, 15m, 2h, 3d or PT1H
    ");
    let run = scene.call(&["run", "job.yaml", "--window", "2026-11-21/2026-11-20"]);
    insta::assert_snapshot!(run.stderr, @r"
    error: invalid value `2026-11-21/2026-11-20` for `--window`
      hint: the end of a window is after its start and does not belong to it
    ");
    let span = ["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1h"];
    let run = scene.call(&[&["backfill", "job.yaml", "--parallel", "0"], &span[..]].concat());
    insta::assert_snapshot!(run.stderr, @r"
    error: invalid value `0` for `--parallel`
      hint: `0` is not a number above 0; write 1 or more
    ");
    let run = scene.call(&["run", "job.yaml", "--last", "-1h"]);
    insta::assert_snapshot!(run.stderr, @r"
    error: invalid value `-1h` for `--last`
      hint: `-1h` is not a length of time; write 90s, 15m, 2h, 3d or PT1H
    ");
    let run = scene.call(&["status", "job.yaml", "--only", "x"]);
    insta::assert_snapshot!(run.stderr, @r"
    error: invalid value `x` for `--only`
      hint: known: done, empty, late, provisional, running, unannounced, unpublished, stopped, missing, refused, failed
    ");
}

#[test]
fn those_who_read_json_get_every_mistake_as_json() {
    let scene = Scene::new();
    for (arguments, message, hint) in [
        (&["run", "job.yaml", "--allow-opn"][..], "unexpected argument '--allow-opn' found", "--allow"),
        (&["run", "job.yaml", "--outptu", "json"], "unexpected argument '--outptu' found", "--output"),
        (&["ruun", "job.yaml"], "unrecognized subcommand 'ruun'", "'run'"),
        (&["compare", "a"], "the following required arguments were not provided: --key <COLUMN> <RIGHT>", "--help"),
        (&["state"], "unexpected argument '--output' found", "--help"),
    ] {
        let run = scene.call(&[arguments, &["--output", "json"]].concat());
        let error = &run.report["error"];
        assert_eq!((run.code, &error["kind"]), (2, &Value::from("usage")), "{arguments:?}: {}", run.stderr);
        assert!(error["message"].as_str().unwrap().starts_with(message), "{arguments:?}: {error}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{arguments:?}: {error}");
    }
    let help = scene.call(&["run", "--help", "--output", "json"]);
    assert_eq!((help.code, help.report.is_null()), (0, true), "help is asked for, and is no mistake");
}
