//! What is on a terminal while a command works and when it has ended, and what a report says of a run that made nothing.

use crate::signals::stopped_when;
use crate::support::events::{event, line};
use crate::support::servers::venv;
use crate::support::{Scene, binary, files, project, visible_files};
use regex::Regex;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use unicode_width::UnicodeWidthStr;

/// Some hours with enough events that reading them takes a while.
fn hours(events: i64) -> Scene {
    let scene = Scene::in_memory(|job| job["limits"]["task_bytes"] = json!("256KiB"));
    for hour in 0..8 {
        for part in 0..4 {
            let many: Vec<Value> =
                (0..events).map(|number| event(&format!("{hour}-{part}-{number}"), number)).collect();
            let lines: Vec<String> = many.chunks(50).map(line).collect();
            let folder = format!("year=2026/month=11/day=20/hour={hour:02}");
            scene.raw_at(&folder, &format!("{part}.log"), lines.join("\n"));
        }
    }
    scene
}

const NOW: [&str; 2] = ["--now", "2026-11-21T00:00:00Z"];

/// What `terminal.py` saw; `None` where there is no Python environment.
fn on_terminal(scene: &Scene, widths: &str, out: &str, arguments: &[&str]) -> Option<Value> {
    let python = Command::new(venv()?.join("bin/python"))
        .arg(project().join("tests/support/terminal.py"))
        .args([widths, out])
        .arg(binary())
        .args(arguments)
        .current_dir(scene.path(""))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stdout));
    Some(serde_json::from_slice(&python.stdout).unwrap())
}

fn lines(seen: &Value) -> Vec<&str> {
    seen["screen"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect()
}

/// Nothing of the progress is wider than the terminal or counts past its total. Gives the texts.
#[track_caller]
fn assert_progress_fits(seen: &Value) -> Vec<String> {
    let counted = Regex::new(r"([\d,]+) of ([\d,]+) (?:windows|objects)").unwrap();
    let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
    let progress = seen["progress"].as_array().unwrap();
    let texts: Vec<String> = progress.iter().map(|state| state[1].as_str().unwrap().trim_end().to_owned()).collect();
    for (state, text) in progress.iter().zip(&texts) {
        assert!(text.width() as u64 <= state[0].as_u64().unwrap(), "{state}");
        for found in counted.captures_iter(text) {
            assert!(number(&found[1]) <= number(&found[2]), "{text}");
        }
    }
    texts
}

#[test]
fn a_backfill_fits_terminals_of_any_width_and_leaves_a_line_per_window() {
    let scene = hours(400);
    let backfill = ["backfill", "job.yaml", "--from", "2026-11-20", "--to", "2026-11-20T08", "--every", "1h"];
    for widths in ["60", "100", "110,50"] {
        let more = ["--parallel", "4", "--set", &format!("sink.url=out-{widths}")].map(str::to_owned);
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let Some(seen) = on_terminal(&scene, widths, "-", &[&backfill[..], &NOW, &more].concat()) else { return };
        assert_eq!(seen["code"], 0, "{seen}");
        let texts = assert_progress_fits(&seen);
        assert!(texts.iter().any(|text| text.contains(" of 8 windows")), "{widths}: {texts:?}");
        let last = widths.rsplit(',').next().unwrap().parse::<u64>().unwrap();
        assert!(seen["progress"].as_array().unwrap().iter().any(|state| state[0] == last), "{widths}: {texts:?}");
        let lines = lines(&seen);
        let of_windows = lines.iter().filter(|line| line.contains(" of 8: 2026-11-20T")).count();
        assert_eq!(of_windows, 8, "{lines:#?}");
        // A line that was drawn for a wider terminal wraps, and the program cannot know.
        if seen["late"] == false {
            assert!(!lines.iter().any(|line| line.contains('%') || line.contains("windows;")), "{lines:#?}");
        }
        assert!(lines.iter().any(|line| line.starts_with("backfill: ") || line.contains("8 done")), "{lines:#?}");
    }
}

#[test]
fn a_run_shows_how_far_it_is_and_its_error_once() {
    let scene = hours(2_000);
    let run = ["run", "job.yaml", "--window", "2026-11-20"];
    let refused = ["--set", "limits.dead_letters=0"];
    scene.raw_at("year=2026/month=11/day=20/hour=03", "bad.log", "no json\n");
    let Some(seen) = on_terminal(&scene, "70", "-", &[&run[..], &NOW, &refused].concat()) else { return };
    assert_eq!(seen["code"], 3, "{seen}");
    let texts = assert_progress_fits(&seen);
    assert!(texts.iter().any(|text| text.contains("read: ")), "{texts:?}");
    let screen = lines(&seen).join("\n");
    assert_eq!(screen.matches("too many dead letters").count(), 1, "{screen}");
    assert!(!screen.contains('%') || !screen.contains("read: "), "{screen}");

    // Where they go to two places each has it.
    let Some(seen) = on_terminal(&scene, "70", "report.txt", &[&run[..], &NOW, &refused].concat()) else { return };
    let kept = std::fs::read_to_string(scene.path("report.txt")).unwrap();
    assert_eq!(kept.matches("too many dead letters").count(), 1, "{kept}");
    assert_eq!(lines(&seen).join("\n").matches("too many dead letters").count(), 1, "{seen}");
}

#[test]
fn an_empty_window_is_two_lines() {
    let scene = Scene::new();
    let run = scene.call(&[&["run", "job.yaml", "--window", "2026-11-20", "--quiet"], &NOW[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("empty: no object in this window") && lines[1].starts_with("run test-"), "{lines:?}");
    // A warning that nothing at all is there may follow.
    assert!(lines[2..].iter().all(|line| line.starts_with("warning: ")), "{lines:?}");
}

#[test]
fn what_came_to_no_commit_claims_no_rows_and_says_what_is_kept() {
    let scene = hours(50);
    scene.raw_at("year=2026/month=11/day=20/hour=03", "bad.log", "no json\n");
    let run = ["run", "job.yaml", "--window", "2026-11-20", "--set", "limits.dead_letters=0"];
    let refused = scene.call(&[&run[..], &NOW].concat());
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(!refused.stdout.contains("written") && !refused.stdout.contains("partitions"), "{}", refused.stdout);
    let tasks = Regex::new(r"kept     (\d+) of (\d+) tasks are finished; the next run").unwrap();
    let found = tasks.captures(&refused.stdout).unwrap_or_else(|| panic!("{}", refused.stdout));
    assert_eq!(found[1], found[2], "all are read");
    let listed = scene.call(&["runs", "job.yaml"]).stdout;
    let row = listed.lines().nth(1).unwrap();
    assert!(Regex::new(r"refused +1 +\d").unwrap().is_match(row), "no rows, one dead letter: {row}");

    let failed = scene.call(&[&run[..], &NOW, &["--set", "sink.url=job.yaml"]].concat());
    assert_eq!(failed.code, 1, "{}", failed.stdout);
    for none in ["objects ", "records", "dead letters", "written"] {
        assert!(!failed.stdout.contains(none), "{none}: {}", failed.stdout);
    }
}

#[test]
fn a_stopped_run_says_what_is_kept() {
    let scene = hours(3_000);
    let run = ["run", "job.yaml", "--window", "2026-11-20", "--threads", "1"];
    let ready = || files(&scene.path("out/_state")).iter().any(|name| name.contains("/task-"));
    let (code, stdout) = stopped_when(&scene.path(""), &[&run[..], &NOW].concat(), ready);
    assert_eq!(code, Some(6), "{stdout}");
    let tasks = Regex::new(r"kept     (\d+) of (\d+) tasks are finished").unwrap();
    let found = tasks.captures(&stdout).unwrap_or_else(|| panic!("{stdout}"));
    assert!(found[1].parse::<u64>().unwrap() >= 1 && found[1] != found[2], "{stdout}");
    assert!(!stdout.contains("written") && !stdout.contains(" read\n"), "{stdout}");
    assert!(visible_files(&scene.path("out")).is_empty());
}
