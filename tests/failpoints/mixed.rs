//! Different commands of one job at the same time: replays, rebuilds, clean-ups and runs. Each ends well or gives way, and
//! what is there in the end is what they leave one after the other.
//!
//! The short form is two rounds; with `ETL_LONG=1`, 40.

use crate::life::{NARROW, SPAN, assert_same, call, found, life_stage, now_of};
use crate::support::{Case, all, is_long};
use crate::world::{Place, Process, World, seed};
use fastrand::Rng;

/// What runs side by side.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("dead-letters replay", &["--all", "--reason", "record_too_long", "--wait", "90s"]),
    ("state rebuild", &["--from", "2026-11-20"]),
    ("gc", &["--apply", "--older-than", "0s"]),
    ("run", &["--window", "2026-11-20T06/PT1H", "--progress", "none", "--wait", "90s"]),
    ("recover", &[]),
    ("dead-letters replay", &["--all", "--reason", "record_too_long", "--wait", "90s"]),
];

#[test]
fn commands_side_by_side_leave_what_they_leave_one_after_the_other() {
    let stage = life_stage();
    let begin = |name: &str| {
        let world = World::new(&stage, Place::Folder, name);
        call(&world, "backfill", &[&SPAN[..], &NARROW].concat(), &[]).done();
        world
    };
    // In the end all letters are replayed, the hour is done again, and what is carried is that of the input.
    let finish = |world: &World<'_>| {
        call(world, "backfill", &[&SPAN[..], &["--again"]].concat(), &[]).done();
        found(world)
    };
    let undisturbed = begin("mixed undisturbed");
    let expected = finish(&undisturbed);
    let mut random = Rng::with_seed(seed());
    let mut cases: Vec<Case<'_>> = Vec::new();
    for round in 0..if is_long() { 40 } else { 2 } {
        let mut commands = COMMANDS.to_vec();
        random.shuffle(&mut commands);
        let (begin, finish, expected) = (&begin, &finish, &expected);
        let case = move || {
            let world = begin(&format!("mixed {round}"));
            let started: Vec<(&str, Process)> = commands
                .iter()
                .map(|(command, more)| (*command, world.start(command, &[now_of(command), *more].concat(), &[])))
                .collect();
            for (command, process) in started {
                let ended = process.wait();
                let is_good = matches!(ended.code, Some(0 | 4 | 5));
                assert!(is_good, "{command}: {:?} {}{}", ended.code, ended.stdout, ended.stderr);
            }
            let between = found(&world);
            for (table, rows) in &expected.events {
                assert!(between.events[table].len() <= rows.len(), "rows of {table} are there twice");
            }
            // One that gave way is called again.
            call(&world, "dead-letters replay", &["--all", "--reason", "record_too_long"], &[]).done();
            assert_eq!(found(&world).events, expected.events, "after the replay");
            assert_same(&finish(&world), expected, "run again");
        };
        cases.push((format!("round {round}"), Box::new(case)));
    }
    all(cases);
}
