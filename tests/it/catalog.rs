//! The Glue Data Catalog beside the tables: with moto's, which other programs read, and with a strict one of the tests, which
//! refuses what the service refuses and fails when it is told to.

use crate::support::events::{event, line};
use crate::support::servers::{CREDENTIALS, Server, free_ports, venv};
use crate::support::{HOUR, NOW, Run, Scene, WINDOW, project};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

const DAY: i64 = 86_400_000;

/// The strict catalog.
fn strict(venv: &std::path::Path) -> Server {
    let [port] = free_ports();
    let mut command = Command::new(venv.join("bin/python"));
    command.arg(project().join("tests/support/glue.py")).arg(port.to_string());
    Server::start(venv, command, port, "/calls")
}

/// What the strict catalog says of itself, or is told beside the service's own calls.
fn ask(catalog: &Server, method: &str, path: &str, body: &Value) -> Value {
    let address = catalog.endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let body = body.to_string();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all([head, body].concat().as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn state(catalog: &Server) -> Value {
    ask(catalog, "GET", "/state", &Value::Null)
}

fn calls(catalog: &Server) -> Vec<String> {
    serde_json::from_value(ask(catalog, "GET", "/calls", &Value::Null)).unwrap()
}

fn fault(catalog: &Server, call: &str, kind: &str) {
    ask(catalog, "POST", "/fault", &json!({"call": call, "nth": 1, "kind": kind}));
}

/// A scene whose tables go to a bucket, and whose catalog is `catalog`.
fn scene(store: &Server, catalog: &Server, bucket: &str) -> Scene {
    store.make_bucket(bucket);
    Scene::with(|job| {
        job["sink"] = json!({"url": format!("s3://{bucket}/out"), "s3": {"endpoint": store.endpoint}});
        job["aws"] = json!({"endpoint": catalog.endpoint});
        job["catalog"] = json!({"glue": {"database": "web"}});
        job["limits"]["retry"] = json!({"attempts": 2});
    })
}

fn call(scene: &Scene, arguments: &[&str]) -> Run {
    scene.call_with(&[arguments, &["--output", "json"]].concat(), &CREDENTIALS)
}

fn run(scene: &Scene, more: &[&str]) -> Run {
    call(scene, &[&["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--progress", "none"], more].concat())
}

/// Batches with an event of the window's day, and one of the day before.
fn two_days(scene: &Scene) {
    scene.raw("today.log", line(&[event("a", 0)]));
    scene.raw("yesterday.log", line(&[event("b", -DAY)]));
}

/// Values of the partitions of a table, in order.
fn partitions(table: &Value) -> BTreeSet<String> {
    let key = if table["partitions"].is_array() { "partitions" } else { "Partitions" };
    let values = |partition: &Value| {
        partition["Values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_str().unwrap())
            .collect::<Vec<_>>()
            .join("/")
    };
    table[key].as_array().unwrap().iter().map(values).collect()
}

fn days(days: &[u8]) -> BTreeSet<String> {
    days.iter().map(|day| format!("shop/2026/11/{day:02}")).collect()
}

#[test]
fn what_a_run_writes_is_registered_and_what_it_empties_is_removed() {
    let Some(venv) = venv() else { return };
    let moto = Server::moto(&venv);
    let scene = scene(&moto, &moto, "tables");
    two_days(&scene);
    run(&scene, &[]).done();
    let tables = moto.s3(json!([["glue", "web"]])).remove(0);
    let names: Vec<&str> = tables.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(BTreeSet::from_iter(names), BTreeSet::from(["event_v2", "item_v2", "user_v2", "session"]));
    let event = &tables["event_v2"];
    assert_eq!(event["StorageDescriptor"]["Columns"].as_array().unwrap().len(), 104);
    assert_eq!(event["Parameters"]["EXTERNAL"], "TRUE");
    assert_eq!(
        (&event["Parameters"]["etl_runner.job"], &event["Parameters"]["classification"]),
        (&json!("test"), &json!("parquet"))
    );
    assert_eq!(partitions(event), days(&[19, 20]));
    assert_eq!(partitions(&tables["item_v2"]), BTreeSet::new(), "there are no rows");
    for partition in event["Partitions"].as_array().unwrap() {
        let storage = &partition["StorageDescriptor"];
        assert_eq!(storage["Columns"], event["StorageDescriptor"]["Columns"], "a partition is read on its own");
        assert!(storage["OutputFormat"].as_str().unwrap().ends_with("MapredParquetOutputFormat"), "{storage}");
        let day = partition["Values"][3].as_str().unwrap();
        let folder = format!("partition_app=shop/partition_year=2026/partition_month=11/partition_day={day}/");
        assert_eq!(storage["Location"], format!("s3://tables/out/event_v2/{folder}"));
    }

    fs::remove_file(scene.path(format!("raw/{HOUR}/yesterday.log"))).unwrap();
    run(&scene, &[]).done();
    let tables = moto.s3(json!([["glue", "web"]])).remove(0);
    assert_eq!(partitions(&tables["event_v2"]), days(&[20]), "the other has no file any more");
}

#[test]
fn each_call_may_fail_in_each_way_and_the_end_is_the_same() {
    let Some(venv) = venv() else { return };
    let (moto, strict) = (Server::moto(&venv), strict(&venv));
    let scene = scene(&moto, &strict, "tables");
    two_days(&scene);
    run(&scene, &[]).done();
    let good = state(&strict)["web"].clone();
    assert_eq!(partitions(&good["event_v2"]), days(&[19, 20]));
    let cases: [(&str, &[&str]); 6] = [
        ("GetTable", &["error", "throttle", "lost", "expired"]),
        ("CreateDatabase", &["error", "lost", "expired"]),
        ("CreateTable", &["error", "throttle", "lost"]),
        ("BatchCreatePartition", &["error", "throttle", "partial", "lost", "expired"]),
        ("BatchGetPartition", &["error", "partial", "lost"]),
        ("UpdateTable", &["error", "stale", "lost"]),
    ];
    let mut failures = Vec::new();
    for (name, kinds) in cases {
        for kind in kinds {
            let database = format!("db_{}_{kind}", name.to_lowercase());
            let set = format!("--set=catalog.glue.database={database}");
            let projected = ["--set=catalog.glue.projection.years=[2021, 2030]"];
            let sync = |more: &[&str]| {
                let settings = ["catalog", "sync", "job.yaml", "--window", WINDOW, "--apply", &set];
                call(&scene, &[&settings, more].concat())
            };
            let mut more: &[&str] = &[];
            if name == "UpdateTable" {
                // A table that is there and lacks what the job says of it.
                assert_eq!(sync(&[]).code, 0);
                more = &projected;
            }
            fault(&strict, name, kind);
            let first = sync(more);
            assert_eq!(first.code == 0, *kind != "expired", "{name} {kind}: {}", first.stderr);
            let second = sync(more);
            assert_eq!(second.code, 0, "{}", second.stderr);
            assert_eq!(second.report["catalog"]["agrees"], *kind != "expired", "{name} {kind}");
            let end = &state(&strict)[&database];
            let same = good.as_object().unwrap().iter().all(|(table, good)| {
                let there = &end[table];
                partitions(there) == partitions(good)
                    && there["input"]["StorageDescriptor"]["Columns"] == good["input"]["StorageDescriptor"]["Columns"]
            });
            if !same {
                failures.push(format!("{name} {kind}"));
            }
        }
    }
    assert_eq!(failures, Vec::<String>::new());
}

#[test]
fn a_catalog_that_is_down_leaves_the_run_partly_and_the_next_command_goes_on() {
    let Some(venv) = venv() else { return };
    let (moto, strict) = (Server::moto(&venv), strict(&venv));
    let scene = scene(&moto, &strict, "tables");
    two_days(&scene);
    fault(&strict, "BatchCreatePartition", "expired");
    let first = run(&scene, &[]);
    assert_eq!(first.code, 5, "{}", first.stderr);
    assert!(first.stderr.contains("target=catalog") && first.stderr.contains("ExpiredToken"), "{}", first.stderr);
    assert_eq!(partitions(&state(&strict)["web"]["event_v2"]), BTreeSet::new());
    let recovered = call(&scene, &["recover", "job.yaml"]);
    assert_eq!(recovered.code, 0, "{}", recovered.stderr);
    let web = state(&strict)["web"].clone();
    assert_eq!(partitions(&web["event_v2"]), days(&[19, 20]));
    let before = calls(&strict).len();
    assert_eq!(call(&scene, &["recover", "job.yaml"]).code, 0);
    assert_eq!(calls(&strict).len(), before, "what is announced is not announced again");
    for output in [&first.stdout, &first.stderr] {
        assert!(!output.contains(CREDENTIALS[1].1));
    }
}

#[test]
fn plan_shows_sync_adds_and_repair_removes() {
    let Some(venv) = venv() else { return };
    let (moto, strict) = (Server::moto(&venv), strict(&venv));
    let scene = scene(&moto, &strict, "tables");
    two_days(&scene);
    run(&scene, &["--set=catalog.glue.enabled=false"]).done();
    assert_eq!(calls(&strict), Vec::<String>::new(), "nothing is asked without a catalog");

    let plan = call(&scene, &["catalog", "plan", "job.yaml"]);
    let event = &plan.report["catalog"]["tables"][0];
    assert_eq!((&event["table"], &event["change"], &event["missing"]), (&json!("event_v2"), &json!("made"), &json!(2)));
    assert_eq!(call(&scene, &["catalog", "sync", "job.yaml"]).report["catalog"]["applied"], false);
    assert_eq!(state(&strict), json!({}), "only shown");
    let applied = call(&scene, &["catalog", "sync", "job.yaml", "--apply"]);
    assert_eq!(applied.report["catalog"]["applied"], true, "{}", applied.stderr);
    assert_eq!(call(&scene, &["catalog", "plan", "job.yaml"]).report["catalog"]["agrees"], true);

    // Hours to come: known to readers before there is a file, and empty until then.
    let ahead = ["--ahead", "1d", "--now", "2026-11-21T05:00:00Z", "--apply"];
    assert_eq!(call(&scene, &[&["catalog", "sync", "job.yaml"], &ahead[..]].concat()).code, 0);
    assert_eq!(partitions(&state(&strict)["web"]["event_v2"]), days(&[19, 20, 21, 22]));
    let repair = call(&scene, &["catalog", "repair", "job.yaml"]);
    assert_eq!(repair.report["catalog"]["tables"][0]["empty"], 2, "{}", repair.stdout);
    assert_eq!(call(&scene, &["catalog", "repair", "job.yaml", "--apply"]).code, 0);
    assert_eq!(partitions(&state(&strict)["web"]["event_v2"]), days(&[19, 20]));

    // Files that no commit knows are somebody else's.
    let foreign = "out/event_v2/partition_app=shop/partition_year=2026/partition_month=11/partition_day=21/x.parquet";
    moto.s3(json!([["put", "tables", foreign, "x"]]));
    assert_eq!(call(&scene, &[&["catalog", "sync", "job.yaml"], &ahead[..]].concat()).code, 0);
    let repair = call(&scene, &["catalog", "repair", "job.yaml"]);
    let event = &repair.report["catalog"]["tables"][0];
    assert_eq!((&event["empty"], &event["foreign"]), (&json!(1), &json!(1)), "{}", repair.stdout);
}

#[test]
fn a_table_grows_and_is_never_narrowed() {
    let Some(venv) = venv() else { return };
    let (moto, strict) = (Server::moto(&venv), strict(&venv));
    let scene = scene(&moto, &strict, "tables");
    two_days(&scene);
    fs::write(scene.path("more.sql"), "SELECT *, length(event_name) AS name_length FROM event_v2").unwrap();
    let wider = "--set=enrich=[{\"sql\": \"more.sql\", \"table\": \"event_v2\"}]";
    run(&scene, &[]).done();
    run(&scene, &[wider]).done();
    let names = |state: &Value| -> Vec<String> {
        let columns = state["web"]["event_v2"]["input"]["StorageDescriptor"]["Columns"].as_array().unwrap();
        columns.iter().map(|column| column["Name"].as_str().unwrap().to_owned()).collect()
    };
    let grown = state(&strict);
    assert_eq!((names(&grown).len(), names(&grown).last().unwrap().as_str()), (105, "name_length"));
    let partition = &grown["web"]["event_v2"]["partitions"][0]["StorageDescriptor"]["Columns"];
    assert_eq!(partition.as_array().unwrap().len(), 105, "partitions that are written again have it too");

    let narrower = run(&scene, &[]);
    assert_eq!(narrower.code, 5, "{}", narrower.stderr);
    assert!(narrower.stderr.contains("column=name_length"), "{}", narrower.stderr);
    assert_eq!(state(&strict), grown, "the catalog stays as it is");
}

#[test]
fn a_store_that_is_not_there_is_named_by_the_setting() {
    let scene = Scene::with(|job| {
        job["sink"] = json!({"url": "s3://tables/out"});
        job["aws"] = json!({"endpoint": "http://127.0.0.1:1"});
        job["catalog"] = json!({"glue": {"database": "web"}});
        job["limits"]["retry"] = json!({"attempts": 1});
    });
    let plan = call(&scene, &["catalog", "plan", "job.yaml"]);
    assert_eq!(plan.code, 1, "{}", plan.stderr);
    assert!(plan.report["error"]["hint"].as_str().unwrap().contains("aws.endpoint"), "{}", plan.stdout);
}

#[test]
fn tables_on_this_machine_have_no_catalog() {
    let scene = Scene::with(|job| job["catalog"] = json!({"glue": {"database": "web"}}));
    scene.raw("a.log", line(&[event("a", 0)]));
    let refused = run(&scene, &[]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("catalog.glue.enabled: false"), "{}", refused.stderr);
    let checked = call(&scene, &["check", "job.yaml"]);
    assert_eq!(checked.code, 2, "{}", checked.stderr);
    assert!(checked.stderr.contains("catalog.glue.enabled: false"), "{}", checked.stderr);
    run(&scene, &["--set=catalog.glue.enabled=false"]).done();
}

#[test]
fn many_partitions_take_few_calls() {
    let Some(venv) = venv() else { return };
    let (moto, strict) = (Server::moto(&venv), strict(&venv));
    let scene = scene(&moto, &strict, "tables");
    two_days(&scene);
    let hourly = "--set=tables.event_v2.partition_by=[{name: day, column: event_timestamp, part: date}, \
                  {name: hour, column: event_timestamp, part: hour}]";
    let others = ["user_v2", "session", "item_v2"].map(|table| format!("--set=tables.{table}.write=false"));
    let settings: Vec<&str> = [hourly].into_iter().chain(others.iter().map(String::as_str)).collect();
    run(&scene, &[&settings[..], &["--set=catalog.glue.enabled=false"]].concat()).done();
    let counted = |arguments: &[&str]| {
        let before = calls(&strict).len();
        let synced = call(&scene, &[&["catalog", "sync", "job.yaml", "--apply"], &settings[..], arguments].concat());
        assert_eq!(synced.code, 0, "{}", synced.stderr);
        calls(&strict)[before..].to_vec()
    };
    let ahead = ["--ahead", "10000h", "--now", "2026-11-21T00:00:00Z"];
    let made = counted(&ahead);
    assert_eq!(state(&strict)["web"]["event_v2"]["partitions"].as_array().unwrap().len(), 10_002);
    assert!(made.len() <= 110, "{}", made.len());
    // Two of them are of the window.
    let of_window = counted(&["--window", WINDOW]);
    assert_eq!(of_window, ["GetTable", "BatchGetPartition"]);
    let again = run(&scene, &settings);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let all = calls(&strict);
    assert_eq!(all[all.len() - 2..], ["GetTable", "BatchGetPartition"], "a window that runs again");
}
