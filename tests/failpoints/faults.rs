//! Faults that come at one stage alone, when the others went well: a publish that meets something in its way, a state that
//! takes no more bytes, a stop at any point, a store that does not answer.

use crate::support::events::{event_with, line};
use crate::support::{NOW, Scene, WINDOW, binary, call, files, is_long, send};
use crate::world::{Output, Place, World, points, stage};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a stopped process may take, as `docs/operations.md` says.
const TEN_SECONDS: Duration = Duration::from_secs(10);

fn undisturbed(stage: &Scene) -> Output {
    let world = World::new(stage, Place::Folder, "undisturbed");
    world.start_run(&[]).wait().done();
    world.look()
}

#[test]
fn what_is_in_the_way_of_a_publish_alone_is_told_and_made_up_for() {
    let stage = stage();
    let expected = undisturbed(&stage);
    for (point, in_the_way, status) in [
        ("publish.begin", "event_v2", "unpublished"),
        ("publish.begin", "session", "unpublished"),
        ("publish.begin", "_dead_letters/job=test", "unpublished"),
        ("publish.before_announcement", "_manifests", "unannounced"),
    ] {
        let world = World::new(&stage, Place::Folder, &format!("in the way {in_the_way}"));
        let mut run = world.start_run(&[("ETL_FAILPOINT", &format!("{point}=stop"))]);
        assert!(run.sleeps());
        let path = world.folder().join(in_the_way);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_dir_all(&path);
        fs::write(&path, "a file").unwrap();
        run.wake();
        let run = run.wait();
        assert_eq!(run.code, Some(5), "{in_the_way}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(in_the_way.rsplit('/').next().unwrap()), "{}", run.stderr);
        let shown = world.start("status", &["--now", NOW], &[]).wait().done();
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        assert_eq!(shown["status"]["windows"][0]["status"], status, "{in_the_way}: {shown}");
        // Nothing is removed meanwhile of what is left to do.
        world.start_gc(&[]).wait().done();
        fs::remove_file(&path).unwrap();
        world.start("recover", &[], &[]).wait().done();
        world.settle().assert_is(&expected);
    }
}

#[test]
fn a_state_that_takes_no_more_bytes_fails_the_run_and_the_next_is_right() {
    // Many small files: their list is longer than any of them.
    let apps: Vec<String> = (0..40).map(|number| format!("app{number:02}")).collect();
    let scene = Scene::in_memory(|job| job["transformer"]["with"]["app_ids"] = json!(apps));
    for app in &apps {
        scene.raw(&format!("{app}.log"), line(&[event_with(app, &[("app_id", app.as_str().into())])]));
    }
    scene.run(&["--set", "sink.url=right"]).done();
    let output = Command::new("sh")
        // Blocks of 512 bytes.
        .args(["-c", "ulimit -f 48 && exec \"$@\"", "sh"])
        .arg(binary())
        .args(["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--output", "json", "--progress", "none"])
        .current_dir(scene.path(""))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &report["error"]["kind"]), (Some(1), &json!("limit")), "{said}");
    assert!(crate::support::visible_files(&scene.path("out")).is_empty(), "{said}");
    scene.run(&[]).done();
    for (table, rows) in crate::support::content(&scene.path("right")) {
        assert!(scene.content()[table] == rows, "{table}");
    }
    let gc = call(&scene.path(""), &["gc", "job.yaml", "--apply", "--older-than", "0s", "--output", "json"], &[]);
    assert_eq!(gc.code, 0, "{}", gc.stderr);
    assert!(!files(&scene.path("out")).iter().any(|path| path.contains(".pending")), "left over");
}

#[test]
fn a_stop_at_any_point_ends_within_ten_seconds_and_the_next_run_is_right() {
    let stage = stage();
    let expected = undisturbed(&stage);
    let world = World::new(&stage, Place::Folder, "points");
    let mut names: Vec<String> =
        points(|environment| world.start_run(environment)).into_iter().map(|(name, _)| name).collect();
    if !is_long() {
        names = names.into_iter().step_by(4).collect();
    }
    for name in names {
        let world = World::new(&stage, Place::Folder, &format!("stopped {name}"));
        let mut run = world.start_run(&[("ETL_FAILPOINT", &format!("{name}=stop"))]);
        assert!(run.sleeps(), "{name}");
        run.signal(Signal::SIGTERM);
        let begun = Instant::now();
        run.wake();
        let ended = run.wait();
        assert!(begun.elapsed() < TEN_SECONDS, "{name}: {:?}", begun.elapsed());
        // Behind its commit it ends as if nothing had been, or says that something is left to do.
        assert!(matches!(ended.code, Some(0 | 5 | 6)), "{name}: {:?} {}", ended.code, ended.stderr);
        world.start_run(&[]).wait().done();
        world.settle().assert_is(&expected);
    }
}

#[test]
fn a_store_that_does_not_answer_holds_up_no_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("source.s3.endpoint=http://{}", silent.local_addr().unwrap());
    let scene = Scene::in_memory(|_| {});
    let mut child = crate::support::command(&scene.path(""))
        .args(["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--output", "json", "--progress", "none"])
        .args(["--set", "source.url=s3://raw/prefix", "--set", &endpoint, "--set", "source.s3.path_style=true"])
        .envs(crate::support::servers::CREDENTIALS)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has sent its request, and waits.
    let (_connection, _) = silent.accept().unwrap();
    send(&child, Signal::SIGTERM);
    let begun = Instant::now();
    let status = child.wait().unwrap();
    assert!(begun.elapsed() < TEN_SECONDS, "{:?}", begun.elapsed());
    assert_eq!(status.code(), Some(6));
}
