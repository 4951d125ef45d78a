//! The contract of an enrichment: rows of one table in, the same rows with more known about them out.

use crate::{CacheStats, Output, Result, Run, StepName};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use std::borrow::Cow;
use std::sync::Arc;

/// Something the run report says of an enrichment's data: a database's type, its build date, its record count.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fact {
    /// `database type`, `build date`.
    pub name: Cow<'static, str>,
    /// The value, for a person.
    pub value: String,
}

/// Built once per run from the job file; shared by all workers.
pub trait Enrichment: Send + Sync {
    /// Checks the table's columns and says what they are afterwards: columns may be added at the end, none taken away.
    ///
    /// Fails with the missing column's name when the step cannot work on this table.
    fn output_schema(&self, input: &SchemaRef) -> Result<SchemaRef>;

    /// A worker for batches of the schema given to [`Enrichment::output_schema`].
    fn worker(self: Arc<Self>, run: &Run, input: &SchemaRef) -> Result<Box<dyn EnrichmentWorker>>;

    /// The reason codes of its dead letters, all of them: a job may set limits for these and no others.
    fn reasons(&self) -> &[&'static str] {
        &[]
    }

    /// What the run report says of the data behind it.
    fn facts(&self) -> Vec<Fact> {
        Vec::new()
    }
}

/// Runs on one thread.
pub trait EnrichmentWorker: Send {
    /// Returns the batch with columns filled or added and rows filtered.
    ///
    /// The runner counts `read` and `kept` of `step`; the worker counts what it filters, with
    /// [`Output::filter`], and what it rejects, with [`Output::reject`].
    fn enrich(&mut self, step: &StepName, batch: RecordBatch, out: &mut Output) -> Result<RecordBatch>;

    /// Does the same, and gives what comes of it part by part, in the order of the rows: for a step that may make far more of
    /// its rows than it is given.
    fn enrich_in_parts(
        &mut self,
        step: &StepName,
        batch: RecordBatch,
        out: &mut Output,
        give: &mut dyn FnMut(RecordBatch, &mut Output) -> Result<()>,
    ) -> Result<()> {
        let rows = self.enrich(step, batch, out)?;
        give(rows, out)
    }

    /// Hit rates since the worker was made.
    fn caches(&self) -> Vec<CacheStats> {
        Vec::new()
    }
}
