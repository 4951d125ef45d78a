//! Events that are unique across windows, when the window that holds one of them is corrected.

use crate::support::events::{event, line};
use crate::support::{Run, Scene};
use serde_json::json;

fn run(scene: &Scene, hour: u32) -> Run {
    let window = format!("2026-11-20T{hour:02}/PT1H");
    scene.run_window(&["--window", &window], &[]).done()
}

#[test]
fn a_corrected_window_says_which_windows_lack_a_row_now() {
    let scene = Scene::with(|job| job["transformer"]["with"]["unique_events"] = json!({"look_back_hours": 24}));
    let hour = |hour: u32, ids: &[&str]| {
        let events: Vec<_> = ids.iter().map(|id| event(id, i64::from(hour) * 3_600_000 - 5 * 3_600_000)).collect();
        scene.raw_at(&format!("year=2026/month=11/day=20/hour={hour:02}"), "a.log", line(&events))
    };
    hour(5, &["twice", "first"]);
    hour(6, &["twice", "second"]);
    hour(7, &["third"]);
    for at in [5, 6, 7] {
        run(&scene, at);
    }
    let ids = || {
        let mut ids: Vec<String> =
            scene.rows("event_v2").iter().map(|row| row["event_id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(), ["first", "second", "third", "twice"]);

    // A run with the same input, or with more of it, has nothing to say.
    let again = run(&scene, 5).report["warnings"].to_string();
    assert!(!again.contains("are not in the window any more"), "{again}");

    hour(5, &["first"]);
    let corrected = run(&scene, 5).report["warnings"].to_string();
    assert!(corrected.contains("1 keys of event_v2 are not in the window any more"), "{corrected}");
    assert!(corrected.contains("run 2026-11-20T06:00:00Z/2026-11-20T07:00:00Z again"), "{corrected}");
    run(&scene, 6);
    assert_eq!(ids(), ["first", "second", "third", "twice"]);
}
