//! The figures of runs as metrics.

use crate::support::events::good;
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{NOW, Scene, WINDOW, files};
use etl_runner::process::clock::Clock;
use serde_json::{Value, json};
use std::fs;

/// A job with such metrics, one good batch and one dead letter.
fn scene(metrics: Value) -> Scene {
    let scene = Scene::with(|job| job["metrics"] = metrics);
    scene.raw("a.log", good("a"));
    scene.raw("b.log", "no event\n");
    scene
}

/// The lines that CloudWatch Logs makes metrics of.
fn embedded(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["_aws"].is_object()).collect()
}

/// Asserts what the format asks for: what is defined is there.
fn assert_sound(line: &Value) {
    assert!(line["_aws"]["Timestamp"].is_i64());
    let definition = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(definition["Namespace"], "Clickstream/DataPipeline");
    for name in definition["Dimensions"][0].as_array().unwrap() {
        assert!(line[name.as_str().unwrap()].is_string(), "{name}");
    }
    let metrics = definition["Metrics"].as_array().unwrap();
    assert!(!metrics.is_empty() && metrics.len() <= 100);
    for metric in metrics {
        assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        assert!(["Count", "Seconds", "Bytes"].contains(&metric["Unit"].as_str().unwrap()), "{metric}");
    }
}

#[test]
fn lines_are_on_stdout_and_beside_json_on_stderr() {
    let scene = scene(json!({"emf": true, "application_id": "app-1"}));
    let text = scene.call(&["run", "job.yaml", "--window", WINDOW, "--now", NOW]);
    assert_eq!(text.code, 0, "{}", text.stderr);
    let lines = embedded(&text.stdout);
    lines.iter().for_each(assert_sound);
    let main = &lines[0];
    assert_eq!(main["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["ApplicationId", "service"]]));
    assert_eq!((&main["ApplicationId"], &main["service"]), (&json!("app-1"), &json!("EMR-Serverless")));
    for (name, value) in [
        ("Data Processing source count", 2),
        ("Data Processing flatted source count", 1),
        ("Data Processing sink count", 1),
        ("Data Processing corrupted count", 1),
        ("Data Processing input file count", 2),
        ("Data count filtered by appIds", 0),
        ("Data count filtered by freshness and future time", 0),
        ("Data count filtered by bot", 0),
        ("Data Processing job failed", 0),
        ("Data Processing job success", 1),
    ] {
        assert_eq!(main[name], value, "{name}");
    }
    assert!(main["Data Processing job run time seconds"].as_f64().unwrap() > 0.0);
    let of_reason = lines.iter().find(|line| line["reason"] == "not_json").unwrap();
    assert_eq!(of_reason["Dead letters by reason"], 1);
    assert_eq!(lines.iter().find(|line| line["step"] == "payload").unwrap()["Rows read"], 2);
    assert!(text.stdout.contains("done"), "the screen is there too");

    let one = scene.run(&[]).done();
    assert_eq!(one.report["status"], "done", "stdout is one JSON value");
    let lines = embedded(&one.stderr);
    assert_eq!(lines[0]["Data Processing job success"], 1);
    lines.iter().for_each(assert_sound);
}

#[test]
fn a_failure_is_a_metric_wherever_it_happens() {
    let scene = scene(json!({"emf": true}));
    let failed = |more: &[&str], code: i32| {
        let run = scene.run(more);
        assert_eq!(run.code, code, "{}", run.stderr);
        let lines = embedded(&run.stderr);
        assert_eq!(lines.iter().filter(|line| line["Data Processing job failed"] == 1).count(), 1, "{more:?}");
        assert_eq!(lines.iter().filter(|line| line["Data Processing job success"] == 1).count(), 0, "{more:?}");
    };
    failed(&["--set", "limits.dead_letters=0%"], 3);
    // Before there is a run.
    failed(&["--set", "transformer.with.rules_folder=nowhere"], 2);
    fs::write(scene.path("file"), "no folder").unwrap();
    failed(&["--set", "sink.url=file/out"], 1);
}

#[test]
fn cloudwatch_has_the_metrics() {
    let Some(venv) = venv() else { return };
    // moto does not know the protocol in which the SDK speaks to CloudWatch.
    let server = Server::ministack(&venv);
    let scene = scene(json!({"cloudwatch": true}));
    let arguments =
        ["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--set", &format!("aws.endpoint={}", server.endpoint)];
    let run = scene.call_with(&arguments, &CREDENTIALS);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!run.stdout.contains("could not be told"), "{}", run.stdout);
    let statistics = |name: &str, more: &[(&str, &str)]| {
        let dimensions = [("ApplicationId", "test"), ("service", "EMR-Serverless")];
        let dimensions: Vec<Value> =
            dimensions.iter().chain(more).map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        let now = Clock::system().now().timestamp();
        let found = server.ask(
            "cloudwatch",
            "get_metric_statistics",
            json!({
                "Namespace": "Clickstream/DataPipeline", "MetricName": name, "Dimensions": dimensions,
                "StartTime": now - 3600, "EndTime": now + 3600, "Period": 86_400, "Statistics": ["Sum"],
            }),
        );
        (found["Datapoints"][0]["Sum"].clone(), found["Datapoints"][0]["Unit"].clone())
    };
    assert_eq!(statistics("Data Processing sink count", &[]), (json!(1.0), json!("Count")));
    assert_eq!(statistics("Data Processing job success", &[]), (json!(1.0), json!("Count")));
    assert_eq!(statistics("Dead letters by reason", &[("reason", "not_json")]), (json!(1.0), json!("Count")));
    assert_eq!(statistics("Data Processing job run time seconds", &[]).1, "Seconds");
    assert_eq!(statistics("Rows kept", &[("step", "parse")]), (json!(1.0), json!("Count")));
}

#[test]
fn prometheus_has_a_file_that_is_whole() {
    let scene = scene(json!({"prometheus": {"file": "metrics/test.prom"}}));
    let lost = scene.run(&[]).done();
    let warnings = lost.report["warnings"].to_string();
    assert!(warnings.contains("metrics.prometheus could not be told"), "{warnings}");
    fs::create_dir(scene.path("metrics")).unwrap();
    scene.run(&[]).done();
    assert_eq!(files(&scene.path("metrics")), ["test.prom"], "nothing is left beside it");
    let text = fs::read_to_string(scene.path("metrics/test.prom")).unwrap();
    let main = "{job=\"test\",application_id=\"test\",service=\"EMR-Serverless\"}";
    assert!(text.contains(&format!("\netl_runner_data_processing_sink_count{main} 1\n")), "{text}");
    assert!(text.contains("service=\"EMR-Serverless\",reason=\"not_json\"} 1\n"), "{text}");
    let mut typed = "";
    for line in text.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["#", "HELP", ..] => {}
            ["#", "TYPE", name, "gauge"] => {
                assert!(!text.contains(&format!("\n{name} ")) && text.matches(&format!("# TYPE {name} ")).count() == 1);
                typed = *name;
            }
            _ => {
                let (name, rest) = line.split_once('{').unwrap();
                assert_eq!(name, typed, "samples stand behind their type");
                let (_, value) = rest.rsplit_once("} ").unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
}
