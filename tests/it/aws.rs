//! A scheduled run on AWS from end to end, on one stand-in for all of its services: raw batches in S3, tables in S3, partitions
//! in Glue, rows through Athena, the record in `DynamoDB`, metrics in `CloudWatch`.

use crate::support::events::{event, line};
use crate::support::servers::{CREDENTIALS, SECRET, Server, venv};
use crate::support::{HOUR, NOW, Run, Scene, WINDOW};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

/// A job of which everything is in one account.
fn scene(server: &Server) -> Scene {
    Scene::with(|job| {
        job["aws"] = json!({"endpoint": server.endpoint, "region": "us-east-1"});
        job["source"]["url"] = json!("s3://raw/in");
        job["sink"] = json!({"url": "s3://tables/out"});
        job["catalog"] = json!({"glue": {"database": "web", "raw_table": {}}});
        job["status"] = json!({"dynamodb": {"table": "runs"}});
        job["metrics"] = json!({"cloudwatch": true});
    })
}

fn run(scene: &Scene) -> Run {
    let run = ["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--progress", "none", "--output", "json"];
    scene.call_with(&run, &CREDENTIALS).done()
}

fn put(server: &Server, name: &str, events: &[Value]) {
    server.s3(json!([["put", "raw", format!("in/{HOUR}/{name}"), line(events)]]));
}

/// The rows of a query of Athena, as texts.
fn athena(server: &Server, query: &str) -> Vec<Vec<String>> {
    let asked = json!({
        "QueryString": query,
        "QueryExecutionContext": {"Database": "web"},
        "ResultConfiguration": {"OutputLocation": "s3://tables/answers/"},
    });
    let id = server.ask("athena", "start_query_execution", asked)["QueryExecutionId"].clone();
    for _ in 0..300 {
        let execution = server.ask("athena", "get_query_execution", json!({"QueryExecutionId": id}));
        let status = &execution["QueryExecution"]["Status"];
        match status["State"].as_str().unwrap() {
            "SUCCEEDED" => {
                let found = server.ask("athena", "get_query_results", json!({"QueryExecutionId": id}));
                let rows = found["ResultSet"]["Rows"].as_array().unwrap().iter().skip(1);
                let cells = |row: &Value| -> Vec<String> {
                    let cells = row["Data"].as_array().unwrap().iter();
                    cells.map(|cell| cell["VarCharValue"].as_str().unwrap_or_default().to_owned()).collect()
                };
                return rows.map(cells).collect();
            }
            "QUEUED" | "RUNNING" => sleep(Duration::from_millis(100)),
            _ => panic!("{query}: {status}"),
        }
    }
    panic!("no answer to {query}");
}

#[test]
fn a_scheduled_run_shows_up_in_athena() {
    let Some(venv) = venv() else { return };
    let server = Server::ministack(&venv);
    for bucket in ["raw", "tables"] {
        server.make_bucket(bucket);
    }
    let key = json!([{"AttributeName": "job_id", "KeyType": "HASH"}]);
    let attributes = json!([{"AttributeName": "job_id", "AttributeType": "S"}]);
    server.ask(
        "dynamodb",
        "create_table",
        json!({"TableName": "runs", "KeySchema": key, "AttributeDefinitions": attributes, "BillingMode": "PAY_PER_REQUEST"}),
    );
    let scene = scene(&server);
    put(&server, "a.log", &[event("a", 0), event("b", -86_400_000)]);
    let first = run(&scene);
    let by_day =
        "SELECT partition_day, count(*) FROM event_v2 WHERE partition_app = 'shop' GROUP BY partition_day ORDER BY 1";
    let rows = |rows: &[[&str; 2]]| rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect::<Vec<_>>();
    assert_eq!(athena(&server, by_day), rows(&[["19", "1"], ["20", "1"]]));
    assert_eq!(athena(&server, "SELECT count(DISTINCT user_pseudo_id) FROM user_v2"), [["2"]]);

    // An object that comes late, and the window runs again.
    put(&server, "late.log", &[event("c", 1_000)]);
    let second = run(&scene);
    assert_eq!(athena(&server, by_day), rows(&[["19", "1"], ["20", "2"]]));

    queries_of_the_program(&scene, &server);
    the_record_and_the_metrics(&server);
    nothing_tells_the_credentials(&server, &[first, second]);
}

/// The queries that the program writes for people, with their parameters filled in.
fn queries_of_the_program(scene: &Scene, server: &Server) {
    let asked = ["ddl", "athena", "job.yaml", "--queries", "--output", "json"];
    let queries = scene.call_with(&asked, &CREDENTIALS).report;
    let counted = |name: &str, days: [&str; 2]| {
        let query = queries.as_array().unwrap().iter().find(|query| query["Name"] == name).unwrap();
        let mut text = query["QueryString"].as_str().unwrap().trim_end_matches(';').to_owned();
        for value in ["shop", days[0], days[1]].iter().cycle().take(text.matches('?').count()) {
            text = text.replacen('?', &format!("'{value}'"), 1);
        }
        athena(server, &format!("SELECT count(*) FROM ({text}) AS counted"))[0][0].clone()
    };
    assert_eq!(counted("event_v2", ["20261031", "20261119"]), "1", "days of a later month count");
    for (name, rows) in [("all", "3"), ("event_v2", "3"), ("user_v2", "3"), ("session", "3"), ("item_v2", "0")] {
        assert_eq!(counted(name, ["20261031", "20261201"]), rows, "{name}");
    }
}

fn the_record_and_the_metrics(server: &Server) {
    let item = server.ask("dynamodb", "scan", json!({"TableName": "runs"}))["Items"][0].clone();
    assert_eq!((&item["status"]["S"], &item["attempt"]["N"]), (&json!("SUCCEEDED"), &json!("2")));
    let counts = server.ask(
        "cloudwatch",
        "get_metric_statistics",
        json!({
            "Namespace": "Clickstream/DataPipeline",
            "MetricName": "Data Processing sink count",
            "Dimensions": [{"Name": "ApplicationId", "Value": "test"}, {"Name": "service", "Value": "EMR-Serverless"}],
            "StartTime": 0,
            "EndTime": 4_000_000_000_u32,
            "Period": 31_536_000,
            "Statistics": ["Sum"],
        }),
    );
    let sums = counts["Datapoints"].as_array().unwrap().iter().filter_map(|point| point["Sum"].as_f64());
    assert!((sums.sum::<f64>() - 5.0).abs() < 0.1, "2 rows, then 3: {counts}");
}

fn nothing_tells_the_credentials(server: &Server, runs: &[Run]) {
    let keys: Vec<String> = serde_json::from_value(server.s3(json!([["keys", "tables", ""]])).remove(0)).unwrap();
    assert!(keys.iter().any(|key| key.contains("/_state/")), "{keys:?}");
    let kept = tempfile::tempdir().unwrap();
    server.s3(json!([["download", "tables", "", kept.path()]]));
    for key in keys {
        let bytes = std::fs::read(kept.path().join(&key)).unwrap();
        assert!(memchr::memmem::find(&bytes, SECRET.as_bytes()).is_none(), "{key}");
    }
    for run in runs {
        assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET));
    }
}
