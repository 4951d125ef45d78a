//! `compact`: the hours of a day become one window of few files, with the same rows, and everything that rests on a window
//! goes on with it.

use crate::support::events::{event_with, good, line};
use crate::support::{Run, Scene, TABLES, call, content, copy, files, project, rows, texts, visible_files};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

const LATER: &str = "2026-11-24T00:00:00Z";
const DAY: [&str; 6] = ["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1h"];

fn call_at(scene: &Scene, command: &[&str], more: &[&str]) -> Run {
    scene.call(&[command, &["job.yaml", "--now", LATER, "--output", "json"], more].concat())
}

#[track_caller]
fn done(scene: &Scene, command: &[&str], more: &[&str]) -> Value {
    let run = call_at(scene, command, more);
    assert_eq!(run.code, 0, "{command:?} {more:?}: {}{}", run.stdout, run.stderr);
    run.report
}

/// The fixtures, in many small tasks.
fn fixtures() -> Scene {
    let scene = Scene::in_memory(|job| {
        job["transformer"]["with"]["app_ids"] = json!(["shop", "news"]);
        job["limits"]["task_bytes"] = "16KiB".into();
        job["schedule"] = json!({"every": "1h", "start": "2026-11-20", "catch_up": 100});
    });
    copy(&project().join("fixtures/clickstream/raw"), &scene.path("raw"));
    scene
}

/// All that is there but leases, by name and length: what a dry run leaves as it was.
fn everything(scene: &Scene) -> Vec<(String, u64)> {
    let length = |name: &String| fs::metadata(scene.path("out").join(name)).unwrap().len();
    files(&scene.path("out")).into_iter().map(|name| (name.clone(), length(&name))).collect()
}

/// The rows without the places of their input.
fn without_places(scene: &Scene) -> String {
    let folder = scene.path("").display().to_string();
    format!("{:?}", scene.content()).replace(folder.trim_end_matches('/'), "")
}

/// The rows without what tells one run from another.
fn plain(scene: &Scene) -> BTreeMap<&'static str, Vec<String>> {
    let of_table = |table| {
        let mut rows = rows(&scene.path("out").join(table));
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            row.retain(|name, _| name != "process_info");
        }
        (table, texts(rows))
    };
    TABLES.into_iter().map(of_table).collect()
}

fn letters(scene: &Scene) -> Value {
    let run = scene.call(&["dead-letters", "list", "job.yaml", "--output", "json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.report
}

fn replay(scene: &Scene) -> Run {
    scene.call(&["dead-letters", "replay", "job.yaml", "--all", "--output", "json"])
}

#[test]
fn hours_become_a_day_with_the_same_rows_in_few_files() {
    let scene = fixtures();
    done(&scene, &["backfill"], &DAY);
    copy(&scene.path("out"), &scene.path("hours"));
    let (before, count) = (scene.content(), visible_files(&scene.path("out")).len());

    let untouched = everything(&scene);
    let planned = done(&scene, &["compact"], &["--dry-run"])["compact"].clone();
    assert_eq!(everything(&scene), untouched);
    assert_eq!((&planned["dry_run"], &planned["periods"][0]["merging"]), (&json!(true), &json!("planned")));

    let report = done(&scene, &["compact"], &[])["compact"].clone();
    assert_eq!(scene.content(), before);
    let now = visible_files(&scene.path("out"));
    let partitions: std::collections::BTreeSet<&str> =
        now.iter().filter_map(|file| file.rsplit_once('/')).map(|(folder, _)| folder).collect();
    assert!(now.len() == partitions.len() && now.len() < count, "{count} {now:?}");
    let period = &report["periods"][0];
    assert_eq!((&period["merging"], &period["windows"]), (&json!("done"), &json!(24)));
    assert_eq!((&period["before"]["files"], &period["after"]["files"]), (&json!(count), &json!(now.len())));
    assert_eq!(period["after"], report["after"]);
    let of_table = |table: &str| before[table].len();
    assert_eq!(
        period["rows"],
        json!({"event_v2": of_table("event_v2"), "item_v2": of_table("item_v2"),
        "user_v2": of_table("user_v2"), "session": of_table("session")})
    );
    for table in ["event_v2", "item_v2"] {
        let sides = [format!("hours/{table}"), format!("out/{table}")];
        let compared = call(&scene.path(""), &["compare", &sides[0], &sides[1], "--key", "event_id", "--quiet"], &[]);
        assert_eq!(compared.code, 0, "{}{}", compared.stdout, compared.stderr);
    }

    let again = done(&scene, &["compact"], &[])["compact"].clone();
    assert_eq!((&again["left"], &again["before"]["files"]), (&json!({"compacted": 1}), &json!(0)));
    let text = scene.call(&["compact", "job.yaml", "--now", LATER]);
    assert_eq!(
        text.stdout,
        "compact: job test, nothing to merge\n  left alone: 1 period compacted before, the first \
        2026-11-20T00:00:00Z/2026-11-21T00:00:00Z\n"
    );
    let young = scene.call(&["compact", "job.yaml", "--now", "2026-11-22T23:59:59Z", "--output", "json"]);
    assert_eq!(young.report["compact"]["left"], json!({"compacted": 1}));
}

#[test]
fn its_hours_are_done_for_schedules_and_backfills_and_a_run_of_the_day_replaces_it() {
    let scene = fixtures();
    done(&scene, &["backfill"], &DAY);
    done(&scene, &["state", "set"], &["--watermark", "2026-11-20"]);
    done(&scene, &["compact"], &[]);
    assert_eq!(done(&scene, &["backfill"], &DAY)["counts"]["skipped"], 24);
    assert_eq!(done(&scene, &["state", "show"], &[])["state"]["watermark"], "2026-11-21T00:00:00Z");
    let refused = scene.run_window(&["--window", "2026-11-20T05/PT1H"], &[]);
    assert!(refused.code == 2 && refused.stderr.contains("overlaps"), "{}", refused.stderr);
    let status = done(&scene, &["status"], &[])["status"].clone();
    assert_eq!(status["counts"]["done"], 1, "{status}");

    // What comes late is found by the list of input, which is that of all hours.
    let due = |scene: &Scene| {
        let more = ["--set", "schedule.look_back=10d"];
        done(scene, &["plan"], &more)["plan"]["windows"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|due| due["reason"] == "late_data")
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(due(&scene), Vec::<Value>::new());
    scene.raw_at("year=2026/month=11/day=20/hour=06", "99-late.log", good("late"));
    let late = due(&scene);
    assert_eq!(
        (late.len(), &late[0]["start"], &late[0]["end"]),
        (1, &json!("2026-11-20T00:00:00Z"), &json!("2026-11-21T00:00:00Z"))
    );

    scene.run_window(&["--window", "2026-11-20"], &["--now", LATER]).done();
    let fresh = fixtures();
    fresh.raw_at("year=2026/month=11/day=20/hour=06", "99-late.log", good("late"));
    fresh.run_window(&["--window", "2026-11-20"], &["--now", LATER]).done();
    assert_eq!(plain(&scene), plain(&fresh));
}

#[test]
fn dead_letters_stay_with_what_became_of_them() {
    let title = "x".repeat(7_000);
    let begin = || {
        let scene = Scene::in_memory(|job| job["limits"]["dead_letters"] = 100_000.into());
        for hour in ["05", "06", "07"] {
            let long = line(&[event_with(&format!("long-{hour}"), &[("app_title", title.as_str().into())])]);
            let folder = format!("year=2026/month=11/day=20/hour={hour}");
            scene.raw_at(&folder, "a.log", [good(&format!("good-{hour}")), long, "no json".to_owned()].join("\n"));
        }
        done(&scene, &["backfill"], &[&DAY[..], &["--set", "limits.record_bytes=6000"]].concat());
        // Of three hours one is replayed, of one what is no JSON is dropped.
        let hour = |hour: &str| format!("2026-11-20T{hour}/PT1H");
        let replayed = scene.call(&[
            "dead-letters",
            "replay",
            "job.yaml",
            "--window",
            &hour("05"),
            "--reason",
            "record_too_long",
            "--output",
            "json",
        ]);
        assert_eq!(replayed.code, 0, "{}", replayed.stderr);
        let dropped = scene.call(&[
            "dead-letters",
            "drop",
            "job.yaml",
            "--window",
            &hour("06"),
            "--reason",
            "not_json",
            "--yes",
            "--output",
            "json",
        ]);
        assert_eq!(dropped.code, 0, "{}{}", dropped.stderr, dropped.stdout);
        scene
    };
    let (scene, untouched) = (begin(), begin());
    let report = done(&scene, &["compact"], &[])["compact"].clone();
    assert_eq!(report["periods"][0]["merging"], "done", "{report}");
    assert!(without_places(&scene) == without_places(&untouched));
    let sum = |scene: &Scene, reason: &str| {
        let all = letters(scene);
        let windows = all["dead_letters"]["windows"].as_array().unwrap().clone();
        let of =
            |name: &str| -> u64 { windows.iter().filter_map(|window| window["reasons"][reason][name].as_u64()).sum() };
        (of("open"), of("replayed"), of("dropped"))
    };
    for scene in [&scene, &untouched] {
        assert_eq!(sum(scene, "record_too_long"), (2, 1, 0), "{}", letters(scene));
        assert_eq!(sum(scene, "not_json"), (2, 0, 1));
    }
    let shown = scene.call(&["dead-letters", "show", "job.yaml", "--window", "2026-11-20", "--output", "json"]);
    assert!(shown.code == 0 && shown.stdout.contains("no json"), "{}{}", shown.stdout, shown.stderr);
    for scene in [&scene, &untouched] {
        let replayed = replay(scene);
        assert_eq!(replayed.code, 0, "{}", replayed.stderr);
        assert_eq!(sum(scene, "record_too_long"), (0, 3, 0));
        assert_eq!(rows(&scene.path("out/event_v2")).len(), 6);
    }
    // A replay adds files to the day: it is merged once more, and what was dropped stays so.
    let drop = ["dead-letters", "drop", "job.yaml", "--window", "2026-11-20", "--reason", "not_json", "--yes"];
    assert_eq!(scene.call(&drop).code, 0);
    let before = scene.content();
    let report = done(&scene, &["compact"], &[])["compact"].clone();
    assert_eq!((&report["periods"][0]["merging"], &report["periods"][0]["windows"]), (&json!("done"), &json!(1)));
    assert_eq!(scene.content(), before);
    assert_eq!((sum(&scene, "not_json"), sum(&scene, "record_too_long")), ((0, 2, 3), (0, 3, 0)));
    // All of it is taken back by a run of the day: nothing is there twice.
    scene.run_window(&["--window", "2026-11-20"], &["--now", LATER]).done();
    assert_eq!(rows(&scene.path("out/event_v2")).len(), 6);
    assert_eq!(visible_files(&scene.path("out/_dead_letters")).len(), 1);
}

#[test]
fn users_and_sessions_go_on_from_what_the_hours_left() {
    let latest = |scene: &Scene| {
        let mut of_user: BTreeMap<String, (String, String)> = BTreeMap::new();
        for mut row in rows(&scene.path("out/user_v2")) {
            let stamp = row["created_time"].as_str().unwrap().to_owned();
            row.as_object_mut()
                .unwrap()
                .retain(|name, _| !matches!(name.as_str(), "process_info" | "created_time" | "partition"));
            let entry = (stamp, row.to_string());
            let known =
                of_user.entry(row["user_pseudo_id"].as_str().unwrap().to_owned()).or_insert_with(|| entry.clone());
            if entry > *known {
                *known = entry;
            }
        }
        of_user.into_iter().map(|(user, (_, row))| (user, row)).collect::<BTreeMap<_, _>>()
    };
    let next = "year=2026/month=11/day=21/hour=05";
    let later = |scene: &Scene| {
        let raw = scene.path("raw");
        copy(&raw.join("year=2026/month=11/day=20/hour=05"), &raw.join(next));
        scene.run_window(&["--window", "2026-11-21T05/PT1H"], &["--now", LATER]).done();
    };
    let (scene, untouched) = (fixtures(), fixtures());
    for scene in [&scene, &untouched] {
        done(scene, &["backfill"], &DAY);
    }
    done(&scene, &["compact"], &[]);
    for scene in [&scene, &untouched] {
        later(scene);
    }
    assert_eq!(latest(&scene), latest(&untouched));
    let rebuilt =
        |scene: &Scene| done(scene, &["state", "rebuild"], &["--from", "2026-11-20"])["rebuilt"]["rows"].clone();
    assert_eq!(rebuilt(&scene), rebuilt(&untouched));
    // The day takes back exactly what its hours had left, whether it was rebuilt or not.
    scene.run_window(&["--window", "2026-11-20"], &["--now", LATER]).done();
    untouched.run_window(&["--window", "2026-11-20"], &["--now", LATER, "--supersede"]).done();
    assert_eq!(latest(&scene), latest(&untouched));
}

#[test]
fn a_period_that_is_not_done_is_left_alone_and_files_that_are_not_the_committed_ones_fail_it() {
    let scene = fixtures();
    done(&scene, &["backfill"], &["--from", "2026-11-20T05", "--to", "2026-11-20T08", "--every", "1h"]);
    let report = done(&scene, &["compact"], &[])["compact"].clone();
    assert_eq!((&report["left"], report["periods"].as_array().unwrap().len()), (&json!({"gap": 1}), 1));
    done(&scene, &["backfill"], &DAY);
    let file = visible_files(&scene.path("out/event_v2")).remove(0);
    let path = scene.path("out/event_v2").join(&file);
    let whole = fs::read(&path).unwrap();
    let other = visible_files(&scene.path("out/event_v2")).remove(1);
    fs::copy(scene.path("out/event_v2").join(other), &path).unwrap();
    let before = everything(&scene);
    let failed = call_at(&scene, &["compact"], &[]);
    assert_eq!(failed.code, 1, "{}{}", failed.stdout, failed.stderr);
    assert!(
        failed.stderr.contains("not the one that was committed") && failed.stderr.contains(&file),
        "{}",
        failed.stderr
    );
    let tables =
        |all: Vec<(String, u64)>| all.into_iter().filter(|(name, _)| !name.starts_with("_state")).collect::<Vec<_>>();
    assert_eq!(tables(everything(&scene)), tables(before));
    fs::write(&path, whole).unwrap();
    // What the job has no place for is not lost: the period stays as it is.
    let more = ["--set", "sink.format=json"];
    let refused = call_at(&scene, &["compact"], &more);
    assert!(refused.code == 2 && refused.stderr.contains("sink.format"), "{}: {}", refused.code, refused.stderr);
    done(&scene, &["compact"], &[]);
    assert_eq!(content(&scene.path("out"))["event_v2"].len(), 230);
}
