//! Sources that look empty and are not, or are not what they seem: styles of urls, prefixes, keys, hours of paths.

use crate::support::events::good;
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{NOW, Run, Scene, WINDOW, command, rows};
use etl_sdk::testing::external::data;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A scene whose source is in a bucket of a server; its endpoint alone says how to reach it.
fn in_bucket(server: &Server, url: &str) -> Scene {
    Scene::with(|job| {
        job["source"]["url"] = url.into();
        job["source"]["s3"] = json!({"endpoint": server.endpoint});
    })
}

fn run(scene: &Scene, command: &str, more: &[&str]) -> Run {
    let window = ["--window", WINDOW, "--now", NOW, "--output", "json"];
    let arguments = match command {
        "run" => [&["run", "job.yaml", "--progress", "none"], &window[..], more].concat(),
        "plan" => [&["plan", "job.yaml"], &window[..], more].concat(),
        other => [&[other, "job.yaml", "--output", "json"], more].concat(),
    };
    scene.call_with(&arguments, &CREDENTIALS)
}

#[test]
fn an_endpoint_implies_the_bucket_in_the_path_and_a_list_of_buckets_is_no_listing() {
    let Some(venv) = venv() else { return };
    let server = Server::moto(&venv);
    let object = format!("raw/{}/a.log", crate::support::HOUR);
    server.s3(json!([["bucket", "styles"], ["put", "styles", object, good("a"), "STANDARD"]]));
    let scene = in_bucket(&server, "s3://styles/raw");
    assert_eq!(run(&scene, "run", &[]).done().report["objects"]["read"], 1);

    let hosted = run(&scene, "run", &["--set=source.s3.path_style=false"]);
    assert_eq!(hosted.code, 2, "{}", hosted.stderr);
    let error = &hosted.report["error"];
    assert!(error["message"].as_str().unwrap().contains("ListAllMyBucketsResult"), "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("source.s3.path_style") && hint.contains("job.yaml:"), "{hint}");
}

#[test]
fn a_wrong_prefix_is_said_by_each_command_and_can_be_an_error() {
    let Some(venv) = venv() else { return };
    let server = Server::moto(&venv);
    let object = format!("clickstream/{}/a.log", crate::support::HOUR);
    server.s3(json!([["bucket", "prefixes"], ["put", "prefixes", object, good("a"), "STANDARD"]]));
    for (url, said) in [
        ("s3://prefixes/clickstreamm", "nothing below s3://prefixes/clickstreamm/: is the prefix right?"),
        // One folder too high.
        ("s3://prefixes", "nothing below s3://prefixes/ lies under year="),
    ] {
        let scene = in_bucket(&server, url);
        let mut warned = Vec::new();
        for command in ["check", "plan", "run", "status"] {
            let run = run(&scene, command, &[]);
            assert_eq!(run.code, 0, "{command}: {}", run.stderr);
            let report = if command == "run" { &run.report } else { &run.report[command] };
            assert!(report["warnings"].to_string().contains(said), "{command}: {}", run.stdout);
            warned.push(run.report["status"].clone());
        }
        assert_eq!(warned[2], "empty");
        for command in ["check", "plan", "run"] {
            let run = run(&scene, command, &["--set=source.if_empty=fail"]);
            let error = &run.report["error"];
            assert_eq!((run.code, &error["kind"]), (1, &json!("not_found")), "{command}: {}", run.stderr);
        }
    }
    let scene = in_bucket(&server, "s3://prefixes/clickstream");
    for command in ["check", "plan"] {
        let run = run(&scene, command, &["--set=source.if_empty=fail"]);
        assert_eq!((run.code, &run.report[command]["warnings"]), (0, &json!([])), "{command}: {}", run.stderr);
    }
}

#[test]
fn a_folder_without_any_object_is_said() {
    let scene = Scene::new();
    let warnings = run(&scene, "run", &[]).report["warnings"].to_string();
    assert!(warnings.contains("nothing below") && warnings.contains("source.if_empty"), "{warnings}");
    scene.raw("a.log", good("a"));
    // Another window is empty, and that is all.
    let other = scene.run_window(&["--window", "2026-11-19"], &[]);
    assert_eq!((other.code, &other.report["warnings"]), (0, &json!([])), "{}", other.stderr);
}

#[test]
fn a_url_that_would_be_changed_is_refused_at_its_line() {
    for (url, normal) in [
        ("s3://b/raw//", "s3://b/raw"),
        ("s3://b//raw", "s3://b/raw"),
        ("s3://b/raw/../x", "s3://b/x"),
        ("s3://b/raw ", "s3://b/raw"),
        ("raw ", "raw"),
    ] {
        for section in ["source", "sink", "state", "dead_letter"] {
            let scene = Scene::with(|job| job[section]["url"] = url.into());
            let check = scene.call(&["check", "job.yaml"]);
            assert_eq!(check.code, 2, "{section} {url}: {}", check.stderr);
            assert!(check.stderr.contains("job.yaml:"), "{}", check.stderr);
            assert!(url.contains("..") || check.stderr.contains(&format!("write {normal}\n")), "{}", check.stderr);
        }
    }
}

#[test]
fn keys_that_cannot_be_named_cost_themselves_alone() {
    let Some(venv) = venv() else { return };
    let server = Server::moto(&venv);
    server.s3(json!([
        ["bucket", "odd-keys"],
        ["put", "odd-keys", "raw/a.log", good("a"), "STANDARD"],
        ["put", "odd-keys", "raw/year=2026/", "\n", "STANDARD"],
        ["put", "odd-keys", "raw/marker/", "", "STANDARD"],
        ["put", "odd-keys", "raw//b.log", good("b"), "STANDARD"],
        ["put", "odd-keys", "/c.log", good("c"), "STANDARD"],
    ]));
    let settings = ["--set=source.layout=flat", "--set=source.select=modified"];
    let run_at = |url: &str| {
        let scene = in_bucket(&server, url);
        let today = two_days();
        let window = ["run", "job.yaml", "--progress", "none", "--output", "json", "--allow-open", "--window", &today];
        scene.call_with(&[&window[..], &settings].concat(), &CREDENTIALS)
    };
    let below = run_at("s3://odd-keys/raw");
    assert_eq!(below.code, 0, "{}", below.stderr);
    assert_eq!(below.report["objects"]["read"], 1, "{}", below.stdout);
    assert_eq!(below.report["objects"]["skipped"], json!({"unreadable_name": 2, "zero_bytes": 1}));
    assert!(below.report["warnings"].to_string().contains("/b.log"), "{}", below.report["warnings"]);
    let all = run_at("s3://odd-keys/");
    assert_eq!(all.report["objects"]["skipped"], json!({"unreadable_name": 3, "zero_bytes": 1}), "{}", all.stderr);
}

/// The day on which the test runs, with all of the next: objects of a server are as old as the test.
fn two_days() -> String {
    let days = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().unwrap().stdout;
    let today = String::from_utf8(days).unwrap().trim().to_owned();
    format!("{today}/P2D")
}

/// The case of objects whose path hours are nine hours ahead of UTC, made in a folder of its own.
fn ahead_of_utc() -> Option<Scene> {
    let case = data("cases")?.join("02-prefix-time-zone-ahead-of-utc");
    let scene = Scene::new();
    fs::copy(case.join("job.yaml"), scene.path("job.yaml")).unwrap();
    let python: PathBuf = venv()?.join("bin/python");
    let made = Command::new(python).arg(case.join("make.py")).current_dir(scene.path("")).status().unwrap();
    assert!(made.success());
    Some(scene)
}

fn backfill(scene: &Scene, out: &str, every: &str, more: &[&str]) -> (Run, usize) {
    let sink = format!("--set=sink.url={out}");
    let span = ["--from", "2026-11-20", "--to", "2026-11-22", "--every", every, "--now", "2026-11-23T00:00:00Z"];
    let arguments =
        [&["backfill", "job.yaml", "--output", "json", "--progress", "none", &sink], &span[..], more].concat();
    let run = scene.call(&arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let events = rows(&scene.path(out).join("event_v2")).len();
    (run, events)
}

#[test]
fn hours_of_paths_ahead_of_utc_are_read_or_said() {
    let Some(scene) = ahead_of_utc() else { return };
    for (index, settings) in [
        vec!["--set=source.path_time_zone=Asia/Tokyo"],
        vec!["--set=source.path_time_zone=+09:00"],
        vec!["--set=source.look_ahead=9h"],
    ]
    .iter()
    .enumerate()
    {
        for every in ["1h", "1d"] {
            let (run, events) = backfill(&scene, &format!("out-{index}-{every}"), every, settings);
            assert_eq!(events, 48, "{settings:?} {every}");
            assert!(!run.stdout.contains("that no window looks into"), "{}", run.stdout);
        }
    }
    let (hourly, events) = backfill(&scene, "silent", "1h", &[]);
    assert_eq!(events, 0);
    assert!(hourly.stdout.contains("path hours that no window looks into"), "{}", hourly.stdout);
    assert!(hourly.stdout.contains("source.path_time_zone") && hourly.stdout.contains("source.look_ahead: 9h"));
    // The first day has a gap at its end that only the times of the others tell of.
    for (day, strays) in [("2026-11-20", 0), ("2026-11-21", 8)] {
        let plan = scene.call(&["plan", "job.yaml", "--window", day, "--output", "json"]);
        assert_eq!(plan.report["plan"]["strays"], strays, "{}", plan.stdout);
        assert!(plan.report["plan"]["warnings"].to_string().contains("source.look_ahead: 9h"), "{}", plan.stdout);
    }
}

#[test]
fn hours_of_other_zones_are_selected_by_path() {
    let scene = Scene::with(|job| job["source"]["path_time_zone"] = "Asia/Kolkata".into());
    // 05:30 ahead: this hour is 23:30 to 00:30 of the day before.
    scene.raw_at("year=2026/month=11/day=20/hour=05", "a.log", good("a"));
    scene.raw_at("year=2026/month=11/day=20/hour=06", "b.log", good("b"));
    let read = |window: &str| scene.run_window(&["--window", window], &["--dry-run"]).report["objects"]["read"].clone();
    assert_eq!(["2026-11-19T23", "2026-11-20T00", "2026-11-20T05"].map(read), [json!(1), json!(1), json!(0)]);
    let wrong = scene.call(&["check", "job.yaml", "--set=source.path_time_zone=Tokyo"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("Asia/Tokyo"), "{}", wrong.stderr);
}

#[test]
fn the_cases_of_keys_and_urls() {
    let (Some(cases), Some(venv)) = (data("cases"), venv()) else { return };
    let server = Server::moto(&venv);
    for (name, code) in [("03a-s3-key-with-trailing-slash-fails-run", 0), ("03c-source-url-double-slash-dropped", 2)] {
        let case = cases.join(name);
        let scene = Scene::new();
        fs::copy(case.join("job.yaml"), scene.path("job.yaml")).unwrap();
        make(&case, &scene.path("make.py"), &server, &venv);
        let endpoint = |section: &str| format!("--set={section}.s3.endpoint={}", server.endpoint);
        let mut call = command(&scene.path(""));
        call.args(["run", "job.yaml", "--output", "json", "--allow-open", "--window", &two_days()]);
        let output = call.args([endpoint("source"), endpoint("sink")]).envs(CREDENTIALS).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {stderr}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        if code == 0 {
            assert_eq!(report["objects"]["read"], 1, "{report}");
            assert_eq!(report["objects"]["skipped"], json!({"unreadable_name": 1}));
        } else {
            assert!(stderr.contains("job.yaml:3") && stderr.contains("write s3://bugs-x/raw"), "{stderr}");
        }
    }
}

/// Fills a bucket as the case says, on another server.
fn make(case: &Path, script: &Path, server: &Server, venv: &Path) {
    let text = fs::read_to_string(case.join("make.py")).unwrap().replace("http://127.0.0.1:5055", &server.endpoint);
    // Both cases make the same bucket.
    fs::write(
        script,
        text.replace(
            "s.create_bucket(",
            "\"bugs-x\" in [b[\"Name\"] for b in s.list_buckets()[\"Buckets\"]] or s.create_bucket(",
        ),
    )
    .unwrap();
    assert!(Command::new(venv.join("bin/python")).arg(script).status().unwrap().success());
}
