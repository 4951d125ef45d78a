//! The tasks of a run: those that are not finished are read, each result is registered as soon as it is there, and what an
//! earlier run left behind is taken as it is.

use super::context::RunContext;
use super::dispatch::{Dispatch, UnitWork, UnitWorker, WorkUnit, unexpected};
use super::downstream::TaskOutcome;
use super::pipeline::TablePlan;
use super::tasks::Task;
use super::worker::Worker;
use crate::commit::{KeptRows, TaskResult, Work};
use crate::rows::quality::{Findings, KEYS, key_schema};
use crate::rows::sort::RowCollector;
use crate::source::records_of;
use arrow::datatypes::SchemaRef;
use etl_sdk::{CacheStats, Error, ErrorKind, Result};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

/// What all tasks of a run left behind, in the order of the tasks.
#[derive(Default)]
pub struct Tasks {
    /// One result per task.
    pub results: Vec<TaskResult>,
    /// Whether the results are registered: then other runners count on their files.
    pub registered: bool,
    /// Partial rows by table, for the merged ones: one collector per task that has any.
    pub collectors: Vec<Vec<RowCollector>>,
    /// Keys of quality rules: one collector per table and task that has any.
    pub keys: Vec<RowCollector>,
    /// Hit rates of this process.
    pub caches: Vec<CacheStats>,
}

/// A finished task with the rows it left for later.
struct FinishedTask {
    result: TaskResult,
    collectors: Vec<Option<RowCollector>>,
    keys: Vec<RowCollector>,
}

/// Has the tasks done. `work` keeps their results; without it they are this process's alone. `finished` are the results
/// that are kept already.
///
/// On a failure results that are kept stay, and all others are given up.
pub fn read_all(
    context: &RunContext<'_>,
    dispatch: &dyn Dispatch,
    tasks: &[Task],
    work: Option<&Work>,
    finished: BTreeMap<u64, TaskResult>,
) -> Result<Tasks> {
    let (old, open): (Vec<&Task>, Vec<&Task>) =
        tasks.iter().partition(|task| finished.contains_key(&(task.number as u64)));
    context.progress.begin_reading(tasks.len() as u64);
    for task in old {
        context.progress.add_objects(task.objects.len() as u64);
        context.progress.add_bytes(task.objects.iter().map(|object| object.size).sum());
    }
    let reading = TaskWork { context, work, finished: Mutex::default(), caches: Mutex::default() };
    for result in finished.into_values() {
        context.progress.add_records(records_of(&result.ledger));
        context.progress.add_rows(result.files.iter().map(|file| file.rows).sum());
        context.progress.add_kept_task();
        reading.keep(resume(context, work, result)?);
    }
    let units: Vec<WorkUnit<'_>> = open.into_iter().map(|task| WorkUnit::Task(Cow::Borrowed(task))).collect();
    let done = dispatch.run(&units, &reading, &context.stop);
    let finished = reading.finished.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = done {
        if work.is_none() {
            for task in finished.values() {
                give_up(context, &task.result);
            }
        }
        return Err(error);
    }
    let caches = reading.caches.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Tasks::of(context, finished.into_values(), work.is_some(), caches))
}

/// Reads tasks and registers their results.
struct TaskWork<'a> {
    context: &'a RunContext<'a>,
    work: Option<&'a Work>,
    finished: Mutex<BTreeMap<u64, FinishedTask>>,
    caches: Mutex<Vec<CacheStats>>,
}

impl TaskWork<'_> {
    fn has(&self, task: &Task) -> bool {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&(task.number as u64))
    }

    /// Takes a result. The first of a task counts; one that is registered is the same each time.
    fn keep(&self, task: FinishedTask) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        match finished.entry(task.result.task) {
            Entry::Vacant(entry) => {
                entry.insert(task);
            }
            Entry::Occupied(_) if self.work.is_none() => give_up(self.context, &task.result),
            Entry::Occupied(_) => {}
        }
    }
}

impl UnitWork for TaskWork<'_> {
    fn worker(&self) -> Result<Box<dyn UnitWorker + '_>> {
        Ok(Box::new(TaskWorker { reading: self, worker: Worker::new(self.context)? }))
    }
}

struct TaskWorker<'a> {
    reading: &'a TaskWork<'a>,
    worker: Worker<'a>,
}

impl UnitWorker for TaskWorker<'_> {
    fn run(&mut self, unit: &WorkUnit<'_>) -> Result<()> {
        let WorkUnit::Task(task) = unit else { return Err(unexpected(unit)) };
        if self.reading.has(task) {
            return Ok(());
        }
        let outcome = self.worker.run(task)?;
        failpoint!("task.finished");
        let done = register(self.reading.context, self.reading.work, task, outcome)?;
        failpoint!("task.registered");
        if self.reading.work.is_some() {
            self.reading.context.progress.add_kept_task();
        }
        self.reading.keep(done);
        Ok(())
    }

    fn finish(self: Box<Self>) {
        self.reading.caches.lock().unwrap_or_else(PoisonError::into_inner).extend(self.worker.caches());
    }
}

impl Tasks {
    /// The one task of a run that registers nothing.
    pub fn of_one(
        context: &RunContext<'_>,
        task: &Task,
        outcome: TaskOutcome,
        caches: Vec<CacheStats>,
    ) -> Result<Self> {
        let finished = register(context, None, task, outcome)?;
        Ok(Self::of(context, std::iter::once(finished), false, caches))
    }

    fn of(
        context: &RunContext<'_>,
        finished: impl Iterator<Item = FinishedTask>,
        registered: bool,
        caches: Vec<CacheStats>,
    ) -> Self {
        let collectors = context.pipeline.tables.iter().map(|_| Vec::new()).collect();
        let mut tasks = Self { registered, collectors, caches, ..Self::default() };
        for task in finished {
            for (table, collector) in tasks.collectors.iter_mut().zip(task.collectors) {
                table.extend(collector.filter(|collector| collector.rows() > 0));
            }
            tasks.keys.extend(task.keys);
            tasks.results.push(task.result);
        }
        tasks
    }
}

/// Gives up the files of a result that is registered nowhere.
pub fn give_up(context: &RunContext<'_>, result: &TaskResult) {
    let (files, dead_letters) = result.pending();
    context.abandon(files, dead_letters);
}

/// Registers what a task left behind.
fn register(context: &RunContext<'_>, work: Option<&Work>, task: &Task, outcome: TaskOutcome) -> Result<FinishedTask> {
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
        losses: outcome.losses,
        examples: outcome.examples,
    };
    let Some(work) = work else { return Ok(FinishedTask { result, collectors, keys }) };
    let tables = context.pipeline.tables.iter().map(|plan| plan.table.schema.table.as_str());
    let partial = tables.zip(&mut collectors).filter_map(|(table, rows)| Some((table, rows.as_mut()?)));
    let kept = keep_rows(work, &mut result, partial.chain(keys.iter_mut().map(|keys| (KEYS, keys))));
    let registered = kept.and_then(|()| work.register(result.clone()));
    match registered {
        Ok(held) if held == result => Ok(FinishedTask { result, collectors, keys }),
        Ok(held) => {
            // Another runner of the task was faster: its result counts, and nothing knows of this one.
            give_up(context, &result);
            resume(context, Some(work), held)
        }
        Err(error) => {
            // It may be registered all the same: an answer can be lost. Then its files must stay.
            if error.kind() != ErrorKind::Unavailable {
                give_up(context, &result);
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
        // Those of all pieces stand with the first.
        let (mut rows, mut bytes) = (collector.rows(), collector.bytes());
        collector.keep(|kept, stretches| {
            let (path, hash) = work.keep_rows(result.task, table, kept)?;
            let (rows, bytes) = (std::mem::take(&mut rows), std::mem::take(&mut bytes));
            result.rows.push(KeptRows { table: table.to_owned(), path, hash, stretches, rows, bytes });
            Ok(())
        })?;
    }
    Ok(())
}

/// Takes a result that is kept.
fn resume(context: &RunContext<'_>, work: Option<&Work>, result: TaskResult) -> Result<FinishedTask> {
    let restore = |collector: Option<RowCollector>, kept: &KeptRows, schema: &SchemaRef| {
        let bytes = work.map(|work| work.rows(kept)).transpose()?.flatten().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "read partial rows that were kept")
                .with("path", &kept.path)
                .hint("they are gone or damaged: run the window again")
        })?;
        let mut collector = collector.unwrap_or_else(|| context.sorter.collector(schema));
        collector.restore(&bytes, &kept.stretches, (kept.rows, kept.bytes))?;
        Ok::<_, Error>(collector)
    };
    let of = |table: &str, schema: &SchemaRef| {
        let mut pieces = result.rows.iter().filter(|kept| kept.table == table);
        pieces.try_fold(None, |collector, kept| restore(collector, kept, schema).map(Some))
    };
    let of_table = |plan: &TablePlan| of(&plan.table.schema.table, &plan.table.schema.working_schema());
    let collectors = context.pipeline.tables.iter().map(of_table).collect::<Result<_>>()?;
    let keys = of(KEYS, &key_schema())?.into_iter().collect();
    Ok(FinishedTask { result, collectors, keys })
}
