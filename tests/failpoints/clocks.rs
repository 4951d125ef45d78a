//! Two machines whose clocks differ by hours: a lease neither holds for ever nor ends early.

use crate::support::WINDOW;
use crate::world::{KILLED, Place, World, stage};

/// Three hours ahead, and three behind.
const WRONG: [&str; 2] = ["10800", "-10800"];

#[test]
fn a_machine_that_dies_with_a_wrong_clock_holds_nobody_up() {
    let stage = stage();
    for offset in WRONG {
        let world = World::new(&stage, Place::Folder, &format!("dead {offset}"));
        let mut asleep = world.start_run(&[("ETL_FAILPOINT", "run.leased=stop"), ("ETL_CLOCK_OFFSET", offset)]);
        assert!(asleep.sleeps());
        // Its lease is two seconds long, and nobody renews it.
        world.start_window(WINDOW, &["--wait", "60s"], &[]).wait().done();
        asleep.wake();
        assert_ne!(asleep.wait().done_or_held().signal, KILLED);
    }
}

#[test]
fn a_machine_that_works_is_not_taken_for_dead_by_one_with_another_clock() {
    let stage = stage();
    for (holder, asking) in [(WRONG[0], "0"), (WRONG[1], "0"), ("0", WRONG[0]), ("0", WRONG[1])] {
        let world = World::new(&stage, Place::Folder, &format!("alive {holder} {asking}"));
        let long = ["--set", "state.lease=5m"];
        let environment = [("ETL_FAILPOINT", "run.leased=stop"), ("ETL_CLOCK_OFFSET", holder)];
        let mut working = world.start_window(WINDOW, &long, &environment);
        assert!(working.sleeps());
        let other = world.start_window(WINDOW, &long, &[("ETL_CLOCK_OFFSET", asking)]).wait();
        assert_eq!(other.code, Some(4), "{holder} {asking}: {}", other.stderr);
        working.wake();
        working.wait().done();
    }
}
