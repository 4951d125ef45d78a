//! Compaction, killed between any two steps, asleep while one of its windows is run, and raced with everything that works on
//! its windows: each row is there once, and the next command brings what is decided to its end.
//!
//! The short form kills at a third of the points and has two rounds of the race; with `ETL_LONG=1` all and 30.

use crate::life::{Found, assert_same, found, life_stage};
use crate::support::{Case, Scene, all, copy, is_long};
use crate::world::{Ended, KILLED, Place, Process, World, points, seed};
use fastrand::Rng;
use std::thread::sleep;
use std::time::Duration;

const LATER: [&str; 2] = ["--now", "2026-11-24T00:00:00Z"];
const DAY: [&str; 6] = ["--from", "2026-11-20", "--to", "2026-11-21", "--every", "1h"];
const HOUR: &str = "2026-11-20T06/PT1H";

/// Longer than the lease of the job, which is two seconds.
const PAST_THE_LEASE: Duration = Duration::from_millis(2_500);

fn start(world: &World<'_>, command: &str, more: &[&str], environment: &[(&str, &str)]) -> Process {
    world.start(command, &[&LATER, more].concat(), environment)
}

fn compact(world: &World<'_>, environment: &[(&str, &str)]) -> Ended {
    start(world, "compact", &[], environment).wait()
}

/// A world in which all hours of the day are done.
fn hours<'a>(stage: &'a Scene, done: &World<'_>, name: &str) -> World<'a> {
    let world = World::new(stage, Place::Folder, name);
    copy(&done.folder(), &world.folder());
    world
}

fn run_hour(world: &World<'_>, environment: &[(&str, &str)]) -> Process {
    start(world, "run", &["--window", HOUR, "--progress", "none", "--set", "state.lease=2m"], environment)
}

#[test]
fn it_is_killed_at_each_point() {
    let stage = life_stage();
    let done = World::new(&stage, Place::Folder, "compact hours");
    start(&done, "backfill", &DAY, &[]).wait().done();
    let undisturbed = hours(&stage, &done, "compact undisturbed");
    let names = points(|environment| start(&undisturbed, "compact", &[], environment));
    let expected = found(&undisturbed);
    assert_eq!(expected.events, found(&done).events, "the rows are those of the hours");
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (number, (point, hits)) in names.iter().enumerate() {
        for hit in (1..=(*hits).min(2)).filter(|_| is_long() || number % 3 == 1) {
            let (stage, done, expected, at) = (&stage, &done, &expected, format!("{point}:{hit}"));
            let again = move || {
                let world = hours(stage, done, &format!("compact killed {at}"));
                let killed = compact(&world, &[("ETL_FAILPOINT", &at)]);
                assert_eq!(killed.signal, KILLED, "{killed:?}");
                compact(&world, &[]).done();
                assert_same(&found(&world), expected, "called again");
            };
            cases.push((format!("killed at {point} {hit}"), Box::new(again)));
        }
    }
    all(cases);
}

/// Runs the hour while the compaction sleeps, or the other way round: the one that wakes up gives way.
#[test]
fn one_that_slept_gives_way_to_a_run_of_its_window() {
    let stage = life_stage();
    let done = World::new(&stage, Place::Folder, "compact asleep hours");
    start(&done, "backfill", &DAY, &[]).wait().done();
    let expected = found(&done).events;
    for point in ["compact.leased", "compact.partition", "compact.written", "commit.before_entry"] {
        let world = hours(&stage, &done, &format!("compact asleep {point}"));
        let mut sleeper = start(&world, "compact", &[], &[("ETL_FAILPOINT", &format!("{point}=stop"))]);
        assert!(sleeper.sleeps(), "it does not come to {point}");
        sleep(PAST_THE_LEASE);
        run_hour(&world, &[]).wait().done();
        sleeper.wake();
        let ended = sleeper.wait();
        // One that had read nothing yet takes the hour as it is now.
        assert!(ended.code == Some(4) || point == "compact.leased", "{point}: {ended:?}");
        assert_eq!(found(&world).events, expected, "{point}");
        compact(&world, &[]).done();
        assert_eq!(found(&world).events, expected, "{point}, compacted");
    }
    for point in ["run.planned", "run.merged", "commit.before_entry"] {
        let world = hours(&stage, &done, &format!("compact awake {point}"));
        let mut sleeper = start(
            &world,
            "run",
            &["--window", HOUR, "--progress", "none"],
            &[("ETL_FAILPOINT", &format!("{point}=stop"))],
        );
        assert!(sleeper.sleeps(), "it does not come to {point}");
        sleep(PAST_THE_LEASE);
        compact(&world, &[]).done();
        sleeper.wake();
        let ended = sleeper.wait();
        assert_eq!(ended.code, Some(4), "{point}: {ended:?}");
        assert_eq!(found(&world).events, expected, "{point}");
    }
}

#[test]
fn it_is_raced_with_runs_schedules_and_clean_ups() {
    let stage = life_stage();
    let done = World::new(&stage, Place::Folder, "compact raced hours");
    start(&done, "backfill", &DAY, &[]).wait().done();
    start(&done, "state set", &["--watermark", "2026-11-20"], &[]).wait().done();
    let expected: Found = found(&done);
    let commands: [(&str, &[&str]); 6] = [
        ("compact", &["--wait", "90s"]),
        ("compact", &["--every", "12h"]),
        ("run", &["--window", HOUR, "--progress", "none", "--wait", "90s"]),
        ("run", &["--progress", "none"]),
        ("gc", &["--apply", "--older-than", "0s"]),
        ("dead-letters replay", &["--all", "--wait", "90s"]),
    ];
    let mut random = Rng::with_seed(seed());
    let mut cases: Vec<Case<'_>> = Vec::new();
    for round in 0..if is_long() { 30 } else { 2 } {
        let mut commands = commands.to_vec();
        random.shuffle(&mut commands);
        let (stage, done, expected) = (&stage, &done, &expected);
        let case = move || {
            let world = hours(stage, done, &format!("compact raced {round}"));
            let now = |command: &str| if matches!(command, "gc" | "dead-letters replay") { &[][..] } else { &LATER };
            let started: Vec<(&str, Process)> = commands
                .iter()
                .map(|(command, more)| (*command, world.start(command, &[now(command), *more].concat(), &[])))
                .collect();
            for (command, process) in started {
                let ended = process.wait();
                // A run of an hour that is compacted already is refused, and so is a replay of its letters.
                let is_refused = ended.code == Some(2) && matches!(command, "run" | "dead-letters replay");
                let is_good = matches!(ended.code, Some(0 | 4 | 5)) || is_refused;
                assert!(is_good, "{command}: {:?} {}{}", ended.code, ended.stdout, ended.stderr);
            }
            assert_eq!(found(&world).events, expected.events, "after the race");
            compact(&world, &[]).done();
            assert_eq!(found(&world).events, expected.events, "compacted");
        };
        cases.push((format!("round {round}"), Box::new(case)));
    }
    all(cases);
}
