//! What becomes of the rows of a task while it is read: steps of their table, then files or partial rows.

use super::chain::Chain;
use super::context::{RunContext, finish_dead_letters};
use crate::output::dead_letter::{DeadLetterWriter, Examples};
use crate::output::sink::TableSink;
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::process::stop::Stop;
use crate::report::Progress;
use crate::rows::quality::Findings;
use crate::rows::sort::RowCollector;
use crate::source::Losses;
use arrow::array::RecordBatch;
use etl_sdk::{CacheStats, Drain, Error, Ledger, Output, Reject, Result, Transformer, Unit};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rejects held before they are written.
const MAX_REJECTS_HELD: usize = 64;

/// A reject that is larger is written at once.
const REJECT_BYTES: usize = 64 << 10;

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
    /// What damaged objects lost.
    pub losses: Losses,
    /// The first dead letter of each reason.
    pub examples: Examples,
}

/// What the rows and rejects of one thread go through. Steps live as long as the thread, all else as long as a task.
struct Downstream {
    transformer: Arc<dyn Transformer>,
    chains: Vec<Chain>,
    progress: Progress,
    stop: Stop,
    task: Option<TaskRows>,
    /// The elements that were asked for of the record being read, when not all are.
    only: Option<Vec<u32>>,
    /// The first dead letters of the task, and whether their bytes may be shown.
    examples: Examples,
    shows_bytes: bool,
}

/// Where the rows and rejects of a task go.
pub(super) struct TaskRows {
    /// By table: files, for those whose rows are written as they come.
    pub(super) sinks: Vec<Option<TableSink>>,
    /// By table: partial rows, for those that are merged.
    pub(super) collectors: Vec<Option<RowCollector>>,
    /// The task's dead letters.
    pub(super) dead_letters: DeadLetterWriter,
}

/// The two ends of a thread's way down: what is handed over is taken at once, and the thread begins and ends tasks.
#[derive(Clone)]
pub(super) struct Outlet(Arc<Mutex<Downstream>>);

impl Outlet {
    /// A way down for the rows of one thread.
    pub(super) fn new(context: &RunContext<'_>) -> Result<Self> {
        let RunContext { pipeline, run, sorter, .. } = context;
        let chain = |plan| Chain::new(plan, run, sorter, context.keeps_examples());
        Ok(Self(Arc::new(Mutex::new(Downstream {
            transformer: Arc::clone(&pipeline.transformer),
            chains: pipeline.tables.iter().map(chain).collect::<Result<_>>()?,
            progress: context.progress.clone(),
            stop: context.stop.clone(),
            task: None,
            only: None,
            examples: Examples::default(),
            shows_bytes: context.keeps_examples(),
        }))))
    }

    /// An output whose batches go down.
    pub(super) fn output(&self) -> Output {
        Output::drained(Box::new(self.clone()))
    }

    /// Begins a task.
    pub(super) fn begin(&self, task: TaskRows) {
        self.lock().task = Some(task);
    }

    /// Notes which elements were asked for of the record that is read next.
    pub(super) fn only(&self, elements: Option<&[u32]>) {
        self.lock().only = elements.map(<[u32]>::to_vec);
    }

    /// Whether rejects should be written before the next record.
    pub(super) fn is_due(out: &Output) -> bool {
        out.rejects.len() >= MAX_REJECTS_HELD
            || out.rejects.last().is_some_and(|reject| reject.raw.len() >= REJECT_BYTES)
    }

    /// Writes the rejects of `out`, and fails with what kept a batch of it from being taken.
    pub(super) fn settle(&self, out: &mut Output) -> Result<()> {
        out.check()?;
        self.lock().write_rejects(&mut out.rejects)
    }

    /// Ends the task: adds its files, partial rows and findings to `outcome`.
    pub(super) fn end(&self, outcome: &mut TaskOutcome) -> Result<()> {
        let mut downstream = self.lock();
        let Some(TaskRows { sinks, collectors, dead_letters }) = downstream.task.take() else { return Ok(()) };
        for sink in sinks.into_iter().flatten() {
            outcome.files.extend(sink.finish()?);
        }
        outcome.dead_letters = finish_dead_letters(dead_letters)?;
        outcome.collectors = collectors;
        outcome.examples = std::mem::take(&mut downstream.examples);
        for chain in &mut downstream.chains {
            outcome.quality.merge(chain.take_findings());
        }
        Ok(())
    }

    /// Hit rates of the steps.
    pub(super) fn caches(&self) -> Vec<CacheStats> {
        self.lock().chains.iter().flat_map(Chain::caches).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Downstream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outlet")
    }
}

impl Drain for Outlet {
    fn drain(&mut self, out: &mut Output) -> Result<()> {
        let mut downstream = self.lock();
        for (table, batch) in std::mem::take(&mut out.batches) {
            downstream.stop.check()?;
            downstream.take(table, batch, out)?;
        }
        if Self::is_due(out) { downstream.write_rejects(&mut out.rejects) } else { Ok(()) }
    }
}

impl Downstream {
    fn take(&mut self, table: usize, batch: RecordBatch, out: &mut Output) -> Result<()> {
        let Some(task) = &mut self.task else { return Err(Error::internal("take rows outside of a task")) };
        if let Some(collector) = &mut task.collectors[table] {
            return collector.push(batch);
        }
        let Some(sink) = &mut task.sinks[table] else { return Ok(()) };
        let progress = &self.progress;
        self.chains[table].apply(batch, out, &mut |rows, out| {
            progress.add_rows(rows.num_rows() as u64);
            sink.write(rows, out)
        })
    }

    fn write_rejects(&mut self, rejects: &mut Vec<Reject>) -> Result<()> {
        let Some(task) = &mut self.task else { return Ok(()) };
        for reject in rejects.drain(..) {
            self.examples.add(&reject, self.shows_bytes);
            let only = self.only.as_deref().filter(|_| self.transformer.unit_of(&reject.step) == Unit::Record);
            task.dead_letters.write_elements(&reject, only)?;
        }
        Ok(())
    }
}
