//! What the runner reads back from its state: log entries, checkpoints, details, results of tasks, leases.
//!
//! Input: one byte that says which, and the JSON; for the log one entry a line.
//!
//! Holds: what is read and written again is the same; any sequence of entries folds, and folds the same with a
//! checkpoint in between; a watermark that windows move never goes back; publishing, giving up and removing the files
//! of a detail touch nothing outside of the sink's folder, whatever its paths say.
#![no_main]

use etl_runner::commit::{CommitDetail, Entry, Event, JobState, PlanRecord, TaskResult, lease::Holder};
use etl_runner::output::staging::pending_store;
use etl_runner::process::stop::Stop;
use etl_runner::storage::{S3Config, Storage};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tokio::runtime::Runtime;

fuzz_target!(|input: &[u8]| {
    let [choice, json @ ..] = input else { return };
    match choice % 6 {
        0 => log(json),
        1 => {
            if let Ok(state) = JobState::read(json) {
                ask(&state);
                assert_eq!(checkpointed(&state), state);
            }
        }
        2 => {
            if let Some(detail) = same_again::<CommitDetail>(json) {
                stays_inside(&detail);
            }
        }
        3 => {
            if let Some(result) = same_again::<TaskResult>(json) {
                let (files, dead_letters) = result.pending();
                assert_eq!(files.len(), result.files.len());
                assert_eq!(dead_letters.is_some(), result.dead_letters.is_some());
            }
        }
        4 => drop(same_again::<PlanRecord>(json)),
        _ => drop(same_again::<Holder>(json)),
    }
});

fn same_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(json).ok()?;
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(value, again);
    Some(value)
}

/// Folds the entries that can be read, numbered as a log numbers them.
fn log(lines: &[u8]) {
    let (mut whole, mut resumed) = (JobState::default(), JobState::default());
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(mut entry) = same_again::<Entry>(line) else { continue };
        entry.version = whole.version + 1;
        let before = whole.watermark;
        whole.apply(&entry);
        resumed = checkpointed(&resumed);
        resumed.apply(&entry);
        assert_eq!(whole, resumed, "a checkpoint in between changes something");
        let set_by_hand = matches!(entry.event, Event::Watermark { .. });
        assert!(set_by_hand || whole.watermark >= before, "the watermark goes back");
        if let Event::Commit(commit) = &entry.event {
            assert!(whole.is_live(&commit.window, entry.version) && whole.unpublished.contains_key(&entry.version));
            assert!(entry.event.conflicts_with(&commit.window), "a second commit of the window must give way");
        }
    }
    ask(&whole);
}

fn checkpointed(state: &JobState) -> JobState {
    JobState::read(&serde_json::to_vec(state).expect("a state is JSON")).expect("a checkpoint is read back")
}

/// All that commands ask a state for.
fn ask(state: &JobState) {
    for window in state.windows.keys() {
        let known = state.window(window);
        let _ = (known.next_revision(), known.next_amendment(), known.rows());
        let _ = (state.is_done(window), state.overlapping(window), state.window_at(window.start));
    }
    assert_eq!(state.is_settled(), state.unpublished.is_empty() && state.owing().count() == 0);
    if let Some(watermark) = state.watermark {
        let _ = state.window_at(watermark);
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
/// Holds `sink/`, a file beside it, and nothing else. libFuzzer leaves no time to remove it: whoever starts this says with
/// TMPDIR where it may lie.
static SANDBOX: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("etl-fuzz-{}", std::process::id()));
    fs::create_dir_all(folder.join("sink/.pending")).expect("a folder");
    fs::write(folder.join("outside"), "x").expect("a file");
    folder
});

fn stays_inside(detail: &CommitDetail) {
    let sink = SANDBOX.join("sink");
    let storage = Storage::open(&sink.display().to_string(), &S3Config::default(), Path::new("/")).expect("a folder");
    let store = pending_store(&storage, RUNTIME.handle().clone(), &Stop::default());
    for file in
        detail.files.iter().map(|file| &file.pending).chain(detail.dead_letters.iter().map(|f| &f.pending)).take(4)
    {
        let _ = (store.publish(file), store.abandon(file), store.remove(&file.path));
    }
    for file in detail.replaces.files.iter().take(4) {
        let _ = store.remove(&file.path);
    }
    let left: Vec<_> =
        fs::read_dir(&*SANDBOX).expect("the folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(left.len() <= 2 && left.iter().any(|name| name == "outside"), "{left:?}");
}
