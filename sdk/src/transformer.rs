//! The contract of a transformer: raw records in, rows of its tables out.

use crate::{CacheStats, Output, RawRecord, Result, Run, Table};
use std::sync::Arc;

/// Built once per run from the job file; shared by all workers.
pub trait Transformer: Send + Sync {
    /// The tables it fills. Batches name them by their place in this list.
    fn tables(&self) -> &[Table];

    /// A worker with its own builders and caches. One worker handles many tasks, one after the other.
    fn worker(self: Arc<Self>, run: &Run) -> Box<dyn TransformerWorker>;
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
