//! What tasks have finished and no run has committed yet. A stopped run goes on from it.
//!
//! A result is registered by creating its object, so of two runners of one task one has its result taken by both. What is
//! registered is given up only behind a fence in the log: a runner that sleeps may still count on it.

use super::entry::token;
use super::objects::{Objects, to_json};
use super::state_object::ContentHash;
use crate::output::dead_letter::Examples;
use crate::output::staging::{DeadLetterFile, PendingFile, WrittenFile};
use crate::rows::quality::QualityCounts;
use crate::source::Losses;
use crate::window::Window;
use bytes::Bytes;
use etl_sdk::{EpochMillis, Error, ErrorKind, Ledger, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const WORK: &str = "work";

/// The way out when something of it is damaged.
const GIVE_UP: &str =
    "`etl-runner gc JOB --older-than 0s --apply` gives up what the stopped run left behind; then run again";

/// What must be the same for the results of one run to be of use to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// The run's instant: all tasks of a run have the same.
    pub now_msec: EpochMillis,
    /// Stem of the files' names.
    pub name: String,
    /// Number of tasks.
    pub tasks: u64,
    /// Path of the list of input objects, below the job's state.
    pub inputs: String,
}

/// What a task leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// Number among the tasks of the run.
    pub task: u64,
    /// Files of the tables, not yet published.
    pub files: Vec<WrittenFile>,
    /// The task's dead letters, not yet published.
    pub dead_letters: Option<DeadLetterFile>,
    /// Partial rows of merged tables, and keys of quality rules.
    pub rows: Vec<KeptRows>,
    /// Counts of the quality rules; their keys are among the rows.
    #[serde(default)]
    pub quality: QualityCounts,
    /// Rows per step.
    pub ledger: Ledger,
    /// Objects read to their end or to their first fault.
    pub objects: u64,
    /// Objects that must be restored from an archive first.
    pub archived: u64,
    /// Bytes as stored.
    pub compressed_bytes: u64,
    /// Bytes as framed.
    pub decompressed_bytes: u64,
    /// What damaged objects lost.
    #[serde(default)]
    pub losses: Losses,
    /// The first dead letter of each reason.
    #[serde(default)]
    pub examples: Examples,
}

/// Partial rows of one table, kept in the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRows {
    /// Name of the table, or [`crate::rows::quality::KEYS`].
    pub table: String,
    /// Path below the job's state.
    pub path: String,
    /// Hash of the bytes.
    pub hash: ContentHash,
    /// Lengths of the streams of batches that the object is made of.
    pub stretches: Vec<u64>,
    /// Number of rows.
    pub rows: u64,
    /// Their bytes in memory.
    pub bytes: u64,
}

/// The registered results of one plan.
#[derive(Clone)]
pub struct Work {
    objects: Objects,
    folder: String,
}

impl Work {
    /// The work of a window under a plan. `plan` is kept unless there is one: then that one holds.
    pub fn open(objects: &Objects, window: &Window, id: &str, plan: PlanRecord) -> Result<(Self, PlanRecord)> {
        let work = Self { objects: objects.clone(), folder: format!("{}/{id}", of_window(window)) };
        let path = format!("{}/plan.json", work.folder);
        if objects.create(&path, to_json(&plan)?)? {
            return Ok((work, plan));
        }
        let bytes = objects.get(&path)?.ok_or_else(|| {
            Error::new(ErrorKind::Held, "read the plan of the window")
                .with("uri", objects.uri_of(&path))
                .hint("another runner has just finished the window")
        })?;
        let plan = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorKind::Damaged, "read the plan of the window")
                .with("uri", objects.uri_of(&path))
                .source(error)
                .hint(GIVE_UP)
        })?;
        Ok((work, plan))
    }

    /// The plan; `None` when there is none that can be read.
    pub fn plan(&self) -> Result<Option<PlanRecord>> {
        let bytes = self.objects.get(&format!("{}/plan.json", self.folder))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Its folder below the job's state.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// All results, by task. One that cannot be read counts as none: the task is done again.
    pub fn results(&self) -> Result<BTreeMap<u64, TaskResult>> {
        let listed = self.objects.list(&self.folder, None)?;
        let paths: Vec<String> = listed.into_iter().map(|o| o.path).filter(|path| is_result(path)).collect();
        let found = self.objects.get_all(&paths)?.into_iter().flatten();
        let results = found.filter_map(|bytes| serde_json::from_slice::<TaskResult>(&bytes).ok());
        Ok(results.map(|result| (result.task, result)).collect())
    }

    /// Registers a result. Gives the one that holds: another runner of the same task may have been faster.
    pub fn register(&self, result: TaskResult) -> Result<TaskResult> {
        let path = format!("{}/task-{:05}.json", self.folder, result.task);
        if self.objects.create(&path, to_json(&result)?)? {
            return Ok(result);
        }
        let held = self.objects.get(&path)?.ok_or_else(|| {
            Error::new(ErrorKind::Held, "register the result of a task")
                .with("uri", self.objects.uri_of(&path))
                .hint("another runner has just finished the window")
        })?;
        serde_json::from_slice(&held).map_err(|error| {
            Error::new(ErrorKind::Damaged, "read the result of a task")
                .with("uri", self.objects.uri_of(&path))
                .source(error)
                .hint(GIVE_UP)
        })
    }

    /// Takes a result back that no run can have counted on yet, or whose files are gone: the task is done again.
    ///
    /// Only for results behind a fence.
    pub fn forget(&self, task: u64) -> Result<()> {
        self.objects.delete(&format!("{}/task-{task:05}.json", self.folder))
    }

    /// Keeps partial rows of a task. They need not outlast a power failure: a result whose rows are gone counts as none.
    pub fn keep_rows(&self, task: u64, table: &str, bytes: Vec<u8>) -> Result<(String, ContentHash)> {
        let path = format!("{}/rows-{task:05}-{}-{table}.arrow", self.folder, token());
        let hash = ContentHash::of(&bytes);
        self.objects.put_passing(&path, bytes)?;
        Ok((path, hash))
    }

    /// Partial rows of a task; `None` when they are gone or not what was kept.
    pub fn rows(&self, kept: &KeptRows) -> Result<Option<Bytes>> {
        Ok(self.objects.get(&kept.path)?.filter(|bytes| ContentHash::of(bytes) == kept.hash))
    }

    /// Whether all partial rows of a result are what was kept.
    pub fn has_rows(&self, result: &TaskResult) -> Result<bool> {
        result.rows.iter().try_fold(true, |whole, kept| Ok(whole && self.rows(kept)?.is_some()))
    }

    /// Removes the plan, the results and the rows. What they name is not touched.
    pub fn remove(&self) -> Result<()> {
        self.objects.delete_all(&self.folder)
    }
}

/// Folders with results of other plans of a window: what a run left behind whose input, job or program was another.
pub fn others(objects: &Objects, window: &Window, id: &str) -> Result<Vec<Work>> {
    let mut folders: Vec<String> = objects
        .list(&of_window(window), None)?
        .into_iter()
        .filter_map(|object| Some(object.path.rsplit_once('/')?.0.to_owned()))
        .collect();
    folders.dedup();
    let own = format!("{}/{id}", of_window(window));
    let others = folders.into_iter().filter(|folder| *folder != own);
    Ok(others.map(|folder| Work { objects: objects.clone(), folder }).collect())
}

/// All folders with registered results, with the window each belongs to as its id.
pub fn all(objects: &Objects) -> Result<Vec<(String, Work)>> {
    let mut folders: Vec<String> =
        objects.list(WORK, None)?.into_iter().filter_map(|o| Some(o.path.rsplit_once('/')?.0.to_owned())).collect();
    folders.dedup();
    let windowed = |folder: String| {
        let id = folder.split('/').nth(1)?.to_owned();
        Some((id, Work { objects: objects.clone(), folder }))
    };
    Ok(folders.into_iter().filter_map(windowed).collect())
}

impl TaskResult {
    /// The pending files of the tables and of the dead letters.
    pub fn pending(&self) -> (Vec<&PendingFile>, Option<&PendingFile>) {
        (self.files.iter().map(|file| &file.pending).collect(), self.dead_letters.as_ref().map(|file| &file.pending))
    }
}

fn of_window(window: &Window) -> String {
    format!("{WORK}/{}", window.id())
}

fn is_result(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("task-"))
}
