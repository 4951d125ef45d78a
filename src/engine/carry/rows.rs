//! Tables that carry rows: a run writes what it and earlier runs say together of its keys.
//!
//! A run merges its own partial rows first: that is what it contributes, and what is kept of it. Then it takes, of the rows
//! that earlier runs contributed, those of its own keys. A run that replaces another leaves that one's rows out, and writes
//! the rows of that one's keys too: they say less now.

use super::{Carrying, Met, Own, carry_of, key_of, wrong};
use crate::commit::Objects;
use crate::commit::carried::{FAN, Part, Piece, PieceWriter, key_hashes, part_bits, read_rows};
use crate::engine::pipeline::TablePlan;
use crate::rows::sort::merge::merge_sorted;
use crate::rows::sort::{RowCollector, Sorter};
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray, new_null_array};
use arrow::compute::{filter_record_batch, is_not_null, not};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use etl_sdk::{Carry, Merge, Result};
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the rows of one table are merged and carried.
pub(super) struct Rules<'a> {
    table: &'a str,
    schema: SchemaRef,
    merge: &'a Merge,
    /// Index of the column `met` of [`Carry::Rows`].
    met: usize,
    /// Index of its column `stamp`, and what it is set to at least.
    stamp: (usize, i64),
    /// A key that was last met before it is forgotten, epoch microseconds.
    oldest: i64,
    key: Vec<usize>,
}

/// Stamps by hash of the key, for keys that have a row with as late a stamp as the run's: just past that.
#[derive(Default)]
struct Stamps(HashMap<u64, i64>);

impl Carrying {
    /// See [`Carrying::merge`].
    pub(super) fn merge_rows(
        &self,
        plan: &TablePlan,
        mut collectors: Vec<RowCollector>,
        sorter: &Sorter,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<Met> {
        let rules = self.rules(plan)?;
        let earlier = self.earlier.get(rules.table).ok_or_else(|| wrong(rules.table))?;
        let replaced = self.keys_of(&rules, &earlier.replaced, sorter)?;
        let mut met = Met { keys: replaced.rows(), ..Met::default() };
        if replaced.rows() > 0 {
            collectors.push(replaced);
        }
        let rows = collectors.iter().map(RowCollector::rows).sum();
        let bits = part_bits(rows);
        let mut own: Vec<Own> = (0..1_u64 << bits).map(|_| Own::new(sorter, &rules.schema)).collect();
        let mut writer = PieceWriter::new(&self.objects, &self.stem_of(rules.table, ""), &rules.schema, bits);
        if rows > 0 {
            for batch in rules.merged(collectors, sorter)? {
                let batch = batch?;
                let hashes = key_hashes(&batch, &rules.key)?;
                if self.keep {
                    writer.write(&batch, &hashes)?;
                }
                if earlier.stay.is_empty() {
                    met.silent += rules.tell(&batch, &Stamps::default(), each)?;
                    continue;
                }
                Own::push_all(&mut own, &batch, &hashes, bits)?;
            }
        }
        let (rows, parts) = writer.finish()?;
        let mut stamp = self.stamp;
        for (range, own) in own.into_iter().enumerate().filter(|(_, own)| own.rows.rows() > 0) {
            let range = (bits, range as u64);
            let (earlier, stamps) = rules.earlier(&self.objects, &earlier.stay, range, own.keys, sorter)?;
            met.taken += earlier.rows();
            stamp = stamps.0.values().fold(stamp, |stamp, one| stamp.max(*one));
            for batch in rules.merged(vec![earlier, own.rows], sorter)? {
                met.silent += rules.tell(&batch?, &stamps, each)?;
            }
        }
        if self.keep {
            let mut pieces = earlier.stay.clone();
            pieces.push(Piece { stamp, ..self.piece((rows, parts)) });
            self.leave(&rules, pieces, sorter)?;
        }
        Ok(met)
    }

    /// What a run's own rows are of a table that carries rows, without those of any other run.
    pub fn contribute(&self, plan: &TablePlan, collectors: Vec<RowCollector>, sorter: &Sorter) -> Result<Piece> {
        let rules = self.rules(plan)?;
        let bits = part_bits(collectors.iter().map(RowCollector::rows).sum());
        let mut writer = PieceWriter::new(&self.objects, &self.stem_of(rules.table, ""), &rules.schema, bits);
        if collectors.iter().any(|collector| collector.rows() > 0) {
            for batch in rules.merged(collectors, sorter)? {
                let batch = batch?;
                writer.write(&batch, &key_hashes(&batch, &rules.key)?)?;
            }
        }
        Ok(self.piece(writer.finish()?))
    }

    /// Leaves these pieces of a table that carries rows, merged as those of runs are. Gives their rows.
    pub fn keep(&self, plan: &TablePlan, pieces: Vec<Piece>, sorter: &Sorter) -> Result<u64> {
        let rows = pieces.iter().map(|piece| piece.rows).sum();
        self.leave(&self.rules(plan)?, pieces, sorter)?;
        Ok(rows)
    }

    pub(super) fn rules<'p>(&self, plan: &'p TablePlan) -> Result<Rules<'p>> {
        let table = plan.table.schema.table.as_str();
        let Some((merge, Carry::Rows { met, stamp, days })) = carry_of(plan) else { return Err(wrong(table)) };
        let schema = plan.table.schema.working_schema();
        let index = |name: &str| schema.index_of(name).map_err(|_| wrong(table).with("column", name));
        let stamp = (index(stamp)?, self.stamp);
        let (met, key) = (index(met)?, key_of(&schema, merge)?);
        let days = i64::from(*days) * 86_400_000;
        // A window that runs long after its time knows what it knew then.
        let instant = self.now_msec.0.min(self.window.end.timestamp_millis());
        let oldest = instant.saturating_sub(days).saturating_mul(1_000);
        Ok(Rules { table, schema, merge, met, stamp, oldest, key })
    }

    /// The keys of pieces, as rows that say nothing else.
    fn keys_of(&self, rules: &Rules<'_>, pieces: &[Piece], sorter: &Sorter) -> Result<RowCollector> {
        let mut keys = sorter.collector(&rules.schema);
        for part in pieces.iter().flat_map(|piece| &piece.parts) {
            read_rows(&self.objects, part, &rules.schema, (0, 0), None, &mut |batch, _| {
                let columns = batch.columns().iter().enumerate().map(|(index, column)| {
                    let is_key = rules.key.contains(&index);
                    if is_key { Arc::clone(column) } else { new_null_array(column.data_type(), column.len()) }
                });
                keys.push(RecordBatch::try_new(Arc::clone(&rules.schema), columns.collect())?)
            })?;
        }
        Ok(keys)
    }

    /// Notes what the run leaves of a table, few enough pieces for the next one.
    pub(super) fn leave(&self, rules: &Rules<'_>, mut pieces: Vec<Piece>, sorter: &Sorter) -> Result<()> {
        // Neighbours are merged with each other: a run that is replaced then breaks up few pieces.
        pieces.sort_by_key(|piece| piece.window);
        for number in 0.. {
            let mut levels: BTreeMap<u32, usize> = BTreeMap::new();
            for piece in &pieces {
                *levels.entry(piece.level).or_default() += 1;
            }
            let Some((full, _)) = levels.into_iter().find(|(_, count)| *count >= FAN) else { break };
            let these: Vec<Piece> = pieces.extract_if(.., |piece| piece.level == full).take(FAN).collect();
            let stem = self.stem_of(rules.table, &format!("-{number}"));
            let merged = rules.merge_pieces(&self.objects, (&these, &pieces), &stem, sorter)?;
            pieces.push(Piece::of_several(&self.objects, &stem, &these, merged)?);
        }
        self.leave_as_they_are(rules.table, pieces);
        Ok(())
    }
}

impl Rules<'_> {
    /// Partial rows as one row per key, in the order of the keys.
    fn merged(
        &self,
        collectors: Vec<RowCollector>,
        sorter: &Sorter,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        Ok(merge_sorted(sorter.sorted(collectors, &self.merge.key)?, self.merge, &self.schema))
    }

    /// Stamps the rows that say something and gives them to `each`. Gives the number of the others.
    fn tell(
        &self,
        batch: &RecordBatch,
        stamps: &Stamps,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<u64> {
        let rows = filter_record_batch(batch, &is_not_null(batch.column(self.met))?)?;
        let silent = (batch.num_rows() - rows.num_rows()) as u64;
        if rows.num_rows() > 0 {
            let (index, stamp) = self.stamp;
            let mut columns = rows.columns().to_vec();
            let stamps = if stamps.0.is_empty() {
                TimestampMicrosecondArray::from_value(stamp, rows.num_rows())
            } else {
                let hashes = key_hashes(&rows, &self.key)?.into_iter();
                hashes.map(|hash| stamps.0.get(&hash).copied().or(Some(stamp))).collect()
            };
            columns[index] = Arc::new(stamps.with_data_type(columns[index].data_type().clone()));
            each(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        }
        Ok(silent)
    }

    /// The rows of some keys that earlier runs left. Keys that were last met too long ago are forgotten, with all that is
    /// known of them.
    fn earlier(
        &self,
        objects: &Objects,
        pieces: &[Piece],
        range: (u32, u64),
        keys: HashSet<u64>,
        sorter: &Sorter,
    ) -> Result<(RowCollector, Stamps)> {
        let wanted = Arc::new(keys);
        let (mut rows, mut old) = (sorter.collector(&self.schema), sorter.collector(&self.schema));
        let mut met_lately: HashSet<u64> = HashSet::new();
        let mut stamps = Stamps::default();
        for (piece, part) in pieces.iter().flat_map(|piece| piece.parts.iter().map(move |part| (piece, part))) {
            read_rows(objects, part, &self.schema, range, Some(&wanted), &mut |batch, hashes| {
                if piece.stamp >= self.stamp.1 {
                    let past = piece.stamp.saturating_add(1);
                    for hash in hashes {
                        let stamp = stamps.0.entry(*hash).or_insert(past);
                        *stamp = past.max(*stamp);
                    }
                }
                let lately = self.met_lately(&batch);
                if lately.true_count() == batch.num_rows() {
                    met_lately.extend(hashes);
                    return rows.push(batch);
                }
                met_lately
                    .extend(hashes.iter().enumerate().filter(|(row, _)| lately.value(*row)).map(|(_, hash)| hash));
                rows.push(filter_record_batch(&batch, &lately)?)?;
                old.push(filter_record_batch(&batch, &not(&lately)?)?)
            })?;
        }
        if old.rows() > 0 && !met_lately.is_empty() {
            for batch in sorter.sorted(vec![old], &self.merge.key)? {
                let batch = batch?;
                rows.push(filter_record_batch(&batch, &self.is_in(&met_lately, &batch)?)?)?;
            }
        }
        Ok((rows, stamps))
    }

    fn met_lately(&self, batch: &RecordBatch) -> BooleanArray {
        let met = batch.column(self.met).as_primitive::<TimestampMicrosecondType>();
        met.iter().map(|met| Some(met.is_some_and(|met| met >= self.oldest))).collect()
    }

    /// Merges pieces into one, range by range, without the keys that are forgotten: those that neither they nor the other
    /// pieces have met lately.
    fn merge_pieces(
        &self,
        objects: &Objects,
        (pieces, others): (&[Piece], &[Piece]),
        stem: &str,
        sorter: &Sorter,
    ) -> Result<(u64, Vec<Part>)> {
        let bits = part_bits(pieces.iter().map(|piece| piece.rows).sum());
        let mut writer = PieceWriter::new(objects, stem, &self.schema, bits);
        for range in 0..1_u64 << bits {
            let mut rows = sorter.collector(&self.schema);
            for part in pieces.iter().flat_map(|piece| &piece.parts) {
                read_rows(objects, part, &self.schema, (bits, range), None, &mut |batch, _| rows.push(batch))?;
            }
            if rows.rows() == 0 {
                continue;
            }
            let (mut old, mut old_keys) = (sorter.collector(&self.schema), HashSet::new());
            for batch in self.merged(vec![rows], sorter)? {
                let batch = batch?;
                let lately = self.met_lately(&batch);
                let rows = filter_record_batch(&batch, &lately)?;
                writer.write(&rows, &key_hashes(&rows, &self.key)?)?;
                let rows = filter_record_batch(&batch, &not(&lately)?)?;
                old_keys.extend(key_hashes(&rows, &self.key)?);
                old.push(rows)?;
            }
            if old.rows() > 0 {
                let known = self.keys_met_lately(objects, others, (bits, range), old_keys)?;
                for batch in sorter.sorted(vec![old], &self.merge.key)? {
                    let batch = batch?;
                    let rows = filter_record_batch(&batch, &self.is_in(&known, &batch)?)?;
                    writer.write(&rows, &key_hashes(&rows, &self.key)?)?;
                }
            }
        }
        writer.finish()
    }

    /// Those of some keys that pieces have met lately.
    fn keys_met_lately(
        &self,
        objects: &Objects,
        pieces: &[Piece],
        range: (u32, u64),
        keys: HashSet<u64>,
    ) -> Result<HashSet<u64>> {
        let (wanted, mut known) = (Arc::new(keys), HashSet::new());
        for part in pieces.iter().flat_map(|piece| &piece.parts) {
            read_rows(objects, part, &self.schema, range, Some(&wanted), &mut |batch, hashes| {
                let lately = self.met_lately(&batch);
                known.extend(hashes.iter().enumerate().filter(|(row, _)| lately.value(*row)).map(|(_, hash)| *hash));
                Ok(())
            })?;
        }
        Ok(known)
    }

    fn is_in(&self, keys: &HashSet<u64>, batch: &RecordBatch) -> Result<BooleanArray> {
        let hashes = key_hashes(batch, &self.key)?;
        Ok(hashes.iter().map(|hash| Some(keys.contains(hash))).collect())
    }
}
