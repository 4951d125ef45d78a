//! Where a step puts its rows, rejects and counts.

use crate::{Address, Ledger, ReasonCode, StepName};
use arrow::array::RecordBatch;

/// A record, or an element of one, that a step could not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Where its bytes are; `None` for rows that have lost their address (an enrichment works on rows).
    pub address: Option<Address>,
    /// The step that refused it.
    pub step: StepName,
    /// A stable code, `snake_case`, fit for grouping.
    pub reason: ReasonCode,
    /// What exactly is wrong, for a person.
    pub message: String,
    /// The offending bytes, or as many of them as the limits allow.
    pub raw: Vec<u8>,
    /// Whether `raw` was cut.
    pub truncated: bool,
}

/// What the runner collects from a worker: it drains batches and rejects after every record chunk.
#[derive(Debug, Default)]
pub struct Output {
    /// Finished batches with the index of their table in [`crate::Transformer::tables`].
    pub batches: Vec<(usize, RecordBatch)>,
    /// Rejected records, in the order they were met.
    pub rejects: Vec<Reject>,
    /// Counts per step.
    pub ledger: Ledger,
}

impl Output {
    /// Hands over a batch of rows of a table.
    pub fn batch(&mut self, table: usize, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.batches.push((table, batch));
        }
    }

    /// Counts one dead row of `step` and keeps it for the dead letters.
    pub fn reject(&mut self, reject: Reject) {
        *self.ledger.step(&reject.step).dead.entry(reject.reason.clone()).or_default() += 1;
        self.rejects.push(reject);
    }

    /// Counts `rows` rows that `step` leaves out on purpose.
    pub fn filter(&mut self, step: &str, reason: impl Into<ReasonCode>, rows: u64) {
        if rows > 0 {
            *self.ledger.step(step).filtered.entry(reason.into()).or_default() += rows;
        }
    }
}
