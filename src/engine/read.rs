//! The tasks of a run: those that nobody has finished are read by worker threads, each result is registered as soon as it
//! is there, and what an earlier run left behind is taken as it is.

use super::pipeline::TablePlan;
use super::tasks::Task;
use super::worker::{Shared, TaskOutcome, Worker};
use crate::commit::{KeptRows, TaskResult, Work};
use crate::process::stop::StopReason;
use crate::process::workers::{self, SharedItems};
use crate::rows::quality::{Findings, KEYS, key_schema};
use crate::rows::sort::RowCollector;
use arrow::datatypes::SchemaRef;
use etl_sdk::{CacheStats, Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What all tasks of a run left behind, in the order of the tasks.
#[derive(Default)]
pub struct Tasks {
    /// One result per task.
    pub results: Vec<TaskResult>,
    /// Partial rows by table, for the merged ones: one collector per task that has any.
    pub collectors: Vec<Vec<RowCollector>>,
    /// Keys of quality rules: one collector per table and task that has any.
    pub keys: Vec<RowCollector>,
    /// Hit rates of this process.
    pub caches: Vec<CacheStats>,
}

struct Done {
    result: TaskResult,
    collectors: Vec<Option<RowCollector>>,
    keys: Vec<RowCollector>,
}

/// Does the tasks on `threads` threads. `work` keeps their results; without it they are this process's alone. `finished`
/// are the results that are kept already.
///
/// On a failure results that are kept stay, and all others are given up.
pub fn read_all(
    shared: &Shared<'_>,
    tasks: &[Task],
    threads: usize,
    work: Option<&Work>,
    finished: BTreeMap<u64, TaskResult>,
) -> Result<Tasks> {
    let open: Vec<&Task> = tasks.iter().filter(|task| !finished.contains_key(&(task.number as u64))).collect();
    for task in tasks.iter().filter(|task| finished.contains_key(&(task.number as u64))) {
        shared.progress.add_objects(task.objects.len() as u64);
        shared.progress.add_bytes(task.objects.iter().map(|object| object.size).sum());
    }
    let all: Mutex<BTreeMap<u64, Done>> = Mutex::new(BTreeMap::new());
    for (task, result) in finished {
        let done = resume(shared, work, result)?;
        all.lock().unwrap_or_else(PoisonError::into_inner).insert(task, done);
    }
    let run_worker = |tasks: SharedItems<'_, _>| -> Result<Vec<CacheStats>> {
        let mut worker = Worker::new(shared)?;
        for task in tasks {
            let done = worker.run(task).and_then(|outcome| {
                failpoint!("task.finished");
                let done = keep(shared, work, task, outcome)?;
                failpoint!("task.registered");
                Ok(done)
            });
            match done {
                Ok(done) => {
                    all.lock().unwrap_or_else(PoisonError::into_inner).insert(task.number as u64, done);
                }
                Err(error) => {
                    // The first to fail says why; the others stop because of it.
                    let first = shared.stop.set(StopReason::WorkerFailed);
                    return Err(if first { error } else { shared.stop.explain(error) });
                }
            }
        }
        Ok(worker.caches())
    };
    let mut outcome = Tasks::default();
    let mut failure: Option<Error> = None;
    for result in workers::run(open.iter().copied(), threads.min(open.len()), run_worker) {
        match result {
            Ok(caches) => outcome.caches.extend(caches),
            Err(error) if failure.as_ref().is_none_or(is_consequence) => failure = Some(error),
            Err(_) => {}
        }
    }
    let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = failure {
        if work.is_none() {
            for done in all.into_values() {
                give_up(shared, &done.result);
            }
        }
        return Err(error);
    }
    outcome.take(shared, all.into_values());
    Ok(outcome)
}

impl Tasks {
    /// The one task of a run that keeps nothing.
    pub fn of_one(shared: &Shared<'_>, task: &Task, outcome: TaskOutcome, caches: Vec<CacheStats>) -> Result<Self> {
        let mut tasks = Self { caches, ..Self::default() };
        tasks.take(shared, std::iter::once(keep(shared, None, task, outcome)?));
        Ok(tasks)
    }

    fn take(&mut self, shared: &Shared<'_>, all: impl Iterator<Item = Done>) {
        self.collectors = shared.pipeline.tables.iter().map(|_| Vec::new()).collect();
        for done in all {
            for (table, collector) in self.collectors.iter_mut().zip(done.collectors) {
                table.extend(collector.filter(|collector| collector.rows() > 0));
            }
            self.keys.extend(done.keys);
            self.results.push(done.result);
        }
    }
}

/// Gives up the files of a result that nobody else knows.
pub fn give_up(shared: &Shared<'_>, result: &TaskResult) {
    let (files, dead_letters) = result.pending();
    // What cannot be removed now is invisible; `gc` finds it.
    for file in files {
        let _ = shared.tables.abandon(file);
    }
    if let Some(file) = dead_letters {
        let _ = shared.dead_letters.abandon(file);
    }
}

/// Whether an error only says that another worker failed.
pub fn is_consequence(error: &Error) -> bool {
    error.kind() == ErrorKind::Stopped
}

/// Registers what a task left behind.
fn keep(shared: &Shared<'_>, work: Option<&Work>, task: &Task, outcome: TaskOutcome) -> Result<Done> {
    let TaskOutcome { mut collectors, quality: Findings { counts, mut keys }, .. } = outcome;
    keys.retain(|keys| keys.rows() > 0);
    let mut result = TaskResult {
        task: task.number as u64,
        files: outcome.files,
        dead_letters: outcome.dead_letters,
        rows: Vec::new(),
        quality: counts,
        ledger: outcome.ledger,
        objects: outcome.objects,
        archived: outcome.archived,
        compressed_bytes: outcome.compressed_bytes,
        decompressed_bytes: outcome.decompressed_bytes,
    };
    let Some(work) = work else { return Ok(Done { result, collectors, keys }) };
    let tables = shared.pipeline.tables.iter().map(|plan| plan.table.schema.table.as_str());
    let partial = tables.zip(&mut collectors).filter_map(|(table, rows)| Some((table, rows.as_mut()?)));
    let kept = keep_rows(work, &mut result, partial.chain(keys.iter_mut().map(|keys| (KEYS, keys))));
    let registered = kept.and_then(|()| work.register(result.clone()));
    match registered {
        Ok(held) if held == result => Ok(Done { result, collectors, keys }),
        Ok(held) => {
            // Another runner of the same window was faster: its result counts, ours nobody knows.
            give_up(shared, &result);
            resume(shared, Some(work), held)
        }
        Err(error) => {
            // It may be registered all the same: an answer can be lost. Then its files must stay.
            if error.kind() != ErrorKind::Unavailable {
                give_up(shared, &result);
            }
            Err(error)
        }
    }
}

fn keep_rows<'a>(
    work: &Work,
    result: &mut TaskResult,
    collectors: impl Iterator<Item = (&'a str, &'a mut RowCollector)>,
) -> Result<()> {
    for (table, collector) in collectors.filter(|(_, collector)| collector.rows() > 0) {
        let (bytes, stretches) = collector.keep()?;
        let (path, hash) = work.keep_rows(result.task, table, bytes)?;
        let (rows, bytes) = (collector.rows(), collector.bytes());
        result.rows.push(KeptRows { table: table.to_owned(), path, hash, stretches, rows, bytes });
    }
    Ok(())
}

/// Takes a result that is kept.
fn resume(shared: &Shared<'_>, work: Option<&Work>, result: TaskResult) -> Result<Done> {
    let restore = |kept: &KeptRows, schema: &SchemaRef| {
        let bytes = work.map(|work| work.rows(kept)).transpose()?.flatten().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "read partial rows that were kept")
                .with("path", &kept.path)
                .hint("they are gone or damaged: run the window again")
        })?;
        shared.sorter.restore(schema, &bytes, &kept.stretches, (kept.rows, kept.bytes))
    };
    let of_table = |plan: &TablePlan| {
        let kept = result.rows.iter().find(|kept| kept.table == plan.table.schema.table);
        kept.map(|kept| restore(kept, &plan.table.schema.working_schema())).transpose()
    };
    let collectors = shared.pipeline.tables.iter().map(of_table).collect::<Result<_>>()?;
    let keys = result.rows.iter().filter(|kept| kept.table == KEYS).map(|kept| restore(kept, &key_schema()));
    let keys = keys.collect::<Result<_>>()?;
    Ok(Done { result, collectors, keys })
}
