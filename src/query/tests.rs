//! The tables over a made-up folder of reports and files.

use super::columns::{ReportColumn, ReportTableKind};
use super::*;
use crate::commit::{CommitLog, Objects, Runner};
use crate::engine::Pipeline;
use crate::job::{Places, load};
use crate::process::clock::Clock;
use crate::process::stop::Stop;
use crate::registry::builtin;
use crate::report::{ErrorReport, FileReport, RunReport, Status, StepReport};
use crate::window::Window;
use arrow::json::LineDelimitedWriter;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use strum::VariantArray;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const HOUR: i64 = 3_600;
/// 2026-11-20T00:00:00Z.
const START: i64 = 1_795_132_800;

/// A job `shop` whose state and sink are below a folder.
struct Scene {
    folder: TempDir,
    runtime: Runtime,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let job = json!({
            "job": "shop",
            "source": {"url": "raw"},
            "transformer": {
                "name": "clickstream",
                "with": {"project_id": "t", "app_ids": ["shop"], "traffic_source": false},
            },
            "sink": {"url": "out", "format": "json"},
            "tables": {"session": {"partition_by": []}},
        });
        fs::write(folder.path().join("job.yaml"), job.to_string()).unwrap();
        Self { folder, runtime: Runtime::new().unwrap() }
    }

    fn runs(&self) -> PathBuf {
        let runs = self.folder.path().join("out/_state/shop/runs");
        fs::create_dir_all(&runs).unwrap();
        runs
    }

    /// Keeps a report; `attempt` is what stands behind the run's id in the object's name.
    fn keep(&self, report: &RunReport, attempt: &str) {
        let text = serde_json::to_vec(report).unwrap();
        fs::write(self.runs().join(format!("{}{attempt}.json", report.run_id)), text).unwrap();
    }

    fn file(&self, path: &str, lines: &[Value]) {
        let path = self.folder.path().join("out").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        fs::write(path, lines.join("\n") + "\n").unwrap();
    }

    fn query(&self) -> Query {
        let job = load(&self.folder.path().join("job.yaml"), &[], &|_| None).unwrap();
        let pipeline = Pipeline::build(&job, &builtin()).unwrap();
        let places = Places::open(&job).unwrap();
        let (handle, clock) = (self.runtime.handle().clone(), Clock::system());
        let log = CommitLog::new(Objects::new(&places.state, "shop", handle, &Stop::default(), clock), Runner::this());
        Query::open(&job, &places, &CurrentSource::new(log), Some(&pipeline), 2).unwrap()
    }

    fn rows_of(&self, query: &Query, sql: &str) -> Vec<Value> {
        self.runtime.block_on(async {
            let mut answer = query.ask(sql, None).await.unwrap();
            let mut lines = LineDelimitedWriter::new(Vec::new());
            while let Some(batch) = answer.next().await.unwrap() {
                lines.write(&batch).unwrap();
            }
            lines.finish().unwrap();
            let text = String::from_utf8(lines.into_inner()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        })
    }

    fn rows(&self, sql: &str) -> Vec<Value> {
        self.rows_of(&self.query(), sql)
    }

    fn error(&self, sql: &str) -> etl_sdk::Error {
        let query = self.query();
        self.runtime.block_on(async {
            match query.ask(sql, None).await {
                Err(error) => error,
                Ok(mut answer) => loop {
                    match answer.next().await {
                        Ok(Some(_)) => {}
                        Ok(None) => panic!("no error of {sql}"),
                        Err(error) => break error,
                    }
                },
            }
        })
    }
}

/// A report of the hour that begins `hour` hours after [`START`].
fn report(hour: i64) -> RunReport {
    let at = |hours: i64| chrono::DateTime::from_timestamp(START + hours * HOUR, 0).unwrap();
    let window = Window::new(at(hour), at(hour + 1)).unwrap();
    let mut report = RunReport::new(
        format!("shop-{}", window.id()),
        "shop",
        window,
        etl_sdk::EpochMillis((START + (hour + 1) * HOUR) * 1000),
    );
    report.status = Status::Done;
    report.records = 100;
    let step = |name: &str, table: Option<&str>| StepReport {
        name: name.to_owned(),
        table: table.map(str::to_owned),
        read: 100,
        kept: 100,
        balances: true,
        ..StepReport::default()
    };
    let mut event = step("event", Some("event_v2"));
    (event.kept, event.filtered, event.dead) =
        (90, [("stale".to_owned(), 7)].into(), [("no_app_id".to_owned(), 3)].into());
    report.steps = vec![step("payload", None), event];
    let file = |number: u64| FileReport {
        table: "event_v2".to_owned(),
        path: format!("event_v2/day=20/{number}.parquet"),
        partition: "day=20".to_owned(),
        rows: 45,
        bytes: 1_000,
    };
    report.set_files(&["event_v2", "session"], vec![file(0), file(1)]);
    report.dead_letters.total = 3;
    report.dead_letters.by_reason = [("no_app_id".to_owned(), 3)].into();
    report.dead_letters.files = vec!["dead.json.gz".to_owned()];
    report.objects.skipped = [("hidden".to_owned(), 2)].into();
    report
}

#[test]
fn each_table_has_the_rows_of_the_reports() {
    let scene = Scene::new();
    scene.keep(&report(0), "");
    let mut failed = report(1);
    failed.status = Status::Failed;
    failed.error =
        Some(ErrorReport { kind: "unavailable".to_owned(), message: "no route".to_owned(), ..ErrorReport::default() });
    failed.warnings = vec!["one".to_owned(), "two".to_owned()];
    scene.keep(&failed, "-20261120T020000Z-a1");
    assert_eq!(
        scene.rows(
            "SELECT run_id, status, window_start, window_end, records, rows, files, tables, dead_letters, error_kind, \
             warnings, objects_skipped['hidden'] AS hidden FROM runs ORDER BY window_start"
        ),
        [
            json!({"run_id": "shop-20261120T000000Z-20261120T010000Z", "status": "done",
                "window_start": "2026-11-20T00:00:00Z", "window_end": "2026-11-20T01:00:00Z", "records": 100,
                "rows": 90, "files": 2, "tables": 2, "dead_letters": 3, "warnings": [], "hidden": 2}),
            json!({"run_id": "shop-20261120T010000Z-20261120T020000Z", "status": "failed",
                "window_start": "2026-11-20T01:00:00Z", "window_end": "2026-11-20T02:00:00Z", "records": 100,
                "rows": 90, "files": 2, "tables": 2, "dead_letters": 3, "error_kind": "unavailable",
                "warnings": ["one", "two"], "hidden": 2}),
        ]
    );
    assert_eq!(
        scene.rows(
            "SELECT place, step, table_name, read, added, kept, filtered, dead, filtered_by['stale'] AS stale, dead_by \
             FROM steps WHERE window_start = '2026-11-20T00:00:00Z' ORDER BY place"
        ),
        [
            json!({"place": 0, "step": "payload", "read": 100, "added": 0, "kept": 100, "filtered": 0, "dead": 0,
                "dead_by": {}}),
            json!({"place": 1, "step": "event", "table_name": "event_v2", "read": 100, "added": 0, "kept": 90,
                "filtered": 7, "dead": 3, "stale": 7, "dead_by": {"no_app_id": 3}}),
        ]
    );
    assert_eq!(
        scene.rows(
            "SELECT f.table_name, path, partition, f.rows, bytes FROM files f JOIN runs USING (report) \
             WHERE status = 'failed' ORDER BY path LIMIT 1"
        ),
        [json!({"table_name": "event_v2", "path": "event_v2/day=20/0.parquet", "partition": "day=20", "rows": 45,
            "bytes": 1000})]
    );
    assert_eq!(
        scene.rows("SELECT reason, sum(count) AS n, min(files) AS files FROM dead_letters GROUP BY reason"),
        [json!({"reason": "no_app_id", "n": 6, "files": ["dead.json.gz"]})]
    );
}

#[test]
fn attempts_of_one_window_are_rows_of_their_own() {
    let scene = Scene::new();
    scene.keep(&report(0), "-20261120T010000Z-a");
    scene.keep(&report(0), "-20261120T011500Z-b");
    assert_eq!(
        scene.rows("SELECT count(*) AS n, count(DISTINCT report) AS reports, count(DISTINCT run_id) AS runs FROM runs"),
        [json!({"n": 2, "reports": 2, "runs": 1})]
    );
    assert_eq!(
        scene.rows("SELECT sum(count) AS dead FROM dead_letters d JOIN runs r ON d.report = r.report"),
        [json!({"dead": 6})]
    );
}

#[test]
fn filters_on_windows_read_only_their_reports() {
    let scene = Scene::new();
    for hour in 0..6 {
        scene.keep(&report(hour), if hour % 2 == 0 { "" } else { "-20261120T090000Z-x" });
    }
    // Names that tell nothing are always read.
    let mut other = report(40);
    other.run_id = "renamed".to_owned();
    scene.keep(&other, "");
    // A report that is not JSON shows whether it was read.
    let name = format!("{}.json", report(9).run_id);
    fs::write(scene.runs().join(name), "no JSON").unwrap();
    let asked = |condition: &str| {
        let query = scene.query();
        let rows = scene.rows_of(&query, &format!("SELECT run_id FROM runs WHERE {condition}"));
        (rows.len(), query.notes().len())
    };
    for (condition, expected) in [
        ("window_start >= '2026-11-20T04:00:00Z'", (3, 1)),
        ("window_start BETWEEN '2026-11-20T01:00:00Z' AND '2026-11-20T03:00:00Z'", (3, 0)),
        ("window_end <= '2026-11-20T02:00:00Z' AND records = 100", (2, 0)),
        ("run_id LIKE 'shop-20261120T00%'", (1, 0)),
        ("run_id = 'renamed'", (1, 0)),
        ("records = 100", (7, 1)),
        ("window_start >= '2026-11-21T00:00:00Z' OR records < 0", (1, 1)),
    ] {
        assert_eq!(asked(condition), expected, "{condition}");
    }
}

#[test]
fn what_is_no_report_is_counted_and_named() {
    let scene = Scene::new();
    scene.keep(&report(0), "");
    for (name, text) in [("a.json", "{}"), ("b.json", "[1"), ("c.txt", "no report"), (".hidden.json", "x")] {
        fs::write(scene.runs().join(name), text).unwrap();
    }
    fs::create_dir(scene.runs().join("deeper.json")).unwrap();
    fs::write(scene.runs().join("deeper.json/d.json"), "x").unwrap();
    let query = scene.query();
    let twice = "SELECT count(*) AS n FROM runs UNION ALL SELECT count(*) FROM runs";
    assert_eq!(scene.rows_of(&query, twice), [json!({"n": 1}), json!({"n": 1})]);
    let notes = query.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("2 run reports are unreadable and left out; the first: /"), "{notes:?}");
    assert!(notes[0].ends_with("/runs/a.json"), "{notes:?}");
}

#[test]
fn reports_of_other_versions_are_read() {
    let scene = Scene::new();
    let text = json!({"schema_version": 9, "run_id": "shop-x", "job": "shop", "status": "paused", "novel": {"a": [1]},
        "objects": {"read": 3, "novel": 1}, "steps": [{"name": "s", "read": 5}]});
    fs::write(scene.runs().join("x.json"), text.to_string()).unwrap();
    assert_eq!(
        scene.rows("SELECT runs.status, objects_read, steps.read FROM runs JOIN steps USING (report)"),
        [json!({"status": "paused", "objects_read": 3, "read": 5})]
    );
}

#[test]
fn output_tables_have_columns_partitions_and_no_hidden_files() {
    let scene = Scene::new();
    assert_eq!(scene.rows("SELECT event_id, partition_app FROM event_v2"), Vec::<Value>::new());
    let part = |app: &str, day: &str| {
        format!("event_v2/partition_app={app}/partition_year=2026/partition_month=11/partition_day={day}")
    };
    let event = |id: &str| json!({"event_id": id, "event_timestamp": "2026-11-20T05:00:00.250Z"});
    scene.file(&format!("{}/one.json", part("shop", "20")), &[event("a"), event("b")]);
    scene.file(&format!("{}/two.json", part("a%2Fb", "21")), &[event("c")]);
    scene.file(&format!("{}/three.json", part("__HIVE_DEFAULT_PARTITION__", "21")), &[event("d")]);
    for hidden in [
        format!("{}/.one.json", part("shop", "20")),
        format!("{}/_one.json", part("shop", "20")),
        "event_v2/.pending/partition_app=shop/x.json".to_owned(),
        format!("{}/one.parquet", part("shop", "20")),
    ] {
        scene.file(&hidden, &[event("hidden")]);
    }
    let all = "SELECT event_id, event_timestamp, partition_app AS app, partition_day AS day FROM event_v2 ORDER BY 1";
    assert_eq!(
        scene.rows(all),
        [
            json!({"event_id": "a", "event_timestamp": "2026-11-20T05:00:00.250Z", "app": "shop", "day": "20"}),
            json!({"event_id": "b", "event_timestamp": "2026-11-20T05:00:00.250Z", "app": "shop", "day": "20"}),
            json!({"event_id": "c", "event_timestamp": "2026-11-20T05:00:00.250Z", "app": "a/b", "day": "21"}),
            json!({"event_id": "d", "event_timestamp": "2026-11-20T05:00:00.250Z", "day": "21"}),
        ]
    );
    // A file that cannot be read shows which files were.
    let broken = scene.folder.path().join("out").join(part("news", "22"));
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("x.json"), "{]").unwrap();
    let ids = |condition: &str| -> Vec<Value> {
        let rows = scene.rows(&format!("SELECT event_id FROM event_v2 WHERE {condition} ORDER BY 1"));
        rows.into_iter().map(|row| row["event_id"].clone()).collect()
    };
    assert_eq!(ids("partition_app = 'shop' AND event_id > 'a'"), ["b"]);
    assert_eq!(ids("partition_app = 'a/b'"), ["c"]);
    assert_eq!(ids("partition_app IS NULL"), ["d"]);
    assert_eq!(ids("partition_day < 22 AND partition_app LIKE '%s%'"), ["a", "b"]);
    let error = scene.error("SELECT event_id FROM event_v2");
    assert_eq!(error.kind(), etl_sdk::ErrorKind::Usage, "{error}");
}

#[test]
fn files_of_another_layout_are_left_out_and_said() {
    let scene = Scene::new();
    scene.file("session/one.json", &[json!({"session_id": "s"})]);
    scene.file("session/partition_app=shop/old.json", &[json!({"session_id": "t"})]);
    scene.file("event_v2/none.json", &[json!({"event_id": "e"})]);
    let query = scene.query();
    assert_eq!(scene.rows_of(&query, "SELECT session_id FROM session"), [json!({"session_id": "s"})]);
    assert_eq!(scene.rows_of(&query, "SELECT event_id FROM event_v2"), Vec::<Value>::new());
    let notes = query.notes();
    assert!(notes[0].starts_with("2 files are in other partitions than the job's and left out"), "{notes:?}");
}

#[test]
fn only_questions_are_answered() {
    let scene = Scene::new();
    for sql in [
        "CREATE TABLE x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/tmp'",
        "DROP TABLE runs",
        "INSERT INTO runs SELECT * FROM runs",
        "DELETE FROM runs",
        "COPY runs TO '/tmp/never.csv' STORED AS CSV",
        "COPY (SELECT 1) TO '/tmp/never.csv' STORED AS CSV",
        "SET datafusion.execution.batch_size = 1",
        "EXPLAIN ANALYZE INSERT INTO runs SELECT * FROM runs",
    ] {
        let error = scene.error(sql);
        assert_eq!(error.kind(), etl_sdk::ErrorKind::Usage, "{sql}: {error}");
    }
    assert!(!std::path::Path::new("/tmp/never.csv").exists());
    for sql in [
        "SHOW TABLES",
        "DESCRIBE runs",
        "EXPLAIN SELECT * FROM runs",
        "WITH runs_2 AS (SELECT 1 AS a) SELECT * FROM runs_2;",
    ] {
        assert!(!scene.rows(sql).is_empty(), "{sql}");
    }
}

#[test]
fn wrong_questions_name_what_is_near() {
    let scene = Scene::new();
    scene.keep(&report(0), "");
    for (sql, message, hint) in [
        ("SELECT statuss FROM runs", "plan the SQL unknown column=statuss", "did you mean `status`?"),
        ("SELECT * FROM run", "plan the SQL unknown table=run", "did you mean `runs`?"),
        ("SELECT * FROM (SELECT * FROM event_v)", "plan the SQL unknown table=event_v", "did you mean `event_v2`?"),
        ("SELEC 1", "read the SQL: ", ""),
        ("SELECT 1; SELECT 2", "read the SQL: ", ""),
        ("SELECT CAST(run_id AS BIGINT) FROM runs", "run the SQL: ", ""),
        ("SELECT records / 0 FROM runs", "run the SQL: ", ""),
        ("SELECT nothing(1)", "plan the SQL: ", ""),
    ] {
        let error = scene.error(sql);
        assert_eq!(error.kind(), etl_sdk::ErrorKind::Usage, "{sql}: {error}");
        assert!(error.to_string().starts_with(message), "{sql}: {error}");
        assert!(error.hint_text().unwrap_or_default().starts_with(hint), "{sql}: {:?}", error.hint_text());
    }
}

#[test]
fn rows_are_written_in_every_form() {
    let scene = Scene::new();
    let sql =
        "SELECT * FROM (VALUES (1, 'a,\"b', 0.5), (20, NULL, 1), (300, 'two\nlines \u{1b}[31m', NULL)) t(n, text, x)";
    let written = |format: RowFormat, sql: &str| {
        scene.runtime.block_on(async {
            let mut answer = scene.query().ask(sql, None).await.unwrap();
            let mut writer = RowWriter::new(format, answer.schema());
            let mut text = writer.begin();
            while let Some(batch) = answer.next().await.unwrap() {
                // One row at a time: rows of several batches make one text.
                for row in 0..batch.num_rows() {
                    text += &writer.write(&batch.slice(row, 1)).unwrap();
                }
            }
            text + &writer.end()
        })
    };
    insta::assert_snapshot!(written(RowFormat::Text { width: None }, sql), @r#"
      n  text                      x
      1  a,"b                    0.5
     20  NULL                    1.0
    300  two\nlines \u{1b}[31m  NULL
    "#);
    insta::assert_snapshot!(written(RowFormat::Csv, sql), @r#"
    n,text,x
    1,"a,""b",0.5
    20,,1.0
    300,"two
    lines [31m",
    "#);
    let expected = json!([
        {"n": 1, "text": "a,\"b", "x": 0.5},
        {"n": 20, "text": null, "x": 1.0},
        {"n": 300, "text": "two\nlines \u{1b}[31m", "x": null},
    ]);
    assert_eq!(serde_json::from_str::<Value>(&written(RowFormat::Json, sql)).unwrap(), expected);
    let lines = written(RowFormat::JsonLines, sql);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::from(lines), expected);
    assert_eq!(written(RowFormat::Json, "SELECT 1 AS one LIMIT 0"), "[]\n");
    let twins = "SELECT a.run_id, b.run_id FROM runs a JOIN runs b USING (report)";
    assert_eq!(written(RowFormat::Csv, twins), "a.run_id,b.run_id\n");
}

#[test]
fn a_terminal_gets_lines_that_fit() {
    let scene = Scene::new();
    let written = |width: usize, sql: &str| {
        scene.runtime.block_on(async {
            let mut answer = scene.query().ask(sql, None).await.unwrap();
            let mut writer = RowWriter::new(RowFormat::Text { width: Some(width) }, answer.schema());
            while let Some(batch) = answer.next().await.unwrap() {
                assert_eq!(writer.write(&batch).unwrap(), "");
            }
            writer.end()
        })
    };
    let sql = "SELECT 1234567 AS number, repeat('long ', 20) AS text, 'short' AS other";
    insta::assert_snapshot!(written(60, sql), @"
     number  text                                          other
    1234567  long long long long long long long long lon…  short
    ");
    insta::assert_snapshot!(written(20, sql), @"
    row 1
      number  1234567
      text    long long l…
      other   short
    ");
    // Two columns a character.
    let sql = "SELECT repeat('東京', 10) AS \"文字\", 'short' AS other";
    insta::assert_snapshot!(written(26, sql), @"
    文字                 other
    東京東京東京東京東…  short
    ");
}

#[test]
fn the_page_names_every_column() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runs.md")).unwrap();
    let table = |kind: ReportTableKind| {
        let row = |column: &ReportColumn| {
            format!("| `{}` | {} | {} |\n", column.name, column.type_name(), column.description)
        };
        let rows: String = kind.columns().iter().map(row).collect();
        format!("\n### `{}`\n\n{}\n\n| column | type | |\n|---|---|---|\n{rows}", kind.name(), kind.description())
    };
    let expected: String = ReportTableKind::VARIANTS.iter().copied().map(table).collect();
    assert!(page.contains(&expected), "docs/runs.md lacks this:\n{expected}");
}
