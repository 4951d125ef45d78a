//! Forgetting a window, killed between any two steps: the window is there, or it is gone after the next command.

use crate::support::events::good;
use crate::support::{Case, NOW, Run, Scene, WINDOW, all, files, visible_files};
use std::fs;

const POINTS: [&str; 9] = [
    "commit.before_entry",
    "commit.after_entry",
    "publish.begin",
    "publish.before_retraction",
    "publish.before_removal",
    "publish.remove",
    "publish.remove:2",
    "publish.before_entry",
    "publish.after_entry",
];

fn call(scene: &Scene, command: &str, more: &[&str], environment: &[(&str, &str)]) -> Run {
    let markers = scene.path("markers");
    let environment = [&[("ETL_MARKERS", markers.to_str().unwrap())], environment].concat();
    scene.call_with(&[&[command, "job.yaml", "--output", "json"], more].concat(), &environment)
}

fn killed_at(point: &str) {
    let scene = Scene::in_memory(|_| {});
    fs::create_dir(scene.path("markers")).unwrap();
    scene.raw("a.log", good("a"));
    let day = ["--window", WINDOW, "--now", NOW];
    assert_eq!(call(&scene, "run", &day, &[]).code, 0);
    let visible = visible_files(&scene.path("out"));
    let forget = [&day[..], &["--apply"]].concat();
    assert_eq!(call(&scene, "forget", &forget, &[("ETL_FAILPOINT", point)]).code, -1, "{point} is never reached");
    if point == "commit.before_entry" {
        assert_eq!(visible_files(&scene.path("out")), visible);
        assert_eq!(call(&scene, "forget", &forget, &[]).code, 0);
    } else {
        let recovered = call(&scene, "recover", &[], &[]);
        assert_eq!(recovered.code, 0, "{}", recovered.stderr);
    }
    assert_eq!(visible_files(&scene.path("out")), [""; 0]);
    let markers: Vec<String> = files(&scene.path("markers")).into_iter().filter(|name| name != "calls").collect();
    assert_eq!(markers, [""; 0], "what was announced is taken back, and the forgetting is announced to nobody");
    let status = call(&scene, "status", &["--now", NOW], &[]);
    assert_eq!(status.report["status"]["total"], 0, "{}", status.stdout);
    assert_eq!(call(&scene, "forget", &forget, &[]).code, 2, "nothing is known of it any more");
    assert_eq!(call(&scene, "run", &day, &[]).code, 0);
    assert_eq!(scene.content()["event_v2"].len(), 1);
}

#[test]
fn it_is_killed_at_each_point() {
    let case = |point: &'static str| -> Case<'static> { (point.to_owned(), Box::new(move || killed_at(point))) };
    all(POINTS.into_iter().map(case).collect());
}
