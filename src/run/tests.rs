//! The units of a run done by other means than threads: what comes of them is the same.

use super::execute::execute_on;
use super::{JobContext, RunPlan};
use crate::engine::dispatch::{Dispatch, UnitWork, WorkUnit};
use crate::engine::{Pipeline, Threads};
use crate::job::load;
use crate::process::clock::Clock;
use crate::process::stop::Stop;
use crate::registry::builtin;
use crate::report::{Progress, RunReport, Status};
use crate::window::Window;
use etl_sdk::{EpochMillis, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Sends each unit as text.
struct AsText;

impl Dispatch for AsText {
    fn at_once(&self, _units: usize) -> usize {
        1
    }

    fn run(&self, units: &[WorkUnit<'_>], work: &dyn UnitWork, _stop: &Stop) -> Result<()> {
        for unit in units {
            let text = serde_json::to_string(unit).unwrap();
            let mut worker = work.worker()?;
            worker.run(&serde_json::from_str(&text).unwrap())?;
            worker.finish();
        }
        Ok(())
    }
}

/// Does the units from the last to the first, each by two workers at the same time.
struct BackwardsAndTwice;

impl Dispatch for BackwardsAndTwice {
    fn at_once(&self, units: usize) -> usize {
        2 * units
    }

    fn run(&self, units: &[WorkUnit<'_>], work: &dyn UnitWork, _stop: &Stop) -> Result<()> {
        let together = Barrier::new(2);
        let do_all = || {
            let mut worker = work.worker().unwrap();
            for unit in units.iter().rev() {
                together.wait();
                worker.run(unit).unwrap();
            }
            worker.finish();
        };
        std::thread::scope(|scope| {
            scope.spawn(do_all);
            scope.spawn(do_all);
        });
        Ok(())
    }
}

/// What a run left in a folder of its own: its report, and all files but those of the state and those that name the folder.
fn outcome(dispatch: &dyn Dispatch, dry_run: bool) -> (RunReport, BTreeMap<PathBuf, Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let raw = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clickstream/raw");
    let job = json!({
        "job": "shop",
        "source": {"url": raw, "layout": "hive-hourly", "select": "path", "framing": "lines"},
        "transformer": {
            "name": "clickstream",
            "with": {"project_id": "test", "app_ids": ["shop"], "traffic_source": false},
        },
        "sink": {"url": "out", "format": "json"},
        "quality": [{"table": "event_v2", "unique": ["event_id"], "action": "warn"}],
        "limits": {"task_bytes": "4KiB", "dead_letters": "100%"},
    });
    fs::write(folder.path().join("job.yaml"), job.to_string()).unwrap();
    let job = load(&folder.path().join("job.yaml"), &[], &|_| None).unwrap();
    let pipeline = Pipeline::build(&job, &builtin()).unwrap();
    let runtime = Runtime::new().unwrap();
    let context =
        JobContext::open(&job, &pipeline, runtime.handle().clone(), Stop::default(), Clock::system()).unwrap();
    let window = Window::parse("2026-11-20").unwrap();
    let plan = RunPlan {
        window,
        now_msec: EpochMillis(window.end.timestamp_millis()),
        now_given: true,
        threads: 2,
        dry_run,
        wait: Duration::ZERO,
        allow_empty: false,
        supersede: false,
        allow_open: false,
        progress: Progress::default(),
        warnings: Vec::new(),
        stretch: None,
    };
    let (report, result) = execute_on(&context, &plan, dispatch);
    result.unwrap();
    let mut files = BTreeMap::new();
    collect(&folder.path().join("out"), Path::new(""), &mut files);
    (report, files)
}

fn collect(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(root.join(below)) else { return };
    for entry in entries.map(|entry| entry.unwrap()) {
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_file() {
            files.insert(path, fs::read(entry.path()).unwrap());
        } else if entry.file_name() != "_state" && entry.file_name() != "_manifests" {
            collect(root, &path, files);
        }
    }
}

#[test]
fn units_may_be_sent_as_text_done_in_any_order_and_more_than_once() {
    let (expected, files) = outcome(&Threads(3), false);
    assert_eq!(expected.status, Status::Done);
    assert!(expected.tables.iter().all(|table| table.rows > 0) && expected.dead_letters.total > 0, "{expected:?}");
    assert!(files.len() > 6, "{:?}", files.keys());
    for dispatch in [&AsText as &dyn Dispatch, &BackwardsAndTwice] {
        let (report, again) = outcome(dispatch, false);
        assert_eq!(again.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
        let differing: Vec<_> = again.iter().filter(|(path, bytes)| files.get(*path) != Some(bytes)).collect();
        assert!(differing.is_empty(), "{:?}", differing.iter().map(|(path, _)| path).collect::<Vec<_>>());
        assert_eq!(report.steps, expected.steps);
        assert_eq!(report.files, expected.files);
        assert_eq!(report.quality, expected.quality);
        assert_eq!((report.objects, report.bytes), (expected.objects.clone(), expected.bytes.clone()));
        let (rehearsed, left) = outcome(dispatch, true);
        assert_eq!(rehearsed.steps, expected.steps);
        assert!(left.is_empty(), "{:?}", left.keys());
    }
}
