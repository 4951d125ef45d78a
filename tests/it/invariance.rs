//! The same input gives the same rows, however the work is cut, ordered, spread or spilled.

use crate::report::fingerprints;
use crate::support::{Run, Scene, TABLES, copy, files, project, rows, texts};
use etl_bench::generate::{Settings, generate};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Generated batches with bad records in them, and the fixtures.
fn scene() -> Scene {
    let scene = Scene::with(|job| {
        job["transformer"]["with"] = json!({
            "project_id": "test",
            "app_ids": ["shop", "news", "game"],
            "rules": project().join("fixtures/clickstream/rules"),
        });
        job["enrich"] = json!([
            {"name": "user-agent", "with": {"engine": "woothee"}},
            {"name": "ip-geo", "with": {"database": project().join("fixtures/geo/places.mmdb")}},
            {"name": "bot-filter"},
        ]);
    });
    let settings =
        Settings { objects: Some(12), bad: 0.03, users: Some(80), ..Settings::new(2_500, &scene.path("raw")) };
    generate(&settings).unwrap();
    copy(&project().join("fixtures/clickstream/raw"), &scene.path("raw"));
    scene
}

fn run(scene: &Scene, out: &str, more: &[&str]) -> Run {
    let sink = format!("sink.url={out}");
    let run = scene.run(&[&["--set", &sink], more].concat()).done();
    assert!(run.table_rows("event_v2") > 2_000 && run.dead("not_json") > 0, "{}", run.stdout);
    run
}

/// What the report says of rows, without files, times and sizes.
fn ledger(run: &Run) -> (Value, Value) {
    (run.report["steps"].clone(), run.dead_letters().clone())
}

#[test]
fn threads_change_neither_names_nor_bytes() {
    let scene = scene();
    let one = run(&scene, "one", &["--threads", "1"]);
    let expected = fingerprints(&scene.path("one"));
    assert!(expected.len() > 12);
    for threads in ["1", "8"] {
        let out = format!("threads-{threads}");
        let again = run(&scene, &out, &["--threads", threads]);
        assert!(fingerprints(&scene.path(&out)) == expected, "{threads} threads");
        assert_eq!(ledger(&again).1, ledger(&one).1);
    }
    // Many small tasks, so that every thread has some.
    let small = ["--set", "limits.task_bytes=200KiB"];
    run(&scene, "small-1", &[&small[..], &["--threads", "1"]].concat());
    run(&scene, "small-8", &[&small[..], &["--threads", "8"]].concat());
    assert!(fingerprints(&scene.path("small-8")) == fingerprints(&scene.path("small-1")), "small tasks");
}

#[test]
fn tasks_batches_and_memory_do_not_change_the_rows() {
    let scene = scene();
    run(&scene, "plain", &[]);
    let expected = content(&scene.path("plain"), &|_| {});
    for (name, settings) in [
        ("small-tasks", ["limits.task_bytes=200KiB", "limits.threads=4"]),
        ("little-memory", ["limits.memory=8MiB", "limits.threads=4"]),
        ("few-writers", ["sink.max_open_writers=1", "limits.task_bytes=1MiB"]),
        ("small-files", ["sink.target_file_size=200KiB", "sink.row_group_rows=100"]),
        ("zstd", ["sink.compression=zstd", "sink.row_group_bytes=1MiB"]),
    ] {
        let all: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        run(&scene, name, &all);
        same(&content(&scene.path(name), &|_| {}), &expected, name);
    }
}

#[test]
fn the_order_of_the_files_does_not_change_the_rows() {
    let scene = scene();
    run(&scene, "plain", &[]);
    let expected = content(&scene.path("plain"), &without_file_names);
    // Names that sort the other way round, in the same hours.
    let raw = scene.path("raw");
    for (place, name) in files(&raw).into_iter().enumerate() {
        let (folder, file) = name.rsplit_once('/').unwrap();
        if !file.starts_with(['_', '.']) {
            fs::rename(raw.join(&name), raw.join(folder).join(format!("{:04}-{file}", 9_999 - place))).unwrap();
        }
    }
    run(&scene, "renamed", &[]);
    same(&content(&scene.path("renamed"), &without_file_names), &expected, "renamed");
}

/// Takes the names of the input files out of a row.
fn without_file_names(row: &mut Value) {
    row["process_info"].as_object_mut().map(|info| info.remove("input_file_name"));
}

/// The rows of each table below `out` as sorted texts, after `change`.
fn content(out: &Path, change: &dyn Fn(&mut Value)) -> BTreeMap<&'static str, Vec<String>> {
    let table = |table| {
        let mut rows = rows(&out.join(table));
        rows.iter_mut().for_each(change);
        (table, texts(rows))
    };
    TABLES.into_iter().map(table).collect()
}

/// Compares table by table and shows the first row that differs.
#[track_caller]
fn same(found: &BTreeMap<&str, Vec<String>>, expected: &BTreeMap<&str, Vec<String>>, name: &str) {
    for (table, expected) in expected {
        let found = &found[table];
        assert_eq!(found.len(), expected.len(), "{name}: rows of {table}");
        if let Some((found, expected)) = found.iter().zip(expected).find(|(found, expected)| found != expected) {
            panic!("{name}: {table}\n found    {found}\n expected {expected}");
        }
    }
}
