//! Signals: a run ends soon, in good order, and the next one is right.

use crate::support::events::{event, line};
use crate::support::{NOW, Scene, WINDOW, command, files, send, visible_files};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// A scene that keeps a run busy for far longer than it takes to stop it.
fn long_scene() -> Scene {
    let scene = Scene::new();
    let mut batch = String::new();
    for id in 0..60_000 {
        batch.push_str(&line(&[event(&format!("e{id}"), 0)]));
        batch.push('\n');
    }
    for file in 0..4 {
        scene.raw(&format!("{file}.log"), &batch);
    }
    scene
}

/// Starts a run and returns it once it says that it has begun.
fn start(scene: &Scene) -> (Child, BufReader<impl Read>) {
    let mut child = command(&scene.path(""))
        .args(["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--output", "json", "--progress", "none"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    stderr.read_line(&mut first).unwrap();
    assert!(first.contains("window"), "{first}");
    (child, stderr)
}

/// Starts the binary, tells it to end once `ready` says so, and gives its exit code and what it printed.
#[track_caller]
pub fn stopped_when(folder: &Path, arguments: &[&str], ready: impl Fn() -> bool) -> (Option<i32>, String) {
    let mut child = command(folder).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was stopped");
        std::thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::SIGTERM);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_signal_ends_the_run_with_its_own_code_and_nothing_half_visible() {
    let scene = long_scene();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut child, mut stderr) = start(&scene);
        send(&child, signal);
        let (mut said, mut report) = (String::new(), String::new());
        stderr.read_to_string(&mut said).unwrap();
        child.stdout.take().unwrap().read_to_string(&mut report).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(6), "{said}");
        assert!(
            said.contains(&format!("stopped by {signal}")) && said.contains("hint: run the same command"),
            "{said}"
        );
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!((&report["status"], &report["error"]["kind"]), (&"stopped".into(), &"stopped".into()));
        assert_eq!(visible_files(&scene.path("out")), [""; 0]);
    }
    assert!(files(&scene.path("out")).iter().any(|path| path.contains("runs/")), "the report is kept");
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let scene = long_scene();
    let (mut child, _stderr) = start(&scene);
    // Both arrive while it stands still, so that it cannot end in good order between the two.
    for signal in [Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGCONT] {
        send(&child, signal);
    }
    let code = child.wait().unwrap().code();
    assert!(code == Some(130) || code == Some(143), "{code:?}");
    assert_eq!(visible_files(&scene.path("out")), [""; 0]);
}
