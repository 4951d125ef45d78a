//! A worker thread: takes tasks, reads their objects, and leaves pending files, partial rows, dead letters and counts.

use super::chain::Chain;
use super::context::{RunContext, finish_dead_letters};
use super::pipeline::{TablePlan, is_merged};
use super::tasks::Task;
use crate::output::dead_letter::DeadLetterWriter;
use crate::output::sink::TableSink;
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::rows::quality::Findings;
use crate::rows::sort::RowCollector;
use crate::source::{Frame, InputObject, Opened, Opening, STEP as SOURCE_STEP, open, read_object};
use etl_sdk::{CacheStats, Ledger, Output, Result, TransformerWorker, Unit};
use std::sync::Arc;

/// Rejects held before they are written.
const MAX_REJECTS_HELD: usize = 64;

/// What a task leaves behind.
#[derive(Default)]
pub struct TaskOutcome {
    /// Files of the tables, not yet published.
    pub files: Vec<WrittenFile>,
    /// The task's dead letters, not yet published.
    pub dead_letters: Option<DeadLetterFile>,
    /// Partial rows by table, for the merged ones.
    pub collectors: Vec<Option<RowCollector>>,
    /// What the quality rules found.
    pub quality: Findings,
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
}

/// The files of a task that are being written.
pub struct TaskFiles {
    sinks: Vec<Option<TableSink>>,
    dead_letters: DeadLetterWriter,
}

/// One thread's state. Builders, caches and partial rows live as long as the worker, files as long as a task.
pub struct Worker<'a> {
    context: &'a RunContext<'a>,
    transformer: Box<dyn TransformerWorker>,
    chains: Vec<Chain>,
    /// The current task's.
    collectors: Vec<Option<RowCollector>>,
    /// The current task's.
    out: Output,
}

impl<'a> Worker<'a> {
    /// Makes a worker with its own builders and caches.
    pub fn new(context: &'a RunContext<'a>) -> Result<Self> {
        let RunContext { pipeline, run, sorter, .. } = context;
        let chain = |plan| Chain::new(plan, run, sorter, context.keeps_examples());
        Ok(Self {
            context,
            transformer: Arc::clone(&pipeline.transformer).worker(run)?,
            chains: pipeline.tables.iter().map(chain).collect::<Result<_>>()?,
            collectors: Vec::new(),
            out: Output::default(),
        })
    }

    /// Reads all objects of a task. On an error the task's files are given up, and the worker is of no more use.
    pub fn run(&mut self, task: &Task) -> Result<TaskOutcome> {
        self.task(task.number, |worker, files, outcome| {
            let mut next = worker.open(task.objects.first())?;
            for (index, object) in task.objects.iter().enumerate() {
                let Some(opening) = next.take() else { break };
                // The next object is on its way while this one is read.
                next = worker.open(task.objects.get(index + 1))?;
                match opening.wait()? {
                    Opened::Archived => outcome.archived += 1,
                    Opened::Reader(reader) => worker.read(object, reader, files, outcome)?,
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
        feed: impl FnOnce(&mut Self, &mut TaskFiles, &mut TaskOutcome) -> Result<()>,
    ) -> Result<TaskOutcome> {
        self.collectors = self.context.pipeline.tables.iter().map(|plan| self.context.collector(plan)).collect();
        let dead_letters = self.context.open_dead_letters(number)?;
        let mut files = TaskFiles { sinks: self.open_sinks(number)?, dead_letters };
        let mut outcome = TaskOutcome::default();
        feed(self, &mut files, &mut outcome)?;
        self.transformer.finish_task(&mut self.out)?;
        self.drain(&mut files, None)?;
        for sink in files.sinks.into_iter().flatten() {
            outcome.files.extend(sink.finish()?);
        }
        outcome.dead_letters = finish_dead_letters(files.dead_letters)?;
        outcome.collectors = std::mem::take(&mut self.collectors);
        outcome.ledger = std::mem::take(&mut self.out).ledger;
        for chain in &mut self.chains {
            outcome.quality.merge(chain.take_findings());
        }
        Ok(outcome)
    }

    /// Takes one frame, and writes what comes of it.
    pub fn take(&mut self, frame: Frame<'_>, files: &mut TaskFiles) -> Result<()> {
        let only = match frame {
            Frame::Record(record) => {
                self.count_records(1, 0);
                self.transformer.transform(&record, &mut self.out)?;
                record.only
            }
            Frame::Rejected(reject) => {
                self.count_records(0, 1);
                self.out.reject(reject);
                None
            }
        };
        self.drain(files, only)?;
        self.context.stop.check()
    }

    /// Hit rates of all its tasks.
    pub fn caches(&self) -> Vec<CacheStats> {
        self.transformer.caches().into_iter().chain(self.chains.iter().flat_map(Chain::caches)).collect()
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
        files: &mut TaskFiles,
        outcome: &mut TaskOutcome,
    ) -> Result<()> {
        let config = self.context.config;
        let (mut records, mut rejected) = (0, 0);
        let stats = read_object(reader, &object.object, &config.source, &config.limits, &mut |frame| {
            match frame {
                Frame::Record(record) => {
                    records += 1;
                    self.transformer.transform(&record, &mut self.out)?;
                }
                Frame::Rejected(reject) => {
                    rejected += 1;
                    self.out.reject(reject);
                }
            }
            if !self.out.batches.is_empty() || self.out.rejects.len() >= MAX_REJECTS_HELD {
                self.drain(files, None)?;
            }
            self.context.stop.check()
        })?;
        self.count_records(records, rejected);
        outcome.objects += 1;
        outcome.compressed_bytes += stats.compressed_bytes;
        outcome.decompressed_bytes += stats.decompressed_bytes;
        Ok(())
    }

    fn count_records(&mut self, records: u64, rejected: u64) {
        let step = self.out.ledger.step(SOURCE_STEP);
        step.read += records + rejected;
        step.kept += records;
        self.context.progress.add_records(records);
    }

    /// Writes what is in `out`. `only` are the elements that were asked for of the record it comes from, when it comes
    /// from a single one.
    fn drain(&mut self, files: &mut TaskFiles, only: Option<&[u32]>) -> Result<()> {
        for (table, batch) in std::mem::take(&mut self.out.batches) {
            if let Some(collector) = &mut self.collectors[table] {
                collector.push(batch)?;
            } else if let Some(sink) = &mut files.sinks[table] {
                let batch = self.chains[table].apply(batch, &mut self.out)?;
                self.context.progress.add_rows(batch.num_rows() as u64);
                sink.write(batch, &mut self.out)?;
            }
        }
        let transformer = &self.context.pipeline.transformer;
        for reject in self.out.rejects.drain(..) {
            let only = only.filter(|_| transformer.unit_of(&reject.step) == Unit::Record);
            files.dead_letters.write_elements(&reject, only)?;
        }
        Ok(())
    }
}
