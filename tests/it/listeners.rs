//! Who is told of runs: the record of their status, and what becomes of it when it cannot be written.

use crate::scripted::{Answer, Scripted, nobody};
use crate::support::events::good;
use crate::support::servers::{CREDENTIALS, KEY, SECRET, Server, venv};
use crate::support::{Run, Scene, files};
use serde_json::{Value, json};
use std::fs;

const RUN: &str = "test-20261120T000000Z-20261121T000000Z";

/// The attributes of a record, with those that only some have.
const ALWAYS: [&str; 14] = [
    "attempt",
    "input_bytes",
    "input_files",
    "job_id",
    "job_name",
    "owner",
    "rows_in",
    "rows_out",
    "rows_rejected",
    "started_at",
    "status",
    "updated_at",
    "window_end",
    "window_start",
];
const SOMETIMES: [&str; 6] =
    ["error_code", "error_message", "finished_at", "lease_expires_at", "outputs", "parent_job_id"];

fn record(scene: &Scene, name: &str) -> Value {
    serde_json::from_slice(&fs::read(scene.path(name)).unwrap()).unwrap()
}

/// A job that listeners hear of, with one good batch.
fn scene(sections: Value) -> Scene {
    let scene = Scene::with(|job| {
        for (name, section) in sections.as_object().unwrap() {
            job[name] = section.clone();
        }
    });
    scene.raw("a.log", good("a"));
    scene
}

fn owed(scene: &Scene) -> Vec<String> {
    files(&scene.path("out/_state/test/owed"))
}

/// Runs with the credentials of the servers.
fn run(scene: &Scene, more: &[&str]) -> Run {
    call(scene, &[&["run", "job.yaml", "--window", "2026-11-20"], more].concat())
}

fn call(scene: &Scene, arguments: &[&str]) -> Run {
    let now = ["--now", "2026-11-21T00:00:00Z"];
    let now: &[&str] = if matches!(arguments[0], "recover") { &[] } else { &now };
    scene.call_with(&[arguments, now, &["--output", "json"]].concat(), &CREDENTIALS)
}

#[test]
fn a_file_has_the_record_of_each_run() {
    let scene = scene(json!({"status": {"file": "status/{job_id}.json"}}));
    let name = format!("status/{RUN}.json");
    scene.run(&[]).done();
    let first = record(&scene, &name);
    let names: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(ALWAYS.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(names.iter().all(|name| ALWAYS.contains(name) || SOMETIMES.contains(name)), "{names:?}");
    assert_eq!((&first["status"], &first["attempt"]), (&json!("SUCCEEDED"), &json!(1)));
    assert_eq!(
        (&first["rows_out"]["event_v2"], &first["rows_in"], &first["input_files"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let report = first["outputs"].as_str().unwrap();
    let kept: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(kept["run_id"], RUN);

    scene.raw("b.log", "no event\n");
    scene.run(&[]).done();
    let second = record(&scene, &name);
    assert_eq!((&second["status"], &second["attempt"]), (&json!("SUCCEEDED_WITH_REJECTS"), &json!(2)));
    assert_eq!(second["rows_rejected"], json!({"not_json": 1}));

    let refused = scene.run(&["--set", "limits.dead_letters=0%"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    let third = record(&scene, &name);
    assert_eq!((&third["status"], &third["attempt"]), (&json!("FAILED"), &json!(3)));
    assert_eq!(third["error_code"], "limits.dead_letters");

    assert_eq!(scene.run_window(&["--window", "2026-11-19"], &[]).code, 0);
    assert_eq!(record(&scene, "status/test-20261119T000000Z-20261120T000000Z.json")["status"], "SKIPPED");
    let dry = scene.run_window(&["--window", "2026-11-18"], &["--dry-run"]);
    assert_eq!((dry.code, files(&scene.path("status")).len()), (0, 2), "a dry run is told to nobody");
}

#[test]
fn a_file_for_all_runs_has_the_last_one() {
    let scene = scene(json!({"status": {"file": "last.json"}}));
    scene.run(&[]).done();
    assert_eq!(scene.run_window(&["--window", "2026-11-19"], &[]).code, 0);
    let last = record(&scene, "last.json");
    assert_eq!((&last["window_start"], &last["status"]), (&json!("2026-11-19T00:00:00Z"), &json!("SKIPPED")));
}

#[test]
fn a_record_that_cannot_be_written_is_owed_and_written_by_the_next_command() {
    // The folder of the record is a file.
    let scene = scene(json!({"status": {"file": "status/{job_id}.json"}}));
    fs::write(scene.path("status"), "in the way").unwrap();
    let done = scene.run(&[]).done();
    let warnings = done.report["warnings"].to_string();
    assert!(warnings.contains("status.file could not be told"), "{warnings}");
    assert!(warnings.contains("the next command of the job tells it"), "{warnings}");
    assert_eq!(owed(&scene), [format!("status.file/{RUN}.json")]);

    fs::remove_file(scene.path("status")).unwrap();
    let recovered = scene.call(&["recover", "job.yaml"]);
    assert_eq!(recovered.code, 0, "{}", recovered.stderr);
    assert!(recovered.stderr.contains("told status.file of 1 run, as it was owed"), "{}", recovered.stderr);
    assert_eq!(record(&scene, &format!("status/{RUN}.json"))["status"], "SUCCEEDED");
    assert_eq!(owed(&scene), [""; 0]);
    let again = scene.call(&["recover", "job.yaml"]);
    assert!(!again.stderr.contains("owed"), "{}", again.stderr);
}

#[test]
fn who_does_not_answer_costs_a_warning_and_no_secret() {
    let (deaf, path) = (Scripted::start(vec![Answer::Never]), "/services/T0/B0/a-secret-path");
    let scene = scene(json!({
        "aws": {"endpoint": nobody(), "region": "eu-west-1"},
        "limits": {"dead_letters": "100%", "listeners": "1s"},
        "status": {"dynamodb": {"table": "runs"}},
        "notify": {
            "eventbridge": {},
            "sns": {"topic_arn": "arn:aws:sns:eu-west-1:123456789012:runs"},
            "webhook": {"url": format!("{}{path}", deaf.endpoint), "secret_env": "HOOK_KEY"},
            "step_functions": {"task_token": "a-token-of-a-task"},
        },
        "metrics": {"cloudwatch": true},
    }));
    let environment = [CREDENTIALS[0], CREDENTIALS[1], ("HOOK_KEY", "a-key-of-the-hook")];
    let arguments = ["run", "job.yaml", "--window", "2026-11-20", "--now", "2026-11-21T00:00:00Z", "--output", "json"];
    let done = scene.call_with(&arguments, &environment).done();
    let warnings = format!("{}{}", done.report["warnings"], done.stderr);
    for name in [
        "status.dynamodb",
        "notify.eventbridge",
        "notify.sns",
        "notify.webhook",
        "notify.step_functions",
        "metrics.cloudwatch",
    ] {
        assert!(warnings.contains(&format!("{name} could not be told")), "{name}: {warnings}");
    }
    assert_eq!(owed(&scene), [format!("notify.eventbridge/{RUN}.json"), format!("status.dynamodb/{RUN}.json")]);
    assert_eq!(deaf.requests().len(), 1, "it is asked once, and then not any more");

    let mut texts = vec![done.stdout, done.stderr];
    let kept = files(&scene.path("out"));
    texts.extend(
        kept.iter().map(|name| String::from_utf8_lossy(&fs::read(scene.path("out").join(name)).unwrap()).into_owned()),
    );
    for secret in [SECRET, KEY, "a-token-of-a-task", "a-key-of-the-hook", "a-secret-path"] {
        assert!(texts.iter().all(|text| !text.contains(secret)), "{secret}");
    }
}

#[test]
fn nobody_is_looked_for_where_nobody_listens() {
    // The endpoint answers nobody, and there are no credentials.
    let scene = scene(json!({"aws": {"endpoint": nobody()}, "status": {}, "notify": {}, "metrics": {}}));
    let done = scene.run(&[]).done();
    assert_eq!(done.report["warnings"], json!([]));
    assert_eq!(owed(&scene), [""; 0]);
}

/// A table as `docs/listeners.md` has it.
fn table(server: &Server) {
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let index = json!({
        "IndexName": "status-updated_at",
        "KeySchema": [key("status", "HASH"), key("updated_at", "RANGE")],
        "Projection": {"ProjectionType": "ALL"},
    });
    let made = server.ask(
        "dynamodb",
        "create_table",
        json!({
            "TableName": "runs",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("job_id"), attribute("status"), attribute("updated_at")],
            "KeySchema": [key("job_id", "HASH")],
            "GlobalSecondaryIndexes": [index],
        }),
    );
    assert_eq!(made["refused"], Value::Null, "{made}");
}

fn item(server: &Server) -> Value {
    server.ask("dynamodb", "get_item", json!({"TableName": "runs", "Key": {"job_id": {"S": RUN}}}))["Item"].clone()
}

#[test]
fn a_table_has_an_item_for_each_run() {
    let Some(venv) = venv() else { return };
    let server = Server::ministack(&venv);
    let scene = scene(json!({
        "aws": {"endpoint": server.endpoint, "region": "us-east-1"},
        "status": {"dynamodb": {"table": "runs"}},
    }));
    // There is no table yet: the run is done, and its record is owed.
    let early = run(&scene, &[]).done();
    assert!(
        early.report["warnings"].to_string().contains("status.dynamodb could not be told"),
        "{}",
        early.report["warnings"]
    );
    assert_eq!(owed(&scene), [format!("status.dynamodb/{RUN}.json")]);
    table(&server);
    let recovered = call(&scene, &["recover", "job.yaml"]);
    assert!(recovered.stderr.contains("told status.dynamodb of 1 run"), "{}", recovered.stderr);
    let first = item(&server);
    assert_eq!((&first["status"]["S"], &first["attempt"]["N"]), (&json!("SUCCEEDED"), &json!("1")), "{first}");
    assert_eq!(first["rows_out"]["M"]["event_v2"]["N"], "1");
    let names: Vec<&str> = first.as_object().unwrap().keys().map(String::as_str).collect();
    let known = |name: &&str| ALWAYS.contains(name) || SOMETIMES.contains(name) || *name == "ttl";
    assert!(ALWAYS.iter().all(|name| names.contains(name)) && names.iter().all(known), "{names:?}");
    let (updated, ttl) = (first["updated_at"]["S"].as_str().unwrap(), first["ttl"]["N"].as_str().unwrap());
    let updated = chrono::DateTime::parse_from_rfc3339(updated).unwrap().timestamp();
    assert_eq!(ttl.parse::<i64>().unwrap() - updated, 120 * 86_400);

    scene.raw("b.log", "no event\n");
    assert_eq!(run(&scene, &["--set", "limits.dead_letters=0%"]).code, 3);
    let failed = server.ask(
        "dynamodb",
        "query",
        json!({
            "TableName": "runs", "IndexName": "status-updated_at",
            "KeyConditionExpression": "#status = :status",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":status": {"S": "FAILED"}},
        }),
    );
    assert_eq!((&failed["Count"], &failed["Items"][0]["attempt"]["N"]), (&json!(1), &json!("2")), "{failed}");
    assert_eq!(failed["Items"][0]["error_code"]["S"], "limits.dead_letters");
}

#[test]
fn a_change_rests_on_the_status_and_owner_before_it() {
    let Some(venv) = venv() else { return };
    let server = Server::ministack(&venv);
    table(&server);
    let scene = scene(json!({
        "aws": {"endpoint": server.endpoint, "region": "us-east-1"},
        "status": {"dynamodb": {"table": "runs"}},
    }));
    // A run that is owed, and a later one of another process.
    let owed_by = |endpoint: &str| run(&scene, &["--set", &format!("aws.endpoint={endpoint}")]).done();
    owed_by(&nobody());
    let later = json!({
        "job_id": {"S": RUN}, "status": {"S": "RUNNING"}, "owner": {"S": "other"}, "attempt": {"N": "7"},
        "updated_at": {"S": "2999-01-01T00:00:00.000Z"},
    });
    server.ask("dynamodb", "put_item", json!({"TableName": "runs", "Item": later}));
    let recovered = call(&scene, &["recover", "job.yaml"]);
    assert_eq!(recovered.code, 0, "{}", recovered.stderr);
    assert_eq!(item(&server)["owner"]["S"], "other", "what is owed is older");
    assert_eq!(owed(&scene), [""; 0]);
    // A run of its own takes the record over, whatever the clock of the other said.
    scene.raw("b.log", good("b"));
    run(&scene, &[]).done();
    let now = item(&server);
    assert_eq!((&now["status"]["S"], &now["attempt"]["N"]), (&json!("SUCCEEDED"), &json!("8")), "{now}");
}
