//! Merged tables: partial rows of all tasks become one row per key, and then files.

use super::carry::{KNOWN_KEY, Met};
use super::chain::Chain;
use super::context::{RunContext, finish_dead_letters};
use super::dispatch::{Dispatch, TableMerge, UnitWork, UnitWorker, WorkUnit, unexpected};
use super::pipeline::{TablePlan, is_merged, merge_step};
use crate::output::sink::TableSink;
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::rows::quality::Findings;
use crate::rows::sort::merge::merge_sorted;
use crate::rows::sort::{RowCollector, Sorter};
use arrow::array::RecordBatch;
use etl_sdk::{CacheStats, Error, Keep, Output, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the merge of one table leaves behind.
pub struct MergedTable {
    /// Files of the table, not yet published.
    pub files: Vec<WrittenFile>,
    /// Its dead letters, not yet published.
    pub dead_letters: Option<DeadLetterFile>,
    /// Counts of its steps.
    pub out: Output,
    /// Hit rates.
    pub caches: Vec<CacheStats>,
    /// What the quality rules found.
    pub quality: Findings,
}

/// Has the tables merged that are merged, in the order of the tables. Their dead letters are the run's parts from `tasks`
/// on. On a failure what the other merges made is given up.
pub fn merge_all(
    context: &RunContext<'_>,
    dispatch: &dyn Dispatch,
    collectors: Vec<Vec<RowCollector>>,
    tasks: usize,
) -> Result<Vec<MergedTable>> {
    let plans = context.pipeline.tables.iter().enumerate().zip(collectors);
    let of_merged = plans.filter(|((_, plan), _)| is_merged(&plan.table) && plan.sink.is_some());
    let waiting: BTreeMap<usize, Vec<RowCollector>> = of_merged.map(|((table, _), rows)| (table, rows)).collect();
    let merge = |table: &usize| WorkUnit::Merge(TableMerge { table: *table, part: tasks + table });
    let units: Vec<WorkUnit<'_>> = waiting.keys().map(merge).collect();
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let sorter = context.sorter.split(dispatch.at_once(units.len()));
    let merging = MergeWork { context, sorter, waiting: Mutex::new(waiting), merged: Mutex::default() };
    let done = dispatch.run(&units, &merging, &context.stop);
    let merged = merging.merged.into_inner().unwrap_or_else(PoisonError::into_inner).into_values();
    if let Err(error) = done {
        for table in merged {
            let dead_letters = table.dead_letters.iter().map(|file| &file.pending);
            context.abandon(table.files.iter().map(|file| &file.pending), dead_letters);
        }
        return Err(error);
    }
    Ok(merged.collect())
}

/// Merges tables.
struct MergeWork<'a> {
    context: &'a RunContext<'a>,
    /// A share of the memory for sorting.
    sorter: Sorter,
    /// Partial rows by the index of the table; none of a table whose merge has begun.
    waiting: Mutex<BTreeMap<usize, Vec<RowCollector>>>,
    merged: Mutex<BTreeMap<usize, MergedTable>>,
}

impl UnitWork for MergeWork<'_> {
    fn worker(&self) -> Result<Box<dyn UnitWorker + '_>> {
        Ok(Box::new(MergeWorker(self)))
    }
}

struct MergeWorker<'a>(&'a MergeWork<'a>);

impl UnitWorker for MergeWorker<'_> {
    fn run(&mut self, unit: &WorkUnit<'_>) -> Result<()> {
        let WorkUnit::Merge(merge) = unit else { return Err(unexpected(unit)) };
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&merge.table);
        // Rows that were taken are merged already, or are being merged.
        let Some(collectors) = waiting else { return Ok(()) };
        let merged = merge_table(self.0.context, *merge, collectors, &self.0.sorter)?;
        self.0.merged.lock().unwrap_or_else(PoisonError::into_inner).insert(merge.table, merged);
        Ok(())
    }

    fn finish(self: Box<Self>) {}
}

/// Sorts a table's partial rows by key, merges them, completes and enriches the merged rows, and writes them.
fn merge_table(
    context: &RunContext<'_>,
    TableMerge { table, part }: TableMerge,
    collectors: Vec<RowCollector>,
    sorter: &Sorter,
) -> Result<MergedTable> {
    let plan: &TablePlan = &context.pipeline.tables[table];
    let (Keep::Merged(merge), Some(spec)) = (&plan.table.keep, &plan.sink) else {
        return Err(Error::internal("merge a table that is not merged").with("table", &plan.table.schema.table));
    };
    let mut out = Output::default();
    let mut dead_letters = context.open_dead_letters(part)?;
    let mut chain = Chain::new(plan, context.run, &context.sorter, context.keeps_examples())?;
    let name = format!("{}-merged", context.name);
    let store = Arc::clone(&context.tables);
    let mut sink = TableSink::new(spec.clone(), &context.config.sink, store, name, sorter.clone())?;
    let step = merge_step(&plan.table);
    let read = collectors.iter().map(RowCollector::rows).sum::<u64>();
    let mut kept = 0;
    let mut take = |batch: RecordBatch| {
        let batch = context.pipeline.transformer.complete(table, context.run, batch)?;
        kept += batch.num_rows() as u64;
        chain.apply(batch, &mut out, &mut |rows, out| {
            context.progress.add_rows(rows.num_rows() as u64);
            sink.write(rows, out)
        })?;
        out.rejects.drain(..).try_for_each(|reject| dead_letters.write(&reject))
    };
    let mut met = Met::default();
    match &context.carrying {
        Some(carrying) if merge.carry.is_some() => met = carrying.merge(plan, collectors, sorter, &mut take)?,
        _ if read > 0 => {
            let rows = sorter.sorted(collectors, &merge.key)?;
            for batch in merge_sorted(rows, merge, &plan.table.schema.working_schema()) {
                take(batch?)?;
            }
        }
        _ => {}
    }
    let counts = out.ledger.step(&step);
    counts.read += read;
    counts.added += met.taken + met.keys;
    counts.kept += kept;
    out.filter(&step, "says_nothing", met.silent);
    out.filter(&step, KNOWN_KEY, met.known);
    out.filter(&step, "same_key", read + met.taken + met.keys - kept - met.silent - met.known);
    Ok(MergedTable {
        files: sink.finish()?,
        dead_letters: finish_dead_letters(dead_letters)?,
        out,
        caches: chain.caches().collect(),
        quality: chain.take_findings(),
    })
}
