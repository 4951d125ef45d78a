//! Entries and checkpoints as objects: their names are numbers, and what is damaged is told as that.

use super::entry::Entry;
use super::history::JobState;
use super::objects::{Listed, Objects};
use bytes::Bytes;
use etl_sdk::{Error, ErrorKind, Result};
use serde_json::Value;

/// Where the entries are, below the job's state.
pub(super) const LOG: &str = "log";

/// Where the checkpoints are.
pub(super) const CHECKPOINTS: &str = "checkpoints";

/// The way out when the log is not whole.
pub(super) const WAY_OUT: &str = "nothing was changed. Restore the object from a backup or an older version of it; \
                                  without one, `etl-runner recover JOB --log` shows what can be repaired and what is lost";

/// Reports of runs that are looked into at most for one that committed.
const MAX_REPORTS: usize = 32;

pub(super) fn entry_path(version: u64) -> String {
    format!("{LOG}/{version:020}.json")
}

pub(super) fn checkpoint_path(version: u64) -> String {
    format!("{CHECKPOINTS}/{version:020}.json")
}

/// The version in the name of an entry or a checkpoint.
pub(super) fn version_of(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?.strip_suffix(".json")?;
    (name.len() == 20).then(|| name.parse().ok())?
}

/// Versions of the entries that are there behind `version`, in order. One listing from there on, however long the log is.
pub(super) fn entries_after(objects: &Objects, version: u64) -> Result<Vec<u64>> {
    let names = objects.names_after(&entry_path(version))?;
    Ok(names.iter().filter_map(|name| version_of(name)).filter(|found| *found > version).collect())
}

/// The checkpoints, the newest first.
pub(super) fn checkpoints(objects: &Objects) -> Result<Vec<Listed>> {
    let mut all = objects.list(CHECKPOINTS, None)?;
    all.retain(|object| version_of(&object.path).is_some());
    all.reverse();
    Ok(all)
}

/// The state that a checkpoint keeps.
///
/// Fails with kind `Damaged` unless it is the one its name says.
pub(super) fn read_checkpoint(objects: &Objects, path: &str, bytes: &[u8]) -> Result<JobState> {
    let state = JobState::read(bytes).map_err(|error| error.with("uri", objects.uri_of(path)))?;
    if version_of(path) == Some(state.version) {
        return Ok(state);
    }
    Err(Error::new(ErrorKind::Damaged, "read a checkpoint")
        .with("uri", objects.uri_of(path))
        .with("version", state.version)
        .hint("it is not the one its name says"))
}

/// Reads an entry.
///
/// Fails with kind `Damaged` unless it is whole and the one its name says.
pub(super) fn read_entry(objects: &Objects, path: &str, bytes: &Bytes) -> Result<Entry> {
    let wrong = |kind| Error::new(kind, "read an entry of the commit log").with("uri", objects.uri_of(path));
    let damaged = || wrong(ErrorKind::Damaged).with("bytes", bytes.len()).hint(WAY_OUT);
    let value: Value = serde_json::from_slice(bytes).map_err(|error| damaged().source(error))?;
    let says = value["version"].as_u64();
    if says.is_none() || says != version_of(path) {
        let says = says.map_or_else(|| "none".to_owned(), |version| version.to_string());
        return Err(damaged().with("version", says));
    }
    serde_json::from_value(value).map_err(|error| {
        // Everything but its event is as it should be: only a later version can have written that.
        if error.to_string().starts_with("unknown variant") {
            let hint = "a newer version of the program wrote it: use that one; nothing was changed";
            return wrong(ErrorKind::Config).source(error).hint(hint);
        }
        damaged().source(error)
    })
}

/// A number that has no entry although there are later ones.
pub(super) fn missing(objects: &Objects, version: u64, last: u64) -> Error {
    Error::new(ErrorKind::Damaged, "read the commit log: an entry is missing")
        .with("uri", objects.uri_of(&entry_path(version)))
        .with("entry", version)
        .with("last", last)
        .hint(WAY_OUT)
}

/// Refuses a job without a log that has the report of a run which committed something: there was a log.
pub(super) fn refuse_to_forget(objects: &Objects) -> Result<()> {
    let mut reports: Vec<String> = objects.list("runs", None)?.into_iter().map(|object| object.path).collect();
    reports.truncate(MAX_REPORTS);
    let committed = |bytes: &Bytes| {
        let report: Value = serde_json::from_slice(bytes).unwrap_or_default();
        matches!(report["status"].as_str(), Some("done" | "empty" | "partly"))
    };
    let found = objects.get_all(&reports)?;
    match reports.iter().zip(found).find(|(_, bytes)| bytes.as_ref().is_some_and(committed)) {
        None => Ok(()),
        Some((report, _)) => Err(Error::new(ErrorKind::Damaged, "read the commit log: it is gone")
            .with("uri", objects.uri_of(LOG))
            .with("report", objects.uri_of(report))
            .hint(
                "the report is that of a run that committed: without the log its files would be taken for none, and its \
                 rows be there twice. Restore log/ and checkpoints/; to begin anew, remove the job's whole folder of the \
                 state and its output",
            )),
    }
}
