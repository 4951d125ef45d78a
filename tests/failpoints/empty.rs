//! Windows without input that are decided together: the backfill is killed and put to sleep around the one entry that
//! decides, and other backfills come in between.

use crate::support::Scene;
use crate::world::{KILLED, Place, Process, World, points};
use serde_json::Value;

in_each_place!(empty_windows);

/// Hours of the 20th have input, those of the 18th have none.
const SPAN: [&str; 6] = ["--from", "2026-11-18T00", "--to", "2026-11-18T08", "--every", "1h"];

fn backfill(world: &World<'_>, environment: &[(&str, &str)]) -> Process {
    let now = ["--now", "2026-11-22T00:00:00Z", "--progress", "none"];
    world.start("backfill", &[&SPAN[..], &now].concat(), environment)
}

/// What is known of the windows: their status and their revision.
fn known(world: &World<'_>) -> Vec<(String, u64)> {
    let now = ["--now", "2026-11-22T00:00:00Z"];
    let told = world.start("status", &[&now[..], &SPAN[..4]].concat(), &[]).wait().done();
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    let window = |window: &Value| {
        (window["status"].as_str().unwrap().to_owned(), window["revision"].as_u64().unwrap_or(u64::MAX))
    };
    report["status"]["windows"].as_array().unwrap().iter().map(window).collect()
}

fn empty_windows(stage: &Scene, place: Place<'_>) {
    let undisturbed = World::new(stage, place, "empty");
    let points: Vec<String> =
        points(|environment| backfill(&undisturbed, environment)).into_iter().map(|(name, _)| name).collect();
    let expected = known(&undisturbed);
    assert_eq!(expected, vec![("empty".to_owned(), 0); 8]);
    assert!(["empty.before_entry", "empty.after_entry"].iter().all(|point| points.iter().any(|name| name == point)));
    for point in points {
        let world = World::new(stage, place, &format!("empty {point} killed"));
        assert_eq!(backfill(&world, &[("ETL_FAILPOINT", &point)]).wait().signal, KILLED);
        backfill(&world, &[]).wait().done();
        assert_eq!(known(&world), expected, "killed at {point}");
        world.settle();
        assert_eq!(known(&world), expected, "killed at {point}, and cleared away");

        // Another backfill decides meanwhile, or finds it decided.
        let world = World::new(stage, place, &format!("empty {point} asleep"));
        let mut asleep = backfill(&world, &[("ETL_FAILPOINT", &format!("{point}=stop"))]);
        assert!(asleep.sleeps(), "it does not come to {point}");
        backfill(&world, &[]).wait().done();
        asleep.wake();
        asleep.wait().done();
        assert_eq!(known(&world), expected, "asleep at {point}");
    }
}
