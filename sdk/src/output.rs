//! Where a step puts its rows, rejects and counts.

use crate::{Address, Error, Ledger, ReasonCode, Result, StepName};
use arrow::array::RecordBatch;
use std::fmt;

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

/// Takes what a worker hands over at once, also in the middle of a record: one record can become many more rows than fit in
/// memory.
pub trait Drain: fmt::Debug + Send {
    /// Takes all batches of `out`.
    fn drain(&mut self, out: &mut Output) -> Result<()>;
}

/// What the runner collects from a worker.
#[derive(Debug, Default)]
pub struct Output {
    /// Finished batches with the index of their table in [`crate::Transformer::tables`].
    pub batches: Vec<(usize, RecordBatch)>,
    /// Rejected records, in the order they were met.
    pub rejects: Vec<Reject>,
    /// Counts per step.
    pub ledger: Ledger,
    drain: Option<Box<dyn Drain>>,
    failed: Option<Error>,
}

impl Output {
    /// An output that holds no batch: `drain` takes each as it is handed over.
    pub fn drained(drain: Box<dyn Drain>) -> Self {
        Self { drain: Some(drain), ..Self::default() }
    }

    /// Hands over a batch of rows of a table.
    pub fn batch(&mut self, table: usize, batch: RecordBatch) {
        // Behind a failure nothing counts any more.
        if batch.num_rows() == 0 || self.failed.is_some() {
            return;
        }
        self.batches.push((table, batch));
        if let Some(mut drain) = self.drain.take() {
            self.failed = drain.drain(self).err();
            self.drain = Some(drain);
        }
    }

    /// Fails with what kept a batch from being taken, once.
    pub fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
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
