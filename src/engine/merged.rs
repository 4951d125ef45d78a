//! Merged tables: partial rows of all tasks become one row per key, and then files.

use super::merge::merge_sorted;
use super::pipeline::{TablePlan, merge_step};
use super::worker::{Chain, Shared};
use super::{RowCollector, Sorter};
use crate::commit::PendingFile;
use crate::quality::Findings;
use crate::sink::{TableSink, WrittenFile};
use etl_sdk::{CacheStats, Error, Keep, Output, Result};
use std::sync::Arc;

/// What the merge of one table leaves behind.
pub struct Merged {
    pub files: Vec<WrittenFile>,
    pub dead_letters: Option<PendingFile>,
    pub out: Output,
    pub caches: Vec<CacheStats>,
    pub quality: Findings,
}

/// Sorts a table's partial rows by key, merges them, completes and enriches the merged rows, and writes them. Its dead
/// letters are part `part` of the run's.
pub fn merge_table(
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
    let name = format!("{}-merged", shared.run.id);
    let store = Arc::clone(&shared.tables);
    let mut sink = TableSink::new(spec.clone(), &shared.config.sink, store, name, sorter.clone())?;
    let step = merge_step(&plan.table);
    let read = collectors.iter().map(RowCollector::rows).sum::<u64>();
    let mut kept = 0;
    if read > 0 {
        let rows = sorter.sorted(collectors, &merge.key)?;
        for batch in merge_sorted(rows, merge, &plan.table.schema.working_schema()) {
            let batch = shared.pipeline.transformer.complete(place, shared.run, batch?)?;
            kept += batch.num_rows() as u64;
            let batch = chain.apply(batch, &mut out)?;
            shared.progress.add_rows(batch.num_rows() as u64);
            sink.write(batch, &mut out)?;
            for reject in out.rejects.drain(..) {
                dead_letters.write(&reject)?;
            }
        }
    }
    let counts = out.ledger.step(&step);
    counts.read += read;
    counts.kept += kept;
    out.filter(&step, "same_key", read - kept);
    let quality = chain.take_findings();
    let caches = chain.caches().collect();
    Ok(Merged { files: sink.finish()?, dead_letters: dead_letters.finish()?, out, caches, quality })
}
