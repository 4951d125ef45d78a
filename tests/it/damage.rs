//! A state that is damaged: entries of the log that are gone or cannot be read, checkpoints, and the whole log. Nothing goes
//! on as if it were not so, and there is a way out.

use crate::support::events::{event, line};
use crate::support::{Run, Scene, files};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const NOW: [&str; 4] = ["--now", "2026-11-21T02:00:00Z", "--output", "json"];

/// A job of which some hours are done, each with an event of its own.
struct World {
    scene: Scene,
    hours: u32,
}

impl World {
    fn of_hours(hours: u32) -> Self {
        let world = Self { scene: Scene::in_memory(|_| {}), hours };
        for hour in 0..hours {
            let folder = format!("year=2026/month=11/day=20/hour={hour:02}");
            let events = [event(&format!("e{hour}"), i64::from(hour) * 3_600_000 - 5 * 3_600_000)];
            world.scene.raw_at(&folder, "a.log", line(&events));
        }
        assert_eq!(world.backfill(&[]).code, 0);
        world
    }

    fn backfill(&self, more: &[&str]) -> Run {
        let end = if self.hours == 24 { "2026-11-21T00".to_owned() } else { format!("2026-11-20T{:02}", self.hours) };
        let fixed = ["--from", "2026-11-20T00", "--to", &end, "--every", "1h", "--progress", "none"];
        self.call(&[&["backfill", "job.yaml"], &fixed[..], &NOW, more].concat())
    }

    fn call(&self, arguments: &[&str]) -> Run {
        self.scene.call(arguments)
    }

    fn state(&self, below: &str) -> PathBuf {
        self.scene.path("out/_state/test").join(below)
    }

    fn entry(&self, version: u64) -> PathBuf {
        self.state(&format!("log/{version:020}.json"))
    }

    fn event_of(&self, version: u64) -> Value {
        serde_json::from_slice::<Value>(&fs::read(self.entry(version)).unwrap()).unwrap()["event"].clone()
    }

    fn last(&self) -> u64 {
        files(&self.state("log")).len() as u64
    }

    /// Versions of the entries that are commits.
    fn commits(&self) -> Vec<u64> {
        (1..=self.last()).filter(|version| self.event_of(*version).get("commit").is_some()).collect()
    }

    fn recover_log(&self, more: &[&str]) -> Run {
        self.call(&[&["recover", "job.yaml", "--log", "--output", "json"], more].concat())
    }

    /// What the log says, without when it was asked.
    fn exported(&self) -> Value {
        let export = self.call(&["state", "export", "job.yaml"]);
        assert_eq!(export.code, 0, "{}", export.stderr);
        export.report["state"].clone()
    }

    /// All files with their bytes, except the reports of runs.
    fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        let out = self.scene.path("out");
        let all = files(&out).into_iter().filter(|path| !path.contains("/runs/"));
        all.map(|path| (path.clone(), fs::read(out.join(path)).unwrap())).collect()
    }

    /// Asserts that every command refuses the damaged log by naming `path`, and changes nothing.
    #[track_caller]
    fn assert_refused(&self, path: &str) {
        let before = self.everything();
        let window = ["--window", "2026-11-20T01/PT1H", "--progress", "none"];
        for command in [
            [&["run", "job.yaml"], &NOW[..], &window].concat(),
            [
                &["backfill", "job.yaml", "--again"],
                &NOW[..],
                &["--from", "2026-11-20T00", "--to", "2026-11-20T03", "--every", "1h"],
            ]
            .concat(),
            [&["retry", "job.yaml"], &NOW[..]].concat(),
            [&["status", "job.yaml"], &NOW[..]].concat(),
            ["state", "show", "job.yaml", "--output", "json"].to_vec(),
            ["state", "export", "job.yaml", "--output", "json"].to_vec(),
            ["state", "set", "job.yaml", "--watermark", "2026-11-20T03", "--output", "json"].to_vec(),
            ["recover", "job.yaml", "--output", "json"].to_vec(),
            [&["gc", "job.yaml", "--apply", "--older-than", "0s"], &NOW[..]].concat(),
            ["dead-letters", "list", "job.yaml", "--output", "json"].to_vec(),
        ] {
            let call = self.call(&command);
            let all = format!("{}{}", call.stdout, call.stderr);
            assert_eq!(call.code, 1, "{command:?}: {all}");
            assert!(all.contains(path), "{command:?} does not name {path}: {all}");
            assert!(all.contains("recover JOB --log"), "{command:?}: {all}");
        }
        let run = self.call(&[&["run", "job.yaml"], &NOW[..], &window].concat());
        assert_eq!(run.report["error"]["kind"], "damaged", "{}", run.stdout);
        let after = self.everything();
        assert!(after == before, "{:?} {:?}", after.keys(), before.keys());
    }

    /// Asserts that each window's rows are there once, also after all of them have run again.
    #[track_caller]
    fn assert_sound(&self, hours: usize) {
        let events = |world: &Self| world.scene.content()["event_v2"].len();
        assert_eq!(events(self), hours);
        let again = self.backfill(&["--again"]);
        assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);
        assert_eq!(events(self), hours);
    }
}

#[test]
fn a_missing_entry_is_not_the_end_of_the_log() {
    let world = World::of_hours(3);
    for version in 1..world.last() {
        let bytes = fs::read(world.entry(version)).unwrap();
        fs::remove_file(world.entry(version)).unwrap();
        if version % 3 == 2 {
            world.assert_refused(&format!("{version:020}.json"));
        } else {
            let status = world.call(&[&["status", "job.yaml"], &NOW[..]].concat());
            assert_eq!((status.code, status.stderr.contains("an entry is missing")), (1, true), "{}", status.stderr);
        }
        fs::write(world.entry(version), bytes).unwrap();
    }
    assert_eq!(world.recover_log(&[]).code, 0);
    world.assert_sound(3);
}

#[test]
fn a_damaged_entry_is_named_as_that() {
    let world = World::of_hours(2);
    let good = fs::read(world.entry(2)).unwrap();
    let third = fs::read(world.entry(3)).unwrap();
    let bad: [&[u8]; 7] = [b"", &good[..good.len() / 2], b"{}", b"null", b"\0\0\0\0", b"{\"version\":2}", &third];
    for bytes in bad {
        fs::write(world.entry(2), bytes).unwrap();
        world.assert_refused("00000000000000000002.json");
    }
    // One of a later version of the program is not damaged.
    let mut newer: Value = serde_json::from_slice(&good).unwrap();
    newer["event"] = json!({"merged": {}});
    fs::write(world.entry(2), newer.to_string()).unwrap();
    let status = world.call(&[&["status", "job.yaml"], &NOW[..]].concat());
    assert_eq!(status.code, 2, "{}", status.stderr);
    assert!(status.stderr.contains("a newer version of the program wrote it"), "{}", status.stderr);
}

#[test]
fn a_damaged_checkpoint_costs_time_and_nothing_else() {
    let world = World::of_hours(24);
    let checkpoints = files(&world.state("checkpoints"));
    assert!(!checkpoints.is_empty(), "{} entries", world.last());
    let right = world.exported();
    let newest = world.state("checkpoints").join(checkpoints.last().unwrap());
    let good = fs::read(&newest).unwrap();
    for bytes in [&b""[..], &good[..good.len() / 2], b"{\"format\":2}", b"\xff\xfe"] {
        fs::write(&newest, bytes).unwrap();
        assert_eq!(world.exported(), right);
        let show = world.call(&["state", "show", "job.yaml"]);
        assert_eq!(show.code, 0, "{}", show.stderr);
        assert!(
            show.stderr.contains("read a checkpoint") && show.stderr.contains("recover JOB --log"),
            "{}",
            show.stderr
        );
    }
    let look = world.recover_log(&[]);
    assert_eq!((look.code, look.report["log"]["damaged_checkpoints"].as_array().map(Vec::len)), (1, Some(1)));
    let applied = world.recover_log(&["--apply"]);
    assert_eq!((applied.code, &applied.report["log"]["applied"]), (0, &json!(true)), "{}", applied.stdout);
    let show = world.call(&["state", "show", "job.yaml"]);
    assert_eq!((show.code, show.stderr.as_str()), (0, ""), "the warning is gone");
    assert_eq!(world.exported(), right);

    // Without checkpoints, the entries are the state; without the entries before it, a checkpoint is.
    for checkpoint in files(&world.state("checkpoints")) {
        fs::remove_file(world.state("checkpoints").join(checkpoint)).unwrap();
    }
    assert_eq!(world.exported(), right);
    fs::write(&newest, good).unwrap();
    fs::remove_file(world.entry(5)).unwrap();
    assert_eq!(world.exported(), right);
    let look = world.recover_log(&[]);
    assert_eq!((look.code, &look.report["log"]["lost"][0]["outcome"]), (0, &json!("in_checkpoint")), "{}", look.stdout);
    fs::remove_file(&newest).unwrap();
    world.assert_refused("00000000000000000005.json");
}

#[test]
fn a_lost_commit_is_restored_from_its_detail() {
    // The commit alone, with what came of it, and cut instead of gone.
    for (behind, cut) in [(0, false), (2, false), (0, true)] {
        let world = World::of_hours(3);
        let right = world.exported();
        let second = world.commits()[1];
        let next = world.commits()[2];
        for version in second..=(second + behind).min(next - 1) {
            if cut {
                fs::write(world.entry(version), "{").unwrap();
            } else {
                fs::remove_file(world.entry(version)).unwrap();
            }
        }
        let before = world.everything();
        let look = world.recover_log(&[]);
        assert_eq!((look.code, &look.report["log"]["lost"][0]["outcome"]), (1, &json!("restored")), "{}", look.stdout);
        assert!(world.everything() == before, "a look changes nothing");
        let applied = world.recover_log(&["--apply"]);
        assert_eq!(applied.code, if behind == 0 { 0 } else { 5 }, "{}{}", applied.stdout, applied.stderr);
        assert_eq!(world.call(&["recover", "job.yaml"]).code, 0);
        let restored = world.exported();
        let windows = |state: &Value| {
            state["windows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|window| {
                    let commit = &window[1]["commits"][0];
                    (window[0].clone(), commit["name"].clone(), commit["detail_hash"].clone(), commit["counts"].clone())
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(windows(&restored), windows(&right));
        assert_eq!(restored["unpublished"], right["unpublished"]);
        assert_eq!(world.recover_log(&[]).code, 0);
        world.assert_sound(3);
    }
}

#[test]
fn what_is_lost_is_named_and_its_files_stay() {
    let world = World::of_hours(3);
    let second = world.commits()[1];
    let event = world.event_of(second);
    fs::remove_file(world.state(event["commit"]["detail"].as_str().unwrap())).unwrap();
    fs::remove_file(world.entry(second)).unwrap();
    let tables =
        || files(&world.scene.path("out")).into_iter().filter(|path| path.ends_with(".parquet")).collect::<Vec<_>>();
    let before = tables();
    let applied = world.recover_log(&["--apply"]);
    let log = &applied.report["log"];
    assert_eq!((applied.code, &log["lost"][0]["outcome"]), (5, &json!("lost")), "{}", applied.stdout);
    assert_eq!(log["lost"][0]["version"], second);
    assert!(log["unknown"][0]["window"].to_string().contains("2026-11-20T01:00:00Z"), "{log}");
    let show = world.call(&["recover", "job.yaml", "--log"]);
    assert_eq!((show.code, show.stdout.contains("whole")), (0, true), "{}", show.stdout);
    assert_eq!(tables(), before);
    assert_eq!(world.call(&[&["gc", "job.yaml", "--apply", "--older-than", "0s"], &NOW[..]].concat()).code, 0);
    assert_eq!(tables(), before);
}

#[test]
fn a_log_that_is_gone_altogether_is_not_a_new_job() {
    let world = World::of_hours(2);
    let log = world.state("log");
    fs::remove_dir_all(&log).unwrap();
    let run = world.call(&[&["run", "job.yaml", "--window", "2026-11-20T01/PT1H"], &NOW[..]].concat());
    assert_eq!((run.code, &run.report["error"]["kind"]), (1, &json!("damaged")), "{}", run.stdout);
    let gc = world.call(&[&["gc", "job.yaml", "--apply", "--older-than", "0s"], &NOW[..]].concat());
    assert_eq!(gc.code, 1, "{}", gc.stdout);
}

#[test]
fn a_log_that_does_not_reach_its_checkpoint_is_not_gone_on_with() {
    let world = World::of_hours(24);
    let right = world.exported();
    fs::remove_dir_all(world.state("log")).unwrap();
    let checkpoint = files(&world.state("checkpoints")).pop().unwrap();
    world.assert_refused(&checkpoint);
    let look = world.recover_log(&[]);
    assert_eq!(look.code, 1, "{}", look.stdout);
    let applied = world.recover_log(&["--apply"]);
    assert_eq!(applied.code, 5, "what came behind it is lost: {}", applied.stdout);
    let windows = |state: &Value| state["windows"].as_array().unwrap().len();
    let kept = world.exported();
    assert!(windows(&kept) > 20 && windows(&kept) <= windows(&right), "{kept}");
    // Those that the checkpoint does not have are named.
    let unknown = applied.report["log"]["unknown"].as_array().unwrap().len();
    assert_eq!(windows(&kept) + unknown, windows(&right), "{}", applied.stdout);
}
