//! The contract of a transformer: raw records in, rows of its tables out.

use crate::{CacheStats, Output, RawRecord, Result, Run, StepName, Table};
use arrow::array::RecordBatch;
use std::sync::Arc;

/// How much of a record a dead letter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// All of it.
    Record,
    /// The element that its address names, or all of it when it names none.
    Element,
    /// Less than that: other rows of the record or element may have been kept.
    Part,
}

/// Built once per run from the job file; shared by all workers.
pub trait Transformer: Send + Sync {
    /// The tables it fills. Batches name them by their index in this list.
    fn tables(&self) -> &[Table];

    /// Its steps that rows pass one after the other: the first reads every record, and each reads what the one before
    /// keeps. The runner checks that no row is lost between them.
    fn chain(&self) -> &[StepName];

    /// What a dead letter of a step stands for. A replay takes that much of the record again, so nothing of it may have
    /// become a row.
    ///
    /// As it stands: whole records in the first step of [`Transformer::chain`], elements of them in the others, by the
    /// index of their address. A transformer that refuses parts of a row's record elsewhere says so here.
    fn unit_of(&self, step: &str) -> Unit {
        match self.chain().iter().position(|own| *own == step) {
            Some(0) => Unit::Record,
            Some(_) => Unit::Element,
            None => Unit::Part,
        }
    }

    /// The reason codes of its dead letters, all of them: a job may set limits for these and no others.
    fn reasons(&self) -> &[&'static str] {
        &[]
    }

    /// Whether windows must be run one after the other, oldest first: its rows depend on those of the windows before. A
    /// backfill then runs them so.
    fn ordered(&self) -> bool {
        false
    }

    /// A worker with its own builders and caches. One worker handles many tasks, one after the other.
    fn worker(self: Arc<Self>, run: &Run) -> Result<Box<dyn TransformerWorker>>;

    /// Completes rows of a merged table: fills the columns that follow from the merged ones. Called once for each merged
    /// row, with batches of the table's working schema.
    fn complete(&self, table: usize, run: &Run, rows: RecordBatch) -> Result<RecordBatch> {
        let _ = (table, run);
        Ok(rows)
    }
}

/// Runs on one thread. A pure function of its records, its configuration and the [`Run`]:
/// which rows come out does not depend on how records are grouped into tasks.
pub trait TransformerWorker: Send {
    /// Takes one record: appends rows to the worker's builders, and moves full batches, rejects and counts to `out`.
    ///
    /// A bad record is not an error; it is a [`crate::Reject`].
    fn transform(&mut self, record: &RawRecord<'_>, out: &mut Output) -> Result<()>;

    /// Ends a task: everything still in the builders goes to `out`. The worker can then start the next task.
    fn finish_task(&mut self, out: &mut Output) -> Result<()>;

    /// Hit rates since the worker was made.
    fn caches(&self) -> Vec<CacheStats> {
        Vec::new()
    }
}
