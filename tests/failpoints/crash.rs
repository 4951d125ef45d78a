//! The real binary, killed at every named point of the commit protocol and at random instants, then run again: what is
//! there in the end is what an undisturbed run leaves, and nothing else.
//!
//! The short form kills at the first hit of each point; with `ETL_LONG=1`, at every hit, and at 200 instants instead of
//! 10. `ETL_SEED` repeats the instants of an earlier run.

use crate::support::{Case, Scene, all, is_long};
use crate::world::{KILLED, Output, Place, World, left_behind, points, points_of_gc, seed};
use fastrand::Rng;
use std::time::{Duration, Instant};

in_each_place!(crashes);

/// Before the run that is killed: nothing, or an output that it replaces.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    AnotherRun,
}

fn crashes(stage: &Scene, place: Place<'_>) {
    let undisturbed = World::new(stage, place, "undisturbed");
    let begun = Instant::now();
    undisturbed.start_run(&[]).wait().done();
    let length = begun.elapsed();
    let expected = undisturbed.look();
    expected.assert_is_rich();

    let mut random = Rng::with_seed(seed());
    let mut cases: Vec<Case<'_>> = Vec::new();
    for before in [Before::Nothing, Before::AnotherRun] {
        // A run that replaces another comes to more points. The short form leaves the others to the folder.
        if is_long() || matches!((place, before), (Place::Folder, _) | (_, Before::AnotherRun)) {
            cases.extend(at_points(stage, place, before, &expected));
        }
        cases.extend(at_instants(stage, place, before, (length, &mut random), &expected));
    }
    cases.extend(while_cleaning_up(stage, place, &expected));
    all(cases);
}

/// An output of its own, as it is before the run that is killed.
fn begin<'a>(stage: &'a Scene, place: Place<'a>, before: Before, name: &str) -> World<'a> {
    let world = World::new(stage, place, name);
    if let Before::AnotherRun = before {
        world.run_before();
    }
    world
}

/// The run after the crash, and what is there then.
fn end(world: &World<'_>, expected: &Output) {
    world.start_run(&[]).wait().done();
    world.settle().assert_is(expected);
}

fn at_points<'a>(stage: &'a Scene, place: Place<'a>, before: Before, expected: &'a Output) -> Vec<Case<'a>> {
    let world = begin(stage, place, before, &format!("{before:?} points"));
    let points = points(|environment| world.start_run(environment));
    world.settle().assert_is(expected);
    let orders = points.into_iter().flat_map(|(point, hits)| {
        let hits = if is_long() { hits } else { 1 };
        (1..=hits).map(move |hit| (point.clone(), hit))
    });
    let case = |(point, hit): (String, u64)| -> Case<'a> {
        let name = format!("{before:?} {point} {hit}");
        let world = begin_later(stage, place, before, &name);
        let case = move || {
            let world = world();
            let crashed = world.start_run(&[("ETL_FAILPOINT", &format!("{point}:{hit}"))]).wait();
            // How often a point is met may depend on which thread is faster; that it is met does not.
            assert!(crashed.signal == KILLED || (hit > 1 && crashed.code == Some(0)), "{crashed:?}");
            // The run that comes after it dies at the same point, if it comes there at all.
            if is_long() {
                let again = world.start_run(&[("ETL_FAILPOINT", &point)]).wait();
                assert!(again.signal == KILLED || again.code == Some(0), "{again:?}");
            }
            end(&world, expected);
        };
        (name, Box::new(case))
    };
    orders.map(case).collect()
}

/// Kills the `gc` that clears away what a killed run left, at each of its points.
fn while_cleaning_up<'a>(stage: &'a Scene, place: Place<'a>, expected: &'a Output) -> Vec<Case<'a>> {
    let case = |point: String| -> Case<'a> {
        let name = format!("gc {point}");
        let case = move || {
            let world = left_behind(stage, place, &format!("gc {point}"));
            let crashed = world.start_gc(&[("ETL_FAILPOINT", &point)]).wait();
            assert_eq!(crashed.signal, KILLED, "{crashed:?}");
            end(&world, expected);
        };
        (name, Box::new(case))
    };
    points_of_gc(stage, place).into_iter().map(case).collect()
}

fn at_instants<'a>(
    stage: &'a Scene,
    place: Place<'a>,
    before: Before,
    (length, random): (Duration, &mut Rng),
    expected: &'a Output,
) -> Vec<Case<'a>> {
    // Both kinds of beginning share them.
    let count = if is_long() { 100 } else { 5 };
    let mut case = |number: u32| -> Case<'a> {
        // A little past the end too: then nothing was killed, and the window is run again.
        let mut instant = || length.mul_f64(random.f64() * 1.1);
        let instants = [instant(), instant()];
        let deaths = 1 + usize::from(random.bool());
        let name = format!("{before:?} instant {number}");
        let world = begin_later(stage, place, before, &name);
        let case = move || {
            let world = world();
            for instant in &instants[..deaths] {
                let crashed = world.start_run(&[]).kill_after(*instant);
                assert!(crashed.signal == KILLED || crashed.code == Some(0), "{crashed:?}");
            }
            end(&world, expected);
        };
        (format!("{name}: {:?}", &instants[..deaths]), Box::new(case))
    };
    (0..count).map(&mut case).collect()
}

/// [`begin`], when its case is run.
fn begin_later<'a>(
    stage: &'a Scene,
    place: Place<'a>,
    before: Before,
    name: &str,
) -> impl FnOnce() -> World<'a> + use<'a> {
    let name = name.to_owned();
    move || begin(stage, place, before, &name)
}
