//! Merged tables: partial rows of all tasks become one row per key, and then files.

use super::carry::Met;
use super::pipeline::{TablePlan, is_merged, merge_step};
use super::worker::{Chain, Shared, finish_dead_letters};
use crate::output::sink::TableSink;
use crate::output::staging::{DeadLetterFile, WrittenFile};
use crate::process::stop::StopReason;
use crate::process::workers;
use crate::rows::quality::Findings;
use crate::rows::sort::merge::merge_sorted;
use crate::rows::sort::{RowCollector, Sorter};
use arrow::array::RecordBatch;
use etl_sdk::{CacheStats, Error, Keep, Output, Result};
use std::sync::Arc;

/// What the merge of one table leaves behind.
pub struct Merged {
    pub files: Vec<WrittenFile>,
    pub dead_letters: Option<DeadLetterFile>,
    pub out: Output,
    pub caches: Vec<CacheStats>,
    pub quality: Findings,
}

/// Merges the tables that are merged, several at a time. Their dead letters are the run's parts from `tasks` on.
pub fn merge_all(
    shared: &Shared<'_>,
    collectors: Vec<Vec<RowCollector>>,
    tasks: usize,
    threads: usize,
) -> Vec<Result<Merged>> {
    let plans = shared.pipeline.tables.iter().enumerate().zip(collectors);
    let waiting: Vec<_> = plans.filter(|((_, plan), _)| is_merged(&plan.table) && plan.sink.is_some()).collect();
    let threads = threads.min(waiting.len());
    if threads == 0 {
        return Vec::new();
    }
    let sorter = shared.sorter.split(threads);
    workers::map(waiting, threads, |((place, plan), collectors)| {
        merge_table(shared, place, plan, collectors, tasks + place, &sorter).inspect_err(|_| {
            shared.stop.set(StopReason::WorkerFailed);
        })
    })
}

/// Sorts a table's partial rows by key, merges them, completes and enriches the merged rows, and writes them. Its dead
/// letters are part `part` of the run's.
fn merge_table(
    shared: &Shared<'_>,
    place: usize,
    plan: &TablePlan,
    collectors: Vec<RowCollector>,
    part: usize,
    sorter: &Sorter,
) -> Result<Merged> {
    let (Keep::Merged(merge), Some(spec)) = (&plan.table.keep, &plan.sink) else {
        return Err(Error::internal("merge a table that is not merged").with("table", &plan.table.schema.table));
    };
    let mut out = Output::default();
    let mut dead_letters = shared.open_dead_letters(part)?;
    let mut chain = Chain::new(plan, shared)?;
    let name = format!("{}-merged", shared.name);
    let store = Arc::clone(&shared.tables);
    let mut sink = TableSink::new(spec.clone(), &shared.config.sink, store, name, sorter.clone())?;
    let step = merge_step(&plan.table);
    let read = collectors.iter().map(RowCollector::rows).sum::<u64>();
    let mut kept = 0;
    let mut take = |batch: RecordBatch| {
        let batch = shared.pipeline.transformer.complete(place, shared.run, batch)?;
        kept += batch.num_rows() as u64;
        let batch = chain.apply(batch, &mut out)?;
        shared.progress.add_rows(batch.num_rows() as u64);
        sink.write(batch, &mut out)?;
        out.rejects.drain(..).try_for_each(|reject| dead_letters.write(&reject))
    };
    let mut met = Met::default();
    match &shared.carrying {
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
    out.filter(&step, "known_key", met.known);
    out.filter(&step, "same_key", read + met.taken + met.keys - kept - met.silent - met.known);
    Ok(Merged {
        files: sink.finish()?,
        dead_letters: finish_dead_letters(dead_letters)?,
        out,
        caches: chain.caches().collect(),
        quality: chain.take_findings(),
    })
}
