//! One behaviour suite of an S3 source and sink, run against every server there is.

use crate::support::events::good;
use crate::support::servers::{CREDENTIALS, KEY, Server, venv};
use crate::support::{Case, HOUR, NOW, Run, Scene, TABLES, WINDOW, all, call, content, project, visible_files};
use etl_runner::process::clock::Clock;
use serde_json::{Value, json};
use std::path::Path;

/// What a server can do; the suite asks for nothing else.
#[derive(Clone, Copy)]
struct Abilities {
    /// Refuses wrong credentials.
    checks_signatures: bool,
    /// Keeps objects in archive classes and refuses to read them.
    archives: bool,
    /// Keeps keys with empty parts, dots and control characters as they are.
    takes_any_key: bool,
}

type Check = fn(&Server, Abilities);

const SUITE: [(&str, Check); 9] = [
    ("the same rows as from a folder", same_rows_as_from_a_folder),
    ("a refused run shows no table, and gc clears away its uploads", a_refused_run_shows_nothing),
    ("uploads that a killed run leaves are found and aborted", uploads_of_a_killed_run),
    ("selection by modified time", selection_by_modified_time),
    ("wrong credentials and missing buckets", wrong_credentials_and_missing_buckets),
    ("archived objects", archived_objects),
    ("odd keys", odd_keys),
    ("more keys than a page", more_keys_than_a_page),
    ("keys that are no paths", keys_that_are_no_paths),
];

#[test]
fn moto() {
    let Some(venv) = venv() else { return };
    suite(&Server::moto(&venv), Abilities { checks_signatures: false, archives: true, takes_any_key: true });
}

#[test]
fn seaweedfs() {
    let Some(venv) = venv() else { return };
    suite(&Server::seaweedfs(&venv), Abilities { checks_signatures: true, archives: false, takes_any_key: false });
}

/// Runs all cases and fails with the names of those that failed.
fn suite(server: &Server, abilities: Abilities) {
    let cases = SUITE.map(|(name, case)| -> Case<'_> { (name.to_owned(), Box::new(move || case(server, abilities))) });
    all(cases.into());
}

/// Settings that lead `section` to a prefix of a server.
fn to(server: &Server, section: &str, url: &str) -> Vec<String> {
    vec![
        format!("--set={section}.url=s3://{url}"),
        format!("--set={section}.s3.endpoint={}", server.endpoint),
        format!("--set={section}.s3.path_style=true"),
    ]
}

/// Runs a job of `folder` with settings.
fn run_in(folder: &Path, job: &str, settings: &[String], more: &[&str]) -> Run {
    run_as(&CREDENTIALS, folder, job, settings, more)
}

fn run_as(credentials: &[(&str, &str)], folder: &Path, job: &str, settings: &[String], more: &[&str]) -> Run {
    let mut arguments = vec!["run", job, "--output", "json", "--progress", "none"];
    arguments.extend(settings.iter().map(String::as_str));
    arguments.extend(more);
    call(folder, &arguments, credentials)
}

const DAY: [&str; 4] = ["--window", WINDOW, "--now", NOW];

fn keys(server: &Server, bucket: &str) -> Vec<String> {
    serde_json::from_value(server.s3(json!([["keys", bucket, ""]])).remove(0)).unwrap()
}

fn upload_fixtures(server: &Server, bucket: &str) {
    let raw = project().join("fixtures/clickstream/raw");
    server.s3(json!([["bucket", bucket], ["upload", bucket, "in/raw/", raw]]));
}

fn same_rows_as_from_a_folder(server: &Server, _: Abilities) {
    upload_fixtures(server, "quickstart");
    let scene = Scene::new();
    let local = vec![format!("--set=sink.url={}", scene.path("local").display())];
    let local = run_in(project(), "jobs/quickstart.yaml", &local, &DAY).done();
    let rules = project().join("fixtures/clickstream/rules");
    server.s3(json!([["upload", "quickstart", "in/rules/", rules]]));
    let rules = vec!["--set=transformer.with.rules=s3://quickstart/in/rules".to_owned()];
    let settings =
        [to(server, "source", "quickstart/in/raw/"), to(server, "sink", "quickstart/tables"), rules].concat();
    let remote = run_in(project(), "jobs/quickstart.yaml", &settings, &DAY).done();
    assert_eq!(remote.report["tables"].as_array().unwrap().len(), 4);
    for table in TABLES {
        assert_eq!(remote.table_rows(table), local.table_rows(table), "{table}");
    }
    assert_eq!(remote.report["steps"], local.report["steps"]);
    server.s3(json!([["download", "quickstart", "tables/", scene.path("remote")]]));
    let expected = visible_files(&scene.path("local"));
    assert_eq!(visible_files(&scene.path("remote")), expected);
    // The rows tell where they came from.
    let raw = project().join("fixtures/clickstream/raw").display().to_string();
    let moved = |out: &str, from: &str| {
        let mut tables = content(&scene.path(out));
        tables.values_mut().flatten().for_each(|row| *row = row.replace(from, "SOURCE"));
        tables
    };
    assert!(moved("remote", "s3://quickstart/in/raw") == moved("local", &raw));
    let all = keys(server, "quickstart");
    for folder in ["tables/_state/", "tables/_dead_letters/"] {
        assert!(all.iter().any(|key| key.starts_with(folder)), "{folder} {all:?}");
    }
    assert_eq!(server.s3(json!([["uploads", "quickstart"]])), [json!([])]);
    let sql = "SELECT (SELECT count(event_id) FROM event_v2) AS events, (SELECT rows FROM runs) AS rows";
    let asked = [&["sql", "jobs/quickstart.yaml", sql, "--output", "json"], &settings_of(&settings)[..]].concat();
    let asked = call(project(), &asked, &CREDENTIALS);
    let rows: u64 = TABLES.iter().map(|table| remote.table_rows(table)).sum();
    assert_eq!(asked.report, json!([{"events": remote.table_rows("event_v2"), "rows": rows}]), "{}", asked.stderr);
    // Once more, and nothing is doubled.
    run_in(project(), "jobs/quickstart.yaml", &settings, &DAY).done();
    let tables = |keys: Vec<String>| -> Vec<String> {
        let visible = keys.into_iter().filter(|key| !key.starts_with("tables/_state/"));
        let own = visible.filter(|key| TABLES.iter().any(|table| key.contains(table)));
        own.map(|key| key.replace(".r1", "")).collect()
    };
    assert_eq!(tables(keys(server, "quickstart")), tables(all));
}

fn settings_of(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

fn a_refused_run_shows_nothing(server: &Server, _: Abilities) {
    upload_fixtures(server, "refused");
    let settings = [to(server, "source", "refused/in/raw"), to(server, "sink", "refused/tables")].concat();
    for more in [&["--set", "limits.dead_letters=0"][..], &["--dry-run"]] {
        let run = run_in(project(), "jobs/quickstart.yaml", &settings, &[&DAY, more].concat());
        let refused = more[0] == "--set";
        assert_eq!(run.code, if refused { 3 } else { 0 }, "{}", run.stderr);
        let written = keys(server, "refused");
        let is_table = |key: &&String| TABLES.iter().any(|table| key.starts_with(&format!("tables/{table}/")));
        assert_eq!(written.iter().find(is_table), None);
        assert!(written.iter().any(|key| key.starts_with("tables/_dead_letters/")), "kept by the refused run");
    }
    // What its tasks had finished waits for a run with another limit, until somebody clears it away.
    assert_ne!(server.s3(json!([["uploads", "refused"]])), [json!([])]);
    let gc = [&["gc", "jobs/quickstart.yaml", "--apply", "--older-than", "0s"], &settings_of(&settings)[..]].concat();
    let gc = call(project(), &gc, &CREDENTIALS);
    assert_eq!(gc.code, 0, "{}", gc.stderr);
    assert_eq!(server.s3(json!([["uploads", "refused"]])), [json!([])]);
}

fn uploads_of_a_killed_run(server: &Server, _: Abilities) {
    const RUN: &str = "quickstart-20261120T000000Z-20261121T000000Z";
    upload_fixtures(server, "killed");
    let settings = [to(server, "source", "killed/in/raw"), to(server, "sink", "killed/tables")].concat();
    run_in(project(), "jobs/quickstart.yaml", &settings, &DAY).done();
    let table = format!("tables/event_v2/partition_app=shop/{RUN}.r1-00000-0.snappy.parquet");
    let dead = format!("tables/_dead_letters/job=quickstart/dt=2026-11-20/run={RUN}/part-00007.json.gz");
    let other = "tables/event_v2/other-20261120T000000Z-20261121T000000Z-00000-0.snappy.parquet";
    server.s3(json!([["begin", "killed", table], ["begin", "killed", dead], ["begin", "killed", other]]));
    let whole = keys(server, "killed");
    let gc = |more: &[&str]| {
        let later = (Clock::system().now() + chrono::TimeDelta::days(2)).to_rfc3339();
        let mut arguments = vec!["gc", "jobs/quickstart.yaml", "--output", "json", "--now", &later];
        arguments.extend(settings.iter().map(String::as_str));
        arguments.extend(more);
        call(project(), &arguments, &CREDENTIALS)
    };
    let found = gc(&[]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    let garbage = found.report["gc"]["garbage"].as_array().unwrap();
    let places: Vec<&str> = garbage.iter().map(|piece| piece["place"].as_str().unwrap()).collect();
    assert_eq!(places, [format!("s3://killed/{dead}"), format!("s3://killed/{table}")], "{}", found.stdout);
    assert_eq!(gc(&["--apply"]).report["gc"]["removed"]["pieces"], 2);
    assert_eq!(server.s3(json!([["uploads", "killed"]])), [json!([other])]);
    let is_log = |key: &&String| key.contains("/log/");
    let left = keys(server, "killed");
    assert!(left.iter().filter(|key| !is_log(key)).eq(whole.iter().filter(|key| !is_log(key))), "{left:?}");
}

fn selection_by_modified_time(server: &Server, _: Abilities) {
    let key = "raw/year=2026/month=11/day=20/hour=05/a.log";
    let modified =
        server.s3(json!([["bucket", "modified"], ["put", "modified", key, good("a")], ["modified", "modified", key]]));
    let second = modified[2].as_f64().unwrap() as i64;
    let at = |offset: i64| chrono::DateTime::from_timestamp(second + offset, 0).unwrap().format("%FT%TZ").to_string();
    let scene = Scene::with(|job| {
        job["source"]["select"] = "modified".into();
        // The object is as old as this test, and so is its prefix to be.
        job["source"]["layout"] = "flat".into();
    });
    let settings = to(server, "source", "modified/raw");
    let mut read = Vec::new();
    for (start, end) in [(-3_600, 0), (0, 1), (1, 3_600)] {
        let window = format!("{}/{}", at(start), at(end));
        // The events are fresh at an instant before the object was written.
        let more = ["--window", &window, "--now", NOW, "--allow-open"];
        let run = run_in(&scene.path(""), "job.yaml", &settings, &more);
        assert_eq!(run.code, 0, "{}", run.stderr);
        read.push(run.report["objects"]["read"].as_u64().unwrap());
    }
    assert_eq!(read, [0, 1, 0]);
    assert_eq!(scene.event_ids(), ["a"]);
}

fn wrong_credentials_and_missing_buckets(server: &Server, abilities: Abilities) {
    upload_fixtures(server, "guarded");
    let scene = Scene::new();
    let run = run_in(&scene.path(""), "job.yaml", &to(server, "source", "no-such-bucket/raw"), &DAY);
    assert_eq!((run.code, &run.report["error"]["kind"]), (1, &json!("not_found")), "{}", run.stderr);
    let error = run.report["error"].to_string();
    assert!(error.contains("no-such-bucket") && run.report["error"]["hint"].is_string(), "{error}");
    let run = run_in(&scene.path(""), "job.yaml", &to(server, "source", "guarded/nothing/here"), &DAY);
    assert_eq!((run.code, &run.report["status"]), (0, &json!("empty")), "{}", run.stderr);

    let settings = [to(server, "source", "guarded/in/raw"), to(server, "sink", "no-such-bucket/tables")].concat();
    let run = run_in(project(), "jobs/quickstart.yaml", &settings, &DAY);
    assert_eq!((run.code, &run.report["error"]["kind"]), (1, &json!("not_found")), "{}", run.stderr);
    assert!(run.report["error"].to_string().contains("no-such-bucket"), "{}", run.stderr);

    if abilities.checks_signatures {
        let wrong = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", "another")];
        let run = run_as(&wrong, &scene.path(""), "job.yaml", &to(server, "source", "guarded/in/raw"), &DAY);
        assert_eq!((run.code, &run.report["error"]["kind"]), (1, &json!("permission")), "{}", run.stderr);
        let hint = run.report["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("credentials"), "{hint}");
        assert!(!run.stderr.contains("another") && !run.stdout.contains("another"), "{}", run.stderr);
    }
    // A server that is not there.
    let mut gone = to(server, "source", "guarded/in/raw");
    "--set=source.s3.endpoint=http://127.0.0.1:1".clone_into(&mut gone[1]);
    let run = run_in(&scene.path(""), "job.yaml", &gone, &DAY);
    assert_eq!((run.code, &run.report["error"]["kind"]), (1, &json!("unavailable")), "{}", run.stderr);
    let error = run.report["error"].to_string();
    assert!(error.contains("s3://guarded/in/raw") && error.contains("refused"), "{}", run.stderr);
    assert!(error.contains("s3.endpoint"), "{}", run.stderr);
}

/// Puts objects with one good event each below the hour of the tests and runs the job over them.
fn run_over(server: &Server, bucket: &str, objects: &[(&str, &str, &str)]) -> (Scene, Run) {
    let mut calls = vec![json!(["bucket", bucket])];
    for (name, id, class) in objects {
        calls.push(json!(["put", bucket, format!("raw/{}/{name}", HOUR), good(id), class]));
    }
    server.s3(calls.into());
    let scene = Scene::new();
    let run = run_in(&scene.path(""), "job.yaml", &to(server, "source", &format!("{bucket}/raw/")), &DAY);
    (scene, run)
}

fn archived_objects(server: &Server, abilities: Abilities) {
    if !abilities.archives {
        return;
    }
    let objects = [
        ("1.log", "first", "STANDARD"),
        ("2.log", "frozen", "GLACIER"),
        ("3.log", "deeply-frozen", "DEEP_ARCHIVE"),
        ("4.log", "cool", "STANDARD_IA"),
        ("5.log", "last", "STANDARD"),
    ];
    let (scene, run) = run_over(server, "archive", &objects);
    let run = run.done();
    assert_eq!(run.report["objects"]["archived"], 2);
    assert_eq!(run.report["objects"]["read"], 3);
    assert!(run.report["warnings"].to_string().contains("archived"), "{}", run.report["warnings"]);
    assert_eq!(scene.event_ids(), ["cool", "first", "last"]);
}

fn odd_keys(server: &Server, _: Abilities) {
    let names = [
        "a b.log",
        " leading",
        "%.log",
        "%2F.log",
        "a%20b.log",
        "ü.log",
        "日本語.log",
        "𝕏.log",
        "a+b.log",
        "a&b=c.log",
        "#.log",
        "?.log",
        "[x].log",
        "{x}.log",
        "~.log",
        "'.log",
        "a:b.log",
        "a;b.log",
        "a,b.log",
        "@$!*().log",
        "...log",
        "a..b.log",
        "deeper/and/deeper.log",
    ];
    let objects: Vec<(&str, &str, &str)> = names.iter().map(|name| (*name, *name, "STANDARD")).collect();
    let (scene, run) = run_over(server, "odd", &objects);
    run.done();
    // A name that begins with a dot is hidden.
    let mut expected: Vec<&str> = names.iter().copied().filter(|name| !name.starts_with('.')).collect();
    expected.sort_unstable();
    assert_eq!(scene.event_ids(), expected);
    let files: Vec<Value> =
        scene.rows("event_v2").iter().map(|row| row["process_info"]["input_file_name"].clone()).collect();
    for name in expected {
        assert!(files.contains(&json!(format!("s3://odd/raw/{}/{name}", HOUR))), "{name} {files:?}");
    }
}

fn more_keys_than_a_page(server: &Server, _: Abilities) {
    let ids: Vec<(String, String)> =
        (0..1_010).map(|place| (format!("{place:04}.log"), format!("e{place:04}"))).collect();
    let objects: Vec<(&str, &str, &str)> = ids.iter().map(|(name, id)| (&**name, &**id, "STANDARD")).collect();
    let (scene, run) = run_over(server, "many", &objects);
    let run = run.done();
    assert_eq!(run.report["objects"]["read"], 1_010);
    assert_eq!(scene.event_ids(), ids.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>());
}

fn keys_that_are_no_paths(server: &Server, abilities: Abilities) {
    if !abilities.takes_any_key {
        return;
    }
    let mut objects = vec![("0-first.log", "first", "STANDARD"), ("m-middle.log", "middle", "STANDARD")];
    objects.extend(
        ["a//b.log", "c/./d.log", "e/../f.log", "n\tt.log", "o//", "p//q.log", "z/."]
            .map(|name| (name, "lost", "STANDARD")),
    );
    objects.extend([("y-last.log", "last", "STANDARD"), ("zz-last.log", "very last", "STANDARD")]);
    let (scene, run) = run_over(server, "hostile", &objects);
    let run = run.done();
    assert_eq!(run.report["objects"]["skipped"], json!({"unreadable_name": 7}));
    assert_eq!(scene.event_ids(), ["first", "last", "middle", "very last"]);
}
