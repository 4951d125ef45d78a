//! Many windows through the real binary: backfill, stop and resume, schedule, late data, status, retry, watermark.

use crate::report::fingerprints;
use crate::support::events::good;
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{Run, Scene, TABLES, command, files, send, visible_files};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use etl_runner::commit::{Commit, ContentHash, Counts, Entry, Event, JobState, Runner};
use etl_runner::window::{Every, Window};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Writes a batch with one event per name into an hour, such as `2026-11-20T05`.
fn batch(scene: &Scene, hour: &str, name: &str) -> std::path::PathBuf {
    let hour: DateTime<Utc> = instant(&format!("{hour}:00:00Z"));
    let folder = hour.format("year=%Y/month=%m/day=%d/hour=%H").to_string();
    scene.raw_at(&folder, &format!("{name}.log"), good(name))
}

/// Writes a batch that was last modified at an instant.
fn batch_at(scene: &Scene, hour: &str, name: &str, modified: &str) {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(instant(modified).timestamp_millis() as u64);
    File::options().write(true).open(batch(scene, hour, name)).unwrap().set_modified(modified).unwrap();
}

/// Writes a batch with a record that is none.
fn bad(scene: &Scene, hour: &str) {
    fs::write(batch(scene, hour, "bad"), "this is no record\n").unwrap();
}

/// Calls a command with the job, for an instant, with JSON as its result.
fn call(scene: &Scene, command: &[&str], now: &str, more: &[&str]) -> Run {
    let mut arguments = command.to_vec();
    arguments.extend(["job.yaml", "--now", now, "--output", "json"]);
    arguments.extend(more);
    scene.call(&arguments)
}

fn status(scene: &Scene, now: &str, more: &[&str]) -> Value {
    let run = call(scene, &["status"], now, more);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.report["status"].clone()
}

/// `start status` of each window of a result, with the hour alone.
fn windows(report: &Value) -> Vec<String> {
    let windows = report["windows"].as_array().unwrap();
    let text = |window: &Value, key: &str| window[key].as_str().unwrap_or_default().to_owned();
    windows.iter().map(|window| format!("{} {}", &text(window, "start")[11..16], text(window, "status"))).collect()
}

const THREE_DAYS: [&str; 8] = ["--from", "2026-11-18", "--to", "2026-11-21", "--every", "1h", "--parallel", "2"];
const AFTER: &str = "2026-11-21T00:05:00Z";

fn three_days() -> Scene {
    let scene = Scene::in_memory(|_| {});
    let hours = Every::HOUR.tiles(instant("2026-11-18T00:00:00Z"), instant("2026-11-21T00:00:00Z"));
    for (number, window) in hours.enumerate() {
        for part in 0..2 {
            batch(&scene, &window.start.format("%Y-%m-%dT%H").to_string(), &format!("e{number}-{part}"));
        }
    }
    scene
}

/// Starts the backfill, ends it by a signal once `files` of the first table are visible, and gives its result.
fn stopped(scene: &Scene, count: usize) -> Value {
    let mut child = command(&scene.path(""))
        .args(["backfill", "job.yaml", "--now", AFTER, "--output", "json", "--quiet"])
        .args(THREE_DAYS)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while visible_files(&scene.path("out/event_v2")).len() < count {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was stopped");
        std::thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::SIGTERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_backfill_that_is_stopped_twice_gives_the_files_of_an_undisturbed_one() {
    let scene = three_days();
    let whole = call(&scene, &["backfill"], AFTER, &THREE_DAYS);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    assert_eq!((&whole.report["counts"]["done"], &whole.report["rows"]["event_v2"]), (&json!(72), &json!(144)));
    let expected = fingerprints(&scene.path("out"));
    fs::rename(scene.path("out"), scene.path("undisturbed")).unwrap();

    let first = stopped(&scene, 5);
    assert_eq!(first["status"], "stopped");
    assert!(first["counts"]["waiting"].as_u64().unwrap() > 0, "{}", first["counts"]);
    let second = stopped(&scene, 40);
    assert!(second["counts"]["skipped"].as_u64().unwrap() >= 5, "{}", second["counts"]);
    let last = call(&scene, &["backfill"], AFTER, &THREE_DAYS);
    assert_eq!((last.code, &last.report["status"]), (0, &json!("done")), "{}", last.stderr);
    let count = |name: &str| last.report["counts"][name].as_u64().unwrap();
    assert_eq!((count("done") + count("skipped"), last.report["total"].as_u64()), (72, Some(72)));
    assert!(count("skipped") >= 40, "what was done is not done again: {}", last.report["counts"]);
    assert_eq!(fingerprints(&scene.path("out")), expected);
    let left: Vec<String> = files(&scene.path("out"))
        .into_iter()
        .filter(|path| path.split('/').any(|part| [".pending", "leases", "work"].contains(&part)))
        .collect();
    assert_eq!(left, [""; 0], "nothing is left of the stopped ones");
    let again = call(&scene, &["backfill"], AFTER, &THREE_DAYS);
    assert_eq!((again.code, &again.report["counts"]["skipped"]), (0, &json!(72)));
}

#[test]
fn a_window_that_fails_fails_alone_and_is_retried() {
    let scene = Scene::in_memory(|job| job["limits"]["dead_letters"] = 0.into());
    for hour in ["04", "05", "07", "08"] {
        batch(&scene, &format!("2026-11-20T{hour}"), &format!("h{hour}"));
    }
    bad(&scene, "2026-11-20T06");
    let range = ["--from", "2026-11-20T04", "--to", "2026-11-20T10", "--every", "1h"];
    let now = "2026-11-20T12:00:00Z";
    let run = call(&scene, &["backfill"], now, &range);
    assert_eq!((run.code, &run.report["status"]), (5, &json!("partly")), "{}", run.stderr);
    assert_eq!(
        windows(&run.report),
        ["04:00 done", "05:00 done", "06:00 refused", "07:00 done", "08:00 done", "09:00 empty"]
    );
    assert_eq!(run.report["windows"][2]["error"]["kind"], "gate");
    assert_eq!(scene.event_ids(), ["h04", "h05", "h07", "h08"]);

    let told = status(&scene, now, &[]);
    assert_eq!(
        windows(&told),
        ["04:00 done", "05:00 done", "06:00 refused", "07:00 done", "08:00 done", "09:00 empty"]
    );
    let text = scene.call(&["status", "job.yaml", "--now", now]);
    assert!(text.stdout.starts_with("job test: 6 windows: 4 done, 1 empty, 1 refused\n"), "{}", text.stdout);
    assert!(text.stdout.contains("2026-11-20      .. R..o\n"), "{}", text.stdout);
    assert!(
        text.stdout.ends_with("etl-runner retry job.yaml --window 2026-11-20T06:00:00Z/2026-11-20T07:00:00Z\n"),
        "{}",
        text.stdout
    );

    let dry = call(&scene, &["retry"], now, &["--dry-run"]);
    assert_eq!(dry.report["plan"]["windows"], json!(["2026-11-20T06:00:00Z/2026-11-20T07:00:00Z"]));
    let same = call(&scene, &["retry"], now, &[]);
    assert_eq!((same.code, windows(&same.report)), (3, vec!["06:00 refused".to_owned()]), "{}", same.stderr);
    assert_eq!(status(&scene, now, &["--only", "refused"])["windows"][0]["failures"], 2);
    let none = call(&scene, &["retry"], now, &["--window", "2026-11-20T05"]);
    assert_eq!((none.code, &none.report["error"]["kind"]), (2, &json!("usage")));
    let mended = call(&scene, &["retry"], now, &["--set", "limits.dead_letters=10"]);
    assert_eq!((mended.code, windows(&mended.report)), (0, vec!["06:00 done".to_owned()]), "{}", mended.stderr);
    assert_eq!(status(&scene, now, &[])["counts"]["done"], 5);
    let nothing = scene.call(&["retry", "job.yaml", "--now", now]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (0, "nothing to do: no window of job test has failed\n"));
}

#[test]
fn what_would_be_wrong_is_refused_before_anything_runs() {
    let scene = Scene::in_memory(|_| {});
    batch(&scene, "2026-11-20T05", "a");
    let backfill = |more: &[&str]| call(&scene, &["backfill"], "2026-11-20T08:00:00Z", more);
    let hint = |run: &Run| run.report["error"]["hint"].as_str().unwrap_or_default().to_owned();
    for (more, says) in [
        (["--from", "2026-11-20T05:30", "--to", "2026-11-20T07", "--every", "1h"], "2026-11-20T06:00:00Z"),
        (["--from", "2026-11-20T05", "--to", "2026-11-20T07", "--every", "15m"], "whole hours"),
        (["--from", "2026-11-20T05", "--to", "2026-11-20T09", "--every", "1h"], "--to 2026-11-20T07:00:00Z"),
        (["--from", "2026-11-20T05", "--to", "2026-11-20T07", "--every", "7h"], "divides the day"),
        (["--from", "1980-01-01", "--to", "2026-01-01", "--every", "1h"], "longer windows"),
        (["--from", "2026-11-20T06", "--to", "2026-11-20T05", "--every", "1h"], "after its start"),
    ] {
        let run = backfill(&more);
        assert_eq!((run.code, &run.report["error"]["kind"]), (2, &json!("usage")), "{more:?}: {}", run.stderr);
        assert!(hint(&run).contains(says), "{more:?}: {}", hint(&run));
    }
    let without = backfill(&["--from", "2026-11-20T05", "--to", "2026-11-20T07"]);
    assert!(hint(&without).contains("--every 1h"), "{}", without.stderr);
    assert!(!scene.path("out").exists(), "nothing was begun");

    let hours = ["--from", "2026-11-20T04", "--to", "2026-11-20T06", "--every", "1h"];
    assert_eq!(backfill(&hours).code, 0);
    let wider =
        backfill(&["--from", "2026-11-20T04", "--to", "2026-11-20T08", "--every", "4h", "--set", "limits.threads=1"]);
    assert_eq!(wider.code, 2, "4h windows end at 08:00, which is not closed");
    let wider = ["--from", "2026-11-20T00", "--to", "2026-11-20T06", "--every", "6h"];
    let refused = backfill(&wider);
    assert!(hint(&refused).contains("--supersede"), "{}", refused.stderr);
    let more = [&wider[..], &["--supersede"]].concat();
    let replaced = backfill(&more);
    assert_eq!((replaced.code, windows(&replaced.report)), (0, vec!["00:00 done".to_owned()]), "{}", replaced.stderr);
    let finer = backfill(&hours);
    assert_eq!(windows(&finer.report), ["04:00 skipped", "05:00 skipped"], "the longer window has them");
    assert_eq!(scene.event_ids(), ["a"]);
}

#[test]
fn done_windows_are_run_again_when_told_and_in_the_order_told() {
    let scene = Scene::in_memory(|_| {});
    for hour in ["04", "05", "06"] {
        batch(&scene, &format!("2026-11-20T{hour}"), &format!("h{hour}"));
    }
    let range = ["--from", "2026-11-20T04", "--to", "2026-11-20T07", "--every", "1h"];
    let now = "2026-11-20T12:00:00Z";
    let dry = call(&scene, &["backfill"], now, &[&range[..], &["--order", "newest", "--dry-run"]].concat());
    assert_eq!(dry.report["plan"]["windows"][0], "2026-11-20T06:00:00Z/2026-11-20T07:00:00Z");
    assert!(!scene.path("out").exists());
    assert_eq!(call(&scene, &["backfill"], now, &range).code, 0);
    let again = call(&scene, &["backfill"], now, &[&range[..], &["--again", "--parallel", "3"]].concat());
    assert_eq!((again.code, &again.report["counts"]["done"]), (0, &json!(3)), "{}", again.stderr);
    assert_eq!(status(&scene, now, &[])["windows"][1]["revision"], 1);
    assert_eq!(scene.event_ids(), ["h04", "h05", "h06"]);
}

#[test]
fn two_backfills_of_the_same_windows_do_each_once() {
    let scene = Scene::in_memory(|_| {});
    for hour in 0..6 {
        batch(&scene, &format!("2026-11-20T{hour:02}"), &format!("h{hour}"));
    }
    let start = || {
        command(&scene.path(""))
            .args(["backfill", "job.yaml", "--from", "2026-11-20T00", "--to", "2026-11-20T06", "--every", "1h"])
            .args(["--now", "2026-11-20T12:00:00Z", "--wait", "2m", "--quiet", "--parallel", "2", "--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start()];
    let mut done = 0;
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        done += report["counts"]["done"].as_u64().unwrap();
    }
    assert!(done >= 6, "{done}");
    assert_eq!(scene.event_ids(), ["h0", "h1", "h2", "h3", "h4", "h5"]);
}

fn scheduled(change: impl FnOnce(&mut Value)) -> Scene {
    Scene::in_memory(|job| {
        job["schedule"] = json!({"every": "1h", "start": "2026-11-20", "catch_up": 3});
        change(job);
    })
}

#[test]
fn a_scheduled_run_goes_on_from_the_watermark() {
    let scene = scheduled(|job| job["limits"]["dead_letters"] = 0.into());
    for hour in [0, 1, 2, 3, 5, 6] {
        batch(&scene, &format!("2026-11-20T{hour:02}"), &format!("h{hour}"));
    }
    bad(&scene, "2026-11-20T05");
    let run = |now: &str, more: &[&str]| call(&scene, &["run"], now, more);
    let plan = |now: &str| call(&scene, &["plan"], now, &[]).report["plan"].clone();

    let early = plan("2026-11-20T07:01:00Z");
    assert_eq!((&early["remaining"], &early["windows"][0]["reason"]), (&json!(3), &json!("missed")));
    assert!(early["first_run"].as_str().unwrap().contains("schedule.start"), "{early}");
    let first = run("2026-11-20T07:01:00Z", &[]);
    assert_eq!(
        (first.code, windows(&first.report)),
        (0, vec!["00:00 done".into(), "01:00 done".into(), "02:00 done".into()]),
        "{}",
        first.stderr
    );
    assert_eq!((&first.report["watermark"], &first.report["remaining"]), (&json!("2026-11-20T03:00:00Z"), &json!(3)));

    // 04 has no object, 05 is refused, and 06 waits behind it.
    let second = run("2026-11-20T07:05:00Z", &[]);
    assert_eq!(second.code, 3, "{}", second.stderr);
    assert_eq!(windows(&second.report), ["03:00 done", "04:00 empty", "05:00 refused"]);
    assert_eq!((&second.report["watermark"], &second.report["remaining"]), (&json!("2026-11-20T05:00:00Z"), &json!(1)));
    let due = plan("2026-11-20T07:05:00Z");
    assert_eq!((&due["windows"][0]["reason"], &due["windows"][1]["reason"]), (&json!("failed"), &json!("next")));
    let told = status(&scene, "2026-11-20T07:05:00Z", &[]);
    assert_eq!(
        (&told["counts"]["refused"], &told["counts"]["missing"], &told["total"]),
        (&json!(1), &json!(1), &json!(7))
    );

    let third = run("2026-11-20T07:06:00Z", &["--set", "limits.dead_letters=10"]);
    assert_eq!(
        (third.code, windows(&third.report)),
        (0, vec!["05:00 done".into(), "06:00 done".into()]),
        "{}",
        third.stderr
    );
    let nothing = scene.call(&["run", "job.yaml", "--now", "2026-11-20T07:59:00Z"]);
    assert_eq!(
        (nothing.code, nothing.stdout.as_str()),
        (
            0,
            "nothing to do: job test is done up to 2026-11-20T07:00:00Z; the next window closes at 2026-11-20T08:02:00Z\n"
        )
    );
}

#[test]
fn without_a_schedule_a_window_is_needed_and_without_a_start_the_last_one_is_taken() {
    let scene = Scene::in_memory(|_| {});
    let run = call(&scene, &["run"], "2026-11-20T07:05:00Z", &[]);
    assert_eq!((run.code, &run.report["error"]["kind"]), (2, &json!("usage")));
    assert!(run.report["error"]["hint"].as_str().unwrap().contains("schedule: {every: 1h}"), "{}", run.stderr);
    let scene = scheduled(|job| job["schedule"] = json!({"every": "1h"}));
    let run = call(&scene, &["run"], "2026-11-20T07:05:00Z", &[]);
    assert_eq!((run.code, windows(&run.report)), (0, vec!["06:00 empty".to_owned()]), "{}", run.stderr);
    assert!(run.stderr.contains("the first run: starts with the last closed window"), "{}", run.stderr);
}

#[test]
fn an_object_that_arrives_late_has_its_hour_run_again() {
    let scene = scheduled(|job| job["schedule"]["catch_up"] = 24.into());
    for hour in 0..7 {
        batch(&scene, &format!("2026-11-20T{hour:02}"), &format!("h{hour}"));
    }
    let run = |now: &str| call(&scene, &["run"], now, &[]);
    assert_eq!(run("2026-11-20T07:05:00Z").report["counts"]["done"], 7);
    batch(&scene, "2026-11-20T05", "late");
    batch(&scene, "2026-11-20T04", "too-late");
    batch(&scene, "2026-11-20T07", "h7");
    let due = call(&scene, &["plan"], "2026-11-20T08:05:00Z", &[]).report["plan"].clone();
    assert_eq!(
        (&due["windows"][0]["reason"], &due["windows"][0]["late_objects"], &due["windows"][1]["reason"]),
        (&json!("late_data"), &json!(1), &json!("next"))
    );
    let second = run("2026-11-20T08:05:00Z");
    assert_eq!(
        (second.code, windows(&second.report)),
        (0, vec!["05:00 done".into(), "07:00 done".into()]),
        "{}",
        second.stderr
    );
    assert_eq!(second.report["windows"][0]["revision"], 1);
    assert_eq!(scene.event_ids(), ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "late"], "beyond the look-back");
    assert_eq!(run("2026-11-20T08:06:00Z").report["total"], 0);
}

#[test]
fn an_object_that_is_selected_by_time_belongs_to_the_window_it_arrives_in() {
    let scene = scheduled(|job| {
        job["source"]["select"] = "modified".into();
        job["schedule"]["start"] = "2026-11-20T05".into();
    });
    batch_at(&scene, "2026-11-20T05", "in-time", "2026-11-20T05:30:00Z");
    assert_eq!(call(&scene, &["run"], "2026-11-20T06:05:00Z", &[]).code, 0);
    batch_at(&scene, "2026-11-20T05", "late", "2026-11-20T06:10:00Z");
    batch_at(&scene, "2026-11-20T06", "next", "2026-11-20T06:30:00Z");
    let run = call(&scene, &["run"], "2026-11-20T07:05:00Z", &[]);
    assert_eq!((run.code, windows(&run.report)), (0, vec!["06:00 done".to_owned()]), "{}", run.stderr);
    let told = status(&scene, "2026-11-20T07:05:00Z", &[]);
    assert_eq!((windows(&told), &told["late_objects"]), (vec!["05:00 late".into(), "06:00 done".into()], &json!(1)));
    assert_eq!(told["windows"][0]["late"][0]["taken_by"], "2026-11-20T06:00:00Z/2026-11-20T07:00:00Z");
    assert_eq!(scene.event_ids(), ["in-time", "late", "next"]);
}

#[test]
fn a_spark_pipeline_is_taken_over_and_could_take_over_again() {
    let scene = scheduled(|job| {
        job["source"]["select"] = "modified".into();
        job["state"] = json!({"job_latest": "job-info/job-latest.json"});
        job["limits"]["dead_letters"] = 0.into();
    });
    let path = scene.path("job-info/job-latest.json");
    let theirs = json!({
        "event": {}, "config": {"projectId": "shop"}, "jobRunId": "latest",
        "startTimestamp": instant("2026-11-20T04:00:07.123Z").timestamp_millis(),
        "endTimestamp": instant("2026-11-20T05:00:07.123Z").timestamp_millis(),
        "state": "LAMBDA-SUBMITTED", "startRunTime": instant("2026-11-20T05:00:37.123Z").timestamp_millis(),
    });
    fs::create_dir(scene.path("job-info")).unwrap();
    fs::write(&path, theirs.to_string()).unwrap();
    let latest = || -> Value { serde_json::from_slice(&fs::read(&path).unwrap()).unwrap() };
    batch_at(&scene, "2026-11-20T05", "theirs", "2026-11-20T05:00:07Z");
    batch_at(&scene, "2026-11-20T05", "ours", "2026-11-20T05:00:08Z");
    let first = call(&scene, &["run"], "2026-11-20T06:05:00Z", &[]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(first.report["windows"][0]["start"], "2026-11-20T05:00:08Z", "the second after their last");
    assert_eq!(scene.event_ids(), ["ours"]);
    let ours = latest();
    assert_eq!(ours["endTimestamp"], instant("2026-11-20T05:59:59.999Z").timestamp_millis());
    assert_eq!(ours["startTimestamp"], instant("2026-11-20T05:00:08Z").timestamp_millis());
    assert_eq!((&ours["config"]["projectId"], &ours["jobRunId"]), (&json!("shop"), &json!("latest")));

    // A window that fails leaves it where it is.
    fs::write(scene.raw_at("year=2026/month=11/day=20/hour=06", "bad.log", "no record\n"), "no record\n").unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(instant("2026-11-20T06:30:00Z").timestamp() as u64);
    let bad = scene.path("raw/year=2026/month=11/day=20/hour=06/bad.log");
    File::options().write(true).open(bad).unwrap().set_modified(modified).unwrap();
    assert_eq!(call(&scene, &["run"], "2026-11-20T07:05:00Z", &[]).code, 3);
    assert_eq!(latest(), ours);

    let exported = scene.call(&["state", "export", "job.yaml", "--format", "job-latest"]);
    let value: Value = serde_json::from_str(&exported.stdout).unwrap();
    assert_eq!(value["endTimestamp"], ours["endTimestamp"]);
    fs::write(scene.path("theirs.json"), theirs.to_string()).unwrap();
    let imported =
        scene.call(&["state", "import", "job.yaml", "theirs.json", "--format", "job-latest", "--output", "json"]);
    assert_eq!(imported.report["state"]["watermark"], "2026-11-20T06:00:00Z", "what is done after it stays done");
}

#[test]
fn the_watermark_is_shown_set_and_carried() {
    let scene = scheduled(|_| {});
    let state = |arguments: &[&str]| {
        let arguments = [&["state"], arguments, &["--output", "json"]].concat();
        scene.call(&arguments)
    };
    let show = state(&["show", "job.yaml"]);
    assert_eq!((show.code, &show.report["state"]["watermark"]), (0, &Value::Null), "{}", show.stderr);
    let set = state(&["set", "job.yaml", "--watermark", "2026-11-20T05", "--reason", "a test"]);
    assert_eq!((set.code, &set.report["state"]["watermark"]), (0, &json!("2026-11-20T05:00:00Z")), "{}", set.stderr);
    let jump = state(&["set", "job.yaml", "--watermark", "2026-11-20T08", "--now", "2026-11-20T12:00:00Z"]);
    assert_eq!(jump.report["state"]["skipped_windows"], 3);
    assert!(jump.stderr.contains("no scheduled run will take them"), "{}", jump.stderr);

    let exported = state(&["export", "job.yaml"]).stdout;
    fs::write(scene.path("state.json"), &exported).unwrap();
    assert_eq!(state(&["set", "job.yaml", "--watermark", "none"]).report["state"]["watermark"], Value::Null);
    let imported = state(&["import", "job.yaml", "state.json"]);
    assert_eq!((imported.code, &imported.report["state"]["watermark"]), (0, &json!("2026-11-20T08:00:00Z")));
    let other = state(&["import", "job.yaml", "state.json", "--set", "job=other"]);
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("another job's"), "{}", other.stderr);
    for wrong in ["job.yaml", "none.json"] {
        assert_eq!(state(&["import", "job.yaml", wrong]).code, 2, "{wrong}");
    }
    assert_eq!(state(&["set", "job.yaml", "--watermark", "soon"]).code, 2);
}

#[test]
fn schedule_backfill_and_status_work_on_a_bucket() {
    let Some(venv) = venv() else { return };
    let server = Server::seaweedfs(&venv);
    server.make_bucket("tables");
    let scene = scheduled(|job| {
        job["sink"] = json!({"url": "s3://tables/out", "s3": {"endpoint": server.endpoint, "path_style": true, "region": "us-east-1"}});
        job["state"] = json!({"job_latest": "s3://tables/job-info/shop/job-latest.json"});
    });
    for hour in 0..5 {
        batch(&scene, &format!("2026-11-20T{hour:02}"), &format!("h{hour}"));
    }
    let call = |arguments: &[&str]| {
        let arguments = [arguments, &["--output", "json"]].concat();
        scene.call_with(&arguments, &CREDENTIALS)
    };
    let range = ["--from", "2026-11-20T01", "--to", "2026-11-20T03", "--parallel", "2"];
    let now = ["--now", "2026-11-20T05:05:00Z"];
    let backfill = call(&[&["backfill", "job.yaml"], &range[..], &now].concat());
    assert_eq!((backfill.code, &backfill.report["counts"]["done"]), (0, &json!(2)), "{}", backfill.stderr);
    let run = call(&[&["run", "job.yaml"], &now[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(windows(&run.report), ["00:00 done", "03:00 done", "04:00 done"], "around what the backfill did");
    let told = call(&[&["status", "job.yaml"], &now[..]].concat()).report["status"].clone();
    assert_eq!((&told["counts"]["done"], &told["watermark"]), (&json!(5), &json!("2026-11-20T05:00:00Z")));
    let keys: Vec<String> = serde_json::from_value(server.s3(json!([["keys", "tables", ""]])).remove(0)).unwrap();
    assert!(keys.iter().any(|key| key == "job-info/shop/job-latest.json"), "{keys:?}");
    let tables = keys.iter().filter(|key| key.starts_with("out/event_v2/")).count();
    assert_eq!(tables, 5, "{keys:?}");
}

/// A checkpoint and a tail of the log, as ten thousand windows leave them.
#[test]
fn the_status_of_ten_thousand_windows_is_read_from_a_checkpoint_and_a_tail() {
    let scene = scheduled(|_| {});
    let from = instant("2025-10-01T00:00:00Z");
    let mut state = JobState::default();
    let mut tail = Vec::new();
    let mut append = |event: Event, keep: bool| {
        let version = state.version + 1;
        let entry = Entry { version, at: from, by: Runner::default(), token: version.to_string(), event };
        if keep {
            tail.push(entry);
        } else {
            state.apply(&entry);
            return version;
        }
        state.version = version;
        version
    };
    append(Event::Watermark { at: Some(from), reason: String::new() }, false);
    for (number, window) in Every::HOUR.tiles(from, from + TimeDelta::hours(10_000)).enumerate() {
        if number == 5_000 {
            continue;
        }
        let keep = number >= 9_980;
        let commit = append(Event::Commit(Box::new(commit_of(window))), keep);
        append(Event::Published { commit, window, owed: Vec::new() }, keep);
    }
    let checkpoint = state.version - tail.len() as u64;
    state.version = checkpoint;
    let root = scene.path("out/_state/test");
    fs::create_dir_all(root.join("checkpoints")).unwrap();
    fs::create_dir_all(root.join("log")).unwrap();
    fs::write(root.join(format!("checkpoints/{checkpoint:020}.json")), serde_json::to_vec(&state).unwrap()).unwrap();
    for entry in tail {
        fs::write(root.join(format!("log/{:020}.json", entry.version)), serde_json::to_vec(&entry).unwrap()).unwrap();
    }
    let now = (from + TimeDelta::hours(10_000) + TimeDelta::minutes(30)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let told = status(&scene, &now, &[]);
    assert_eq!(
        (&told["counts"]["done"], &told["counts"]["missing"], &told["total"]),
        (&json!(9_999), &json!(1), &json!(10_000))
    );
    let text = scene.call(&["status", "job.yaml", "--now", &now]);
    assert!(text.stdout.lines().count() < 40, "{}", text.stdout);
    assert!(text.stdout.contains("a letter per day: the worst of its windows"), "{}", text.stdout);
}

fn commit_of(window: Window) -> Commit {
    Commit {
        window,
        revision: 0,
        amendment: 0,
        name: format!("test-{}", window.id()),
        detail: format!("commits/test-{}-0123456789abcdef.json", window.id()),
        detail_hash: ContentHash::default(),
        supersedes: Vec::new(),
        counts: Counts {
            objects: 12,
            records: 1_000,
            rows: TABLES.iter().map(|table| ((*table).to_owned(), 1_000)).collect(),
            ..Counts::default()
        },
        late: Vec::new(),
        carried: None,
        provisional: false,
        forgets: false,
        compacts: Vec::new(),
    }
}
