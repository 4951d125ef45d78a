//! Nothing that comes from records, names or stores reaches a screen as it is.

use crate::support::events::{event_with, line};
use crate::support::{Run, Scene};
use serde_json::json;

/// What moves a cursor, colours, turns text around, breaks lines where none should be, or is not seen.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\r\u{202e}\u{2066}\u{200b}\u{2028}\u{85}\u{7f}b";

fn is_unsafe(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[track_caller]
fn assert_shown_safely(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let found: Vec<char> = text.chars().filter(|character| is_unsafe(*character)).collect();
        assert!(found.is_empty(), "{found:?}: {text}");
    }
}

#[test]
fn every_screen_and_error_escapes_what_is_not_its_own() {
    let scene = Scene::with(|job| {
        job["quality"] = json!([
            {"column": "platform", "in": ["Web"], "action": "warn"},
            {"column": "event_name", "in": ["x"], "action": "stop"},
        ]);
    });
    let events: Vec<_> = (0..3)
        .map(|number| {
            let id = format!("{HOSTILE}{number}");
            event_with(&id, &[("platform", json!(HOSTILE)), ("event_type", json!(HOSTILE)), ("app_id", json!("shop"))])
        })
        .collect();
    scene.raw("batch.log", line(&events));
    // An object with such a name as well.
    scene.raw(&format!("{HOSTILE}.log"), line(&events));
    let window = ["--window", "2026-11-20T05"];
    let now = ["--now", "2026-11-21T00:00:00Z"];
    let call = |arguments: &[&str]| {
        let run = scene.call(arguments);
        assert_shown_safely(&run);
        run
    };
    call(&[&["plan", "job.yaml"], &window[..], &now].concat());
    let refused = call(&[&["run", "job.yaml"], &window[..], &now].concat());
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stdout.contains(r"\u{1b}[2J"), "{}", refused.stdout);
    for arguments in [
        vec!["status", "job.yaml"],
        vec!["status", "job.yaml", "--list"],
        vec!["status", "job.yaml", "--output", "json"],
        vec!["runs", "job.yaml"],
        vec!["runs", "job.yaml", "--show", "2026-11-20T05"],
        vec!["runs", "job.yaml", "--show", "2026-11-20T05", "--output", "json"],
        vec!["sql", "job.yaml", "SELECT * FROM runs"],
        vec!["sql", "job.yaml", "SELECT error_message FROM runs", "--output", "json"],
        vec!["dead-letters", "list", "job.yaml"],
        vec!["gc", "job.yaml"],
    ] {
        call(&arguments);
    }
    let no_rule = "--set=quality=[]";
    let done = call(&[&["run", "job.yaml", no_rule], &window[..], &now].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let value = format!("SELECT '{HOSTILE}' AS v, event_id AS \"{HOSTILE}\" FROM event_v2");
    let value = value.as_str();
    for arguments in [
        vec!["sql", "job.yaml", value],
        vec!["sql", "job.yaml", value, "--format", "jsonl"],
        vec!["sql", "job.yaml", value, "--output", "json"],
        vec!["sql", "job.yaml", &format!("SELECT \"{HOSTILE}\" FROM event_v2")],
        vec!["sql", "job.yaml", &format!("SELECT CAST('{HOSTILE}' AS INT)")],
        vec!["sql", "job.yaml", &format!("EXPLAIN {value}")],
        vec!["run", HOSTILE],
        vec!["status", "job.yaml", &format!("--{HOSTILE}")],
        vec!["explain", HOSTILE],
    ] {
        call(&arguments);
    }
}

#[test]
fn json_and_csv_have_the_values_as_they_are() {
    let scene = Scene::new();
    let sql = format!("SELECT '{HOSTILE}' AS v");
    let json = scene.call(&["sql", "job.yaml", &sql, "--output", "json"]);
    assert_eq!(json.report, json!([{"v": HOSTILE}]));
    let csv = scene.call(&["sql", "job.yaml", &sql, "--format", "csv"]);
    assert_eq!(csv.stdout, format!("v\n\"{HOSTILE}\"\n"));
}
