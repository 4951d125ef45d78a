//! Input that is too much of something: length, depth, expansion, partitions. Memory stays bounded.

use super::{among_good_events, among_good_lines, good_ids, gzip};
use crate::support::events::{event, event_with, good, line, line_of, request};
use crate::support::{Run, Scene, visible_files};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most resident memory of the program in these tests, whatever it is given.
const MEMORY: u64 = 320 << 20;

#[track_caller]
fn bounded(run: &Run) {
    let peak = run.report["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < MEMORY, "{} MiB", peak >> 20);
}

#[test]
fn a_line_of_300_megabytes_costs_itself_alone() {
    let scene = Scene::with(|job| job["limits"]["expansion_ratio"] = 100_000.into());
    let part = gzip(&vec![b'a'; 50 << 20]);
    let first = gzip(format!("{}\n{{\"data\":\"", good("good-before")).as_bytes());
    let last = gzip(format!("\"}}\n{}\n", good("good-behind")).as_bytes());
    let parts = std::iter::repeat_n(part.as_slice(), 6);
    let object: Vec<u8> =
        std::iter::once(first.as_slice()).chain(parts).chain([last.as_slice()]).flatten().copied().collect();
    scene.raw("long.log.gz", object);
    let run = scene.run(&[]).done();
    assert_eq!(good_ids(&scene), ["good-before", "good-behind"]);
    assert_eq!(run.dead_letters(), &json!({"record_too_long": 1}));
    assert!(run.report["bytes"]["decompressed"].as_u64().unwrap() > 300 << 20);
    bounded(&run);
}

#[test]
fn a_bomb_is_one_dead_letter() {
    // A worker's payload buffer grows up to this, with half of it once more while it grows.
    let scene = Scene::with(|job| job["transformer"]["with"]["payload_bytes"] = (32 << 20).into());
    // 1 GiB of zeros as 16 members.
    let zeros = gzip(&vec![0; 64 << 20]);
    let mut bomb = gzip(format!("{}\n", good("good-before")).as_bytes());
    for _ in 0..16 {
        bomb.extend(&zeros);
    }
    scene.raw("01-bomb.log.gz", bomb);
    // A bomb in a payload, and one in a bomb.
    let payload = base64_simd::STANDARD.encode_to_string(gzip(&vec![b'['; 200 << 20]));
    scene.raw("02-payload.log", format!("{}\n{}\n", line_of(&payload), good("good-behind-payload")));
    scene.raw("03-nested.log.gz", gzip(&gzip(&gzip(&gzip(&zeros)))));
    scene.raw("04-good.log", good("good-behind"));
    let run = scene.run(&[]).done();
    assert_eq!(good_ids(&scene), ["good-before", "good-behind", "good-behind-payload"]);
    assert_eq!((run.dead("expansion_ratio"), run.dead("payload_too_large")), (1, 1), "{}", run.dead_letters());
    assert_eq!(run.dead("too_many_layers"), 1, "{}", run.dead_letters());
    bounded(&run);
}

/// `open` 100,000 times, and `close` as often.
fn deep(open: &str, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(100_000), close.repeat(100_000))
}

#[test]
fn lines_nested_100_000_deep() {
    let arrays = deep("[", "", "]");
    let in_request = request(json!("[]")).to_string().replacen('{', &format!("{{\"x\":{arrays},"), 1);
    let bad = [
        arrays.clone(),
        deep("{\"a\":", "1", "}"),
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "[{\"a\":".repeat(100_000),
        in_request,
        format!("{{\"data\":{arrays}}}"),
    ];
    let (_, run) = among_good_lines(&bad);
    let total = run.report["dead_letters"]["total"].as_u64().unwrap();
    assert!(total >= 6, "{}", run.dead_letters());
}

#[test]
fn payloads_nested_100_000_deep() {
    let arrays = deep("[", "", "]");
    let payload = |text: &str| request(json!(text)).to_string();
    let bad = [
        payload(&arrays),
        payload(&"[".repeat(100_000)),
        payload(&deep("[{\"a\":", "1", "}]")),
        payload(&format!("[{}", "{\"event_id\":".repeat(100_000))),
    ];
    among_good_lines(&bad);
    let deep_in = |key: &str| event("odd", 0).to_string().replacen('{', &format!("{{\"{key}\":{arrays},"), 1);
    let objects = event("odd", 0).to_string().replacen('{', &format!("{{\"x\":{},", deep("{\"a\":", "1", "}")), 1);
    let attributes = event("odd", 0).to_string().replace("\"_session_number\":1", &format!("\"x\":{arrays}"));
    let (_, run) = among_good_events(&[
        arrays.clone(),
        deep_in("x"),
        deep_in("items"),
        deep_in("user"),
        deep_in("app_id"),
        objects,
        attributes,
    ]);
    assert_eq!(run.dead_letters(), &json!({"too_deep": 7}));
}

#[test]
fn ten_thousand_partitions_in_one_run() {
    const APPS: usize = 10_000;
    let apps: Vec<String> = (0..APPS).map(|app| format!("app-{app:05}")).collect();
    // Every file is made durable before it is published, which takes a disk a minute for so many.
    let scene = Scene::in_memory(|job| {
        job["transformer"]["with"]["app_ids"] = json!(apps);
        job["sink"]["max_open_writers"] = 8.into();
        job["sink"]["format"] = "json".into();
        job["tables"] = json!({"item_v2": {"write": false}, "user_v2": {"write": false}, "session": {"write": false}});
    });
    // Twice each, far apart.
    let mut lines = String::new();
    for round in 0..2 {
        for (place, app) in apps.iter().enumerate() {
            let id = format!("{round}-{place}");
            lines.push_str(&line(&[event_with(&id, &[("app_id", json!(app))])]));
            lines.push('\n');
        }
    }
    scene.raw("batch.log", lines);
    let run = scene.run(&[]).done();
    assert_eq!(run.table_rows("event_v2"), 2 * APPS as u64);
    let table = &run.report["tables"][0];
    assert_eq!((&table["name"], &table["partitions"]), (&json!("event_v2"), &json!(APPS)));
    bounded(&run);
    let mut ids = BTreeSet::new();
    for name in visible_files(&scene.path("out/event_v2")) {
        let app = name.split('/').next().unwrap().strip_prefix("partition_app=").unwrap();
        for row in std::fs::read_to_string(scene.path("out/event_v2").join(&name)).unwrap().lines() {
            let row: Value = serde_json::from_str(row).unwrap();
            assert_eq!(row["app_id"], app);
            assert!(ids.insert(row["event_id"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(ids.len(), 2 * APPS);
}
