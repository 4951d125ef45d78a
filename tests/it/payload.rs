//! Runs as a scheduler starts them: its payload, and where the process was placed.

use crate::scripted::{Answer, Scripted};
use crate::support::Scene;
use crate::support::events::good;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::process::Stdio;

const HOUR: &str = r#"{"startTimestamp": 1795150800000, "endTimestamp": "1795154400000"}"#;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.raw("a.log", good("a"));
    scene
}

const RUN: [&str; 6] = ["run", "job.yaml", "--now", "2026-11-21T00:00:00Z", "--output", "json"];

#[test]
fn a_payload_names_the_window() {
    let scene = scene();
    fs::write(scene.path("payload.json"), HOUR).unwrap();
    for payload in [HOUR, "@payload.json"] {
        let run = scene.call(&[&RUN[..], &["--payload", payload]].concat()).done();
        assert_eq!(run.report["window"], json!({"start": "2026-11-20T05:00:00Z", "end": "2026-11-20T06:00:00Z"}));
        assert!(run.stderr.contains("payload: window 2026-11-20T05:00:00Z/2026-11-20T06:00:00Z"), "{}", run.stderr);
    }
    let mut child = crate::support::command(&scene.path(""))
        .args([&RUN[..], &["--payload", "-"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(HOUR.as_bytes()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn the_variable_counts_where_no_window_is_named() {
    let scene = scene();
    let with =
        |more: &[&str], payload: &str| scene.call_with(&[&RUN[..], more].concat(), &[("ETL_RUNNER_PAYLOAD", payload)]);
    assert_eq!(with(&[], HOUR).done().report["window"]["start"], "2026-11-20T05:00:00Z");
    let named = with(&["--window", "2026-11-19"], HOUR);
    assert_eq!(named.report["window"]["end"], "2026-11-20T00:00:00Z", "{}", named.stderr);
    let scheduled = with(&["--set", "schedule.every=1h", "--set", "schedule.start=2026-11-20T22"], "{}");
    assert_eq!((scheduled.code, &scheduled.report["total"]), (0, &json!(1)), "{}", scheduled.stderr);
}

#[test]
fn a_payload_with_one_end_has_the_other_from_the_state() {
    let scene = scene();
    let scheduled = ["--set", "schedule.every=1h", "--set", "schedule.start=2026-11-20T05"];
    let now = ["run", "job.yaml", "--now", "2026-11-20T06:30:00Z", "--output", "json"];
    assert_eq!(scene.call(&[&now[..], &scheduled].concat()).code, 0);
    let end = ["--payload", r#"{"endTimestamp": "2026-11-20T08:00:00.000Z"}"#];
    let run = scene.call(&[&RUN[..], &scheduled, &end].concat());
    assert_eq!(run.report["window"], json!({"start": "2026-11-20T06:00:00Z", "end": "2026-11-20T08:00:00Z"}));
    let start = ["--payload", r#"{"startTimestamp": "2026-11-20T22:00:00.000Z"}"#];
    let run = scene.call(&[&RUN[..], &scheduled, &start].concat());
    assert_eq!(run.report["window"]["end"], "2026-11-20T23:00:00Z", "the last window that is closed: {}", run.stderr);
}

#[test]
fn a_payload_that_is_none_is_refused() {
    let scene = scene();
    for (payload, told) in [
        ("{", "read the payload"),
        (r#"{"startTimestmap": 1}"#, "did you mean `startTimestamp`?"),
        (r#"{"startTimestamp": "noon", "endTimestamp": 1795154400000}"#, "startTimestamp=\"noon\""),
        (r#"{"startTimestamp": 1795154400000, "endTimestamp": 1795150800000}"#, "the payload names no window"),
        (r#"{"endTimestamp": 1795154400000}"#, "no watermark"),
        ("@nowhere.json", "file=nowhere.json"),
    ] {
        let run = scene.call(&[&RUN[..], &["--payload", payload]].concat());
        assert_eq!(run.code, 2, "{payload}: {}", run.stderr);
        assert!(run.stderr.contains(told), "{payload}: {}", run.stderr);
    }
    let both = scene.call(&[&RUN[..], &["--payload", HOUR, "--window", "2026-11-20"]].concat());
    assert_eq!(both.code, 2);
}

#[test]
fn the_report_says_where_the_process_was_placed() {
    let task = json!({
        "TaskARN": "arn:aws:ecs:eu-west-1:123456789012:task/etl/abc", "Cluster": "etl", "Family": "shop", "Revision": "7",
    });
    let agent = Scripted::start(vec![Answer::Of(200, task.to_string())]);
    let uri = format!("{}/v4/abc", agent.endpoint);
    let scene = scene();
    let environment = [
        ("ECS_CONTAINER_METADATA_URI_V4", uri.as_str()),
        ("AWS_BATCH_JOB_ID", "job-1:3"),
        ("AWS_BATCH_JOB_ATTEMPT", "2"),
        ("AWS_BATCH_JOB_ARRAY_INDEX", "3"),
    ];
    let run = scene.call_with(&[&RUN[..], &["--window", "2026-11-20"]].concat(), &environment).done();
    let expected = json!({
        "batch_job_id": "job-1:3", "batch_attempt": 2, "batch_array_index": 3,
        "task_arn": "arn:aws:ecs:eu-west-1:123456789012:task/etl/abc", "cluster": "etl", "task_definition": "shop:7",
    });
    assert_eq!(run.report["placement"], expected);
    assert_eq!(agent.requests()[0].path, "/v4/abc/task");

    // An agent that does not answer holds nothing up.
    let silent = Scripted::start(vec![Answer::Never]);
    let run = scene.call_with(
        &[&RUN[..], &["--window", "2026-11-20"]].concat(),
        &[("ECS_CONTAINER_METADATA_URI_V4", &silent.endpoint)],
    );
    assert_eq!(run.done().report["placement"], json!({}));
    assert_eq!(scene.call(&[&RUN[..], &["--window", "2026-11-20"]].concat()).report.get("placement"), None);
}
