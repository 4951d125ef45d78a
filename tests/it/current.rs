//! Which attempts count, and which rows are the latest, as `runs` and `sql` tell.

use crate::support::events::{event_with, line};
use crate::support::{Scene, TABLES, call, copy, project, rows, visible_files};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const LATER: &str = "2026-11-24T00:00:00Z";
const HOURS: [&str; 6] = ["--from", "2026-11-20T05", "--to", "2026-11-20T08", "--every", "1h"];

/// A job over the fixtures, for two of their apps.
fn fixtures() -> Scene {
    let scene = Scene::in_memory(|job| job["transformer"]["with"]["app_ids"] = json!(["shop", "news"]));
    copy(&project().join("fixtures/clickstream/raw"), &scene.path("raw"));
    scene
}

#[track_caller]
fn done(scene: &Scene, command: &[&str], more: &[&str]) -> Value {
    let run = scene.call(&[command, &["job.yaml", "--now", LATER, "--output", "json"], more].concat());
    assert_eq!(run.code, 0, "{command:?} {more:?}: {}{}", run.stdout, run.stderr);
    run.report
}

#[track_caller]
fn ask(scene: &Scene, sql: &str) -> Vec<Value> {
    let run = scene.call(&["sql", "job.yaml", sql, "--output", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{sql}: {}", run.stdout);
    run.report.as_array().unwrap().clone()
}

#[track_caller]
fn number(scene: &Scene, sql: &str) -> u64 {
    ask(scene, sql)[0]["n"].as_u64().unwrap_or_else(|| panic!("{sql}"))
}

/// What is marked as current is what is there. Gives the current attempts, as `<first hour> <status>`.
#[track_caller]
fn current(scene: &Scene) -> BTreeSet<String> {
    let of_files: BTreeSet<String> = ask(scene, "SELECT path FROM files WHERE is_current")
        .iter()
        .map(|row| row["path"].as_str().unwrap().to_owned())
        .collect();
    let visible: BTreeSet<String> = visible_files(&scene.path("out")).into_iter().collect();
    assert_eq!(of_files, visible);
    let there: usize = TABLES.iter().map(|table| rows(&scene.path("out").join(table)).len()).sum();
    assert_eq!(number(scene, "SELECT sum(rows) AS n FROM files WHERE is_current"), there as u64);
    assert_eq!(number(scene, "SELECT sum(rows) AS n FROM runs WHERE is_current"), there as u64);
    let listed = scene.call(&["runs", "job.yaml", "--output", "json"]).report;
    let asked = ask(scene, "SELECT report, is_current FROM runs ORDER BY 1");
    let mut told: Vec<Value> = listed.as_array().unwrap().clone();
    told.sort_by_key(|run| run["report"].to_string());
    let told: Vec<Value> =
        told.iter().map(|run| json!({"report": run["report"], "is_current": run["is_current"]})).collect();
    assert_eq!(told, asked);
    ask(scene, "SELECT substr(CAST(window_start AS text), 12, 2) AS hour, status FROM runs WHERE is_current")
        .iter()
        .map(|run| format!("{} {}", run["hour"].as_str().unwrap(), run["status"].as_str().unwrap()))
        .collect()
}

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn attempts_count_until_something_takes_their_place() {
    let scene = fixtures();
    let refused = scene.call(
        &[&["backfill", "job.yaml", "--now", LATER, "--set=limits.dead_letters=5%", "--quiet"], &HOURS[..]].concat(),
    );
    assert_eq!(refused.code, 5, "{}", refused.stdout);
    assert_eq!(current(&scene), named(&["05 done", "07 done"]));
    done(&scene, &["retry"], &["--set=limits.dead_letters=90%"]);
    let retried = ["05 done", "06 done", "07 done"];
    assert_eq!(current(&scene), named(&retried));
    // The refused attempt counted the same letters.
    let letters = number(&scene, "SELECT sum(count) AS n FROM dead_letters WHERE is_current");
    assert_eq!(number(&scene, "SELECT sum(dead_letters) AS n FROM runs WHERE is_current"), letters);
    assert_eq!(number(&scene, "SELECT sum(count) AS n FROM dead_letters"), 2 * letters);
    assert_eq!(number(&scene, "SELECT sum(dead) AS n FROM steps WHERE is_current"), letters);

    // A second revision, an hour without input, and rows that a replay adds.
    let hour = ["--window", "2026-11-20T05/PT1H", "--set=limits.dead_letters=100%"];
    done(&scene, &["run"], &[&hour[..], &["--set=transformer.with.payload_bytes=10"]].concat());
    done(&scene, &["run"], &["--window", "2026-11-20T08/PT1H"]);
    let mut with_empty = retried.to_vec();
    with_empty.push("08 empty");
    assert_eq!(current(&scene), named(&with_empty));
    let replaced = "SELECT count(*) AS n FROM runs WHERE NOT is_current AND status = 'done'";
    assert_eq!(number(&scene, replaced), 1);
    let before = number(&scene, "SELECT sum(rows) AS n FROM runs WHERE is_current");
    let replay = scene.call(&["dead-letters", "replay", "job.yaml", "--all", "--output", "json"]);
    assert_eq!(replay.code, 0, "{}", replay.stderr);
    let text = scene.call(&["runs", "job.yaml"]).stdout;
    assert_eq!(text.matches("done (replaced)").count(), 1, "{text}");
    assert_eq!(current(&scene), named(&with_empty));
    assert!(number(&scene, "SELECT sum(rows) AS n FROM runs WHERE is_current") > before);

    // A compaction reads no records: the attempts that did go on counting, their files do not.
    done(&scene, &["backfill"], &["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1h"]);
    let records = number(&scene, "SELECT sum(records) AS n FROM runs WHERE is_current");
    done(&scene, &["compact"], &[]);
    let text = scene.call(&["runs", "job.yaml"]).stdout;
    assert!(text.contains("done (compacts 24 windows)"), "{text}");
    assert_eq!(number(&scene, "SELECT sum(records) AS n FROM runs WHERE is_current"), records);
    current(&scene);
    assert_eq!(number(&scene, "SELECT count(DISTINCT report) AS n FROM files WHERE is_current"), 1);
}

#[test]
fn a_forgotten_window_has_no_attempt_that_counts() {
    let scene = fixtures();
    done(&scene, &["backfill"], &HOURS);
    done(&scene, &["forget"], &["--window", "2026-11-20T06/PT1H", "--apply"]);
    assert_eq!(current(&scene), named(&["05 done", "07 done"]));
}

#[test]
fn a_log_that_cannot_be_read_is_told_and_the_rest_is_answered() {
    let scene = fixtures();
    done(&scene, &["backfill"], &HOURS);
    let log = scene.path("out/_state/test/log");
    for entry in fs::read_dir(&log).unwrap() {
        fs::write(entry.unwrap().path(), "{").unwrap();
    }
    let sql = "SELECT is_current, count(*) AS n FROM runs GROUP BY 1";
    let asked = scene.call(&["sql", "job.yaml", sql, "--output", "json"]);
    assert_eq!((asked.code, &asked.report), (0, &json!([{"is_current": null, "n": 3}])), "{}", asked.stderr);
    assert!(asked.stderr.contains("is_current cannot be told: "), "{}", asked.stderr);
    let listed = scene.call(&["runs", "job.yaml", "--output", "json"]);
    assert_eq!((listed.code, &listed.report[2]["is_current"]), (0, &Value::Null), "{}", listed.stderr);
    assert!(listed.stderr.contains("is_current cannot be told: "), "{}", listed.stderr);
    // A question that does not ask for it does not meet the log.
    assert_eq!(ask(&scene, "SELECT count(*) AS n FROM runs"), [json!({"n": 3})]);
}

fn created(row: &Value) -> chrono::DateTime<chrono::FixedOffset> {
    chrono::DateTime::parse_from_rfc3339(row["created_time"].as_str().unwrap()).unwrap()
}

#[test]
fn the_latest_rows_of_merged_tables_have_views() {
    let scene = Scene::in_memory(|job| job["transformer"]["with"]["app_ids"] = json!(["shop", "news"]));
    for hour in 5..8 {
        let of_app = |id: &str, app: &str| event_with(id, &[("app_id", json!(app))]);
        let once = format!("once-{hour}");
        let events = [of_app("back", "shop"), of_app("back", "news"), of_app(&once, "news")];
        scene.raw_at(&format!("year=2026/month=11/day=20/hour={hour:02}"), "a.log", line(&events));
    }
    done(&scene, &["backfill"], &HOURS);
    for (table, key) in [
        ("user_v2", &["partition_app", "user_pseudo_id"][..]),
        ("session", &["partition_app", "user_pseudo_id", "session_id"]),
    ] {
        let mut latest: BTreeMap<Vec<String>, Value> = BTreeMap::new();
        let all = ask(&scene, &format!("SELECT * FROM {table}"));
        for row in &all {
            let key = key.iter().map(|column| row[column].to_string()).collect();
            let known = latest.entry(key).or_insert_with(|| row.clone());
            assert!(row == known || created(row) != created(known), "{row}");
            if created(row) > created(known) {
                *known = row.clone();
            }
        }
        let mut view = ask(&scene, &format!("SELECT * FROM {table}_latest"));
        let mut latest: Vec<Value> = latest.into_values().collect();
        assert_eq!((all.len(), latest.len()), (9, 5), "{table}");
        latest.sort_by_key(Value::to_string);
        view.sort_by_key(Value::to_string);
        assert_eq!(view, latest, "{table}");
    }
    let of_app = "SELECT count(*) AS n FROM user_v2_latest WHERE partition_app = 'news'";
    assert_eq!(number(&scene, of_app), 4);
    // Without the app in the output nothing tells the users of two apps apart.
    let without_app = r#"--set=tables.user_v2={"partition_by": []}"#;
    let run = call(&scene.path(""), &["sql", "job.yaml", "SELECT count(*) FROM user_v2_latest", without_app], &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("unknown table=user_v2_latest"), "{}", run.stderr);
}
