//! A job's life with several windows and rows that go on from one to the next: each command that writes is killed, called
//! again, and then the job changes and everything is run again. Compared are the tables, and what the log says.
//!
//! The short form kills each command at one point; with `ETL_LONG=1`, at all points, at their first and second hits.

use crate::support::events::{event_with, line};
use crate::support::{Case, Scene, all, is_long, rows};
use crate::world::{Ended, KILLED, Place, World, points, stage};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

pub const SPAN: [&str; 6] = ["--from", "2026-11-20T05", "--to", "2026-11-20T08", "--every", "1h"];
const LATER: [&str; 2] = ["--now", "2026-11-20T08:10:00Z"];
pub const NARROW: [&str; 2] = ["--set", "limits.record_bytes=6000"];
const CHANGED: [&str; 2] = ["--set", "transformer.with.project_id=other"];

/// A command that is killed, and what comes before it.
#[derive(Clone, Copy)]
struct Act {
    name: &'static str,
    command: &'static str,
    more: &'static [&'static str],
    /// Commands before it, and whether they end well.
    before: &'static [Before],
}

/// A command before an act, and whether it ends well.
type Before = (&'static str, &'static [&'static str], bool);

const BACKFILL: Before = ("backfill", &SPAN, true);

const ACTS: [Act; 7] = [
    Act { name: "backfill", command: "backfill", more: &SPAN, before: &[] },
    Act {
        name: "schedule",
        command: "run",
        more: &["--progress", "none"],
        before: &[("state set", &["--watermark", "2026-11-20T05"], true)],
    },
    Act {
        name: "retry",
        command: "retry",
        more: &[],
        before: &[(
            "backfill",
            &["--from", "2026-11-20T05", "--to", "2026-11-20T08", "--every", "1h", "--set", "limits.dead_letters=0"],
            false,
        )],
    },
    Act {
        name: "replay",
        command: "dead-letters replay",
        more: &["--all", "--reason", "record_too_long"],
        before: &[(
            "backfill",
            &["--from", "2026-11-20T05", "--to", "2026-11-20T08", "--every", "1h", NARROW[0], NARROW[1]],
            true,
        )],
    },
    Act { name: "rebuild", command: "state rebuild", more: &["--from", "2026-11-20"], before: &[BACKFILL] },
    Act {
        name: "again",
        command: "backfill",
        more: &["--from", "2026-11-20T05", "--to", "2026-11-20T08", "--every", "1h", "--again"],
        before: &[BACKFILL],
    },
    Act { name: "gc", command: "gc", more: &["--apply", "--older-than", "0s"], before: &[BACKFILL] },
];

/// The stage of all worlds, with a schedule and a record that is too long for some settings.
pub fn life_stage() -> Scene {
    let scene = stage();
    let path = scene.path("job.yaml");
    let mut job: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    job["schedule"] = json!({"every": "1h", "start": "2026-11-20T05", "catch_up": 10});
    job["limits"]["task_bytes"] = "1MiB".into();
    // What is too long under some settings is no reason to refuse a window here.
    job["limits"]["dead_letters"] = 100_000.into();
    fs::write(path, job.to_string()).unwrap();
    let title = "x".repeat(7_000);
    for hour in ["hour=05", "hour=07"] {
        let long = line(&[event_with(&format!("long-{hour}"), &[("app_title", title.as_str().into())])]);
        scene.raw_at(&format!("year=2026/month=11/day=20/{hour}"), "long.log", long);
    }
    scene
}

/// The instant of a command, if it has one.
pub fn now_of(command: &str) -> &'static [&'static str] {
    // What is left behind is as old as the machine's clock says.
    if matches!(command, "state set" | "gc" | "recover" | "dead-letters replay") { &[] } else { &LATER }
}

/// Calls a command to its end.
pub fn call(world: &World<'_>, command: &str, more: &[&str], environment: &[(&str, &str)]) -> Ended {
    world.start(command, &[now_of(command), more].concat(), environment).wait()
}

/// The world as it is before the act.
fn prepared<'a>(stage: &'a Scene, act: Act, name: &str) -> World<'a> {
    let world = World::new(stage, Place::Folder, name);
    for (command, more, ends_well) in act.before {
        let ended = call(&world, command, more, &[]);
        assert_eq!(ended.code == Some(0), *ends_well, "{command}: {}{}", ended.stdout, ended.stderr);
    }
    if act.name == "gc" {
        let killed =
            call(&world, "backfill", &[&SPAN[..], &["--again"], &CHANGED].concat(), &[("ETL_FAILPOINT", "run.merged")]);
        assert_eq!(killed.signal, KILLED, "{killed:?}");
    }
    world
}

/// What a reader and the next command find.
#[derive(Debug, PartialEq)]
pub struct Found {
    /// Rows of tables that are written as read, without what tells one revision from another.
    pub events: BTreeMap<&'static str, Vec<String>>,
    /// Of merged tables, the latest row of each key.
    latest: BTreeMap<&'static str, Vec<String>>,
    /// What the log says of each window, and the watermark.
    state: Value,
}

pub fn found(world: &World<'_>) -> Found {
    world.settle();
    let folder = world.folder();
    let plain = |row: &mut Value| {
        row.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "process_info" | "created_time"));
    };
    let events = ["event_v2", "item_v2"].map(|table| {
        let mut rows = rows(&folder.join(table));
        for row in &mut rows {
            plain(row);
        }
        (table, crate::support::texts(rows))
    });
    let latest = [
        ("user_v2", &["partition", "user_pseudo_id"][..]),
        ("session", &["partition", "user_pseudo_id", "session_id"][..]),
    ]
    .map(|(table, key)| (table, latest(rows(&folder.join(table)), key, table)));
    Found { events: events.into(), latest: latest.into(), state: state_of(world) }
}

/// The latest row of each key, without its stamp. Two rows of one key with one stamp would leave it open which is later.
fn latest(rows: Vec<Value>, key: &[&str], table: &str) -> Vec<String> {
    let mut of_key: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for mut row in rows {
        let object = row.as_object_mut().unwrap();
        object.remove("process_info");
        let stamp = object.remove("created_time").unwrap().to_string();
        let app = object["partition"].as_str().unwrap().split('/').next().unwrap().to_owned();
        let text: Vec<String> =
            key.iter().skip(1).map(|name| object.get(*name).map(ToString::to_string).unwrap_or_default()).collect();
        object.remove("partition");
        let known = of_key.entry(format!("{app} {}", text.join(" "))).or_default();
        assert!(known.insert(stamp.clone(), row).is_none(), "two rows of {table} {app} {text:?} at {stamp}");
    }
    of_key.into_values().filter_map(|mut rows| rows.pop_last().map(|(_, row)| row.to_string())).collect()
}

fn state_of(world: &World<'_>) -> Value {
    let export = world.start("state export", &[], &[]).wait().done();
    let state: Value = serde_json::from_str::<Value>(&export.stdout).unwrap()["state"].take();
    let windows = state["windows"].as_array().unwrap().iter().map(|window| {
        let commits = window[1]["commits"].as_array().unwrap();
        let sum = |of: &dyn Fn(&Value) -> u64| commits.iter().map(|commit| of(&commit["counts"])).sum::<u64>();
        json!({
            "window": window[0],
            "commits": commits.len(),
            "objects": sum(&|counts| counts["objects"].as_u64().unwrap()),
            "records": sum(&|counts| counts["records"].as_u64().unwrap()),
            "dead_letters": sum(&|counts| counts["dead_letters"].as_u64().unwrap()),
            "events": sum(&|counts| counts["rows"]["event_v2"].as_u64().unwrap_or(0)),
            "failures": window[1]["failures"],
            "owed": commits.iter().any(|commit| commit.get("owed").is_some()),
        })
    });
    let status = world.start("status", &["--list", LATER[0], LATER[1]], &[]).wait().done();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let listed = status["status"]["windows"].as_array().unwrap().iter();
    let listed = listed.map(|window| json!([window["start"], window["status"]]));
    json!({
        "watermark": state["watermark"],
        "unpublished": state["unpublished"],
        "windows": windows.collect::<Vec<_>>(),
        "status": listed.collect::<Vec<_>>(),
    })
}

pub fn assert_same(found: &Found, expected: &Found, what: &str) {
    for (found, expected) in [(&found.events, &expected.events), (&found.latest, &expected.latest)] {
        for (table, rows) in expected {
            assert!(!rows.is_empty() || *table == "item_v2", "{what}: nothing in {table} to compare with");
            let lacks = rows.iter().find(|row| !found[table].contains(row));
            assert!(
                lacks.is_none() && found[table].len() == rows.len(),
                "{what}: {table} has {} rows of {}, lacks {lacks:?}",
                found[table].len(),
                rows.len()
            );
        }
    }
    assert_eq!(found.state, expected.state, "{what}");
}

/// The same job with other settings, over everything.
fn change(world: &World<'_>) -> Found {
    let more = [&SPAN[..], &["--again"], &CHANGED].concat();
    call(world, "backfill", &more, &[]).done();
    found(world)
}

#[test]
fn a_folder() {
    let stage = life_stage();
    let undisturbed = |act: Act| {
        let world = prepared(&stage, act, &format!("{} undisturbed", act.name));
        let more = [now_of(act.command), act.more].concat();
        let names = points(|environment| world.start(act.command, &more, environment));
        let after = found(&world);
        (names, after, change(&world))
    };
    let expected: Vec<_> = ACTS.into_iter().map(|act| (act, undisturbed(act))).collect();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (number, (act, (names, after, changed))) in expected.iter().enumerate() {
        for (point, hit) in chosen(names, number) {
            let (stage, act, at) = (&stage, *act, format!("{point}:{hit}"));
            let killed = move |name: &str| {
                let world = prepared(stage, act, &format!("{} {name} {at}", act.name));
                let killed = call(&world, act.command, act.more, &[("ETL_FAILPOINT", &at)]);
                assert!(killed.signal == KILLED || (hit > 1 && killed.code == Some(0)), "{killed:?}");
                world
            };
            let at_once = killed.clone();
            let again = move || {
                let world = killed("again");
                call(&world, act.command, act.more, &[]).done();
                assert_same(&found(&world), after, "called again");
                assert_same(&change(&world), changed, "changed");
            };
            cases.push((format!("{} {point} {hit}", act.name), Box::new(again)));
            if is_long() || act.name == "again" {
                let case = move || assert_same(&change(&at_once("at once")), changed, "changed at once");
                cases.push((format!("{} {point} {hit}, changed at once", act.name), Box::new(case)));
            }
        }
    }
    all(cases);
}

/// Points and hits: all of them; in the short form one of the decision and what follows it, another one for each act.
fn chosen(points: &[(String, u64)], act: usize) -> Vec<(String, u64)> {
    if is_long() {
        return points.iter().flat_map(|(name, hits)| (1..=(*hits).min(2)).map(|hit| (name.clone(), hit))).collect();
    }
    let wanted = [
        "commit.after_entry",
        "publish.before_entry",
        "rebuild.before_entry",
        "rebuild.after_entry",
        "gc.unregistered",
    ];
    let found = points.iter().filter(|(name, _)| wanted.contains(&name.as_str()));
    let mut found: Vec<_> = found.map(|(name, hits)| (name.clone(), (*hits).min(2))).collect();
    let place = act % found.len();
    vec![found.swap_remove(place)]
}
