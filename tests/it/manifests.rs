//! The manifests and partition lists that a run leaves, and what a re-run makes of them.

use crate::support::events::good;
use crate::support::{HOUR, Scene, files, visible_files};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const RUN: &str = "test-20261120T000000Z-20261121T000000Z";

fn manifests(scene: &Scene) -> Vec<String> {
    files(&scene.path("out/_manifests"))
}

fn read(scene: &Scene, name: &str) -> Value {
    serde_json::from_slice(&fs::read(scene.path("out/_manifests").join(name)).unwrap()).unwrap()
}

/// The files that the manifests name, below `out`, after their lengths were compared with what is there.
fn named(scene: &Scene) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for manifest in manifests(scene).iter().filter(|name| name.ends_with(".manifest")) {
        for entry in read(scene, manifest)["entries"].as_array().unwrap() {
            assert_eq!(entry["mandatory"], true);
            let path = entry["url"].as_str().unwrap().strip_prefix("file://").unwrap();
            assert_eq!(fs::metadata(path).unwrap().len(), entry["meta"]["content_length"], "{path}");
            let below = path.strip_prefix(scene.path("out").to_str().unwrap()).unwrap();
            assert!(named.insert(below.trim_start_matches('/').to_owned()), "{path} is named twice");
        }
    }
    named
}

fn visible(scene: &Scene) -> BTreeSet<String> {
    visible_files(&scene.path("out")).into_iter().collect()
}

#[test]
fn each_file_is_in_one_manifest_and_a_re_run_replaces_them() {
    let scene = Scene::new();
    let first = scene.raw("a.log", good("a"));
    scene.run(&[]).done();
    assert_eq!(named(&scene), visible(&scene));
    let names = manifests(&scene);
    assert!(names.contains(&format!("event_v2/shop/{RUN}-00000.manifest")), "{names:?}");
    let list = read(&scene, &format!("{RUN}.partitions.json"));
    let tables: Vec<&str> =
        list["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap()).collect();
    assert_eq!(tables, ["event_v2", "session", "user_v2"], "items have no rows");
    let partition = &list["tables"][0]["partitions"][0];
    assert_eq!(
        (&partition["change"], &partition["files"], &partition["rows"]),
        (&json!("added"), &json!(1), &json!(1))
    );
    let location = partition["location"].as_str().unwrap();
    assert!(location.starts_with(&format!("file://{}/event_v2/partition_app=shop/", scene.path("out").display())));

    scene.raw("b.log", good("b"));
    scene.run(&[]).done();
    let again = format!("{RUN}.r1");
    assert!(manifests(&scene).iter().all(|name| name.contains(&again)), "{:?}", manifests(&scene));
    assert_eq!(named(&scene), visible(&scene));
    let partition = &read(&scene, &format!("{again}.partitions.json"))["tables"][0]["partitions"][0];
    assert_eq!((&partition["change"], &partition["removed_files"]), (&json!("replaced"), &json!(1)));

    // Nothing is left of the input: the partitions may be empty now.
    fs::remove_file(first).unwrap();
    fs::remove_file(scene.path(format!("raw/{HOUR}/b.log"))).unwrap();
    let emptied = scene.run(&["--allow-empty"]);
    assert_eq!(emptied.code, 0, "{}", emptied.stderr);
    assert_eq!(manifests(&scene), [format!("{RUN}.r2.partitions.json")]);
    let partition = &read(&scene, &format!("{RUN}.r2.partitions.json"))["tables"][0]["partitions"][0];
    assert_eq!((&partition["change"], &partition["files"]), (&json!("removed"), &json!(0)));
}

#[test]
fn settings_decide_how_files_are_grouped() {
    let scene = Scene::with(|job| job["manifest"] = json!({"per": [], "partitions": false}));
    scene.raw("a.log", good("a"));
    scene.run(&[]).done();
    let names: Vec<String> =
        ["event_v2", "session", "user_v2"].iter().map(|table| format!("{table}/{RUN}-00000.manifest")).collect();
    assert_eq!(manifests(&scene), names);
    assert_eq!(named(&scene), visible(&scene));

    let off = Scene::with(|job| job["manifest"] = json!({"enabled": false, "partitions": false}));
    off.raw("a.log", good("a"));
    off.run(&[]).done();
    assert!(!off.path("out/_manifests").exists());

    let wrong = Scene::with(|job| job["manifest"] = json!({"per": ["partition_ap"]}));
    let run = wrong.call(&["check", "job.yaml"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("did you mean `partition_app`"), "{}", run.stderr);
}
