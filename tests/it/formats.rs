//! Objects in formats that were met in the field.

use crate::support::{NOW, Run, Scene, copy};
use etl_sdk::testing::external::data;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

/// When the objects of cases were stored, in seconds.
const STORED: u64 = 1_795_151_400;

/// A scene with the job and the input of a case in `case/`.
pub fn case(name: &str) -> Option<Scene> {
    let folder = data("cases")?.join(name);
    let scene = Scene::new();
    copy(&folder, &scene.path("case"));
    for entry in fs::read_dir(scene.path("case/raw")).unwrap() {
        let file = File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(STORED)).unwrap();
    }
    Some(scene)
}

/// Runs the job of a case over its own input.
pub fn run_case(scene: &Scene, more: &[&str]) -> Run {
    let base = ["run", "case/job.yaml", "--window", "2026-11-20", "--now", NOW, "--output", "json", "--quiet"];
    scene.call(&[&base, more].concat())
}

fn run(name: &str, more: &[&str]) -> Option<Run> {
    Some(run_case(&case(name)?, more))
}

#[test]
fn what_is_no_damage_gives_its_rows() {
    for (case, rows) in [
        ("12a-hadoop-snappy-not-json", 5),
        ("12c-utf16-not-json", 5),
        ("13a-gzip-zero-padding-corrupt", 5),
        ("14a-bom-of-later-members", 5),
        ("15-sensors-form-json-with-blanks", 4),
    ] {
        let Some(run) = run(case, &[]) else { return };
        let run = run.done();
        assert_eq!(run.table_rows("event_v2"), rows, "{case}: {}", run.stdout);
        assert_eq!(run.report["dead_letters"]["total"], 0, "{case}");
    }
}

#[test]
fn a_long_zstd_window_is_a_limit_with_a_setting() {
    let case = "11-zstd-long-window-called-corrupt";
    let Some(refused) = run(case, &[]) else { return };
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert_eq!(refused.dead("window_too_large"), 1);
    assert!(refused.report["warnings"].to_string().contains("limits.zstd_window"), "{}", refused.report["warnings"]);
    let read = run(case, &["--set", "limits.zstd_window=256MiB"]).unwrap().done();
    assert_eq!(read.table_rows("event_v2"), 5);
}
