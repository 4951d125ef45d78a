//! Sides that come from elsewhere: another program, runs, a bucket.

use super::{Bench, columns, properties, rows, text_of};
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{NOW, Scene, TABLES, call, project};
use arrow::datatypes::{DataType, TimeUnit};
use serde_json::json;
use std::fs;
use std::process::Command;

/// Parquet as Spark writes it: INT96, and maps whose entries have names of their own.
#[test]
fn a_file_of_another_program_is_compared() {
    let Some(venv) = venv() else { return };
    let bench = Bench::new();
    let script = r#"
import datetime, sys
import pyarrow as pa
import pyarrow.parquet as pq

utc = datetime.timezone.utc
far = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=utc)
at = datetime.datetime(2026, 11, 20, 5, 0, 0, 250000, tzinfo=utc)
struct = pa.struct([("value", pa.string()), ("type", pa.string())])
table = pa.table({
    "id": pa.array([1, 2], pa.int32()),
    "at": pa.array([at, far], pa.timestamp("us")),
    "text": pa.array(["x", "y"], pa.large_string()),
    "kind": pa.array(["k", "k"]).dictionary_encode(),
    "properties": pa.array([[("b", {"value": "2", "type": None}), ("a", {"value": "1", "type": "int"})], []],
                           pa.map_(pa.string(), struct)),
})
pq.write_table(table, sys.argv[1], use_deprecated_int96_timestamps=True, compression="gzip")
"#;
    let written = Command::new(venv.join("bin/python"))
        .args(["-c", script])
        .arg(bench.path("left/part-00000-abc.c000.gz.parquet"))
        .output()
        .unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let rows = [
        json!({"id": 1, "at": "2026-11-20T05:00:00.250Z", "text": "x", "kind": "k", "properties": {
            "a": {"type": "int", "value": "1"}, "b": {"value": "2"}}}),
        json!({"id": 2, "at": "9999-12-31T23:59:59Z", "text": "y", "kind": "k", "properties": {}}),
    ];
    let columns = [
        ("id", DataType::Int64),
        ("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("text", DataType::Utf8),
        ("kind", DataType::Utf8),
        ("properties", properties()),
    ];
    bench.parquet("right/x.parquet", &columns, &rows);
    let report = bench.report(&[]);
    assert_eq!(report["status"], "equal", "{report:#}");
    assert_eq!(report["types"][1]["left"], "timestamp(INT96)");
    fs::remove_file(bench.path("right/x.parquet")).unwrap();
    bench.lines("right/x.json", &rows);
    assert_eq!(bench.report(&[])["status"], "equal");
}

/// A run over the fixtures against the same run with other settings, and against itself with one more window.
#[test]
fn outputs_of_runs_are_compared() {
    let quickstart = |scene: &Scene, more: &[&str]| {
        let sink = format!("--set=sink.url={}", scene.path("out").display());
        let arguments =
            ["run", "jobs/quickstart.yaml", "--window", "2026-11-20", "--now", NOW, "--output", "json", &sink];
        call(project(), &[&arguments, more].concat(), &[]).done()
    };
    let (parquet, lines) = (Scene::new(), Scene::new());
    quickstart(&parquet, &["--threads", "1"]);
    quickstart(&lines, &["--set=sink.format=json"]);
    let keys = [
        "event_id,event_timestamp,partition_app",
        "event_id,item_id,partition_app",
        "user_pseudo_id,partition_app",
        "session_id,user_pseudo_id,partition_app",
    ];
    for (table, key) in TABLES.into_iter().zip(keys) {
        let sides = [&parquet, &lines].map(|scene| scene.path("out").join(table).display().to_string());
        let run = call(project(), &["compare", &sides[0], &sides[1], "--key", key, "--output", "json", "--quiet"], &[]);
        assert_eq!(run.code, 0, "{table}: {}{}", run.stderr, run.stdout);
        assert!(run.report["matched"]["rows"].as_u64().unwrap() > 0, "{table}");
        let types = run.report["types"].as_array().unwrap();
        assert!(types.is_empty(), "{table}: {types:#?}");
    }
    let sides = [&parquet, &lines].map(|scene| scene.path("out").display().to_string());
    let run = call(project(), &["compare", &sides[0], &sides[1], "--key", "event_id", "--quiet"], &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("event_v2, item_v2, session, user_v2"), "{}", run.stderr);
}

#[test]
fn buckets_are_compared() {
    let Some(venv) = venv() else { return };
    let server = Server::moto(&venv);
    server.make_bucket("tables");
    let bench = Bench::new();
    bench.parquet("up/left/dt=1/x.parquet", &columns(), &rows(0..50));
    bench.parquet("left/dt=1/x.parquet", &columns(), &rows(0..50));
    server.s3(json!([
        ["upload", "tables", "", bench.path("up").display().to_string()],
        ["put", "tables", "right/dt=1/x.json", text_of(&rows(0..50))]
    ]));
    let region = ("AWS_REGION", "us-east-1");
    let endpoint = [("AWS_ENDPOINT_URL", server.endpoint.as_str()), ("AWS_ALLOW_HTTP", "true")];
    let environment = [&CREDENTIALS[..], &[region], &endpoint].concat();
    for (left, right) in [
        ("left", "s3://tables/left"),
        ("s3://tables/left/", "s3://tables/right"),
        ("left", "s3://tables/left/dt=1/x.parquet"),
    ] {
        let arguments = ["compare", left, right, "--key", "id", "--ignore", "dt", "--output", "json", "--quiet"];
        let run = call(&bench.path(""), &arguments, &environment);
        assert_eq!(run.code, 0, "{left} {right}: {}{}", run.stderr, run.stdout);
        assert_eq!(run.report["matched"]["rows"], 50);
    }
    let nothing =
        ["compare", "left", "s3://tables/nothing", "--key", "id", "--quiet", "--s3-endpoint", &server.endpoint];
    let run = call(&bench.path(""), &nothing, &environment[..3]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("nothing in=s3://tables/nothing"), "{}", run.stderr);
    let missing = ["compare", "left", "s3://no-such-bucket/x", "--key", "id", "--quiet"];
    let run = call(&bench.path(""), &missing, &environment);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("no-such-bucket"), "{}", run.stderr);
}
