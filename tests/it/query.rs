//! `runs` and `sql` through the real binary, on the fixtures and on made-up reports.

use crate::support::{NOW, Run, Scene, TABLES, call, project};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A call with the quickstart's job and its output in `scene`.
fn quickstart(scene: &Scene, command: &str, more: &[&str]) -> Run {
    let sink = format!("--set=sink.url={}", scene.path("out").display());
    call(project(), &[&[command, "jobs/quickstart.yaml", &sink], more].concat(), &[])
}

fn run_quickstart(scene: &Scene, more: &[&str]) -> Run {
    quickstart(scene, "run", &[&["--window", "2026-11-20", "--now", NOW, "--output", "json"], more].concat())
}

/// The rows of an answer, as JSON.
#[track_caller]
fn ask(scene: &Scene, sql: &str) -> Value {
    let run = quickstart(scene, "sql", &[sql, "--output", "json"]);
    assert_eq!(run.code, 0, "{sql}: {}", run.stderr);
    assert!(run.report.is_array(), "{sql}: {}", run.stdout);
    run.report
}

#[test]
fn the_fixtures_can_be_asked() {
    let scene = Scene::new();
    let run = run_quickstart(&scene, &[]).done();
    for table in TABLES {
        let expected = run.table_rows(table);
        assert_eq!(ask(&scene, &format!("SELECT count(*) AS n FROM {table}")), json!([{"n": expected}]), "{table}");
    }
    // Names that no folder could have: what is escaped in the path is not in the column.
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for file in run.report["files"].as_array().unwrap().iter().filter(|file| file["table"] == "event_v2") {
        let app = file["partition"].as_str().unwrap().split('/').next().unwrap().trim_start_matches("partition_app=");
        let app = app.replace("%2F", "/").replace("%3D", "=").replace("%0A", "\n");
        *expected.entry(app).or_default() += file["rows"].as_u64().unwrap();
    }
    assert!(expected.contains_key("two\nlines") && expected.contains_key("a/b"), "{expected:?}");
    let apps = ask(&scene, "SELECT partition_app AS app, count(*) AS n FROM event_v2 GROUP BY 1 ORDER BY 1");
    let found = apps.as_array().unwrap().iter();
    let found: BTreeMap<String, u64> =
        found.map(|row| (row["app"].as_str().unwrap().to_owned(), row["n"].as_u64().unwrap())).collect();
    assert_eq!(found, expected);
    for (app, rows) in &expected {
        let sql = format!("SELECT count(event_id) AS n FROM event_v2 WHERE partition_app = '{app}'");
        assert_eq!(ask(&scene, &sql), json!([{"n": rows}]), "{app}");
    }
    let dead = ask(&scene, "SELECT reason, count FROM dead_letters ORDER BY reason");
    let expected: Vec<Value> = run.report["dead_letters"]["by_reason"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(reason, count)| json!({"reason": reason, "count": count}))
        .collect();
    assert_eq!(dead, json!(expected));
    assert_eq!(
        ask(&scene, "SELECT sum(read + added - kept - filtered - dead) AS lost, count(*) AS steps FROM steps"),
        json!([{"lost": 0, "steps": run.report["steps"].as_array().unwrap().len()}])
    );
    // What the report says of the files is what is in them.
    assert_eq!(
        ask(&scene, "SELECT sum(rows) AS n FROM files WHERE table_name = 'session'"),
        ask(&scene, "SELECT count(session_id) AS n FROM session")
    );
}

#[test]
fn json_lines_can_be_asked_as_parquet_can() {
    let (parquet, lines) = (Scene::new(), Scene::new());
    run_quickstart(&parquet, &[]).done();
    run_quickstart(&lines, &["--set=sink.format=json"]).done();
    for sql in [
        // JSON lines leave out entries of maps that are null.
        "SELECT * EXCLUDE (process_info) FROM session ORDER BY session_id, user_pseudo_id, partition_app",
        "SELECT event_id, event_timestamp, partition_app, partition_day FROM event_v2 ORDER BY 1, 2, 3, 4",
    ] {
        let from_lines = quickstart(&lines, "sql", &[sql, "--output", "json", "--set=sink.format=json"]);
        assert_eq!(from_lines.code, 0, "{}", from_lines.stderr);
        assert!(!from_lines.report.as_array().unwrap().is_empty());
        assert!(from_lines.report == ask(&parquet, sql), "{sql}");
    }
}

#[test]
fn answers_come_in_every_form_and_are_cut_only_as_text() {
    let scene = Scene::new();
    let many = "SELECT value FROM generate_series(1, 2500)";
    let text = quickstart(&scene, "sql", &[many]);
    assert_eq!((text.code, text.stdout.lines().count()), (0, 1_001), "{}", text.stderr);
    assert!(text.stderr.contains("only the first 1,000 rows; --limit 0 prints all"), "{}", text.stderr);
    let all = quickstart(&scene, "sql", &[many, "--limit", "0"]);
    assert_eq!(all.stdout.lines().filter(|line| line.trim() != "value").count(), 2_500);
    assert!(!all.stderr.contains("only"), "{}", all.stderr);
    assert_eq!(ask(&scene, many).as_array().unwrap().len(), 2_500);
    let lines = quickstart(&scene, "sql", &[many, "--format", "jsonl", "--limit", "2"]);
    assert_eq!(lines.stdout, "{\"value\":1}\n{\"value\":2}\n");
    let csv = quickstart(&scene, "sql", &["SELECT 1 AS a, 'x,y' AS b", "--format", "csv"]);
    assert_eq!(csv.stdout, "a,b\n1,\"x,y\"\n");
    fs::write(scene.path("question.sql"), "SELECT 2 AS two;\n").unwrap();
    let file = scene.path("question.sql").display().to_string();
    assert_eq!(quickstart(&scene, "sql", &["--file", &file, "--format", "csv"]).stdout, "two\n2\n");
}

#[test]
fn wrong_questions_end_with_two() {
    let scene = Scene::new();
    for (sql, message) in [
        ("SELECT * FROM evnt_v2", "unknown table=evnt_v2"),
        ("SELECT stauts FROM runs", "unknown column=stauts"),
        ("DROP TABLE runs", "refuse the SQL: "),
        ("SELECT CAST('x' AS INT)", "'x'"),
    ] {
        let run = quickstart(&scene, "sql", &[sql, "--output", "json"]);
        assert_eq!(run.code, 2, "{sql}: {}", run.stderr);
        assert_eq!(run.report["error"]["kind"], "usage", "{sql}: {}", run.stdout);
        assert!(run.report["error"]["message"].as_str().unwrap().contains(message), "{sql}: {}", run.stdout);
    }
    let none = quickstart(&scene, "sql", &[]);
    assert_eq!(none.code, 2, "{}", none.stderr);
}

#[test]
fn an_empty_state_has_no_rows() {
    let scene = Scene::new();
    assert_eq!(ask(&scene, "SELECT count(*) AS n FROM runs"), json!([{"n": 0}]));
    assert_eq!(ask(&scene, "SELECT event_id, partition_app FROM event_v2"), json!([]));
    let runs = quickstart(&scene, "runs", &[]);
    assert_eq!((runs.code, runs.stdout.as_str()), (0, "no runs\n"), "{}", runs.stderr);
    assert_eq!(quickstart(&scene, "runs", &["--output", "json"]).report, json!([]));
    let shown = quickstart(&scene, "runs", &["--show", "2026-11-20"]);
    assert_eq!(shown.code, 1, "{}", shown.stderr);
    assert!(!scene.path("out").exists(), "looking makes nothing");
}

#[test]
fn runs_can_be_asked_without_what_the_steps_need() {
    let scene = Scene::new();
    run_quickstart(&scene, &[]).done();
    let missing = "--set=transformer.with.rules=/nowhere";
    let run = quickstart(&scene, "sql", &["SELECT status FROM runs", "--output", "json", missing]);
    assert_eq!((run.code, &run.report), (0, &json!([{"status": "done"}])), "{}", run.stderr);
    assert!(run.stderr.contains("the output tables cannot be queried"), "{}", run.stderr);
    let run = quickstart(&scene, "sql", &["SELECT * FROM event_v2", missing]);
    assert_eq!(run.code, 2, "{}", run.stderr);
}

#[test]
fn the_newest_runs_come_first() {
    let scene = Scene::new();
    let run = |window: &str, now: &str, more: &[&str]| {
        let arguments = ["--window", window, "--now", now, "--output", "json"];
        quickstart(&scene, "run", &[&arguments, more].concat())
    };
    assert_eq!(run("2026-11-20T05/PT1H", "2026-11-21T01:00:00Z", &[]).code, 0);
    assert_eq!(run("2026-11-20T06/PT1H", "2026-11-21T02:00:00Z", &["--set=limits.dead_letters=0"]).code, 3);
    assert_eq!(run("2026-11-22T06/PT1H", "2026-11-22T08:00:00Z", &[]).code, 0);
    let listed = |more: &[&str]| -> Vec<(String, String)> {
        let run = quickstart(&scene, "runs", &[&["--output", "json"], more].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = run.report.as_array().unwrap().clone();
        rows.iter().map(|row| (text(&row["window"]["start"]), text(&row["status"]))).collect()
    };
    let row = |start: &str, status: &str| (start.to_owned(), status.to_owned());
    let (done, refused, empty) = (
        row("2026-11-20T05:00:00Z", "done"),
        row("2026-11-20T06:00:00Z", "refused"),
        row("2026-11-22T06:00:00Z", "empty"),
    );
    assert_eq!(listed(&["--last", "2"]).len(), 2);
    assert_eq!(listed(&["--status", "refused"]), std::slice::from_ref(&refused));
    assert_eq!(listed(&["--window", "2026-11-20T05:30/PT1H"]).len(), 2);
    assert_eq!(listed(&["--window", "2026-11-20T05/PT1H"]), std::slice::from_ref(&done));
    let mut all = listed(&[]);
    all.sort();
    assert_eq!(all, [done, refused, empty]);
    let unknown = quickstart(&scene, "runs", &["--status", "finished"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("refused"), "{}", unknown.stderr);

    let text = quickstart(&scene, "runs", &[]).stdout;
    assert!(text.contains("2026-11-20T06:00Z/07:00Z  refused"), "{text}");
    assert!(text.contains("too many dead letters"), "{text}");
    let id = "quickstart-20261120T050000Z-20261120T060000Z";
    for name in [id, "2026-11-20T05/PT1H"] {
        let shown = quickstart(&scene, "runs", &["--show", name]);
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        assert!(shown.stdout.starts_with("done  job quickstart  window 2026-11-20T05:00:00Z/"), "{}", shown.stdout);
    }
    assert_eq!(quickstart(&scene, "runs", &["--show", id, "--output", "json"]).report["run_id"], id);
}

/// 2,000 hourly reports of the job `quickstart`.
fn many_reports(scene: &Scene) {
    let folder = scene.path("out/_state/quickstart/runs");
    fs::create_dir_all(&folder).unwrap();
    for hour in 0..2_000_i64 {
        let at = |hour: i64| chrono::DateTime::from_timestamp(1_784_851_200 + hour * 3_600, 0).unwrap();
        let (start, end) = (at(hour), at(hour + 1));
        let name = |instant: chrono::DateTime<chrono::Utc>| instant.format("%Y%m%dT%H%M%SZ").to_string();
        let id = format!("quickstart-{}-{}", name(start), name(end));
        let status = if hour % 100 == 7 { "failed" } else { "done" };
        let report = json!({"schema_version": 1, "run_id": id, "job": "quickstart", "status": status, "now": end,
            "window": {"start": start, "end": end}, "records": hour,
            "tables": [{"name": "event_v2", "rows": 10, "files": 1}]});
        fs::write(folder.join(format!("{id}.json")), report.to_string()).unwrap();
    }
    // An old one that nobody could read any more.
    fs::write(folder.join("quickstart-20200101T000000Z-20200101T010000Z.json"), "{").unwrap();
}

#[test]
fn two_thousand_reports_are_answered() {
    let scene = Scene::new();
    many_reports(&scene);
    let run = quickstart(
        &scene,
        "sql",
        &[
            "SELECT status, count(*) AS n, sum(rows) AS rows, max(records) AS most FROM runs GROUP BY 1 ORDER BY 1",
            "--output=json",
        ],
    );
    assert_eq!(
        run.report,
        json!([{"status": "done", "n": 1980, "rows": 19800, "most": 1999},
            {"status": "failed", "n": 20, "rows": 200, "most": 1907}]),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("1 run reports are unreadable and left out; the first: "), "{}", run.stderr);
    let narrow = quickstart(
        &scene,
        "sql",
        &[
            "SELECT count(*) AS n FROM runs WHERE window_start >= '2026-08-01T00:00:00Z' AND window_start < '2026-08-02T00:00:00Z'",
            "--output=json",
        ],
    );
    assert_eq!(narrow.report, json!([{"n": 24}]), "{}", narrow.stderr);
    assert!(!narrow.stderr.contains("unreadable"), "reports of other windows are not read: {}", narrow.stderr);
    let failed = quickstart(&scene, "runs", &["--status", "failed", "--last", "3", "--output", "json"]).report;
    assert_eq!(failed.as_array().unwrap().len(), 3);
}

#[test]
fn tables_are_described() {
    let scene = Scene::new();
    let run = quickstart(&scene, "sql", &["--tables", "--output", "json"]);
    let tables = run.report["tables"].as_array().unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table["name"].as_str().unwrap()).collect();
    let of_runs = ["runs", "steps", "files", "dead_letters"];
    let of_rows = ["event_v2", "item_v2", "user_v2", "user_v2_latest", "session", "session_latest"];
    assert_eq!(names, [&of_runs[..], &of_rows].concat());
    for table in tables {
        // Every column that is described can be asked for, by that name.
        let columns: Vec<String> = table["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| format!("\"{}\"", column["name"].as_str().unwrap()))
            .collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), table["name"].as_str().unwrap());
        assert_eq!(ask(&scene, &sql), json!([]));
    }
    let text = quickstart(&scene, "sql", &["--tables"]).stdout;
    assert!(text.contains("\n  partition_app"), "{text}");
    assert!(Path::new(project()).join("docs/runs.md").exists());
}
