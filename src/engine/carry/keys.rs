//! Tables that carry keys alone: a row whose key a window nearby has is left out.

use super::{Carrying, KNOWN_KEY, Met, Own, key_of, wrong};
use crate::commit::CommitDetail;
use crate::commit::carried::{Piece, PieceWriter, each_key, key_hashes, part_bits, read_rows};
use crate::engine::pipeline::{TablePlan, merge_step};
use crate::rows::sort::merge::merge_sorted;
use crate::rows::sort::{RowCollector, Sorter};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use chrono::TimeDelta;
use etl_sdk::{Merge, Result};
use hashbrown::HashSet;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// How much longer keys are kept than windows look back, so that an older window can be run again.
const FOR_RE_RUNS: TimeDelta = TimeDelta::days(7);

impl Carrying {
    /// See [`Carrying::merge`].
    pub(super) fn merge_keys(
        &self,
        plan: &TablePlan,
        merge: &Merge,
        hours: u32,
        collectors: Vec<RowCollector>,
        sorter: &Sorter,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<Met> {
        let table = plan.table.schema.table.as_str();
        let earlier = self.earlier.get(table).ok_or_else(|| wrong(table))?;
        let schema = plan.table.schema.working_schema();
        let key = key_of(&schema, merge)?;
        let of_key: SchemaRef = Arc::new(schema.project(&key)?);
        let near = |piece: &&Piece| {
            let hours = TimeDelta::hours(i64::from(hours));
            piece.window.start < self.window.end + hours && piece.window.end + hours > self.window.start
        };
        let near: Vec<&Piece> = earlier.stay.iter().filter(near).collect();
        let bits = part_bits(collectors.iter().map(RowCollector::rows).sum());
        let mut writer = PieceWriter::new(&self.objects, &self.stem_of(table, ""), &of_key, bits);
        let mut write = |batch: RecordBatch, hashes: &[u64]| {
            if self.keep {
                writer.write(&batch.project(&key)?, hashes)?;
            }
            each(batch)
        };
        let (mut met, mut all_own) = (Met::default(), HashSet::new());
        let mut own: Vec<Own> = (0..1_u64 << bits).map(|_| Own::new(sorter, &schema)).collect();
        if collectors.iter().any(|collector| collector.rows() > 0) {
            for batch in merge_sorted(sorter.sorted(collectors, &merge.key)?, merge, &schema) {
                let batch = batch?;
                let hashes = key_hashes(&batch, &key)?;
                if !earlier.replaced.is_empty() {
                    all_own.extend(&hashes);
                }
                if near.is_empty() {
                    write(batch, &hashes)?;
                } else {
                    Own::push_all(&mut own, &batch, &hashes, bits)?;
                }
            }
        }
        for (range, own) in own.into_iter().enumerate().filter(|(_, own)| own.rows.rows() > 0) {
            let known = self.known_keys(&near, &of_key, (bits, range as u64), own.keys)?;
            for batch in sorter.sorted(vec![own.rows], &merge.key)? {
                let mut new = Vec::new();
                let batch = batch?;
                each_key(&batch, &key, |key| new.push(!known.contains(key)))?;
                let rows = filter_record_batch(&batch, &BooleanArray::from(new))?;
                met.known += (batch.num_rows() - rows.num_rows()) as u64;
                let hashes = key_hashes(&rows, &key)?;
                write(rows, &hashes)?;
            }
        }
        self.note_gone(plan, &earlier.replaced, &near, &of_key, &all_own)?;
        if self.keep {
            let piece = self.piece(writer.finish()?);
            let old = TimeDelta::hours(i64::from(hours)) + FOR_RE_RUNS;
            let mut pieces: Vec<Piece> = earlier.stay.clone();
            pieces.retain(|piece| piece.window.end + old > self.window.start);
            pieces.push(piece);
            self.leave_as_they_are(table, pieces);
        }
        Ok(met)
    }

    /// Notes when keys that the window had are not in it any more, and windows near it had left out rows for them: those rows
    /// are in no window then.
    fn note_gone(
        &self,
        plan: &TablePlan,
        replaced: &[Piece],
        near: &[&Piece],
        of_key: &SchemaRef,
        own: &HashSet<u64>,
    ) -> Result<()> {
        let mut gone: u64 = 0;
        for part in replaced.iter().flat_map(|piece| &piece.parts) {
            read_rows(&self.objects, part, of_key, (0, 0), None, &mut |_, hashes| {
                gone += hashes.iter().filter(|hash| !own.contains(*hash)).count() as u64;
                Ok(())
            })?;
        }
        if gone == 0 {
            return Ok(());
        }
        let step = merge_step(&plan.table);
        let mut windows = BTreeSet::new();
        for other in near.iter().filter_map(|piece| self.others.get(piece.run.as_ref()?)) {
            let detail = CommitDetail::read(&self.objects, &other.detail, &other.detail_hash)?;
            let left_out = detail.ledger.get(&step).and_then(|counts| counts.filtered.get(KNOWN_KEY));
            if left_out.is_some_and(|count| *count > 0) {
                windows.insert(other.window);
            }
        }
        let Some(first) = windows.first() else { return Ok(()) };
        let more = if windows.len() > 1 { format!(" and {} more", windows.len() - 1) } else { String::new() };
        let table = &plan.table.schema.table;
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(format!(
            "{gone} keys of {table} are not in the window any more. Windows near it have left out rows whose keys it had, \
             and those rows may be in no window now: run {first}{more} again (`etl-runner backfill JOB --again`)"
        ));
        Ok(())
    }

    /// Those keys of pieces whose hashes, in one range of them, are among `hashes`.
    fn known_keys(
        &self,
        pieces: &[&Piece],
        of_key: &SchemaRef,
        range: (u32, u64),
        hashes: HashSet<u64>,
    ) -> Result<HashSet<Vec<u8>>> {
        let (wanted, mut known) = (Arc::new(hashes), HashSet::new());
        let all: Vec<usize> = (0..of_key.fields().len()).collect();
        for part in pieces.iter().flat_map(|piece| &piece.parts) {
            read_rows(&self.objects, part, of_key, range, Some(&wanted), &mut |batch, _| {
                each_key(&batch, &all, |key| {
                    known.insert(key.to_vec());
                })
            })?;
        }
        Ok(known)
    }
}
