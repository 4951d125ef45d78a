//! Memory is bounded in bytes, whatever rows are like: from one byte to as much as a record may have, and more than that
//! once it is unpacked. Each command within what the process may take, or with an error that says what helps.

use crate::support::events::{START, event, line, request};
use crate::support::{NOW, Run, Scene, WINDOW, binary};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// What any command may take where nothing is set.
const USUAL: u64 = 1 << 30;

/// What commands about dead letters of 24 MiB may take: a few copies of one, and the program.
const LETTERS: u64 = 320 << 20;

/// A call of the binary with the most memory it had. Its output is counted and not kept.
struct Measured {
    code: i32,
    peak: u64,
    stdout_bytes: u64,
    stderr: String,
}

fn measured(scene: &Scene, arguments: &[&str]) -> Measured {
    let mut child = Command::new(binary())
        .args(arguments)
        .current_dir(scene.path(""))
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let counted = thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()).unwrap());
    let told = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    // The peak only grows, and is gone with the process.
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0);
        peak = peak.max(kib << 10);
        match child.try_wait().unwrap() {
            Some(code) => break code.code().unwrap_or(-1),
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    Measured { code, peak, stdout_bytes: counted.join().unwrap(), stderr: told.join().unwrap() }
}

impl Measured {
    /// It did what was asked, in less memory.
    #[track_caller]
    fn within(self, most: u64) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        assert!(self.peak < most, "{} MiB of {} MiB: {}", self.peak >> 20, most >> 20, self.stderr);
        self
    }

    /// It ended with the error of a limit, in less memory.
    #[track_caller]
    fn limited(self, most: u64, setting: &str) {
        assert_eq!(self.code, 1, "{}", self.stderr);
        assert!(self.stderr.contains(setting) && self.stderr.contains("hint:"), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert!(self.peak < most, "{} MiB of {} MiB: {}", self.peak >> 20, most >> 20, self.stderr);
    }
}

/// Stands for a long text until the JSON around it is written.
const TEXT: &str = "<text>";

/// An event with an attribute and a user's property of so many bytes each, as a line.
fn sized(id: &str, bytes: usize) -> String {
    let mut event = event(id, 0);
    event["event_type"] = "_profile_set".into();
    event["attributes"]["text"] = TEXT.into();
    event["user"]["text"] = json!({"value": TEXT, "set_timestamp": START});
    line(&[event]).replace(TEXT, &"x".repeat(bytes))
}

/// An event with an attribute of so many bytes, as a line whose payload is packed.
fn packed(id: &str, bytes: usize) -> String {
    let mut event = event(id, 0);
    event["attributes"]["text"] = TEXT.into();
    let payload = json!([event]).to_string().replace(TEXT, &"z".repeat(bytes));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(payload.as_bytes()).unwrap();
    request(base64_simd::STANDARD.encode_to_string(gzip.finish().unwrap()).into()).to_string()
}

fn of_every_size(scene: &Scene) -> usize {
    let mut count = 0;
    let mut batch = String::new();
    // Property and attribute of a record share its 32 MiB.
    for (rows, bytes) in [(100, 1), (100, 1 << 10), (60, 300 << 10), (8, 2_200_000), (2, 15 << 20)] {
        for row in 0..rows {
            let _ = writeln!(batch, "{}", sized(&format!("{bytes}-{row}"), bytes));
            count += 1;
        }
    }
    for row in 0..2 {
        let _ = writeln!(batch, "{}", packed(&format!("packed-{row}"), 60_000_000));
        count += 1;
    }
    scene.raw("a.log", batch);
    count
}

fn run_arguments() -> Vec<&'static str> {
    vec!["run", "job.yaml", "--window", WINDOW, "--now", NOW, "--progress", "none"]
}

#[test]
fn rows_of_every_size_pass_all_commands_within_a_gibibyte() {
    let scene = Scene::in_memory(|_| {});
    let events = of_every_size(&scene);
    measured(&scene, &run_arguments()).within(USUAL);
    let counted: Run = scene.call(&["sql", "job.yaml", "SELECT count(*) AS n FROM event_v2", "--output", "json"]);
    assert_eq!(counted.report, json!([{"n": events}]), "{}", counted.stderr);
    // All rows with all their texts.
    let all = ["sql", "job.yaml", "SELECT * FROM event_v2", "--limit", "0", "--format", "jsonl"];
    let printed = measured(&scene, &all).within(USUAL);
    assert!(printed.stdout_bytes > 2 * 60_000_000, "{} bytes", printed.stdout_bytes);
    // A sort holds rows several times over, and says so when one does not fit.
    measured(&scene, &["sql", "job.yaml", "SELECT * FROM event_v2 ORDER BY event_id"]).limited(USUAL, "limits.memory");
    measured(&scene, &["sql", "job.yaml", "SELECT user_pseudo_id FROM user_v2 ORDER BY 1"]).within(USUAL);
    let table = "out/event_v2";
    measured(&scene, &["compare", table, table, "--key", "event_id"]).within(USUAL);
}

#[test]
fn users_with_long_properties_are_merged_within_what_is_set() {
    let scene = Scene::in_memory(|job| job["limits"] = json!({"memory_total": "512MiB", "threads": 1}));
    let mut batch = String::new();
    for user in 0..400 {
        let _ = writeln!(batch, "{}", sized(&format!("u{user}"), 300 << 10));
    }
    scene.raw("a.log", batch);
    measured(&scene, &run_arguments()).within(512 << 20);
    assert_eq!(
        scene.call(&["sql", "job.yaml", "SELECT count(*) AS n FROM user_v2", "--output", "json"]).report,
        json!([{"n": 400}])
    );
}

#[test]
fn long_dead_letters_are_held_one_at_a_time() {
    let scene = Scene::in_memory(|job| job["dead_letter"] = json!({"raw_bytes": "64MiB"}));
    let mut batch = String::new();
    for letter in 0..12 {
        let _ = writeln!(batch, "{{\"appId\":\"shop\",\"rid\":\"{letter}\",\"x\":\"{}\"}}", "w".repeat(24 << 20));
    }
    scene.raw("a.log", batch);
    measured(&scene, &[run_arguments(), vec!["--set", "limits.dead_letters=100%"]].concat()).within(LETTERS);
    measured(&scene, &["dead-letters", "list", "job.yaml"]).within(LETTERS);
    for output in ["json", "text"] {
        let show = ["dead-letters", "show", "job.yaml", "--window", WINDOW, "--raw", "--output", output];
        let shown = measured(&scene, &show).within(LETTERS);
        assert!(shown.stdout_bytes > 10 * (24 << 20), "{} bytes", shown.stdout_bytes);
    }
    measured(&scene, &["dead-letters", "replay", "job.yaml", "--all", "--dry-run"]).within(LETTERS);
}

#[test]
fn questions_that_take_too_much_end_before_the_container_does() {
    let scene = Scene::new();
    scene.raw("a.log", line(&[event("a", 0)]));
    scene.run(&[]).done();
    for sql in [
        "SELECT array_agg(repeat('x', 100000)) FROM generate_series(1, 100000)",
        "SELECT string_agg(repeat('x', 100000), '') FROM generate_series(1, 100000)",
    ] {
        let arguments =
            ["sql", "job.yaml", sql, "--set", "limits.memory_total=512MiB", "--set", "limits.spill_folder=/nowhere"];
        measured(&scene, &arguments[..5]).limited(560 << 20, "limits.memory");
    }
}
