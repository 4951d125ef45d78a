//! Events and messages about runs, as those receive them that they are for.

use crate::scripted::{Answer, Request, Scripted};
use crate::support::events::good;
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{Run, Scene, files};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

const RUN: &str = "test-20261120T000000Z-20261121T000000Z";

/// A job that tells as `notify` says, with one good batch.
fn scene(endpoint: &str, notify: Value) -> Scene {
    let scene = Scene::with(|job| {
        job["aws"] = json!({"endpoint": endpoint, "region": "us-east-1"});
        job["notify"] = notify;
    });
    scene.raw("a.log", good("a"));
    scene
}

fn run(scene: &Scene, more: &[&str]) -> Run {
    run_with(scene, more, &[])
}

fn run_with(scene: &Scene, more: &[&str], environment: &[(&str, &str)]) -> Run {
    let own = ["run", "job.yaml", "--now", "2026-11-21T00:00:00Z", "--output", "json"];
    scene.call_with(&[&own, more].concat(), &[&CREDENTIALS, environment].concat())
}

const DAY: [&str; 2] = ["--window", "2026-11-20"];

/// Makes a queue, and gives its url and ARN.
fn queue(server: &Server, name: &str) -> (String, String) {
    let url = server.ask("sqs", "create_queue", json!({"QueueName": name}))["QueueUrl"].as_str().unwrap().to_owned();
    let attributes =
        server.ask("sqs", "get_queue_attributes", json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]}));
    (url, attributes["Attributes"]["QueueArn"].as_str().unwrap().to_owned())
}

/// Takes all messages of a queue that come within a while; at least `least` of them.
fn messages(server: &Server, url: &str, least: usize) -> Vec<Value> {
    let mut bodies = Vec::new();
    for _ in 0..100 {
        let answer = server.ask("sqs", "receive_message", json!({"QueueUrl": url, "MaxNumberOfMessages": 10}));
        let found = answer["Messages"].as_array().cloned().unwrap_or_default();
        if found.is_empty() && bodies.len() >= least {
            return bodies;
        }
        bodies.extend(found.iter().map(|message| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap()));
        if found.is_empty() {
            sleep(Duration::from_millis(100));
        }
    }
    panic!("{} of {least} messages came", bodies.len());
}

/// A rule of a bus that leads to a queue.
fn rule(server: &Server, bus: &str, name: &str, pattern: &Value) -> String {
    let (url, arn) = queue(server, name);
    server.ask("events", "put_rule", json!({"Name": name, "EventBusName": bus, "EventPattern": pattern.to_string()}));
    let target = json!({"Rule": name, "EventBusName": bus, "Targets": [{"Id": "1", "Arn": arn}]});
    assert_eq!(server.ask("events", "put_targets", target)["FailedEntryCount"], 0);
    url
}

#[test]
fn the_rule_for_runs_of_emr_serverless_needs_another_source_alone() {
    let Some(venv) = venv() else { return };
    let server = Server::moto(&venv);
    server.ask("events", "create_event_bus", json!({"Name": "etl"}));
    let load = rule(
        &server,
        "etl",
        "load",
        &json!({
            "source": ["etl-runner"],
            "detail-type": ["EMR Serverless Job Run State Change"],
            "detail": {"applicationId": ["app-1"], "state": ["SUCCESS", "FAILED"]},
        }),
    );
    let all = rule(&server, "etl", "all", &json!({"source": ["etl-runner"]}));
    let scene = scene(&server.endpoint, json!({"eventbridge": {"bus": "etl", "application_id": "app-1"}}));
    let payload = json!({
        "startTimestamp": "2026-11-20T00:00:00.000Z", "endTimestamp": "2026-11-21T00:00:00.000Z", "jobName": "nightly",
    });
    run(&scene, &["--payload", &payload.to_string()]).done();
    scene.raw("b.log", "no event\n");
    assert_eq!(run(&scene, &[&DAY[..], &["--set", "limits.dead_letters=0%"]].concat()).code, 3);
    assert_eq!(run(&scene, &["--window", "2026-11-19"]).code, 0);

    let loads = messages(&server, &load, 2);
    let states: Vec<&str> = loads.iter().map(|event| event["detail"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["SUCCESS", "FAILED"]);
    let (done, failed) = (&loads[0]["detail"], &loads[1]["detail"]);
    assert_eq!((&done["jobRunId"], &done["jobRunName"]), (&json!(RUN), &json!("nightly")));
    assert_eq!((&done["rows"]["event_v2"], &done["event"]), (&json!(1), &json!("done")));
    assert_eq!(done["window"], json!({"start": "2026-11-20T00:00:00Z", "end": "2026-11-21T00:00:00Z"}));
    assert_eq!((&failed["event"], &failed["gate"]), (&json!("refused"), &json!("limits.dead_letters")));
    assert_eq!((&failed["error"]["kind"], &failed["jobRunName"]), (&json!("gate"), &json!(RUN)));

    let told = messages(&server, &all, 6);
    let mut states: Vec<&str> = told.iter().map(|event| event["detail"]["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    assert_eq!(states, ["FAILED", "RUNNING", "RUNNING", "RUNNING", "SKIPPED", "SUCCESS"]);
}

#[test]
fn late_data_is_told() {
    let Some(venv) = venv() else { return };
    let server = Server::moto(&venv);
    let late = rule(&server, "default", "late", &json!({"source": ["etl-runner"], "detail-type": ["Late Data Found"]}));
    let scene = scene(&server.endpoint, json!({"eventbridge": {}}));
    let hourly =
        ["--set", "schedule.every=1h", "--set", "schedule.start=2026-11-20T05", "--set", "schedule.look_back=6h"];
    let at = |now: &str| {
        let arguments = [&["run", "job.yaml", "--output", "json", "--now", now], &hourly[..]].concat();
        let run = scene.call_with(&arguments, &CREDENTIALS);
        assert_eq!(run.code, 0, "{}", run.stderr);
    };
    at("2026-11-20T06:30:00Z");
    scene.raw("late.log", good("late"));
    at("2026-11-20T07:30:00Z");
    let told = messages(&server, &late, 1);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["detail"]["late"]["objects"], 1);
    assert_eq!(told[0]["detail"]["window"]["start"], "2026-11-20T05:00:00Z");
}

#[test]
fn an_event_that_was_not_taken_is_owed_though_the_call_succeeded() {
    let refused =
        json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "try later"}]});
    let taken = json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]});
    let of = |answer: &Value| Answer::Of(200, answer.to_string());
    // The start is taken, the end is not; then both commands of the recovery are.
    let server = Scripted::start(vec![of(&taken), of(&refused), of(&taken)]);
    let scene = scene(&server.endpoint, json!({"eventbridge": {}}));
    let done = run(&scene, &DAY).done();
    let warnings = done.report["warnings"].to_string();
    assert!(
        warnings.contains("notify.eventbridge could not be told") && warnings.contains("InternalFailure"),
        "{warnings}"
    );
    let owed = || files(&scene.path("out/_state/test/owed"));
    assert_eq!(owed(), [format!("notify.eventbridge/{RUN}.json")]);
    let recovered = scene.call_with(&["recover", "job.yaml"], &CREDENTIALS);
    assert!(recovered.stderr.contains("told notify.eventbridge of 1 run"), "{}", recovered.stderr);
    assert_eq!(owed(), [""; 0]);
    let last: Value = serde_json::from_str(&server.requests().last().unwrap().body).unwrap();
    let detail: Value = serde_json::from_str(last["Entries"][0]["Detail"].as_str().unwrap()).unwrap();
    assert_eq!((&detail["state"], &detail["jobRunId"]), (&json!("SUCCESS"), &json!(RUN)));
}

#[test]
fn a_topic_gets_what_was_chosen() {
    let Some(venv) = venv() else { return };
    let server = Server::moto(&venv);
    let topic = server.ask("sns", "create_topic", json!({"Name": "runs"}))["TopicArn"].as_str().unwrap().to_owned();
    let (url, arn) = queue(&server, "inbox");
    server.ask("sns", "subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn}));
    let scene = scene(&server.endpoint, json!({"sns": {"topic_arn": topic, "on": ["refused", "failed"]}}));
    run(&scene, &DAY).done();
    scene.raw("b.log", "no event\n");
    assert_eq!(run(&scene, &[&DAY[..], &["--set", "limits.dead_letters=0%"]].concat()).code, 3);
    let told = messages(&server, &url, 1);
    assert_eq!(told.len(), 1, "the first run is done, of which nobody wants to hear");
    assert_eq!(told[0]["Subject"], "etl-runner: job test refused");
    assert_eq!(told[0]["MessageAttributes"]["state"]["Value"], "FAILED");
    let detail: Value = serde_json::from_str(told[0]["Message"].as_str().unwrap()).unwrap();
    assert_eq!((&detail["gate"], &detail["deadLetters"]), (&json!("limits.dead_letters"), &json!(1)));
}

/// The signature that the receiver works out for itself.
fn signature(key: &str, request: &Request) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{}.{}", request.headers["x-etl-runner-timestamp"], request.body).as_bytes());
    let digits = mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("sha256={digits}")
}

#[test]
fn a_webhook_is_signed_and_tried_again() {
    let server = Scripted::start(vec![Answer::Of(503, String::new()), Answer::Of(204, String::new())]);
    let url = format!("{}/hook", server.endpoint);
    let scene = scene("http://127.0.0.1:1", json!({"webhook": {"url": url, "secret_env": "HOOK_KEY"}}));
    let done = run_with(&scene, &DAY, &[("HOOK_KEY", "a-shared-key")]).done();
    assert_eq!(done.report["warnings"], json!([]));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].headers["x-etl-runner-delivery"], requests[1].headers["x-etl-runner-delivery"]);
    let request = &requests[1];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["x-etl-runner-signature"], signature("a-shared-key", request));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!((&body["state"], &body["job"]), (&json!("SUCCESS"), &json!("test")));
    assert_eq!(body["text"], "job test, window 2026-11-20T00:00:00Z/2026-11-21T00:00:00Z: done");
}

#[test]
fn a_webhook_does_not_follow_where_it_is_sent() {
    let other = Scripted::start(vec![Answer::Of(200, String::new())]);
    let server = Scripted::start(vec![Answer::To(format!("{}/elsewhere", other.endpoint))]);
    let scene = scene("http://127.0.0.1:1", json!({"webhook": {"url": server.endpoint}}));
    let done = run(&scene, &DAY).done();
    let warnings = done.report["warnings"].to_string();
    assert!(warnings.contains("status=302") && warnings.contains("redirects are not followed"), "{warnings}");
    assert_eq!((server.requests().len(), other.requests().len()), (1, 0));
}

#[test]
fn a_webhook_over_plain_http_is_refused_before_anything_runs() {
    let scene = scene("http://127.0.0.1:1", json!({"webhook": {"url": "${HOOK}"}}));
    let refused = run_with(&scene, &DAY, &[("HOOK", "http://hooks.example.com/secret-path")]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("a webhook is an https:// url"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("secret-path") && !refused.stdout.contains("secret-path"), "{}", refused.stderr);
}

/// Starts an execution whose only task waits, and gives it and the token.
fn waiting(server: &Server, queue: &str, name: &str) -> (String, String) {
    let definition = json!({"StartAt": "Run", "States": {"Run": {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "HeartbeatSeconds": 300,
        "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
        "End": true,
    }}});
    let role = "arn:aws:iam::123456789012:role/states";
    let machine = json!({"name": name, "definition": definition.to_string(), "roleArn": role});
    let machine = server.ask("stepfunctions", "create_state_machine", machine)["stateMachineArn"].clone();
    let execution = server.ask("stepfunctions", "start_execution", json!({"stateMachineArn": machine}));
    let token = messages(server, queue, 1)[0]["token"].as_str().unwrap().to_owned();
    (execution["executionArn"].as_str().unwrap().to_owned(), token)
}

fn ended(server: &Server, execution: &str) -> Value {
    for _ in 0..100 {
        let found = server.ask("stepfunctions", "describe_execution", json!({"executionArn": execution}));
        if found["status"] != "RUNNING" {
            return found;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("the execution goes on");
}

#[test]
fn a_state_machine_waits_for_the_command() {
    let Some(venv) = venv() else { return };
    let server = Server::ministack(&venv);
    let (queue, _) = queue(&server, "tokens");
    let scene = scene(&server.endpoint, json!({"step_functions": {"heartbeat": "1s"}}));
    let (execution, token) = waiting(&server, &queue, "good");
    run_with(&scene, &DAY, &[("TASK_TOKEN", &token)]).done();
    let good = ended(&server, &execution);
    assert_eq!(good["status"], "SUCCEEDED", "{good}");
    let output: Value = serde_json::from_str(good["output"].as_str().unwrap()).unwrap();
    assert_eq!((&output["outcome"], &output["runs"][0]["runId"]), (&json!("done"), &json!(RUN)));
    assert_eq!(output["runs"][0]["rows"]["event_v2"], 1);

    scene.raw("b.log", "no event\n");
    let (execution, token) = waiting(&server, &queue, "refused");
    let refused = [&DAY[..], &["--set", "limits.dead_letters=0%"]].concat();
    assert_eq!(run_with(&scene, &refused, &[("TASK_TOKEN", &token)]).code, 3);
    let refused = ended(&server, &execution);
    assert_eq!((&refused["status"], &refused["error"]), (&json!("FAILED"), &json!("gate")), "{refused}");

    // What fails before there is a run is told too.
    let (execution, token) = waiting(&server, &queue, "early");
    let early = [&DAY[..], &["--set", "sink.max_open_writers=0"]].concat();
    assert_eq!(run_with(&scene, &early, &[("TASK_TOKEN", &token)]).code, 2);
    let none = run_with(&scene, &["--set", "schedule.every=1h", "--window", "2999-01-01"], &[("TASK_TOKEN", &token)]);
    assert_eq!(none.code, 2, "{}", none.stderr);
    assert_eq!(ended(&server, &execution)["status"], "FAILED");
}

#[test]
fn the_state_machine_hears_that_a_long_command_is_alive() {
    // Answers of any call: empty objects.
    let server = Scripted::start(vec![Answer::Of(200, "{}".to_owned())]);
    let hook = Scripted::start(vec![Answer::Never]);
    let notify = json!({
        "step_functions": {"heartbeat": "1s", "task_token": "a-token-of-a-task"},
        // Holds the command up for three seconds.
        "webhook": {"url": hook.endpoint, "on": ["started"]},
    });
    let scene = scene(&server.endpoint, notify);
    run(&scene, &[&DAY[..], &["--set", "limits.listeners=3s"]].concat()).done();
    let calls: Vec<String> = server.requests().iter().map(|request| request.headers["x-amz-target"].clone()).collect();
    assert!(calls.contains(&"AWSStepFunctions.SendTaskHeartbeat".to_owned()), "{calls:?}");
    assert_eq!(calls.last().unwrap(), "AWSStepFunctions.SendTaskSuccess");
}
