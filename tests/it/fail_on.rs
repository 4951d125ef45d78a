//! `status --fail-on` sets the exit code, for schedulers and alarms that read no JSON.

use crate::support::Scene;
use crate::support::events::good;
use std::fs;

const NOW: &str = "2026-11-20T09:30:00Z";

/// A job whose runs are refused for one dead letter.
fn strict() -> Scene {
    Scene::with(|job| job["limits"]["dead_letters"] = "0".into())
}

fn code(scene: &Scene, more: &[&str]) -> i32 {
    let run = scene.call(&[&["status", "job.yaml", "--now", NOW], more].concat());
    assert!(run.stdout.starts_with("job "), "the status is printed all the same: {}", run.stderr);
    run.code
}

#[test]
fn a_window_with_one_of_the_statuses_sets_the_exit_code() {
    let scene = strict();
    let run = |window: &str, code: i32| {
        let run = scene.call(&["run", "job.yaml", "--window", window, "--now", NOW]);
        assert_eq!(run.code, code, "{}", run.stderr);
    };
    assert_eq!(code(&scene, &["--fail-on", "done,missing,failed"]), 0, "nothing is known");
    let batch = |hour: &str, text: &str| scene.raw_at(&format!("year=2026/month=11/day=20/hour={hour}"), "a.log", text);
    batch("05", &good("a"));
    let seventh = batch("07", &good("b"));
    run("2026-11-20T05", 0);
    run("2026-11-20T07", 0);
    assert_eq!(code(&scene, &["--fail-on", "failed,refused,stopped"]), 0);
    // 06:00 is a gap.
    assert_eq!(code(&scene, &["--fail-on", "failed,missing"]), 5);
    assert_eq!(code(&scene, &["--fail-on", "done"]), 5);
    // What is shown narrows it down; what `--only` leaves out does not.
    assert_eq!(code(&scene, &["--fail-on", "missing", "--only", "done"]), 5);
    assert_eq!(code(&scene, &["--fail-on", "missing", "--from", "2026-11-20T07", "--to", "2026-11-20T08"]), 0);
    // A re-run that failed is a failure, though the window keeps the rows of the run before.
    fs::write(&seventh, "no record\n").unwrap();
    run("2026-11-20T07", 3);
    assert_eq!(code(&scene, &["--fail-on", "failed"]), 0);
    assert_eq!(code(&scene, &["--fail-on", "refused"]), 5);
    let json = scene.call(&["status", "job.yaml", "--now", NOW, "--fail-on", "refused", "--output", "json"]);
    assert_eq!((json.code, json.report["status"]["failed_reruns"].as_u64()), (5, Some(1)), "{}", json.stdout);
}

#[test]
fn what_a_stopped_backfill_never_began_is_missing() {
    let scene = strict();
    for hour in ["05", "06", "07"] {
        scene.raw_at(&format!("year=2026/month=11/day=20/hour={hour}"), "a.log", "no record\n");
    }
    let span = ["--from", "2026-11-20T05", "--to", "2026-11-20T08", "--every", "1h", "--stop-on-failure"];
    let stopped = scene.call(&[&["backfill", "job.yaml", "--now", NOW], &span[..]].concat());
    assert_ne!(stopped.code, 0, "{}", stopped.stderr);
    assert_eq!(code(&scene, &["--fail-on", "missing"]), 5);
    assert_eq!(code(&scene, &["--fail-on", "stopped"]), 0);
}
