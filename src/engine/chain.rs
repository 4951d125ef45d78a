//! The enrichments and quality rules of one table, as one thread runs them.

use super::pipeline::{Step, TablePlan};
use crate::rows::quality::{Findings, TableChecker};
use crate::rows::sort::Sorter;
use arrow::array::RecordBatch;
use etl_sdk::{CacheStats, EnrichmentWorker, Output, Result, Run, StepName};
use std::sync::Arc;

/// The enrichments and quality rules of one table, as one thread runs them.
pub struct Chain {
    steps: Vec<(StepName, Box<dyn EnrichmentWorker>)>,
    checker: Option<TableChecker>,
}

impl Chain {
    /// Makes the workers of a table's steps. Without `keep_examples` quality rules show no value of a row.
    pub fn new(plan: &TablePlan, run: &Run, sorter: &Sorter, keep_examples: bool) -> Result<Self> {
        let worker = |step: &Step| Ok((step.name.clone(), Arc::clone(&step.enrichment).worker(run, &step.input)?));
        let checker = |rules| TableChecker::new(rules, run, sorter, keep_examples);
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
