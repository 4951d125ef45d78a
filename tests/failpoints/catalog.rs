//! The process is killed while it tells the catalog of a commit, at each point of it; the next command goes on, and the catalog
//! ends as it should.

use crate::support::events::{event, line};
use crate::support::servers::{CREDENTIALS, Server, venv};
use crate::support::{HOUR, NOW, Run, Scene, WINDOW};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const KILLED: i32 = -1;

/// The window of a job whose second batch is of the day before, in a bucket and a database of its own.
fn scene(moto: &Server, name: &str) -> Scene {
    moto.make_bucket(name);
    let scene = Scene::with(|job| {
        job["sink"] = json!({"url": format!("s3://{name}/out"), "s3": {"endpoint": moto.endpoint}});
        job["aws"] = json!({"endpoint": moto.endpoint});
        job["catalog"] = json!({"glue": {"database": name.replace('-', "_")}});
        job["state"] = json!({"lease": "2s"});
        job["limits"]["threads"] = json!(1);
    });
    scene.raw("today.log", line(&[event("a", 0)]));
    scene.raw("yesterday.log", line(&[event("b", -86_400_000)]));
    run(&scene, &[]).done();
    scene
}

fn run(scene: &Scene, environment: &[(&str, &str)]) -> Run {
    let settled = ["--window", WINDOW, "--now", NOW, "--wait", "9s", "--progress", "none", "--output", "json"];
    scene.call_with(&[&["run", "job.yaml"], &settled[..]].concat(), &[&CREDENTIALS, environment].concat())
}

/// The partitions of a table, by the day they are of.
fn days(moto: &Server, name: &str) -> BTreeSet<String> {
    let tables = moto.s3(json!([["glue", name.replace('-', "_")]])).remove(0);
    let partitions = tables["event_v2"]["Partitions"].as_array().unwrap();
    partitions.iter().map(|partition| partition["Values"][3].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_catalog_is_told_all_of_it_wherever_the_process_is_killed() {
    let Some(venv) = venv() else { return };
    let moto = Server::moto(&venv);
    // The second run has no row of the day before, and a row of the day after.
    let change = |scene: &Scene| {
        fs::remove_file(scene.path(format!("raw/{HOUR}/yesterday.log"))).unwrap();
        scene.raw("tomorrow.log", line(&[event("c", 19 * 3_600_000)]));
    };
    let whole = scene(&moto, "whole");
    change(&whole);
    let list = whole.path("points");
    run(&whole, &[("ETL_FAILPOINT_LIST", list.to_str().unwrap())]).done();
    let expected: BTreeSet<String> = ["20", "21"].map(str::to_owned).into();
    assert_eq!(days(&moto, "whole"), expected);
    let met = fs::read_to_string(list).unwrap();
    let mut points: Vec<&str> = met.lines().filter(|name| name.starts_with("catalog.")).collect();
    points.dedup();
    assert_eq!(points, ["catalog.after_table", "catalog.after_removal"]);
    for point in
        ["catalog.after_table:2", "catalog.after_removal", "publish.after_announcement:2", "publish.before_retraction"]
    {
        let name = point.replace(['.', '_', ':'], "-");
        let scene = scene(&moto, &name);
        change(&scene);
        assert_eq!(run(&scene, &[("ETL_FAILPOINT", point)]).code, KILLED, "{point}");
        let recovered = scene.call_with(&["recover", "job.yaml", "--output", "json"], &CREDENTIALS);
        assert_eq!(recovered.code, 0, "{point}: {}", recovered.stderr);
        assert_eq!(days(&moto, &name), expected, "{point}");
        let status = scene.call_with(&["status", "job.yaml", "--now", NOW, "--output", "json"], &CREDENTIALS);
        assert_eq!(status.report["status"]["windows"][0]["status"], Value::from("done"), "{point}: {}", status.stdout);
    }
}
