//! Several processes at once: on one window, on neighbouring windows, and one that sleeps past its lease. There is one
//! result, and it is that of a single run.
//!
//! The short form is 3 rounds and three points to fall asleep at; with `ETL_LONG=1`, 50 rounds and all points.

use crate::support::{Case, Scene, WINDOW, all, is_long};
use crate::world::{Ended, Output, Place, Process, World, left_behind, points, points_of_gc};
use std::thread::sleep;
use std::time::Duration;

/// Longer than the lease of the job, which is two seconds.
const PAST_THE_LEASE: Duration = Duration::from_millis(2_500);

/// A lease that nobody loses, however busy the machine is: a holder that is late to renew one of two seconds gives way.
const LASTING: [&str; 2] = ["--set", "state.lease=2m"];

/// The same for a run that waits for its turn.
const IN_TURN: [&str; 4] = ["--set", "state.lease=2m", "--wait", "110s"];

/// Windows with input, side by side.
const HOURS: [&str; 3] = ["2026-11-20T05/PT1H", "2026-11-20T06/PT1H", "2026-11-20T07/PT1H"];

in_each_place!(races);

fn races(stage: &Scene, place: Place<'_>) {
    let day = World::new(stage, place, "undisturbed day");
    let points = points(|environment| day.start_run(environment));
    let day = day.look();
    day.assert_is_rich();
    let hours = World::new(stage, place, "undisturbed hours");
    for hour in HOURS {
        hours.start_window(hour, &[], &[]).wait().done();
    }
    let hours = hours.look();

    let mut cases: Vec<Case<'_>> = Vec::new();
    for round in 0..if is_long() { 50 } else { 3 } {
        let runners = 2 + round * 3 % 7;
        let (day, hours) = (&day, &hours);
        let case: Box<dyn FnOnce()> = match round % 3 {
            0 => Box::new(move || one_window(stage, place, round, runners, false, day)),
            1 => Box::new(move || one_window(stage, place, round, runners, true, day)),
            _ => Box::new(move || neighbours(stage, place, round, runners, hours)),
        };
        cases.push((format!("round {round}: {runners} runners"), case));
    }
    let names: Vec<String> = points.into_iter().map(|(name, _)| name).collect();
    for name in chosen(names) {
        for gives_up in [false, true] {
            let (day, name) = (&day, name.clone());
            let title = format!("asleep at {name}{}", if gives_up { ", and given up" } else { "" });
            let case = move || sleeper(stage, place, &name, gives_up, day);
            cases.push((title, Box::new(case)));
        }
    }
    for name in chosen(points_of_gc(stage, place)) {
        let day = &day;
        cases.push((format!("gc asleep at {name}"), Box::new(move || sleeping_gc(stage, place, &name, day))));
    }
    all(cases);
}

/// A `gc` that falls asleep at a point, past its lease. A run does the window meanwhile; then `gc` wakes up, and must not
/// take anything away from it.
fn sleeping_gc(stage: &Scene, place: Place<'_>, point: &str, expected: &Output) {
    let world = left_behind(stage, place, &format!("sleeping {point}"));
    let mut gc = world.start_gc(&[("ETL_FAILPOINT", &format!("{point}=stop"))]);
    assert!(gc.sleeps(), "it does not come to {point}: {:?}", gc.wait());
    sleep(PAST_THE_LEASE);
    world.start_window(WINDOW, &IN_TURN, &[]).wait().done();
    gc.wake();
    gc.wait().done_or_held();
    world.settle().assert_is(expected);
}

/// Points to fall asleep at: the first, the middle and the last, or all.
fn chosen(names: Vec<String>) -> Vec<String> {
    if is_long() {
        return names;
    }
    let mut places = vec![0, names.len() / 2, names.len() - 1];
    places.dedup();
    places.into_iter().map(|place| names[place].clone()).collect()
}

/// Runners that start at once. Those that do not wait give way; those that wait do the window again, unless another was
/// faster: a lease only saves work, and two may hold one for a moment where it ends and begins.
fn one_window(stage: &Scene, place: Place<'_>, round: usize, runners: usize, waits: bool, expected: &Output) {
    let world = World::new(stage, place, &format!("one window {round}"));
    let more: &[&str] = if waits { &IN_TURN } else { &LASTING };
    let started: Vec<Process> = (0..runners).map(|_| world.start_window(WINDOW, more, &[])).collect();
    let ended: Vec<_> = started.into_iter().map(Process::wait).collect();
    let done = ended.iter().filter(|run| run.code == Some(0)).count();
    let overtaken = |run: &&Ended| run.code == Some(4) && run.stderr.contains("another runner has committed it since");
    if waits {
        assert_eq!(done + ended.iter().filter(overtaken).count(), runners, "{ended:?}");
    }
    assert!(done > usize::from(waits), "{ended:?}");
    for run in ended {
        run.done_or_held();
    }
    world.settle().assert_is(expected);
}

/// Runners on windows side by side: those of different windows do not know of each other.
fn neighbours(stage: &Scene, place: Place<'_>, round: usize, runners: usize, expected: &Output) {
    let world = World::new(stage, place, &format!("neighbours {round}"));
    let runners = runners.max(HOURS.len());
    let started: Vec<Process> =
        (0..runners).map(|runner| world.start_window(HOURS[runner % HOURS.len()], &LASTING, &[])).collect();
    let ended: Vec<_> = started.into_iter().map(Process::wait).collect();
    for (hour, _) in HOURS.iter().enumerate() {
        let of_hour = || ended.iter().skip(hour).step_by(HOURS.len());
        assert!(of_hour().any(|run| run.code == Some(0)), "nobody did hour {hour}: {ended:?}");
        assert!(of_hour().count() > 1 || of_hour().all(|run| run.code == Some(0)), "alone on its hour: {ended:?}");
    }
    for run in ended {
        run.done_or_held();
    }
    world.settle().assert_is(expected);
}

/// A runner that falls asleep at a point, past its lease. Another one does the window, and clears away what is left if
/// `gives_up` says so; then the first one wakes up.
fn sleeper(stage: &Scene, place: Place<'_>, point: &str, gives_up: bool, expected: &Output) {
    let world = World::new(stage, place, &format!("sleeper {point} {gives_up}"));
    let mut sleeper = world.start_run(&[("ETL_FAILPOINT", &format!("{point}=stop"))]);
    assert!(sleeper.sleeps(), "it does not come to {point}: {:?}", sleeper.wait());
    sleep(PAST_THE_LEASE);
    world.start_window(WINDOW, &IN_TURN, &[]).wait().done();
    if gives_up {
        world.settle().assert_is(expected);
    }
    sleeper.wake();
    sleeper.wait().done_or_held();
    world.settle().assert_is(expected);
}
