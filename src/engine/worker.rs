//! A worker thread: takes tasks, reads their objects, and leaves pending files, partial rows, dead letters and counts.

use super::carry::Carrying;
use super::pipeline::{Pipeline, TablePlan, is_merged};
use super::tasks::Task;
use crate::job::JobConfig;
use crate::output::dead_letter::{DeadLetterSpec, DeadLetterWriter};
use crate::output::sink::TableSink;
use crate::output::staging::{DeadLetterFile, PendingStore, WrittenFile};
use crate::process::stop::Stop;
use crate::report::Progress;
use crate::rows::quality::{Findings, TableChecker};
use crate::rows::sort::{RowCollector, Sorter};
use crate::source::{Frame, InputObject, Opened, Opening, STEP as SOURCE_STEP, open, read_object};
use crate::storage::Storage;
use arrow::array::RecordBatch;
use etl_sdk::{CacheStats, EnrichmentWorker, Ledger, Output, Result, Run, StepName, TransformerWorker, Unit};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Rejects held before they are written.
const MOST_REJECTS_HELD: usize = 64;

/// What all workers of a run share.
pub struct Shared<'a> {
    pub pipeline: &'a Pipeline,
    pub config: &'a JobConfig,
    pub run: &'a Run,
    /// Stem of the files' names: the run, its revision and its amendment.
    pub name: &'a str,
    pub source: &'a Storage,
    /// Makes the tables' files.
    pub tables: Arc<dyn PendingStore>,
    /// Makes the dead letters' files.
    pub dead_letters: Arc<dyn PendingStore>,
    pub sorter: Sorter,
    /// What merged tables carry from run to run, if any does.
    pub carrying: Option<Carrying>,
    pub runtime: Handle,
    pub progress: Progress,
    /// Set when the run is stopped or lost: workers end at the next record.
    pub stop: Stop,
}

impl Shared<'_> {
    /// A writer for the dead letters of part `part` of the run: its tasks in order, then its merges.
    pub fn open_dead_letters(&self, part: usize) -> Result<DeadLetterWriter> {
        let spec = DeadLetterSpec {
            job: self.config.job.clone(),
            run: self.run.clone(),
            name: self.name.to_owned(),
            task: part as u32,
            raw_bytes: self.config.dead_letter.raw_bytes.0,
        };
        DeadLetterWriter::new(Arc::clone(&self.dead_letters), spec)
    }

    /// A collector for the partial rows of a table, if it is one that is merged.
    pub fn collector(&self, plan: &TablePlan) -> Option<RowCollector> {
        (is_merged(&plan.table) && plan.sink.is_some())
            .then(|| self.sorter.collector(&plan.table.schema.working_schema()))
    }
}

/// Ends a file of dead letters; `None` when there are none.
pub fn finish_dead_letters(writer: DeadLetterWriter) -> Result<Option<DeadLetterFile>> {
    let count = writer.written();
    Ok(writer.finish()?.map(|pending| DeadLetterFile { pending, count }))
}

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
    shared: &'a Shared<'a>,
    transformer: Box<dyn TransformerWorker>,
    chains: Vec<Chain>,
    /// The current task's.
    collectors: Vec<Option<RowCollector>>,
    /// The current task's.
    out: Output,
}

/// The enrichments and quality rules of one table, as one thread runs them.
pub struct Chain {
    steps: Vec<(StepName, Box<dyn EnrichmentWorker>)>,
    checker: Option<TableChecker>,
}

impl Chain {
    /// Makes the workers of a table's steps.
    pub fn new(plan: &TablePlan, shared: &Shared<'_>) -> Result<Self> {
        let worker = |step: &super::pipeline::Step| {
            Ok((step.name.clone(), Arc::clone(&step.enrichment).worker(shared.run, &step.input)?))
        };
        // Whoever keeps no bytes of records wants none in reports either.
        let examples = shared.config.dead_letter.raw_bytes.0 > 0;
        let checker = |rules| TableChecker::new(rules, shared.run, &shared.sorter, examples);
        Ok(Self {
            steps: plan.steps.iter().map(worker).collect::<Result<_>>()?,
            checker: plan.quality.as_ref().map(checker).transpose()?,
        })
    }

    /// Passes a batch through all steps, counting what goes in and comes out of each.
    pub fn apply(&mut self, mut batch: RecordBatch, out: &mut Output) -> Result<RecordBatch> {
        for (name, worker) in &mut self.steps {
            out.ledger.step(name).read += batch.num_rows() as u64;
            batch = worker.enrich(name, batch, out)?;
            out.ledger.step(name).kept += batch.num_rows() as u64;
        }
        match &mut self.checker {
            Some(checker) => checker.check(batch, out),
            None => Ok(batch),
        }
    }

    /// Takes what the quality rules found since the last call.
    pub fn take_findings(&mut self) -> Findings {
        self.checker.as_mut().map(TableChecker::take).unwrap_or_default()
    }

    /// Hit rates of all steps.
    pub fn caches(&self) -> impl Iterator<Item = CacheStats> + '_ {
        self.steps.iter().flat_map(|(_, worker)| worker.caches())
    }
}

impl<'a> Worker<'a> {
    /// Makes a worker with its own builders and caches.
    pub fn new(shared: &'a Shared<'a>) -> Result<Self> {
        let pipeline = shared.pipeline;
        Ok(Self {
            shared,
            transformer: Arc::clone(&pipeline.transformer).worker(shared.run)?,
            chains: pipeline.tables.iter().map(|plan| Chain::new(plan, shared)).collect::<Result<_>>()?,
            collectors: Vec::new(),
            out: Output::default(),
        })
    }

    /// Reads all objects of a task. On an error the task's files are given up, and the worker is of no more use.
    pub fn run(&mut self, task: &Task) -> Result<TaskOutcome> {
        self.task(task.number, |worker, files, outcome| {
            let mut next = worker.open(task.objects.first())?;
            for (place, object) in task.objects.iter().enumerate() {
                let Some(opening) = next.take() else { break };
                // The next object is on its way while this one is read.
                next = worker.open(task.objects.get(place + 1))?;
                match opening.wait()? {
                    Opened::Archived => outcome.archived += 1,
                    Opened::Reader(reader) => worker.read(object, reader, files, outcome)?,
                }
                worker.shared.progress.add_objects(1);
                worker.shared.progress.add_bytes(object.size);
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
        self.collectors = self.shared.pipeline.tables.iter().map(|plan| self.shared.collector(plan)).collect();
        let dead_letters = self.shared.open_dead_letters(number)?;
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
        self.shared.stop.check()
    }

    /// Hit rates of all its tasks.
    pub fn caches(&self) -> Vec<CacheStats> {
        self.transformer.caches().into_iter().chain(self.chains.iter().flat_map(Chain::caches)).collect()
    }

    fn open(&self, object: Option<&InputObject>) -> Result<Option<Opening>> {
        object.map(|object| open(self.shared.source, object, &self.shared.runtime, &self.shared.stop)).transpose()
    }

    fn open_sinks(&self, task: usize) -> Result<Vec<Option<TableSink>>> {
        let shared = self.shared;
        let stem = format!("{}-{task:05}", shared.name);
        let sink = |plan: &TablePlan| {
            let Some(spec) = plan.sink.as_ref().filter(|_| !is_merged(&plan.table)) else { return Ok(None) };
            let store = Arc::clone(&shared.tables);
            TableSink::new(spec.clone(), &shared.config.sink, store, stem.clone(), shared.sorter.clone()).map(Some)
        };
        shared.pipeline.tables.iter().map(sink).collect()
    }

    fn read(
        &mut self,
        object: &InputObject,
        reader: Box<dyn std::io::Read + Send>,
        files: &mut TaskFiles,
        outcome: &mut TaskOutcome,
    ) -> Result<()> {
        let config = self.shared.config;
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
            if !self.out.batches.is_empty() || self.out.rejects.len() >= MOST_REJECTS_HELD {
                self.drain(files, None)?;
            }
            self.shared.stop.check()
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
        self.shared.progress.add_records(records);
    }

    /// Writes what is in `out`. `only` are the elements that were asked for of the record it comes from, when it comes
    /// from a single one.
    fn drain(&mut self, files: &mut TaskFiles, only: Option<&[u32]>) -> Result<()> {
        for (table, batch) in std::mem::take(&mut self.out.batches) {
            if let Some(collector) = &mut self.collectors[table] {
                collector.push(batch)?;
            } else if let Some(sink) = &mut files.sinks[table] {
                let batch = self.chains[table].apply(batch, &mut self.out)?;
                self.shared.progress.add_rows(batch.num_rows() as u64);
                sink.write(batch, &mut self.out)?;
            }
        }
        let transformer = &self.shared.pipeline.transformer;
        for reject in self.out.rejects.drain(..) {
            let only = only.filter(|_| transformer.unit_of(&reject.step) == Unit::Record);
            files.dead_letters.write_elements(&reject, only)?;
        }
        Ok(())
    }
}
