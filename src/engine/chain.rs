//! The enrichments and quality rules of one table, as one thread runs them.

use super::pipeline::{Step, TablePlan};
use crate::process::panics::catch;
use crate::rows::quality::{Findings, TableChecker};
use crate::rows::sort::{Sorter, batch_size};
use arrow::array::RecordBatch;
use etl_sdk::{CacheStats, EnrichmentWorker, Output, Result, Run, StepName};
use std::sync::Arc;

/// Bytes that the rows have which pass the steps together, when they grow as rows did before.
const PART_BYTES: usize = 64 << 20;

/// Rows that pass before it is known how much the steps add to them.
const FIRST_ROWS: usize = 64;

/// The enrichments and quality rules of one table, as one thread runs them.
pub struct Chain {
    steps: Vec<(StepName, Box<dyn EnrichmentWorker>)>,
    checker: Option<TableChecker>,
    /// The most bytes that the steps have added to a row, on average of the rows that passed together.
    added: Option<usize>,
}

impl Chain {
    /// Makes the workers of a table's steps. Without `keep_examples` quality rules show no value of a row.
    pub fn new(plan: &TablePlan, run: &Run, sorter: &Sorter, keep_examples: bool) -> Result<Self> {
        let worker = |step: &Step| Ok((step.name.clone(), Arc::clone(&step.enrichment).worker(run, &step.input)?));
        let checker = |rules| TableChecker::new(rules, run, sorter, keep_examples);
        Ok(Self {
            steps: plan.steps.iter().map(worker).collect::<Result<_>>()?,
            checker: plan.quality.as_ref().map(checker).transpose()?,
            added: None,
        })
    }

    /// Passes a batch through all steps, counting what goes in and comes out of each, and gives what comes out to `each`:
    /// in several parts where steps add much to rows.
    pub fn apply(
        &mut self,
        batch: RecordBatch,
        out: &mut Output,
        each: &mut dyn FnMut(RecordBatch, &mut Output) -> Result<()>,
    ) -> Result<()> {
        if self.steps.is_empty() {
            return pass(&mut self.steps, &mut self.checker, batch, out, each);
        }
        let mut start = 0;
        while start < batch.num_rows() {
            let left = batch.slice(start, batch.num_rows() - start);
            let bytes = batch_size(&left);
            let rows = rows_at_once(left.num_rows(), bytes, self.added);
            let part = left.slice(0, rows);
            let before = if rows == left.num_rows() { bytes } else { batch_size(&part) };
            let mut passed = 0;
            pass(&mut self.steps, &mut self.checker, part, out, &mut |rows, out| {
                passed += batch_size(&rows);
                each(rows, out)
            })?;
            let added = passed.saturating_sub(before) / rows;
            self.added = Some(self.added.map_or(added, |most| most.max(added)));
            start += rows;
        }
        Ok(())
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

/// Passes a batch through these steps and the rules behind them. A panic of a step names it.
fn pass(
    steps: &mut [(StepName, Box<dyn EnrichmentWorker>)],
    checker: &mut Option<TableChecker>,
    batch: RecordBatch,
    out: &mut Output,
    give: &mut dyn FnMut(RecordBatch, &mut Output) -> Result<()>,
) -> Result<()> {
    let Some(((step, worker), rest)) = steps.split_first_mut() else {
        let rows = match checker {
            Some(checker) => {
                let step = checker.step().clone();
                catch(|| checker.check(batch, out), |error| error.with("step", step))?
            }
            None => batch,
        };
        return give(rows, out);
    };
    let name: &StepName = step;
    out.ledger.step(name).read += batch.num_rows() as u64;
    let mut next = |rows: RecordBatch, out: &mut Output| {
        out.ledger.step(name).kept += rows.num_rows() as u64;
        pass(rest, checker, rows, out, give)
    };
    catch(|| worker.enrich_in_parts(name, batch, out, &mut next), |error| error.with("step", name))
}

/// How many of `rows` rows with so many bytes pass together.
fn rows_at_once(rows: usize, bytes: usize, added: Option<usize>) -> usize {
    match added {
        None => rows.min(FIRST_ROWS),
        Some(added) => (PART_BYTES / (bytes / rows.max(1) + added).max(1)).clamp(1, rows.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_pass_in_parts_when_steps_add_much() {
        assert_eq!(rows_at_once(4_096, 16 << 20, None), FIRST_ROWS);
        assert_eq!(rows_at_once(10, 16 << 20, None), 10);
        assert_eq!(rows_at_once(4_096, 16 << 20, Some(200)), 4_096);
        assert_eq!(rows_at_once(4_096, 4_096 << 10, Some(1 << 20)), 63);
        assert_eq!(rows_at_once(3, 300 << 20, Some(0)), 1);
    }
}
