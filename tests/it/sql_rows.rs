//! SQL that is too much: for a row, for a file, for the stack, for the screen. A row costs itself, and a mistake is told.

use crate::support::events::{event_with, line};
use crate::support::{NOW, Run, Scene, TABLES, files, rows, visible_files};
use etl_sdk::testing::external;
use serde_json::{Value, json};
use std::fs;

/// A scene with a SQL step that adds `expression` as the column `made`, and three events, each with an attribute `n`.
fn scene(expression: &str, numbers: [&str; 3]) -> Scene {
    let scene = Scene::with(|job| job["enrich"] = json!([{"sql": "step.sql"}]));
    fs::write(scene.path("step.sql"), format!("SELECT *, {expression} AS made FROM event_v2")).unwrap();
    let event = |(place, number): (usize, &&str)| {
        event_with(&format!("e{place}"), &[("attributes", json!({"n": number, "s": "text"}))])
    };
    scene.raw("batch.log", line(&numbers.iter().enumerate().map(event).collect::<Vec<_>>()));
    scene
}

fn kept(scene: &Scene) -> Vec<String> {
    let mut ids: Vec<String> =
        rows(&scene.path("out/event_v2")).iter().map(|row| row["event_id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn a_row_that_asks_for_too_much_is_a_dead_letter_of_its_step() {
    const N: &str = "CAST(custom_parameters['n']['value'] AS BIGINT)";
    const S: &str = "custom_parameters['s']['value']";
    for expression in [
        format!("lpad({S}, {N})"),
        format!("rpad({S}, {N}, 'ab')"),
        format!("repeat({S}, {N})"),
        format!("array_repeat({S}, {N})"),
        format!("generate_series(1, {N})"),
        format!("{S} || repeat('-', {N})"),
        format!("array_resize(make_array(1), {N})"),
    ] {
        for huge in ["9223372036854775003", "2147483647", "40000000"] {
            let scene = scene(&expression, ["3", huge, "2"]);
            let run = scene.run(&[]).done();
            assert_eq!(kept(&scene), ["e0", "e2"], "{expression} {huge}");
            assert_eq!(run.report["dead_letters"]["by_reason"], json!({"sql_failed": 1}), "{expression} {huge}");
            let step = run.report["steps"].as_array().unwrap().iter().find(|step| step["name"] == "sql:step").unwrap();
            assert_eq!(step["dead"], json!({"sql_failed": 1}), "{expression} {huge}");
        }
    }
    // What is negative is nothing, and no reason to end.
    let scene = scene(&format!("lpad({S}, {N})"), ["3", "-1", "-9223372036854775808"]);
    scene.run(&[]).done();
    assert_eq!(kept(&scene).len(), 3);
}

#[test]
fn the_bound_of_a_row_is_a_setting() {
    let scene = scene("repeat('x', CAST(custom_parameters['n']['value'] AS BIGINT))", ["1000", "5000", "0"]);
    scene.run(&["--set", "limits.sql_row_bytes=2KiB"]).done();
    assert_eq!(kept(&scene), ["e0", "e2"]);
}

#[test]
fn a_question_that_asks_for_too_much_is_an_error() {
    let scene = scene("1", ["1", "2", "3"]);
    scene.run(&[]).done();
    for sql in [
        "SELECT lpad(event_id, 9223372036854775003) FROM event_v2",
        "SELECT repeat('x', 2000000000)",
        "SELECT generate_series(1, 9000000000000)",
        "SELECT array_repeat(event_id, 1000000000) FROM event_v2",
    ] {
        let run = scene.call(&["sql", "job.yaml", sql, "--output", "json"]);
        assert_eq!(run.code, 1, "{sql}: {}", run.stderr);
        assert_eq!(run.report["error"]["kind"], "limit", "{sql}: {}", run.stdout);
        assert_eq!(run.report["error"]["facts"]["setting"], "limits.memory", "{sql}: {}", run.stdout);
    }
}

#[test]
fn deep_statements_are_refused_and_do_not_end_the_process() {
    let plus = vec!["1"; 3_000].join(" + ");
    let ors = vec!["event_id = 'x'"; 3_000].join(" OR ");
    let parentheses = format!("{}1{}", "(".repeat(3_000), ")".repeat(3_000));
    let casts = format!("1{}", "::INT".repeat(3_000));
    let answers = Scene::new();
    let unions = vec!["SELECT 1"; 3_000].join(" UNION ALL ");
    let questions = [&plus, &parentheses, &casts].map(|deep| format!("SELECT {deep} AS v"));
    for sql in questions.iter().chain([&unions]) {
        let run = answers.call(&["sql", "job.yaml", sql, "--output", "json"]);
        assert_eq!((run.code, &run.report["error"]["kind"]), (2, &json!("usage")), "{}", run.stderr);
    }
    for deep in [plus, parentheses, casts, format!("CASE WHEN {ors} THEN 1 END")] {
        let run = scene(&deep, ["1"; 3]).call(&["check", "job.yaml", "--output", "json"]);
        assert_eq!((run.code, &run.report["error"]["kind"]), (2, &json!("config")), "{}", run.stderr);
        assert!(run.stderr.contains("step.sql"), "{}", run.stderr);
    }
    let rule = Scene::with(|job| job["quality"] = json!([{"sql": ors, "action": "warn"}]));
    let run = rule.call(&["check", "job.yaml", "--output", "json"]);
    assert_eq!((run.code, &run.report["error"]["kind"]), (2, &json!("config")), "{}", run.stderr);
    // As deep as it may be, it is evaluated.
    let deepest = scene(&vec!["length(event_id)"; 450].join(" + "), ["1"; 3]);
    deepest.run(&[]).done();
    assert_eq!(rows(&deepest.path("out/event_v2"))[0]["made"], 900);
}

#[test]
fn types_that_no_file_can_hold_are_refused_by_check() {
    for (expression, data_type) in [
        ("INTERVAL '1 day'", "Interval"),
        ("to_timestamp(2) - to_timestamp(1)", "Duration"),
        ("make_array(INTERVAL '1 day')", "Interval"),
        ("named_struct('a', INTERVAL '1 day')", "Interval"),
        ("map(make_array('a'), make_array(INTERVAL '1 day'))", "Interval"),
        ("NULL", "Null"),
        ("make_array(NULL)", "Null"),
        ("named_struct('a', NULL)", "Null"),
        ("named_struct('a', 1, 'a', 2)", "Struct"),
        ("arrow_cast(1, 'Decimal256(60, 2)')", "Decimal256"),
    ] {
        let scene = scene(expression, ["1"; 3]);
        let run = scene.call(&["check", "job.yaml", "--output", "json"]);
        assert_eq!((run.code, &run.report["error"]["kind"]), (2, &json!("config")), "{expression}: {}", run.stderr);
        for part in ["column=made", data_type, "sql:step", "hint:"] {
            assert!(run.stderr.contains(part), "{expression}: {part}: {}", run.stderr);
        }
    }
}

#[test]
fn odd_types_are_written_as_what_readers_know() {
    for (expression, value) in [
        ("arrow_cast(1.5, 'Float16')", json!(1.5)),
        ("arrow_cast('a', 'Dictionary(Int32, Utf8)')", json!("a")),
        ("arrow_cast(make_array(1, 2), 'LargeList(Int64)')", json!([1, 2])),
        ("arrow_cast(make_array(1, 2), 'FixedSizeList(2, Int64)')", json!([1, 2])),
        ("arrow_cast('a', 'LargeUtf8')", json!("a")),
        ("arrow_cast(to_date('2026-11-20'), 'Date64')", json!("2026-11-20")),
        ("arrow_cast('12:30:00', 'Time32(Second)')", json!("12:30:00")),
    ] {
        let scene = scene(expression, ["1"; 3]);
        scene.run(&[]).done();
        assert_eq!(rows(&scene.path("out/event_v2"))[0]["made"], value, "{expression}");
        let run = scene.call(&["sql", "job.yaml", "SELECT made FROM event_v2 LIMIT 1", "--output", "json"]);
        assert_eq!(run.report[0]["made"], value, "{expression}: {}", run.stderr);
    }
}

#[test]
fn columns_of_one_name_are_named_as_in_the_question() {
    let scene = scene("1", ["1", "2", "3"]);
    scene.run(&[]).done();
    let ask = |sql: &str| {
        let run = scene.call(&["sql", "job.yaml", sql, "--output", "json"]);
        assert_eq!(run.code, 0, "{sql}: {}", run.stderr);
        run.report
    };
    let sql =
        "SELECT e.event_id, f.event_id FROM event_v2 e JOIN event_v2 f ON e.event_id = f.event_id ORDER BY 1 LIMIT 1";
    assert_eq!(ask(sql), json!([{"e.event_id": "e0", "f.event_id": "e0"}]));
    let both = ask("SELECT * FROM runs r JOIN files f ON r.run_id = f.run_id LIMIT 1");
    assert!(both[0].get("r.run_id").is_some() && both[0].get("f.run_id").is_some(), "{both}");
    let sql = "SELECT * FROM (SELECT 1 AS a) x, (SELECT 2 AS a) y, (SELECT 3 AS \"x.a\") z";
    assert_eq!(ask(sql).as_array().unwrap()[0].as_object().unwrap().len(), 3);
}

#[test]
fn partitions_of_a_run_are_bounded_by_a_setting() {
    let scene = Scene::with(|job| {
        job["tables"] =
            json!({"event_v2": {"partition_by": [{"name": "event", "column": "event_id", "part": "value"}]}});
        job["limits"]["partitions"] = json!(20);
    });
    let events = |from: usize| (from..from + 15).map(|id| event_with(&format!("e{id}"), &[])).collect::<Vec<_>>();
    scene.raw("a.log", line(&events(0)));
    scene.run(&[]).done();
    scene.raw("b.log", line(&events(15)));
    let run = scene.run(&[]);
    assert_eq!((run.code, &run.report["error"]["kind"]), (1, &json!("limit")), "{}", run.stderr);
    let facts = &run.report["error"]["facts"];
    assert_eq!((&facts["table"], &facts["setting"]), (&json!("event_v2"), &json!("limits.partitions")), "{facts}");
    assert!(facts["partition_by"].as_str().unwrap().starts_with("event: "), "{facts}");
    assert_eq!(visible_files(&scene.path("out/event_v2")).len(), 15, "the window is as it was");
    scene.run(&["--set", "limits.partitions=30"]).done();
    assert_eq!(visible_files(&scene.path("out/event_v2")).len(), 30);
}

/// A case of the shared data, copied, with its objects within the window of 2026-11-20.
fn case(name: &str) -> Option<Scene> {
    let folder = external::data("cases")?.join(name);
    let scene = Scene::new();
    for file in files(&folder) {
        let path = scene.path(&file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, fs::read(folder.join(&file)).unwrap()).unwrap();
        let at = "2026-11-20T05:10:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(at.into()).unwrap();
    }
    Some(scene)
}

fn run_day(scene: &Scene) -> Run {
    scene.call(&["run", "job.yaml", "--window", "2026-11-20", "--now", NOW, "--output", "json"])
}

#[test]
fn the_cases_of_sql_end_as_their_notes_say() {
    let Some(join) = case("06-sql-join-same-named-columns") else { return };
    run_day(&join).done();
    let sql = "select e.event_id, f.event_id from event_v2 e join event_v2 f on e.event_id = f.event_id";
    let answer = join.call(&["sql", "job.yaml", sql, "--output", "json"]).report;
    let keys: Vec<&String> = answer[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["e.event_id", "f.event_id"]);

    let huge = case("07-sql-step-row-aborts-process").unwrap();
    let run = run_day(&huge).done();
    assert_eq!(run.report["dead_letters"]["by_reason"], json!({"sql_failed": 1}));
    let left: Vec<Value> = rows(&huge.path("out").join(TABLES[0]));
    assert_eq!(left.len(), 1);

    let interval = case("08-sql-step-interval-passes-check").unwrap();
    let run = interval.call(&["check", "job.yaml"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("keep_for") && run.stderr.contains("Interval"), "{}", run.stderr);
}
