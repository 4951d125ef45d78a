//! What reports say of CPU, memory and time is the run's own.

use crate::support::events::good;
use crate::support::{Scene, binary};
use serde_json::Value;
use std::process::Command;

const HOURS: usize = 12;

/// A scene with work in each of its hours.
fn busy() -> Scene {
    let scene = Scene::new();
    for hour in 0..HOURS {
        let lines: Vec<String> = (0..400).map(|number| good(&format!("{hour}-{number}"))).collect();
        scene.raw_at(&format!("year=2026/month=11/day=20/hour={hour:02}"), "a.log", lines.join("\n"));
    }
    scene
}

/// Runs the backfill, and gives the CPU seconds of the process and what `runs` says.
fn backfill(scene: &Scene, parallel: &str) -> (f64, Vec<Value>) {
    let timed = format!(
        "TIMEFORMAT='%U %S'; time {} backfill job.yaml --from 2026-11-20 --to 2026-11-20T12 --every 1h --parallel {parallel} \
         --progress none >&2",
        binary().display()
    );
    let output = Command::new("bash").current_dir(scene.path("")).args(["-c", &timed]).output().unwrap();
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let cpu = stderr.lines().last().unwrap().split(' ').map(|seconds| seconds.parse::<f64>().unwrap()).sum();
    let runs = scene.call(&["runs", "job.yaml", "--output", "json"]);
    (cpu, runs.report.as_array().unwrap().clone())
}

#[test]
fn the_cpu_of_a_backfills_runs_adds_up_to_that_of_the_process() {
    for parallel in ["1", "3"] {
        let (process, runs) = backfill(&busy(), parallel);
        assert_eq!(runs.len(), HOURS);
        let own: Vec<f64> = runs.iter().map(|run| run["cpu_seconds"].as_f64().unwrap()).collect();
        let sum: f64 = own.iter().sum();
        // What comes before the runs and what libraries do on threads of their own is no run's.
        assert!(sum <= process * 1.02 && sum >= process * 0.5, "{parallel}: {sum} of {process}: {own:?}");
        let starts: std::collections::BTreeSet<&str> =
            runs.iter().map(|run| run["started_at"].as_str().unwrap()).collect();
        // Those that begin side by side may do so within a millisecond.
        assert!(starts.len() > HOURS / 2, "each began at its own time: {starts:?}");
        for run in &runs {
            assert!(run["started_at"].as_str() <= run["ended_at"].as_str(), "{run}");
        }
        // Whose the memory was cannot be told of windows side by side; alone, a run that needed more than all before has it.
        let known =
            runs.iter().filter(|run| run["peak_memory_bytes"].as_u64().is_some_and(|peak| peak > 1 << 20)).count();
        assert!(if parallel == "1" { known > 0 } else { known < HOURS }, "{parallel}: {known}");
    }
}
