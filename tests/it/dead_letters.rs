//! Dead letters through the real binary: what a replay adds is what a run with the right settings would have made, once.

use crate::answers::help;
use crate::support::events::{START, event, event_with, good, line, line_of};
use crate::support::{Run, Scene, WINDOW, content, visible_files};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, SystemTime};

/// Settings under which deep elements, long records and compressed payloads are dead letters.
const SHALLOW: [&str; 2] = ["--set", "transformer.with.depth=6"];
const SHORT: [&str; 2] = ["--set", "limits.record_bytes=4000"];
const SMALL: [&str; 2] = ["--set", "transformer.with.payload_bytes=10"];

/// An event that is nested deeper than [`SHALLOW`] allows.
fn deep(id: &str) -> Value {
    let mut event = event(id, 0);
    event["attributes"]["deep"] = json!({"a": {"b": {"c": {"d": {"e": 1}}}}});
    event
}

/// A line longer than [`SHORT`] allows.
fn long(id: &str) -> String {
    let mut event = event(id, 0);
    event["attributes"]["note"] = "x".repeat(5_000).into();
    line(&[event])
}

/// A line whose payload is Base64 of gzip.
fn compressed(events: &[Value]) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(Value::from(events.to_vec()).to_string().as_bytes()).unwrap();
    line_of(&base64_simd::STANDARD.encode_to_string(encoder.finish().unwrap()))
}

fn letters(scene: &Scene, command: &str, more: &[&str]) -> Run {
    let mut arguments = vec!["dead-letters", command, "job.yaml", "--output", "json"];
    if command == "replay" {
        arguments.extend(["--progress", "none"]);
    }
    if command != "list" && !more.iter().any(|argument| ["--window", "--all", "--from"].contains(argument)) {
        arguments.extend(["--window", WINDOW]);
    }
    arguments.extend(more);
    scene.call(&arguments)
}

/// Replays the one window and gives its part of the report.
#[track_caller]
fn replay(scene: &Scene, more: &[&str]) -> Value {
    let run = letters(scene, "replay", more);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    run.report["replay"]["windows"][0].clone()
}

/// Open, replayed and dropped letters of each reason.
#[track_caller]
fn listed(scene: &Scene) -> BTreeMap<String, [u64; 3]> {
    let run = letters(scene, "list", &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let windows = run.report["dead_letters"]["windows"].as_array().unwrap().clone();
    let reasons = windows.first().map(|window| window["reasons"].as_object().unwrap().clone()).unwrap_or_default();
    let counts = |counts: &Value| ["open", "replayed", "dropped"].map(|name| counts[name].as_u64().unwrap());
    reasons.iter().map(|(reason, all)| (reason.clone(), counts(all))).collect()
}

/// The output of a run that has the right settings from the start.
fn right(scene: &Scene, more: &[&str]) -> BTreeMap<&'static str, Vec<String>> {
    let mut arguments = vec!["--set", "sink.url=right"];
    arguments.extend(more);
    scene.run(&arguments).done();
    content(&scene.path("right"))
}

#[test]
fn what_a_replay_adds_is_what_the_right_settings_would_have_made() {
    let scene = Scene::new();
    scene.raw("a.log", [good("a1"), long("a2"), good("a3"), long("a4")].join("\n"));
    scene.raw("b.log.gz", {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all([long("b1"), compressed(&[event("b2", 0)]), good("b3")].join("\n").as_bytes()).unwrap();
        encoder.finish().unwrap()
    });
    let right = right(&scene, &[]);
    let run = scene.run(&[SHORT, SMALL].concat()).done();
    assert_eq!((run.dead("record_too_long"), run.dead("payload_too_large")), (3, 1));
    let files = visible_files(&scene.path("out"));

    let rehearsal = replay(&scene, &["--dry-run"]);
    assert_eq!((&rehearsal["taken"], &rehearsal["amendment"]), (&json!(4), &Value::Null));
    let in_vain = replay(&scene, &[SHORT, SMALL].concat());
    assert_eq!(
        (&in_vain["status"], &in_vain["taken"], &in_vain["amendment"]),
        (&json!("empty"), &json!(0), &Value::Null)
    );
    assert_eq!(visible_files(&scene.path("out")), files, "nothing was added");

    let some = replay(&scene, &["--reason", "payload_too_large"]);
    assert_eq!((&some["taken"], &some["amendment"]), (&json!(1), &json!(1)));
    let rest = replay(&scene, &[]);
    assert_eq!((&rest["taken"], &rest["amendment"], &rest["left"]), (&json!(3), &json!(2), &json!({})));
    assert_eq!(scene.content(), right);
    assert_eq!(listed(&scene)["record_too_long"], [0, 3, 0]);

    let files = visible_files(&scene.path("out"));
    let again = replay(&scene, &[]);
    assert_eq!((&again["status"], &again["taken"]), (&json!("empty"), &json!(0)));
    assert_eq!(letters(&scene, "replay", &["--all"]).report["replay"]["windows"], json!([]));
    assert_eq!(visible_files(&scene.path("out")), files);

    scene.run(&[]).done();
    assert_eq!(scene.content(), right, "a run of the window replaces the run and its amendments");
    assert_eq!(listed(&scene), BTreeMap::new());
}

#[test]
fn an_element_comes_back_alone() {
    let scene = Scene::new();
    scene.raw("a.log", line(&[event("a1", 0), deep("a2"), event("a3", 0), deep("a4")]));
    scene.raw("b.log", [compressed(&[event("b1", 0), deep("b2"), event("b3", 0)]), good("b4")].join("\n"));
    let right = right(&scene, &[]);
    let run = scene.run(&SHALLOW).done();
    assert_eq!(run.report["dead_letters"]["total"], 3, "{}", run.dead_letters());
    assert_eq!(scene.event_ids(), ["a1", "a3", "b1", "b3", "b4"]);

    // The request of b2 cannot be read as a whole now: its letter must not stand for b1 and b3.
    let first = replay(&scene, &SMALL);
    assert_eq!((&first["taken"], &first["again"]), (&json!(3), &json!({"payload_too_large": 1})));
    assert_eq!(scene.event_ids(), ["a1", "a2", "a3", "a4", "b1", "b3", "b4"]);
    assert_eq!(listed(&scene)["payload_too_large"], [1, 0, 0]);
    let second = replay(&scene, &[]);
    assert_eq!((&second["taken"], &second["again"]), (&json!(1), &json!({})));
    assert_eq!(scene.content(), right);
}

#[test]
fn elements_of_a_framed_array_are_found() {
    let array = ["--set", "source.framing=array"];
    let scene = Scene::new();
    let requests = [good("a1"), long("a2"), line(&[deep("a3"), event("a4", 0), deep("a5")]), good("a6")];
    scene.raw("a.json", format!("[{}]", requests.join(",\n")));
    let right = right(&scene, &array);
    scene.run(&[array, SHALLOW, SHORT].concat()).done();
    assert_eq!(scene.event_ids(), ["a1", "a4", "a6"]);
    assert_eq!(replay(&scene, &array)["taken"], 3);
    assert_eq!(scene.content(), right);
}

#[test]
fn a_kept_copy_stands_in_for_an_object_that_is_gone_or_changed() {
    let scene = Scene::new();
    let gone = scene.raw("a.log", [compressed(&[event("a1", 0)]), line(&[event("a2", 0), deep("a3")])].join("\n"));
    let changed = scene.raw("b.log", [good("b1"), compressed(&[event("b2", 0)])].join("\n"));
    let whole = scene.raw("c.log", [good("c1"), compressed(&[event("c2", 0)])].join("\n"));
    let right = right(&scene, &SHALLOW);
    scene.run(&[SMALL, SHALLOW].concat()).done();
    fs::remove_file(&gone).unwrap();
    fs::write(&changed, good("b9")).unwrap();
    let report = replay(&scene, &[]);
    assert_eq!((&report["taken"], &report["left"]), (&json!(3), &json!({"gone": 1})), "an element is no request");
    assert_eq!(scene.content(), right);
    assert!(whole.exists());
    let again = replay(&scene, &[]);
    assert_eq!((&again["status"], &again["left"]), (&json!("empty"), &json!({"gone": 1})));
    assert!(listed(&scene).values().any(|counts| counts[0] == 1));
}

#[test]
fn a_cut_copy_is_not_taken_for_the_record() {
    let scene = Scene::new();
    let gone = scene.raw("a.log", compressed(&[event("a1", 0)]));
    let changed = scene.raw("b.log", [good("b1"), long("b2")].join("\n"));
    scene.run(&[&SMALL[..], &SHORT, &["--set", "dead_letter.raw_bytes=20"]].concat()).done();
    let files = visible_files(&scene.path("out"));
    fs::remove_file(&gone).unwrap();
    fs::write(&changed, good("b9")).unwrap();
    let report = replay(&scene, &[]);
    assert_eq!(report["left"], json!({"gone": 1, "changed": 1}));
    assert_eq!(visible_files(&scene.path("out")), files);
    assert_eq!(listed(&scene)["record_too_long"], [1, 0, 0]);
}

#[test]
fn a_row_that_was_refused_behind_the_transformer_is_left() {
    let scene = Scene::with(|job| job["enrich"] = json!([{"sql": "number.sql"}]));
    fs::write(scene.path("number.sql"), "SELECT *, CAST(event_id AS BIGINT) AS number FROM event_v2").unwrap();
    scene.raw("a.log", line(&[event("1", 0), event("two", 0)]));
    let run = scene.run(&[]).done();
    assert_eq!(run.report["dead_letters"]["total"], 1);
    let report = replay(&scene, &[]);
    assert_eq!((&report["status"], &report["left"]), (&json!("empty"), &json!({"partial": 1})));
    let text = scene.call(&["dead-letters", "replay", "job.yaml", "--window", WINDOW, "--progress", "none"]);
    assert!(text.stdout.contains("run the window again"), "{}", text.stdout);
}

#[test]
fn dropped_letters_are_done_with() {
    let scene = Scene::new();
    scene.raw("a.log", [long("a1"), "no json".to_owned(), long("a2"), good("a3")].join("\n"));
    scene.run(&SHORT).done();
    let refused = letters(&scene, "drop", &["--reason", "not_json"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert_eq!(
        letters(&scene, "drop", &["--dry-run"]).report["drop"]["reasons"],
        json!({"not_json": 1, "record_too_long": 2})
    );
    assert_eq!(listed(&scene)["not_json"], [1, 0, 0]);
    let dropped = letters(&scene, "drop", &["--reason", "not_json", "--yes"]);
    assert_eq!((dropped.code, &dropped.report["drop"]["reasons"]), (0, &json!({"not_json": 1})));
    assert_eq!(listed(&scene)["not_json"], [0, 0, 1]);
    assert_eq!(replay(&scene, &[])["again"], json!({}), "the dropped one is not read");
    assert_eq!(
        listed(&scene),
        BTreeMap::from([("not_json".to_owned(), [0, 0, 1]), ("record_too_long".to_owned(), [0, 2, 0])])
    );
    assert_eq!(scene.event_ids(), ["a1", "a2", "a3"]);
}

/// Error records as Firehose writes them: one behind the other, without line ends.
fn error_records(records: &[(i64, String)]) -> String {
    let record = |(arrival, raw): &(i64, String)| {
        json!({
            "attemptsMade": 4,
            "arrivalTimestamp": arrival,
            "errorCode": "Lambda.FunctionError",
            "errorMessage": "the function failed",
            "attemptEndingTimestamp": arrival + 1_000,
            "rawData": base64_simd::STANDARD.encode_to_string(raw),
            "lambdaArn": "arn:aws:lambda:eu-west-1:123456789012:function:f:1",
        })
        .to_string()
    };
    records.iter().map(record).collect()
}

#[test]
fn error_records_of_firehose_join_the_window_in_which_they_arrived() {
    let scene = Scene::new();
    scene.raw("a.log", good("a1"));
    let folder = scene.path("errors/processing-failed/2026/11/20/05");
    fs::create_dir_all(&folder).unwrap();
    let first =
        [(START, good("f1")), (START + 1, line(&[event("f2", 0), deep("f3")])), (START + 86_400_000, good("f4"))];
    let second = [(START + 5, [good("f5"), good("f6")].join("\n"))];
    for (name, text) in [("stream-1", error_records(&first) + "{\"rawData\": 7}"), ("stream-2", error_records(&second))]
    {
        fs::write(folder.join(name), text).unwrap();
        let written = SystemTime::UNIX_EPOCH + Duration::from_millis(START as u64 + 60_000);
        File::options().write(true).open(folder.join(name)).unwrap().set_modified(written).unwrap();
    }
    scene.run(&[]).done();

    let firehose = ["--all", "--firehose", "errors"];
    let run = letters(&scene, "replay", &[&firehose[..], &SHALLOW].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let report = &run.report["replay"];
    assert_eq!(
        report["unclaimed"],
        json!({"without_window": 1, "other_windows": 0, "broken": 1, "archived_objects": 0})
    );
    assert_eq!((&report["windows"][0]["taken"], &report["windows"][0]["amendment"]), (&json!(3), &json!(1)));
    assert_eq!(scene.event_ids(), ["a1", "f1", "f2", "f5", "f6"]);
    assert!(run.stderr.contains("no committed window"), "{}", run.stderr);

    assert_eq!(replay(&scene, &firehose)["status"], "empty", "no object is taken twice");
    assert_eq!(replay(&scene, &[])["taken"], 1, "the element that failed again is found in its object");
    assert_eq!(scene.event_ids(), ["a1", "f1", "f2", "f3", "f5", "f6"]);

    let again = scene.run(&[]).done();
    assert_eq!(scene.event_ids(), ["a1"]);
    let warnings = again.report["warnings"].to_string();
    assert!(warnings.contains("4 replayed Firehose records") && warnings.contains("--firehose URL"), "{warnings}");
    assert_eq!(replay(&scene, &firehose)["taken"], 3);
    assert_eq!(scene.event_ids(), ["a1", "f1", "f2", "f3", "f5", "f6"]);
}

#[test]
fn list_and_show_are_for_people() {
    let scene = Scene::new();
    scene.raw(
        "a.log",
        [good("a1"), "\u{1b}[31m{\"no\": json".to_owned(), line(&[event_with("a2", &[("timestamp", json!([]))])])]
            .join("\n"),
    );
    scene.run(&[]).done();
    let text = |arguments: &[&str]| {
        let run = scene.call(arguments);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout.replace(&scene.path("").display().to_string(), "FOLDER/")
    };
    insta::assert_snapshot!(text(&["dead-letters", "list", "job.yaml"]), @r#"
    dead letters: job test, 2 open in 1 window
      window                                     reason      open  replayed  dropped
      2026-11-20T00:00:00Z/2026-11-21T00:00:00Z  not_json       1         0        0
                                                 wrong_type     1         0        0
    "#);
    insta::assert_snapshot!(text(&["dead-letters", "show", "job.yaml", "--window", WINDOW, "--reason", "not_json"]), @r#"
    not_json in step payload: the line is not JSON: no JSON value starts like this at byte 0
      window  2026-11-20T00:00:00Z/2026-11-21T00:00:00Z
      at      FOLDER/raw/year=2026/month=11/day=20/hour=05/a.log, byte 704, 16 bytes
      kept    FOLDER/out/_dead_letters/job=test/dt=2026-11-20/run=test-20261120T000000Z-20261121T000000Z/part-00000.json.gz, line 1
      raw     \u{1b}[31m{"no": json
    "#);
    let unknown = scene.call(&["dead-letters", "replay", "job.yaml", "--window", "2026-11-20T05/PT1H"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("--from and --to"), "{}", unknown.stderr);
}

#[test]
fn the_help_shows_examples() {
    insta::assert_snapshot!(help(&["dead-letters", "replay"]), @r#"
    exit code 0
    --- stdout
    Process dead letters again with the current job, and add the rows to their window
    Usage: etl-runner dead-letters replay [OPTIONS] <--window <WINDOW>|--from <INSTANT>|--all> <FILE>
    Arguments:
      <FILE>
              Path to the job file
    Options:
          --set <KEY=VALUE>
              Override a key of the job file, such as limits.threads=2; relative paths start from the
              job file's folder; may be repeated
          --reason <CODE>
              Only dead letters with this reason code
          --window <WINDOW>
              Only this window, as it was run
          --from <INSTANT>
              Only windows from this instant on, such as 2026-11-20 or 2026-11-20T05:00Z
          --to <INSTANT>
              Only windows up to this instant
          --all
              All windows
          --firehose <URL>
              Replay the Amazon Data Firehose error records below this folder or s3:// URL, each in the
              window in which it arrived, instead of the windows' own dead letters
          --dry-run …
          --wait <SPAN> …
          --threads <N> …
          --output <FORMAT> …
          --color <WHEN> …
          --progress <STYLE> …
      -q, --quiet …
      -h, --help …
    Examples:
      etl-runner dead-letters replay job.yaml --window 2026-11-20T05/PT1H --dry-run
      etl-runner dead-letters replay job.yaml --from 2026-11-20 --to 2026-11-21 --reason record_too_long
      etl-runner dead-letters replay job.yaml --all --wait 10m
      etl-runner dead-letters replay job.yaml --firehose s3://raw/errors --window 2026-11-20T05/PT1H
    Exit codes: …
    "#);
}
