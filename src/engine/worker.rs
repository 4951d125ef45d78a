//! A worker thread: takes tasks, reads their objects, and leaves pending files, partial rows, dead letters and counts.

use super::context::RunContext;
use super::downstream::{Outlet, TaskOutcome, TaskRows};
use super::pipeline::{TablePlan, is_merged};
use super::tasks::Task;
use crate::output::sink::TableSink;
use crate::process::panics::catch;
use crate::source::{Frame, InputObject, Opened, Opening, STEP as SOURCE_STEP, open, read_object};
use etl_sdk::{CacheStats, ErrorKind, Output, Result, TransformerWorker};
use std::cell::Cell;
use std::sync::Arc;

/// One thread's state. Builders and caches live as long as the worker, files and partial rows as long as a task.
pub struct Worker<'a> {
    context: &'a RunContext<'a>,
    transformer: Box<dyn TransformerWorker>,
    outlet: Outlet,
    /// The current task's.
    out: Output,
}

impl<'a> Worker<'a> {
    /// Makes a worker with its own builders and caches.
    pub fn new(context: &'a RunContext<'a>) -> Result<Self> {
        let outlet = Outlet::new(context)?;
        Ok(Self {
            context,
            transformer: Arc::clone(&context.pipeline.transformer).worker(context.run)?,
            out: outlet.output(),
            outlet,
        })
    }

    /// Reads all objects of a task. On an error the task's files are given up, and the worker is of no more use.
    pub fn run(&mut self, task: &Task) -> Result<TaskOutcome> {
        self.task(task.number, |worker, outcome| {
            let mut next = worker.open(task.objects.first())?;
            for (index, object) in task.objects.iter().enumerate() {
                let Some(opening) = next.take() else { break };
                // The next object is on its way while this one is read.
                next = worker.open(task.objects.get(index + 1))?;
                match opening.wait()? {
                    Opened::Archived => outcome.archived += 1,
                    Opened::Reader(reader) => worker.read(object, reader, outcome)?,
                }
                worker.context.progress.add_objects(1);
                worker.context.progress.add_bytes(object.size);
            }
            Ok(())
        })
    }

    /// Does what `feed` does as one task of the run. On an error its files are given up.
    pub fn task(
        &mut self,
        number: usize,
        feed: impl FnOnce(&mut Self, &mut TaskOutcome) -> Result<()>,
    ) -> Result<TaskOutcome> {
        let context = self.context;
        self.outlet.begin(TaskRows {
            sinks: self.open_sinks(number)?,
            collectors: context.pipeline.tables.iter().map(|plan| context.collector(plan)).collect(),
            dead_letters: context.open_dead_letters(number)?,
        });
        let mut outcome = TaskOutcome::default();
        feed(self, &mut outcome)?;
        // What it rejects is of no record.
        self.outlet.only(None);
        self.transformer.finish_task(&mut self.out)?;
        self.outlet.settle(&mut self.out)?;
        self.outlet.end(&mut outcome)?;
        outcome.ledger = std::mem::take(&mut self.out.ledger);
        Ok(outcome)
    }

    /// Takes one frame, and writes what comes of it.
    pub fn take(&mut self, frame: Frame<'_>) -> Result<()> {
        match frame {
            Frame::Record(record) => {
                self.count_records(1, 0);
                self.outlet.only(record.only);
                self.transformer.transform(&record, &mut self.out)?;
            }
            Frame::Rejected(reject) => {
                self.count_records(0, 1);
                self.outlet.only(None);
                self.out.reject(reject);
            }
        }
        self.outlet.settle(&mut self.out)?;
        self.context.stop.check()
    }

    /// Hit rates of all its tasks.
    pub fn caches(&self) -> Vec<CacheStats> {
        self.transformer.caches().into_iter().chain(self.outlet.caches()).collect()
    }

    fn open(&self, object: Option<&InputObject>) -> Result<Option<Opening>> {
        object.map(|object| open(self.context.source, object, &self.context.runtime, &self.context.stop)).transpose()
    }

    fn open_sinks(&self, task: usize) -> Result<Vec<Option<TableSink>>> {
        let context = self.context;
        let stem = format!("{}-{task:05}", context.name);
        let sink = |plan: &TablePlan| {
            let Some(spec) = plan.sink.as_ref().filter(|_| !is_merged(&plan.table)) else { return Ok(None) };
            let store = Arc::clone(&context.tables);
            TableSink::new(spec.clone(), &context.config.sink, store, stem.clone(), context.sorter.clone()).map(Some)
        };
        context.pipeline.tables.iter().map(sink).collect()
    }

    fn read(
        &mut self,
        object: &InputObject,
        reader: Box<dyn std::io::Read + Send>,
        outcome: &mut TaskOutcome,
    ) -> Result<()> {
        let config = self.context.config;
        let (mut records, mut rejected) = (0, 0);
        // What is at work, for the error of a panic.
        let step = Cell::new(SOURCE_STEP);
        let mut take = |frame: Frame<'_>| {
            match frame {
                Frame::Record(record) => {
                    records += 1;
                    step.set(&config.transformer.name);
                    self.transformer.transform(&record, &mut self.out)?;
                    step.set(SOURCE_STEP);
                }
                Frame::Rejected(reject) => {
                    rejected += 1;
                    self.out.reject(reject);
                }
            }
            // A batch that could not be taken must end the record loop, and costs nothing to look for.
            self.out.check()?;
            if Outlet::is_due(&self.out) {
                self.outlet.settle(&mut self.out)?;
            }
            self.context.stop.check()
        };
        let read = || read_object(reader, &object.object, &config.source, &config.limits, &mut take);
        let read = catch(read, |error| error.with("step", step.get())).map_err(|error| {
            if error.kind() == ErrorKind::Internal { error.with("object", &object.object.uri) } else { error }
        })?;
        self.count_records(records, rejected);
        outcome.objects += 1;
        outcome.compressed_bytes += read.stats.compressed_bytes;
        outcome.decompressed_bytes += read.stats.decompressed_bytes;
        outcome.losses.add(&object.object.uri, object.size, &read);
        Ok(())
    }

    fn count_records(&mut self, records: u64, rejected: u64) {
        let step = self.out.ledger.step(SOURCE_STEP);
        step.read += records + rejected;
        step.kept += records;
        self.context.progress.add_records(records);
    }
}
