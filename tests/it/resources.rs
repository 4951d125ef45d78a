//! Runs that run out of memory or disk: a clear error, and nothing half visible.

use crate::support::events::{event, good, line};
use crate::support::{NOW, Run, Scene, WINDOW, binary, visible_files};
use serde_json::{Value, json};
use std::process::Command;

/// Runs the scene's job in a process that may write files of 64 KiB at most.
fn run_with_small_files(scene: &Scene) -> Run {
    let output = Command::new("sh")
        // Blocks of 512 bytes.
        .args(["-c", "ulimit -f 128 && exec \"$@\"", "sh"])
        .arg(binary())
        .args(["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--output", "json", "--progress", "none"])
        .current_dir(scene.path(""))
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap_or(-1), report, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn fill(scene: &Scene, events: usize) {
    let mut random = fastrand::Rng::with_seed(1);
    let mut batch = String::new();
    for id in 0..events {
        // Nothing that compresses away.
        let page: String = (0..200).map(|_| random.alphanumeric()).collect();
        let mut event = event(&format!("e{id}"), 0);
        event["attributes"]["_page_url"] = format!("https://www.shop.example/{page}").into();
        event["user"]["name"] = json!({"value": page, "set_timestamp": 1});
        batch.push_str(&line(&[event]));
        batch.push('\n');
    }
    scene.raw("a.log", batch);
}

fn is_limit(run: &Run, names: &str) {
    assert_eq!((run.code, &run.report["status"]), (1, &json!("failed")), "{}", run.stderr);
    assert_eq!(run.report["error"]["kind"], "limit", "{}", run.stderr);
    assert!(run.stderr.contains(names) && run.stderr.contains("hint:"), "{}", run.stderr);
}

#[test]
fn a_full_disk_under_the_sink_fails_the_run_and_shows_nothing() {
    let scene = Scene::with(|job| {
        for table in ["user_v2", "session", "item_v2"] {
            job["tables"][table]["write"] = Value::Bool(false);
        }
    });
    fill(&scene, 2_000);
    let run = run_with_small_files(&scene);
    is_limit(&run, "event_v2");
    assert_eq!(visible_files(&scene.path("out")), [""; 0]);
    scene.run(&[]).done();
    assert_eq!(scene.rows("event_v2").len(), 2_000);
}

#[test]
fn a_full_disk_under_spilled_rows_names_its_setting() {
    let scene = Scene::with(|job| job["limits"]["memory"] = "8MiB".into());
    fill(&scene, 6_000);
    let run = run_with_small_files(&scene);
    is_limit(&run, "limits.spill_folder");
    assert_eq!(visible_files(&scene.path("out")), [""; 0]);
}

#[test]
fn memory_that_runs_out_is_an_error_with_numbers_and_not_a_kill() {
    let scene = Scene::with(|job| {
        job["limits"] = json!({"threads": 1, "memory": "16MiB", "memory_total": "170MiB"});
        job["sink"]["row_group_bytes"] = "1MiB".into();
    });
    // One record as long as one may be takes several times its length.
    let events: Vec<Value> = (0..60_000).map(|id| event(&format!("e{id}"), 0)).collect();
    scene.raw("a.log", line(&events));
    let run = scene.run(&[]);
    // With its report where there is time for one.
    assert_eq!((run.code, &run.report["error"]["kind"]), (1, &json!("limit")), "{}", run.stderr);
    assert!(run.stderr.contains("limits.memory_total"), "{}", run.stderr);
    let facts = &run.report["error"]["facts"];
    assert!(facts["used"].is_string() && facts["limit"].is_string(), "{facts}");
    assert_eq!(visible_files(&scene.path("out")), [""; 0]);
}

#[test]
fn a_small_container_lowers_the_settings_and_one_that_is_too_small_is_refused() {
    let scene = Scene::with(|job| job["limits"] = json!({"threads": 8}));
    scene.raw("a.log", good("a"));
    let run = scene.run(&["--set", "limits.memory_total=512MiB"]).done();
    let warning = run.report["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.contains("of 8 threads") && warning.contains("512MiB"), "{warning}");
    let plan = scene.call(&["plan", "job.yaml", "--window", WINDOW, "--set", "limits.memory_total=512MiB"]);
    assert!(plan.stdout.contains(&warning), "{}", plan.stdout);
    let refused = scene.run(&["--set", "limits.memory_total=100MiB"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("needs="), "{}", refused.stderr);
}
