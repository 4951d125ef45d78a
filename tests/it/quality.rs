//! Quality rules and limits by reason, through the real binary.

use crate::report::dead_letter_lines;
use crate::support::events::{event_with, line};
use crate::support::{NOW, Run, Scene, WINDOW, visible_files};
use serde_json::{Value, json};

/// Six events of three platforms; two have the id `a`, one a value of minus five.
fn scene(rules: Value) -> Scene {
    let scene = Scene::with(|job| job["quality"] = rules);
    let event = |id: &str, platform: &str, value: f64| {
        event_with(id, &[("platform", json!(platform)), ("event_value", json!(value))])
    };
    let first = [event("a", "Web", 1.0), event("b", "Web", 2.0), event("c", "TV", 3.0)];
    let second = [event("a", "Web", 4.0), event("d", "Android", -5.0), event("e", "Web", 6.0)];
    // Two tasks: what they find is added up.
    scene.raw("1.log", line(&first));
    scene.raw("2.log", line(&second));
    scene
}

const TWO_TASKS: [&str; 2] = ["--set", "limits.task_bytes=1"];

fn rule<'a>(run: &'a Run, name: &str) -> &'a Value {
    let rules = run.report["quality"].as_array().unwrap();
    rules.iter().find(|rule| rule["name"] == name).unwrap_or_else(|| panic!("{}", run.report["quality"]))
}

#[test]
fn a_rule_that_warns_publishes_and_says_so() {
    let scene = scene(json!([
        {"unique": ["event_id"], "action": "warn"},
        {"name": "no_tv", "column": "platform", "in": ["Web", "Android"], "action": "warn"},
        {"complete": ["event_id", "app_id"], "action": "stop"},
        {"rows": {"min": 6, "max": 6}, "action": "stop"},
        {"rows": {"against_last": 7, "within": "50%"}, "action": "stop"},
        {"table": "user_v2", "complete": ["user_pseudo_id"], "action": "stop"},
        {"table": "session", "unique": ["session_id"], "action": "stop"},
    ]));
    let run = scene.run(&TWO_TASKS).done();
    assert_eq!(run.table_rows("event_v2"), 6);
    let unique = rule(&run, "event_v2_unique_event_id");
    assert_eq!(
        (&unique["kind"], &unique["rows"], &unique["broken"], &unique["passed"], &unique["examples"]),
        (&json!("unique"), &json!(6), &json!(1), &json!(false), &json!(["event_id=a"]))
    );
    assert_eq!(rule(&run, "no_tv")["examples"], json!(["platform=TV"]));
    for passed in
        ["event_v2_complete_event_id_app_id", "event_v2_rows", "event_v2_rows_2", "user_v2_complete_user_pseudo_id"]
    {
        assert_eq!(rule(&run, passed)["passed"], true, "{}", run.report["quality"]);
    }
    assert!(rule(&run, "session_unique_session_id")["rows"].as_u64().unwrap() > 1, "{}", run.report["quality"]);
    let warnings = run.report["warnings"].to_string();
    assert!(
        warnings.contains("quality rule no_tv on event_v2: 1 of 6 rows (16.67%) breaks it: platform=TV"),
        "{warnings}"
    );

    let steps = run.report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == "quality event_v2").unwrap();
    assert_eq!((&step["table"], &step["read"], &step["kept"]), (&json!("event_v2"), &json!(6), &json!(6)));
    assert!(!steps.iter().any(|step| step["name"] == "quality item_v2"), "no rules, no step");
}

#[test]
fn a_row_that_breaks_a_rule_is_a_dead_letter_and_the_others_are_published() {
    let scene = scene(json!([
        {"name": "known_platform", "column": "platform", "in": ["Web", "Android"], "action": "dead_letter"},
        {"name": "sane_value", "column": "event_value", "range": {"min": 0, "max": 1_000_000}, "action": "dead_letter"},
        {"name": "not_from_the_future", "sql": "event_timestamp <= $now", "action": "stop"},
    ]));
    let run = scene.run(&TWO_TASKS).done();
    assert_eq!(scene.event_ids(), ["a", "a", "b", "e"]);
    assert_eq!((run.dead("quality_known_platform"), run.dead("quality_sane_value")), (1, 1));
    assert_eq!(rule(&run, "not_from_the_future")["rows"], 4, "it judges what is left");
    let lines = dead_letter_lines_of(&scene, &run);
    let dead = lines.iter().find(|line| line["reason_code"] == "quality_sane_value").unwrap();
    assert_eq!(dead["step"], "quality event_v2");
    assert_eq!(dead["reason"], "the row of event_v2 breaks the quality rule sane_value: event_value=-5.0");
    let raw: Value = serde_json::from_str(dead["raw"].as_str().unwrap()).unwrap();
    assert_eq!((&raw["event_id"], &raw["event_value"]), (&json!("d"), &json!(-5.0)));

    // Nothing of a row is kept where nobody wants it.
    let bare = scene.run(&["--set", "dead_letter.raw_bytes=0"]).done();
    assert_eq!(bare.dead("quality_sane_value"), 1);
    assert!(bare.report["quality"].as_array().unwrap().iter().all(|rule| rule["examples"] == json!([])));
    let lines = dead_letter_lines_of(&scene, &bare);
    assert!(lines.iter().all(|line| line.get("raw").is_none() && !line.to_string().contains("-5.0")), "{lines:?}");
}

/// The report names files from the folder it ran in.
fn dead_letter_lines_of(scene: &Scene, run: &Run) -> Vec<Value> {
    let mut report = run.report.clone();
    for file in report["dead_letters"]["files"].as_array_mut().unwrap() {
        *file = scene.path(file.as_str().unwrap()).to_str().unwrap().into();
    }
    dead_letter_lines(&report)
}

#[test]
fn a_rule_that_stops_publishes_no_table_and_ends_with_3() {
    let scene = scene(json!([
        {"name": "ids_once", "unique": ["event_id"], "action": "stop"},
        {"name": "values", "sql": "event_value > 0", "at_least": "90%", "action": "stop"},
        {"name": "no_tv", "column": "platform", "in": ["Web", "Android"], "action": "dead_letter"},
    ]));
    let run = scene.run(&TWO_TASKS).balanced();
    assert_eq!((run.code, &run.report["status"]), (3, &json!("refused")), "{}", run.stderr);
    assert_eq!(run.report["error"]["kind"], "gate");
    let message = run.report["error"]["message"].as_str().unwrap();
    for part in [
        "rule=ids_once table=event_v2 observed=\"1 of 5 rows (20%) repeats a key of a row before\"",
        "examples=\"event_id=a\"",
        "also_broken=values",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(visible_files(&scene.path("out")).is_empty());
    assert_eq!(dead_letter_lines_of(&scene, &run).len(), 1, "dead letters say why, so they are kept");

    // The same run on a screen.
    let screen = scene.call(&["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--dry-run"]);
    assert_eq!(screen.code, 3);
    for line in [
        "REFUSED by a gate: nothing published",
        "quality rule  table     action               found",
        "ids_once      event_v2  stop         BROKEN  1 of 5 rows (20%) repeats a key of a row before",
        "values        event_v2  stop         BROKEN  1 of 5 rows (20%) breaks it; 90% must be good",
        "no_tv         event_v2  dead_letter  BROKEN  1 of 6 rows (16.67%) breaks it and is a dead letter",
        "  values: event_value=-5.0",
    ] {
        assert!(screen.stdout.contains(line), "{line}\n{}", screen.stdout);
    }

    // With rules that only warn, the run goes on from what is done. The task with a dead letter, which was shown, is done
    // again.
    let again =
        scene.run(&[&TWO_TASKS[..], &["--set", "quality.0.action=warn", "--set", "quality.1.at_least=80%"]].concat());
    let again = again.done();
    assert!(again.report["resumed_tasks"].as_u64().unwrap() >= 1, "{}", again.stdout);
    assert_eq!(rule(&again, "ids_once")["broken"], 1, "keys are kept with the tasks");
    assert_eq!((again.table_rows("event_v2"), again.dead("quality_no_tv")), (5, 1));
}

#[test]
fn the_number_of_rows_is_compared_with_the_runs_before() {
    let scene = scene(json!([
        {"rows": {"min": 1}, "action": "stop"},
        {"rows": {"against_last": 2, "within": "50%"}, "action": "stop"},
    ]));
    let hour = |hour: u32| format!("2026-11-20T{hour:02}/PT1H");
    let run = |at: u32| scene.run_window(&["--window", &hour(at)], &[]);
    let first = run(5).done();
    assert_eq!(rule(&first, "event_v2_rows_2")["observed"], "6 rows; no run before to compare with");
    scene.raw_at("year=2026/month=11/day=20/hour=06", "1.log", line(&[event_with("f", &[])]));
    let second = run(6).balanced();
    assert_eq!(second.code, 3, "{}", second.stdout);
    let message = second.report["error"]["message"].to_string();
    assert!(message.contains("1 rows; within 50% of 6 expected, the mean of the last run"), "{message}");

    // An hour without any object has no rows either.
    let none = run(7);
    assert_eq!((none.code, &none.report["status"]), (3, &json!("refused")), "{}", none.stderr);
    assert!(none.report["error"]["message"].to_string().contains("0 rows; at least 1 expected"), "{}", none.stdout);
}

#[test]
fn a_limit_by_reason_refuses_and_names_the_reason() {
    let scene = Scene::with(|job| job["limits"]["dead_letters"] = json!({"all": "90%", "reasons": {"not_json": 1}}));
    scene.raw("a.log", format!("{}\nspoiled\n", line(&[event_with("a", &[])])));
    assert_eq!(scene.run(&["--dry-run"]).done().dead("not_json"), 1);
    let run = scene.run(&["--set", "limits.dead_letters.reasons.not_json=0"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let message = run.report["error"]["message"].as_str().unwrap();
    assert!(message.ends_with("limits.dead_letters.reasons=0 reason=not_json"), "{message}");
    let check = scene.call(&["check", "job.yaml"]);
    assert!(check.stdout.contains("at most 90%, 1 not_json"), "{}", check.stdout);
}

#[test]
fn check_shows_rules_and_refuses_wrong_ones_with_their_line() {
    let scene = scene(json!([
        {"name": "platforms", "column": "platform", "in": ["Web"], "action": "dead_letter"},
        {"table": "session", "unique": ["session_id"], "at_least": "99%", "action": "warn"},
        {"sql": "event_value  >\n 0", "action": "stop"},
    ]));
    let check = scene.call(&["check", "job.yaml"]);
    for line in [
        "quality       platforms on event_v2: platform in Web, else dead_letter",
        "quality       session_unique_session_id on session: session_id unique, at least 99%, else warn",
        "quality       event_v2_sql on event_v2: event_value > 0, else stop",
    ] {
        assert!(check.stdout.contains(line), "{}", check.stdout);
    }
    for (setting, message) in [
        ("quality.0.column=platfrom", "--set quality.0.column=platfrom: unknown column `platfrom` table=event_v2"),
        ("quality.1.action=dead_letter", "a rule with `unique` cannot have the action `dead_letter`"),
        ("quality.1.acton=stop", "unknown key `quality[1].acton`"),
        ("tables.session.write=false", "the job does not write the table `session`"),
        ("quality.2.sql=event_valu > 0", "unknown column=event_valu"),
    ] {
        let check = scene.call(&["check", "job.yaml", "--set", setting]);
        assert_eq!(check.code, 2, "{}", check.stdout);
        assert!(check.stderr.contains(message), "{}", check.stderr);
    }
}
