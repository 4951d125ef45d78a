//! Bounds: how many dead letters a run may have, what a damaged object counts as, and numbers that can never hold.

use crate::support::events::good;
use crate::support::{NOW, Run, Scene, copy};
use etl_sdk::testing::external::data;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

/// A job without a limit of its own over `good` good lines and `bad` bad ones before them.
fn scene(good_lines: usize, bad: usize) -> Scene {
    let scene = Scene::with(|job| job["limits"] = json!({"threads": 1}));
    scene.raw("a.log", ["spoiled \u{1b}[31m\n".repeat(bad), lines(0, good_lines)].concat());
    scene
}

fn lines(from: usize, count: usize) -> String {
    (from..from + count).map(|number| good(&format!("e{number}")) + "\n").collect()
}

/// When the objects of cases were stored, in seconds.
const STORED: u64 = 1_795_151_400;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn warnings(run: &Run) -> String {
    let warnings = run.report["warnings"].as_array().unwrap();
    warnings.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[test]
fn five_percent_is_the_default_and_a_single_dead_letter_passes() {
    for (good, bad, code) in [(95, 5, 0), (94, 6, 3), (1, 1, 0), (3, 2, 3), (0, 1, 3), (40, 0, 0)] {
        let run = scene(good, bad).run(&[]).balanced();
        assert_eq!(run.code, code, "{bad} of {}: {}", good + bad, run.stderr);
        let half = bad * 2 > good + bad;
        assert_eq!(warnings(&run).contains("most of what was read"), half, "{}", warnings(&run));
    }
    let check = scene(1, 0).call(&["check", "job.yaml"]);
    assert!(check.stdout.contains("at most 5% (the default)\n"), "{}", check.stdout);
    // What the job says is taken at its word.
    assert_eq!(scene(1, 1).run(&["--set", "limits.dead_letters=5%"]).code, 3);
    assert_eq!(scene(94, 6).run(&["--set", "limits.dead_letters=6"]).code, 0);
    assert_eq!(scene(94, 6).run(&["--set", "limits.dead_letters={reasons: {not_json: 50%}}"]).code, 3);
}

#[test]
fn a_run_of_which_most_is_dead_says_so_with_the_first_example() {
    let none = ["--set", "limits.dead_letters=100%"];
    let scene = scene(2, 3);
    let run = scene.run(&none).done();
    let object = scene.path("raw").canonicalize().unwrap().join(crate::support::HOUR).join("a.log");
    assert_eq!(
        warnings(&run),
        format!(
            "most of what was read cannot be used: 3 of 5, 3 of them not_json, the first at {} byte 0: \
             spoiled \\u{{1b}}[31m",
            object.display()
        )
    );
    // A job that keeps no bytes of records shows none.
    let silent = scene.run(&[&none[..], &["--set", "dead_letter.raw_bytes=0"]].concat()).done();
    assert!(warnings(&silent).ends_with("a.log byte 0"), "{}", warnings(&silent));
    // A refused run says it too, and on the screen.
    let screen = scene.call(&["run", "job.yaml", "--window", "2026-11-20", "--now", NOW, "--progress", "none"]);
    assert_eq!(screen.code, 3);
    assert!(screen.stdout.contains("warning: most of what was read cannot be used: 3 of 5"), "{}", screen.stdout);
    assert!(!screen.stdout.contains('\u{1b}'), "{}", screen.stdout);
}

#[test]
fn a_damaged_object_counts_as_what_it_has_probably_lost() {
    let Some(cases) = data("cases") else { return };
    let scene = Scene::new();
    copy(&cases.join("21-damaged-object-counts-as-one-record"), &scene.path("case"));
    for name in ["a.gz", "b.gz"] {
        let file = File::options().write(true).open(scene.path("case/raw").join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(STORED)).unwrap();
    }
    let run = |more: &[&str]| {
        let base = ["run", "case/job.yaml", "--window", "2026-11-20", "--now", NOW, "--output", "json"];
        scene.call(&[&base, more].concat())
    };
    let refused = run(&[]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert_eq!(refused.report["error"]["facts"]["limits.dead_letters"], "5%");
    assert_eq!(run(&["--set", "limits.dead_letters={all: 100%, reasons: {truncated_object: 5%}}"]).code, 3);
    let done = run(&["--set", "limits.dead_letters=100%"]).done();
    assert_eq!(done.report["objects"]["damaged"], 1);
    let lost = done.report["dead_letters"]["probably_lost"].as_u64().unwrap();
    assert!((300..3_000).contains(&lost), "{lost}");
    assert_eq!(done.report["dead_letters"]["total"], 1);
    let warnings = warnings(&done);
    for part in ["b.gz is damaged (truncated_object: ", "1.9 KiB and 154 records read", "records are probably lost"] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
}

/// Damage of other kinds, each beside a thousand records of whole objects, and the records that it costs.
#[test]
fn every_kind_of_damage_counts_by_what_was_not_read() {
    let text = lines(5_000, 1_000);
    let whole = gzip(&text);
    let middle = whole.len() / 2;
    let parts: Vec<Vec<u8>> = (50..60).map(|part| gzip(&lines(part * 100, 100))).collect();
    let mut corrupt = parts.concat();
    corrupt[parts[..5].concat().len()] ^= 1;
    let first = whole[..middle].to_vec();
    let members = [gzip(&lines(5_000, 100)), whole[..200].to_vec()].concat();
    let most = format!("limits.object_bytes={}", text.len() * 3 / 4);
    let cases: [(&str, Vec<u8>, &[&str]); 5] = [
        ("corrupt_object", corrupt, &[]),
        ("truncated_object", first, &[]),
        ("truncated_object", members, &[]),
        ("object_too_large", whole.clone(), &["--set", &most]),
        ("not_an_array", text.clone().into_bytes(), &["--set", "source.framing=array"]),
    ];
    for (reason, bytes, settings) in cases {
        let scene = Scene::with(|job| job["limits"] = json!({"threads": 1}));
        let is_array = reason == "not_an_array";
        for number in 0..2 {
            let (from, to) = (number * 500, (number + 1) * 500);
            let lines: Vec<String> = (from..to).map(|number| good(&format!("w{number}"))).collect();
            let text = if is_array { format!("[{}]", lines.join(",")) } else { lines.join("\n") };
            scene.raw(&format!("{number}.gz"), gzip(&text));
        }
        scene.raw("damaged", bytes);
        let refused = scene.run(settings).balanced();
        assert_eq!(refused.code, 3, "{reason}: {}", refused.stderr);
        let done = scene.run(&[settings, &["--set", "limits.dead_letters=100%"]].concat()).done();
        assert_eq!(done.dead(reason), 1, "{}", done.stdout);
        let lost = done.report["dead_letters"]["probably_lost"].as_u64().unwrap();
        assert!((100..2_500).contains(&lost), "{reason}: {lost}\n{}", warnings(&done));
        assert!(warnings(&done).contains(&format!("damaged is damaged ({reason}: ")), "{}", warnings(&done));
    }
    // Alone, it has lost about as much as was read: nothing says more.
    let alone = Scene::with(|job| job["limits"] = json!({"threads": 1}));
    alone.raw("cut.gz", &whole[..middle]);
    let refused = alone.run(&["--set", "limits.dead_letters=40%"]).balanced();
    assert_eq!(refused.code, 3, "{}", refused.stderr);
}

#[test]
fn reason_codes_are_those_that_the_job_can_give() {
    let rule = json!([{"name": "web", "column": "platform", "in": ["WEB", "Web"], "action": "dead_letter"}]);
    let check = |reasons: Value| {
        let scene = Scene::with(|job| {
            job["limits"]["dead_letters"] = json!({ "reasons": reasons });
            job["quality"] = rule.clone();
        });
        scene.call(&["check", "job.yaml"])
    };
    let known = ["not_json", "truncated_object", "payload_not_gzip", "quality_web", "partition_value_too_long"];
    let all = check(known.iter().map(|code| ((*code).to_owned(), Value::from(5))).collect());
    assert_eq!(all.code, 0, "{}", all.stderr);
    for (wrong, near) in [
        ("not_jsn", "not_json"),
        ("truncated_objects", "truncated_object"),
        ("quality_wbe", "quality_web"),
        ("payload_no_gzip", "payload_not_gzip"),
        ("Not_Json", "not_json"),
    ] {
        let refused = check(json!({ wrong: 5 }));
        assert_eq!(refused.code, 2);
        assert!(refused.stderr.contains(&format!("unknown reason code `{wrong}`")), "{}", refused.stderr);
        assert!(refused.stderr.contains(&format!("did you mean `{near}`?")), "{}", refused.stderr);
        let line = refused.stderr.split("job.yaml:").nth(1).and_then(|rest| rest.split(':').next()).unwrap();
        assert!(line.parse::<u32>().is_ok(), "{}", refused.stderr);
    }
    // No step of this job is SQL.
    assert_eq!(check(json!({"sql_failed": 5})).code, 2);
}

#[test]
fn commands_refuse_a_reason_code_that_no_dead_letter_has() {
    let scene = Scene::new();
    scene.raw("a.log", format!("{}\nspoiled\n", good("a")));
    scene.run(&[]).done();
    let call = |command: &str, reason: &str| {
        let window = ["--window", "2026-11-20"];
        let window: &[&str] = if command == "list" { &[] } else { &window };
        scene.call(&[&["dead-letters", command, "job.yaml", "--reason", reason], window].concat())
    };
    for command in ["list", "show", "replay", "drop"] {
        let wrong = call(command, "not_jsn");
        assert_eq!(wrong.code, 2, "{command}: {}", wrong.stdout);
        assert!(wrong.stderr.contains("unknown reason code `not_jsn`"), "{command}: {}", wrong.stderr);
        assert!(wrong.stderr.contains("did you mean `not_json`?"), "{command}: {}", wrong.stderr);
        let absent = call(command, "missing_data");
        assert_eq!(absent.code, 0, "{command}: {}", absent.stderr);
    }
    assert!(call("list", "not_json").stdout.contains("not_json"));
}

#[test]
fn numbers_that_can_never_hold_are_refused_with_their_place() {
    for (setting, message) in [
        ("limits.memory=4", "`limits.memory` must be at least 8MiB, not 4B"),
        ("limits.memory=-4", "`limits.memory`"),
        ("limits.memory_total=0", "`limits.memory_total` must be at least 1B, not 0B"),
        ("limits.memory_total=100MiB", "fit the run into its memory may_take=100MiB needs="),
        ("limits.threads=0", "`limits.threads` must be at least 1, not 0"),
        ("limits.threads=1000000", "`limits.threads` must be at most 1024, not 1000000"),
        ("limits.dead_letters=101%", "\"101%\" is no limit; write a share such as 5%, 100% at most"),
        ("limits.dead_letters=-1", "`limits.dead_letters` must be at least 0, not -1"),
        ("limits.dead_letters={all: 1e3%}", "is no limit"),
        ("limits.dead_letters={reasons: {not_json: 200%}}", "not_json: \"200%\" is no limit"),
        ("limits.record_bytes=4", "`limits.record_bytes` must be at least 64B, not 4B"),
        ("limits.object_bytes=0.5", "`limits.object_bytes`"),
        ("limits.expansion_ratio=0", "`limits.expansion_ratio` must be at least 1, not 0"),
        ("limits.depth=0", "`limits.depth` must be at least 1, not 0"),
        ("limits.objects=0", "`limits.objects` must be at least 1, not 0"),
        ("limits.task_bytes=0", "`limits.task_bytes` must be at least 1B, not 0B"),
        ("limits.retry.attempts=0", "`limits.retry.attempts` must be at least 1, not 0"),
        ("limits.retry.budget=0s", "`limits.retry.budget` must be at least 1s, not 0s"),
        ("limits.retry.stall=0m", "`limits.retry.stall` must be at least 1s, not 0s"),
        ("source.look_back=100000000d", "`source.look_back` must be at most 366d, not 100000000d"),
        ("source.look_ahead=100000000d", "`source.look_ahead` must be at most 366d, not 100000000d"),
        ("source.look_back=-1h", "`-1h` is not a length of time"),
        ("sink.target_file_size=4", "`sink.target_file_size` must be at least 4KiB, not 4B"),
        ("sink.row_group_bytes=1", "`sink.row_group_bytes` must be at least 4KiB, not 1B"),
        ("sink.row_group_rows=0", "`sink.row_group_rows` must be at least 1, not 0"),
        ("sink.max_open_writers=0", "`sink.max_open_writers` must be at least 1, not 0"),
        ("manifest.files=0", "`manifest.files` must be at least 1, not 0"),
        ("manifest.bytes=0", "`manifest.bytes` must be at least 1B, not 0B"),
        ("state.lease=0s", "`state.lease` must be at least 1s, not 0s"),
        ("state.lease=40d", "`state.lease` must be at most 1d, not 40d"),
        ("schedule={every: 0h}", "`0h` is not a length of windows"),
        ("schedule={every: 1h, catch_up: 0}", "`schedule.catch_up` must be at least 1, not 0"),
        ("schedule={every: 1h, buffer: 400000000d}", "`schedule.buffer` must be at most 366d"),
        ("transformer.with.freshness_hours=0", "must be at least 1, not 0"),
        ("transformer.with.payload_bytes=0", "must be at least 2, not 0"),
        ("transformer.with.depth=0", "must be at least 1, not 0"),
        ("transformer.with.user_days=4000000000", "must be at most 36500, not 4000000000"),
        ("transformer.with.session_days=99999", "must be at most 36500, not 99999"),
        ("quality=[{column: platform, complete: [platform], at_least: 101%, action: warn}]", "`101%` is no share"),
        ("quality=[{rows: {min: 5, max: 1}, action: warn}]", "`rows.min` is greater than `rows.max`"),
        ("enrich=[{name: user-agent, with: {cache_entries: 1}}]", "must be at least 2, not 1"),
        ("enrich=[{name: user-agent, with: {cache_entries: 1000000000000}}]", "must be at most 16777216"),
    ] {
        let check = Scene::new().call(&["check", "job.yaml", "--set", setting]);
        assert_eq!(check.code, 2, "{setting}: {}{}", check.stdout, check.stderr);
        assert!(check.stderr.contains(message), "{setting}: {}", check.stderr);
        assert!(check.stderr.contains(&format!("--set {setting}")), "{setting} has no place: {}", check.stderr);
    }
    let file = Scene::with(|job| job["limits"]["memory"] = 4.into()).call(&["check", "job.yaml"]);
    assert!(file.stderr.contains("job.yaml:") && file.stderr.contains("at least 8MiB"), "{}", file.stderr);
}
