//! What a process that is killed leaves untold, the next command tells; a panic is told before the process ends.

use crate::support::events::good;
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{Run, Scene, command};
use serde_json::{Value, json};
use std::fs;

const RUN: &str = "test-20261120T000000Z-20261121T000000Z";
const ARGUMENTS: [&str; 8] =
    ["run", "job.yaml", "--window", "2026-11-20", "--now", "2026-11-21T00:00:00Z", "--output", "json"];

fn scene(sections: &Value) -> Scene {
    let scene = Scene::with(|job| {
        for (name, section) in sections.as_object().unwrap() {
            job[name] = section.clone();
        }
    });
    scene.raw("a.log", good("a"));
    scene
}

fn run(scene: &Scene, failpoint: &str) -> Run {
    scene.call_with(&ARGUMENTS, &[CREDENTIALS[0], CREDENTIALS[1], ("ETL_FAILPOINT", failpoint)])
}

#[test]
fn the_end_of_a_killed_run_is_told_as_the_log_has_it() {
    let Some(venv) = venv() else { return };
    let server = Server::ministack(&venv);
    let made = server.ask(
        "dynamodb",
        "create_table",
        json!({
            "TableName": "runs", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "job_id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "job_id", "KeyType": "HASH"}],
        }),
    );
    assert_eq!(made["refused"], Value::Null, "{made}");
    let item = || {
        let found = server.ask("dynamodb", "get_item", json!({"TableName": "runs", "Key": {"job_id": {"S": RUN}}}));
        let text = |name: &str| found["Item"][name]["S"].as_str().unwrap_or_default().to_owned();
        (text("status"), text("error_code"))
    };
    for (point, status, code) in [
        // It is not decided, decided, published, and all but told.
        ("commit.before_entry", "FAILED", "killed"),
        ("commit.after_entry", "SUCCEEDED", ""),
        ("run.done", "SUCCEEDED", ""),
        ("run.kept", "SUCCEEDED", ""),
    ] {
        let scene = scene(&json!({
            "aws": {"endpoint": server.endpoint, "region": "us-east-1"}, "status": {"dynamodb": {"table": "runs"}},
        }));
        let killed = run(&scene, point);
        assert_eq!(killed.code, -1, "{point}: {}", killed.stderr);
        assert_eq!(item().0, "RUNNING", "{point}");
        let recovered = scene.call_with(&["recover", "job.yaml"], &CREDENTIALS);
        assert_eq!(recovered.code, 0, "{point}: {}", recovered.stderr);
        assert_eq!(item(), (status.to_owned(), code.to_owned()), "{point}: {}", recovered.stderr);
        let owed = scene.path("out/_state/test/owed/status.dynamodb");
        assert_eq!(fs::read_dir(owed).into_iter().flatten().count(), 0, "{point}");
    }
}

#[test]
fn a_panic_beside_the_run_is_a_failure_in_the_metrics() {
    for point in ["run.merged", "run.kept"] {
        let scene = scene(&json!({"metrics": {"emf": true}}));
        let order = format!("{point}=panic");
        let ended = command(&scene.path("")).args(ARGUMENTS).env("ETL_FAILPOINT", &order).output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{point}: {stderr}");
        let lines = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let failed = lines.filter(|line| line["Data Processing job failed"] == 1).count();
        assert_eq!(failed, 1, "{point}: {stderr}");
    }
}
