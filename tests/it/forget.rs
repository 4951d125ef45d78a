//! What a backfill that stopped leaves to do, and windows that are forgotten.

use crate::signals::stopped_when;
use crate::support::events::good;
use crate::support::{Run, Scene, files, visible_files};
use serde_json::{Value, json};

const NOW: &str = "2026-11-21T01:00:00Z";

fn call(scene: &Scene, command: &[&str], more: &[&str]) -> Run {
    scene.call(&[command, &["job.yaml", "--now", NOW, "--output", "json"], more].concat())
}

#[track_caller]
fn done(scene: &Scene, command: &[&str], more: &[&str]) -> Value {
    let run = call(scene, command, more);
    assert_eq!(run.code, 0, "{command:?} {more:?}: {}{}", run.stdout, run.stderr);
    run.report
}

fn status(scene: &Scene) -> Value {
    done(scene, &["status"], &[])["status"].clone()
}

fn hours(names: &[u32]) -> Scene {
    let scene = Scene::in_memory(|job| job["limits"]["dead_letters"] = 0.into());
    for hour in names {
        let folder = format!("year=2026/month=11/day=20/hour={hour:02}");
        scene.raw_at(&folder, "a.log", good(&format!("h{hour:02}")));
    }
    scene
}

fn window(hour: u32) -> [String; 2] {
    ["--window".to_owned(), format!("2026-11-20T{hour:02}/PT1H")]
}

fn forget(scene: &Scene, hour: u32, more: &[&str]) -> Run {
    let [option, window] = window(hour);
    call(scene, &["forget"], &[&[option.as_str(), window.as_str()], more].concat())
}

const DAY: [&str; 6] = ["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1h"];

#[test]
fn a_stopped_backfill_is_told_until_its_windows_are_done() {
    let scene = hours(&(0..24).collect::<Vec<_>>());
    let backfill = ["backfill", "job.yaml", "--now", NOW, "--quiet", "--parallel", "2"];
    let ready = || visible_files(&scene.path("out/event_v2")).len() >= 3;
    let (code, stdout) = stopped_when(&scene.path(""), &[&backfill[..], &DAY].concat(), ready);
    assert_eq!(code, Some(6), "{stdout}");
    let command =
        "etl-runner backfill job.yaml --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z --every 1h --parallel 2";
    assert!(stdout.trim_end().ends_with(&format!("left: the same command goes on: {command}")), "{stdout}");
    assert!(!stdout.contains("etl-runner retry"), "{stdout}");

    let told = status(&scene);
    let backfill = &told["backfills"][0];
    let (left, never) = (backfill["left"].as_u64().unwrap(), backfill["never_began"].as_u64().unwrap());
    assert!(never > 0 && never <= left && left < 24, "{backfill}");
    assert_eq!((&backfill["command"], &backfill["running"]), (&json!(command), &json!(false)));
    let text = scene.call(&["status", "job.yaml", "--now", NOW]).stdout;
    let line = text.lines().find(|line| line.starts_with("a backfill of ")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains(&format!("{left} windows are left")) && line.ends_with(command), "{line}");

    let retry = call(&scene, &["retry"], &[]);
    assert_eq!(retry.code, 0, "{}", retry.stderr);
    assert!(retry.stderr.contains(&format!("does not run windows that never began: {never} of")), "{}", retry.stderr);
    assert_eq!(status(&scene)["backfills"][0]["left"], never);

    done(&scene, &["backfill"], &DAY);
    let told = status(&scene);
    assert_eq!((&told["backfills"], &told["counts"]["done"]), (&json!([]), &json!(24)));
    assert!(!files(&scene.path("out/_state")).iter().any(|name| name.contains("backfills")), "it is forgotten");
}

#[test]
fn a_backfill_that_halted_at_a_failure_is_told_and_can_be_forgotten() {
    let scene = hours(&[0, 2]);
    scene.raw_at("year=2026/month=11/day=20/hour=01", "bad.log", "this is no record\n");
    let halted = call(&scene, &["backfill"], &[&DAY[..], &["--stop-on-failure", "--set", "limits.threads=2"]].concat());
    let resume = halted.report["resume"].as_str().unwrap_or_default().to_owned();
    assert!(resume.ends_with("--every 1h --set limits.threads=2"), "{}", halted.stdout);
    let told = status(&scene);
    assert_eq!((&told["backfills"][0]["left"], &told["backfills"][0]["never_began"]), (&json!(23), &json!(22)));
    assert!(told["backfills"][0]["command"].as_str().unwrap().ends_with("--set limits.threads=…"), "{told}");
    let span = ["--backfill", "2026-11-20"];
    assert_eq!(done(&scene, &["forget"], &span)["forget"]["applied"], false);
    assert_eq!(status(&scene)["backfills"].as_array().map(Vec::len), Some(1));
    done(&scene, &["forget"], &[&span[..], &["--apply"]].concat());
    assert_eq!(status(&scene)["backfills"], json!([]));
    assert_eq!(call(&scene, &["forget"], &span).code, 2);
}

#[test]
fn the_watermark_and_the_windows_before_it_are_two_facts() {
    let scene = hours(&[7, 8]);
    for hour in [7, 8] {
        let [option, window] = window(hour);
        done(&scene, &["run"], &[&option, &window]);
    }
    let set = call(&scene, &["state", "set"], &["--watermark", "2026-11-20T18"]);
    assert_eq!((set.code, &set.report["state"]["skipped_windows"]), (0, &json!(9)), "{}", set.stdout);
    assert!(set.stderr.contains("9 closed windows before it are not done"), "{}", set.stderr);
    assert_eq!(status(&scene)["undone_before_watermark"], 9);
    let text = scene.call(&["status", "job.yaml", "--now", NOW]).stdout;
    assert!(text.contains("the watermark is 2026-11-20T18:00:00Z; 9 closed windows before it are not done"), "{text}");
    assert!(!text.contains("everything before"), "{text}");
    done(&scene, &["backfill"], &["--from", "2026-11-20T09", "--to", "2026-11-20T18", "--every", "1h"]);
    let text = scene.call(&["status", "job.yaml", "--now", NOW]).stdout;
    assert!(text.contains("18:00:00Z; every known window before it is done"), "{text}");
}

#[test]
fn a_failed_window_is_forgotten() {
    let scene = hours(&[]);
    scene.raw_at("year=2026/month=11/day=20/hour=05", "bad.log", "this is no record\n");
    let [option, window] = window(5);
    assert_eq!(call(&scene, &["run"], &[&option, &window]).code, 3);
    assert_eq!(status(&scene)["counts"]["refused"], 1);
    let shown = forget(&scene, 5, &[]);
    assert_eq!((shown.code, &shown.report["forget"]["forgotten"]["failures"]), (0, &json!(1)), "{}", shown.stderr);
    assert_eq!(status(&scene)["counts"]["refused"], 1, "nothing is changed without --apply");
    assert_eq!(forget(&scene, 5, &["--apply"]).code, 0);
    let told = status(&scene);
    assert_eq!((&told["total"], &told["counts"]["refused"]), (&json!(0), &json!(0)));
    let unknown = forget(&scene, 5, &["--apply"]);
    assert_eq!((unknown.code, &unknown.report["error"]["kind"]), (2, &json!("usage")), "{}", unknown.stderr);
    assert_eq!(call(&scene, &["gc"], &["--older-than", "0s"]).report["gc"]["left"]["working"], 0);
}

#[test]
fn a_committed_window_is_forgotten_with_all_of_its_files() {
    let scene = hours(&[5, 6]);
    let range = ["--from", "2026-11-20T05", "--to", "2026-11-20T07", "--every", "1h"];
    done(&scene, &["backfill"], &range);
    let shown = forget(&scene, 5, &[]);
    assert_eq!(shown.report["forget"]["forgotten"]["committed"]["files"], 3, "{}{}", shown.stdout, shown.stderr);
    assert_eq!(scene.event_ids(), ["h05", "h06"]);
    let forgotten = forget(&scene, 5, &["--apply", "--reason", "a mistake"]);
    assert_eq!(forgotten.code, 0, "{}", forgotten.stderr);
    assert!(forgotten.stderr.contains("etl-runner backfill JOB --from"), "users and sessions: {}", forgotten.stderr);
    assert_eq!(scene.event_ids(), ["h06"]);
    let of_it = |name: &&String| name.contains("T050000Z") && !name.starts_with("_state");
    let left: Vec<String> = files(&scene.path("out")).iter().filter(of_it).cloned().collect();
    assert_eq!(left, [""; 0]);
    let told = status(&scene);
    assert_eq!((&told["total"], &told["counts"]["done"]), (&json!(1), &json!(1)), "{told}");

    // It may be run again, under names that no file ever had.
    let again = done(&scene, &["backfill"], &range);
    assert_eq!((&again["counts"]["done"], &again["counts"]["skipped"]), (&json!(1), &json!(1)));
    assert_eq!(again["windows"][0]["revision"], 2, "{again}");
    assert_eq!(scene.event_ids(), ["h05", "h06"]);
    let unknown = forget(&scene, 9, &[]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    let other = call(&scene, &["forget"], &["--window", "2026-11-20", "--apply"]);
    assert!(other.code == 2 && other.stderr.contains("status --list"), "{}", other.stderr);
}

#[test]
fn a_wrongly_committed_future_window_is_forgotten_and_its_day_runs() {
    let scene = Scene::in_memory(|job| job["schedule"] = json!({"every": "1h", "start": "2026-11-20T05"}));
    scene.raw("a.log", good("a"));
    let future = scene.call(&[
        "run",
        "job.yaml",
        "--window",
        "2026-11-20T06/PT2H",
        "--allow-open",
        "--now",
        "2026-11-20T05:30:00Z",
    ]);
    assert_eq!(future.code, 0, "{}", future.stderr);
    done(&scene, &["forget"], &["--window", "2026-11-20T06/PT2H", "--apply"]);
    let run = done(&scene, &["run"], &[]);
    assert_eq!(run["windows"][1]["reason"], "missed", "{run}");
    assert_eq!((&run["counts"]["failed"], &run["watermark"]), (&json!(0), &json!("2026-11-21T00:00:00Z")));
}
