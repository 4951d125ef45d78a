//! The targets of a commit, with a second one beside the manifests: the real binary is killed between them, one of the two
//! fails, and the next command goes on. `src/targets/markers.rs` is the second; it is told by files what to do.

use crate::support::events::good;
use crate::support::{NOW, Run, Scene, WINDOW, files, visible_files};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const RUN: &str = "test-20261120T000000Z-20261121T000000Z";

/// SIGKILL, as [`Run::code`] has it.
const KILLED: i32 = -1;

/// A job with one batch and a folder for the markers.
struct World {
    scene: Scene,
}

impl World {
    fn new() -> Self {
        let scene = Scene::with(|job| {
            job["limits"] = json!({"threads": 1, "retry": {"attempts": 2}});
            job["state"] = json!({"lease": "1s"});
        });
        fs::create_dir(scene.path("markers")).unwrap();
        let world = Self { scene };
        world.scene.raw("a.log", good("a"));
        world
    }

    /// One whose window has rows of an earlier run already.
    fn after_a_run() -> Self {
        let world = Self::new();
        world.run(&[]).done();
        world.scene.raw("b.log", good("b"));
        world
    }

    fn markers(&self) -> PathBuf {
        self.scene.path("markers")
    }

    fn call(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let markers = self.markers();
        let both = [&[("ETL_MARKERS", markers.to_str().unwrap())], environment].concat();
        self.scene.call_with(&[arguments, &["--output", "json"]].concat(), &both)
    }

    fn run(&self, environment: &[(&str, &str)]) -> Run {
        let now = ["--window", WINDOW, "--now", NOW, "--wait", "5s", "--progress", "none"];
        self.call(&[&["run", "job.yaml"], &now[..]].concat(), environment)
    }

    /// Calls the binary as a job file without the second target would.
    fn without_markers(&self, arguments: &[&str]) -> Run {
        self.scene.call(&[arguments, &["--output", "json"]].concat())
    }

    /// Lets calls of the second target fail.
    fn fail(&self, order: &str) {
        fs::write(self.markers().join("fail"), order).unwrap();
    }

    /// The commits with a marker.
    fn marked(&self) -> Vec<String> {
        let names = files(&self.markers()).into_iter();
        names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect()
    }

    /// Calls of the second target that did their work.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.markers().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The events of the log.
    fn events(&self) -> Vec<Value> {
        let log = self.scene.path("out/_state/test/log");
        let read = |name: &String| -> Value { serde_json::from_slice(&fs::read(log.join(name)).unwrap()).unwrap() };
        files(&log).iter().map(|name| read(name)["event"].clone()).collect()
    }

    /// How often each target has its entry for a commit, by the version of the commit and the target.
    fn announced(&self) -> BTreeMap<(u64, String), u32> {
        let mut counts = BTreeMap::new();
        for event in self.events() {
            if let Some(announced) = event.get("announced") {
                let target = announced["target"].as_str().unwrap().to_owned();
                *counts.entry((announced["commit"].as_u64().unwrap(), target)).or_insert(0) += 1;
            }
        }
        counts
    }

    fn status(&self) -> Value {
        let run = self.call(&["status", "job.yaml", "--now", NOW], &[]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.report["status"]["windows"][0].clone()
    }

    /// What a reader finds: files of tables by name, manifests by name, and markers.
    fn visible(&self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let out = self.scene.path("out");
        (visible_files(&out), files(&out.join("_manifests")), self.marked())
    }
}

/// The points that publishing passes before its last entry, each with its hit: one is met for each target.
fn points(world: &World) -> Vec<(String, u32)> {
    let list = world.scene.path("points");
    world.run(&[("ETL_FAILPOINT_LIST", list.to_str().unwrap())]).done();
    let mut hits: BTreeMap<String, u32> = BTreeMap::new();
    let mut points = Vec::new();
    let is_one = |name: &&str| name.starts_with("publish.") && *name != "publish.after_entry";
    for name in fs::read_to_string(list).unwrap().lines().filter(is_one) {
        let hit = hits.entry(name.to_owned()).or_insert(0);
        *hit += 1;
        points.push((name.to_owned(), *hit));
    }
    for name in ["publish.before_announcement", "publish.announced", "publish.after_announcement"] {
        assert_eq!(hits[name], 2, "a point for each of two targets: {hits:?}");
    }
    points
}

#[test]
fn a_run_that_is_killed_between_targets_is_announced_to_each_by_the_next_command() {
    for (begin, name) in [(World::new as fn() -> World, RUN.to_owned()), (World::after_a_run, format!("{RUN}.r1"))] {
        let undisturbed = begin();
        let points = points(&undisturbed);
        assert_eq!(undisturbed.marked(), std::slice::from_ref(&name));
        for (point, hit) in points {
            let world = begin();
            let killed = world.run(&[("ETL_FAILPOINT", &format!("{point}:{hit}"))]);
            assert_eq!(killed.code, KILLED, "{point}:{hit} {}", killed.stderr);
            let before = world.announced();
            world.run(&[]).done();
            assert_eq!(world.visible(), undisturbed.visible(), "{point}:{hit}");
            let after = world.announced();
            assert!(after.values().all(|count| *count == 1), "{point}:{hit} {after:?}");
            assert_eq!(after, undisturbed.announced(), "{point}:{hit}: both targets, in the log once");
            assert!(before.iter().all(|done| after.get_key_value(done.0) == Some((done.0, done.1))));
            // Without its entry, a target that was told is told again: it cannot be known.
            let calls = world.calls().iter().filter(|call| **call == format!("announce {name}")).count();
            let again = (point.as_str(), hit) == ("publish.announced", 2);
            assert_eq!(calls, 1 + usize::from(again), "{point}:{hit}");
            assert_eq!(world.status()["owed"], json!([]), "{point}:{hit}");
        }
    }
}

#[test]
fn one_target_that_fails_keeps_neither_the_other_nor_the_rows() {
    let world = World::new();
    world.fail("announce 99");
    let run = world.run(&[]);
    assert_eq!((run.code, run.report["status"].as_str()), (5, Some("partly")), "{}", run.stderr);
    assert_eq!(run.report["error"]["facts"]["target"], "markers", "{}", run.report["error"]);
    assert!(run.stderr.contains("recover"), "{}", run.stderr);
    let (tables, manifests, marked) = world.visible();
    assert!(!tables.is_empty() && !manifests.is_empty() && marked.is_empty());
    let published = world.events().iter().find_map(|event| event.get("published").cloned()).unwrap();
    assert_eq!(published["owed"], json!(["markers"]));
    let status = world.status();
    assert_eq!((&status["status"], &status["owed"]), (&json!("unannounced"), &json!(["markers"])));

    // What decides which windows run takes it as done; each command tries the announcement again and says so.
    let entries = world.events().len();
    let day = ["--from", WINDOW, "--to", "2026-11-21", "--every", "1d", "--now", "2026-11-22T00:00:00Z"];
    let backfill = world.call(&[&["backfill", "job.yaml"], &day[..]].concat(), &[]);
    assert_eq!((backfill.code, &backfill.report["counts"]["skipped"]), (0, &json!(1)), "{}", backfill.stderr);
    assert!(backfill.stderr.contains("still to be announced to target markers"), "{}", backfill.stderr);
    let recover = world.call(&["recover", "job.yaml"], &[]);
    assert_eq!((recover.code, &recover.report["owed"][0]["target"]), (5, &json!("markers")), "{}", recover.stderr);
    assert_eq!(world.events().len(), entries, "nothing ran and nothing was decided");

    world.fail("none");
    let retry = world.call(&["retry", "job.yaml", "--now", NOW], &[]);
    assert_eq!(retry.code, 0, "{}", retry.stderr);
    assert!(retry.stderr.contains("announced commit 1 of window"), "{}", retry.stderr);
    assert_eq!(
        (world.marked(), world.calls()),
        (vec![RUN.to_owned()], vec![format!("retract {RUN}"), format!("announce {RUN}")])
    );
    assert_eq!((&world.status()["status"], world.events().len()), (&json!("done"), entries + 1));
    assert_eq!(world.visible().0, tables);
    let recover = world.call(&["recover", "job.yaml"], &[]);
    assert_eq!((recover.code, &recover.report["announced"]), (0, &json!([])), "{}", recover.stderr);
    assert_eq!(world.calls().len(), 2, "what has its entry is not announced again");
}

#[test]
fn a_failure_that_passes_is_tried_again_and_one_that_does_not_is_not() {
    let passing = World::new();
    passing.fail("announce 1");
    passing.run(&[]).done();
    assert_eq!(passing.marked(), [RUN]);

    let lasting = World::new();
    lasting.fail("announce 1 config");
    assert_eq!(lasting.run(&[]).code, 5);
    // The run that is called again finds its rows published and only announces them.
    let again = lasting.run(&[]).done();
    assert_eq!((&again.report["revision"], lasting.marked()), (&json!(0), vec![RUN.to_owned()]));
}

#[test]
fn replaced_files_stay_until_what_was_announced_of_them_is_taken_back() {
    let world = World::after_a_run();
    let before = visible_files(&world.scene.path("out"));
    world.fail("retract 99");
    let run = world.run(&[]);
    assert_eq!((run.code, run.report["status"].as_str()), (5, Some("partly")), "{}", run.stderr);
    let (tables, _, marked) = world.visible();
    assert!(before.iter().all(|file| tables.contains(file)) && tables.len() > before.len(), "{tables:?}");
    assert_eq!(
        (world.status()["status"].as_str(), marked),
        (Some("unpublished"), vec![RUN.to_owned(), format!("{RUN}.r1")])
    );

    world.fail("none");
    let recover = world.call(&["recover", "job.yaml"], &[]);
    assert_eq!((recover.code, recover.report["published"].as_array().unwrap().len()), (0, 1), "{}", recover.stderr);
    let (tables, _, marked) = world.visible();
    assert!(tables.iter().all(|file| file.contains(".r1-")), "{tables:?}");
    assert_eq!(marked, [format!("{RUN}.r1")]);
}

#[test]
fn a_target_that_the_job_does_not_have_any_more_is_named_until_it_is_settled() {
    let world = World::new();
    world.fail("announce 99");
    assert_eq!(world.run(&[]).code, 5);
    let recover = world.without_markers(&["recover", "job.yaml"]);
    let owed = &recover.report["owed"][0];
    assert_eq!((recover.code, &owed["target"]), (5, &json!("markers")), "{}", recover.stderr);
    assert!(owed["error"]["hint"].as_str().unwrap().contains("bring it back, or run the window again"), "{owed}");
    assert_eq!(world.status()["owed"], json!(["markers"]));

    // Another commit replaces what is owed with the rows, and says what it leaves.
    let now = ["--window", WINDOW, "--now", NOW, "--progress", "none"];
    let run = world.without_markers(&[&["run", "job.yaml"], &now[..]].concat()).done();
    let warnings = run.report["warnings"].to_string();
    assert!(warnings.contains("target markers is not in the job file any more"), "{warnings}");
    assert_eq!((&world.status()["status"], &world.status()["owed"]), (&json!("done"), &json!([])));
    assert_eq!(run.report["revision"], 1);
}

/// A commit as the program wrote it before targets had records of their own: its detail, and the entry that names it.
fn make_old(world: &World) {
    let state = world.scene.path("out/_state/test");
    let log = state.join("log");
    for name in files(&log) {
        let mut entry: Value = serde_json::from_slice(&fs::read(log.join(&name)).unwrap()).unwrap();
        let Some(commit) = entry["event"].get_mut("commit") else { continue };
        let path = state.join(commit["detail"].as_str().unwrap());
        let mut detail: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let targets = detail.as_object_mut().unwrap().remove("targets").unwrap();
        let record = &targets["manifests"];
        detail["format"] = json!(1);
        detail["manifests"] = record["rules"].clone();
        detail["replaces"]["manifests"] = record.get("replaced").cloned().unwrap_or_else(|| json!([]));
        let bytes = serde_json::to_vec(&detail).unwrap();
        commit["detail_hash"] = json!(blake3::hash(&bytes).to_hex()[..32]);
        fs::write(&path, bytes).unwrap();
        fs::write(log.join(&name), serde_json::to_vec(&entry).unwrap()).unwrap();
    }
}

#[test]
fn commits_of_the_form_before_are_published_announced_and_replaced() {
    let undisturbed = World::after_a_run();
    undisturbed.run(&[]).done();
    let expected = (undisturbed.visible().0, undisturbed.visible().1);

    // The commit that replaces the first run is decided, and nothing of it is visible.
    let world = World::after_a_run();
    let killed = world.run(&[("ETL_FAILPOINT", "commit.after_entry")]);
    assert_eq!(killed.code, KILLED, "{}", killed.stderr);
    make_old(&world);
    let recover = world.without_markers(&["recover", "job.yaml"]);
    assert_eq!(recover.code, 0, "{}", recover.stderr);
    assert_eq!((world.visible().0, world.visible().1), expected, "the old manifests are gone, the new ones there");

    let run = world.run(&[]).done();
    assert_eq!(run.report["revision"], 2);
    let (tables, manifests, marked) = world.visible();
    assert!(tables.iter().chain(&manifests).all(|name| name.contains(".r2")), "{tables:?} {manifests:?}");
    assert!(marked.contains(&format!("{RUN}.r2")), "a target that is new to the window");
}
