//! Merged tables whose rows go on from run to run: what a run takes over from earlier runs, and what it leaves to later
//! ones.
//!
//! A run merges its own partial rows first: that is what it contributes, and what is kept of it. Then it takes, of the rows
//! that earlier runs contributed, those of its own keys, and writes what both say together. A run that replaces another
//! leaves that one's rows out, and writes the rows of that one's keys too: they say less now.

use super::context::JobContext;
use super::merge::merge_sorted;
use super::pipeline::TablePlan;
use super::{RowCollector, Sorter, inputs};
use crate::commit::carried::{
    CarriedState, FAN, Kept, Part, Piece, PieceWriter, by_range, each_key, key_hashes, part_bits, read_rows, stem,
    take_out,
};
use crate::commit::{JobState, Objects, token};
use crate::window::Window;
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray, new_null_array};
use arrow::compute::{filter_record_batch, is_not_null, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use chrono::TimeDelta;
use etl_sdk::{Carry, Error, Keep, Merge, Result};
use hashbrown::{HashMap, HashSet};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// How much longer keys are kept than windows look back, so that an older window can be run again.
const FOR_RE_RUNS: TimeDelta = TimeDelta::days(7);

/// What the merged tables of one run carry.
pub struct Carrying {
    objects: Objects,
    /// Name of the run's files.
    name: String,
    /// The path that the run's objects begin with.
    stem: String,
    window: Window,
    now_msec: i64,
    /// The entry of the log that made what the run rests on; 0 for none.
    version: u64,
    earlier: BTreeMap<String, Earlier>,
    /// What its rows are stamped with unless an earlier row of the key has as late a stamp, epoch microseconds.
    stamp: i64,
    /// `false` for a run that leaves nothing.
    keep: bool,
    left: Mutex<BTreeMap<String, Vec<Piece>>>,
}

/// What earlier runs left of one table.
struct Earlier {
    /// Rows that count.
    stay: Vec<Piece>,
    /// Rows of the runs that this one replaces.
    replaced: Vec<Piece>,
}

/// Rows that a merge met beside those of its run's tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Rows that earlier runs left, of the keys of this run.
    pub taken: u64,
    /// Keys of runs that this one replaces.
    pub keys: u64,
    /// Keys that no run says anything of any more.
    pub silent: u64,
    /// Rows whose key another window has.
    pub known: u64,
}

/// How the rows of one table are merged and carried.
struct Rules<'a> {
    table: &'a str,
    schema: SchemaRef,
    merge: &'a Merge,
    /// Place of the column `met` of [`Carry::Rows`].
    met: usize,
    /// Place of its column `stamp`, and what it is set to at least.
    stamp: (usize, i64),
    /// A key that was last met before it is forgotten, epoch microseconds.
    oldest: i64,
    key: Vec<usize>,
}

/// How a table carries rows, if it does.
pub fn carry_of(plan: &TablePlan) -> Option<(&Merge, &Carry)> {
    match &plan.table.keep {
        Keep::Merged(merge) if plan.sink.is_some() => merge.carry.as_ref().map(|carry| (merge, carry)),
        _ => None,
    }
}

/// Which run carries.
#[derive(Clone, Copy)]
pub struct CarryingRun<'a> {
    /// Its window.
    pub window: Window,
    /// Committed windows that it replaces beside its own; `None` for one that adds to its window.
    pub replaces: Option<&'a [Window]>,
    /// Name of its files.
    pub name: &'a str,
    /// Its instant, epoch milliseconds.
    pub now_msec: i64,
    /// Whether it leaves something to later runs.
    pub keep: bool,
}

impl Carrying {
    /// What a run finds; `None` when no table carries anything.
    pub fn open(context: &JobContext<'_>, state: &JobState, run: CarryingRun<'_>) -> Result<Option<Self>> {
        let tables: Vec<&str> = context
            .pipeline
            .tables
            .iter()
            .filter(|plan| carry_of(plan).is_some())
            .map(|plan| plan.table.schema.table.as_str())
            .collect();
        if tables.is_empty() {
            return Ok(None);
        }
        let mut carrying = Self::empty(context, run);
        let objects = context.objects();
        let (version, mut pieces) = match &state.carried {
            Some((version, kept)) => (*version, CarriedState::read(objects, kept)?.tables),
            None => (0, BTreeMap::new()),
        };
        let replaced = run.replaces.map(|covered| inputs::replaced(state, &run.window, covered)).unwrap_or_default();
        let replaced: BTreeSet<String> = replaced.iter().map(|(_, commit)| commit.name.clone()).collect();
        for table in tables {
            let pieces = pieces.remove(table).unwrap_or_default();
            let (stay, replaced) = take_out(objects, pieces, &run.window, &replaced)?;
            carrying.earlier.insert(table.to_owned(), Earlier { stay, replaced });
        }
        Ok(Some(Self { version, ..carrying }))
    }

    /// What a run finds where no run was before.
    pub fn empty(context: &JobContext<'_>, run: CarryingRun<'_>) -> Self {
        Self {
            objects: context.objects().clone(),
            name: run.name.to_owned(),
            stem: stem(run.name, &token()),
            window: run.window,
            now_msec: run.now_msec,
            version: 0,
            earlier: BTreeMap::new(),
            stamp: run.now_msec.saturating_mul(1_000),
            keep: run.keep,
            left: Mutex::default(),
        }
    }

    /// The entry of the log that made what the run rests on; 0 for none.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Merges the partial rows of a table with what earlier runs left of their keys. `each` is given the rows to write.
    pub fn merge(
        &self,
        plan: &TablePlan,
        mut collectors: Vec<RowCollector>,
        sorter: &Sorter,
        each: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<Met> {
        if let Some((merge, Carry::Keys { hours })) = carry_of(plan) {
            return self.merge_new_keys(plan, merge, *hours, collectors, sorter, each);
        }
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
            for batch in merge_sorted(sorter.sorted(collectors, &rules.merge.key)?, rules.merge, &rules.schema) {
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
            let rows = sorter.sorted(vec![earlier, own.rows], &rules.merge.key)?;
            for batch in merge_sorted(rows, rules.merge, &rules.schema) {
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

    /// Merges the partial rows of a table whose keys are carried, and leaves out those of keys that windows nearby have.
    fn merge_new_keys(
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
        let all: Vec<usize> = (0..key.len()).collect();
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
        let mut met = Met::default();
        let mut own: Vec<Own> = (0..1_u64 << bits).map(|_| Own::new(sorter, &schema)).collect();
        if collectors.iter().any(|collector| collector.rows() > 0) {
            for batch in merge_sorted(sorter.sorted(collectors, &merge.key)?, merge, &schema) {
                let batch = batch?;
                let hashes = key_hashes(&batch, &key)?;
                if near.is_empty() {
                    write(batch, &hashes)?;
                } else {
                    Own::push_all(&mut own, &batch, &hashes, bits)?;
                }
            }
        }
        for (range, own) in own.into_iter().enumerate().filter(|(_, own)| own.rows.rows() > 0) {
            let (wanted, mut known) = (Arc::new(own.keys), HashSet::new());
            for part in near.iter().flat_map(|piece| &piece.parts) {
                let range = (bits, range as u64);
                read_rows(&self.objects, part, &of_key, range, Some(&wanted), &mut |batch, _| {
                    each_key(&batch, &all, |key| {
                        known.insert(key.to_vec());
                    })
                })?;
            }
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

    /// What a run's own rows are, without those of any other run.
    pub fn contribute(&self, plan: &TablePlan, collectors: Vec<RowCollector>, sorter: &Sorter) -> Result<Piece> {
        let table = plan.table.schema.table.as_str();
        let (merge, carry) = carry_of(plan).ok_or_else(|| wrong(table))?;
        let schema = plan.table.schema.working_schema();
        let key = key_of(&schema, merge)?;
        let (of_piece, of_rows): (SchemaRef, Vec<usize>) = match carry {
            Carry::Rows { .. } => (Arc::clone(&schema), (0..schema.fields().len()).collect()),
            Carry::Keys { .. } => (Arc::new(schema.project(&key)?), key.clone()),
        };
        let bits = part_bits(collectors.iter().map(RowCollector::rows).sum());
        let mut writer = PieceWriter::new(&self.objects, &self.stem_of(table, ""), &of_piece, bits);
        if collectors.iter().any(|collector| collector.rows() > 0) {
            for batch in merge_sorted(sorter.sorted(collectors, &merge.key)?, merge, &schema) {
                let batch = batch?;
                writer.write(&batch.project(&of_rows)?, &key_hashes(&batch, &key)?)?;
            }
        }
        Ok(self.piece(writer.finish()?))
    }

    /// Leaves these pieces of a table. Gives their rows.
    pub fn keep(&self, plan: &TablePlan, pieces: Vec<Piece>, sorter: &Sorter) -> Result<u64> {
        let rows = pieces.iter().map(|piece| piece.rows).sum();
        match carry_of(plan) {
            Some((_, Carry::Rows { .. })) => self.leave(&self.rules(plan)?, pieces, sorter)?,
            _ => self.leave_as_they_are(&plan.table.schema.table, pieces),
        }
        Ok(rows)
    }

    fn leave_as_they_are(&self, table: &str, pieces: Vec<Piece>) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), pieces);
    }

    fn piece(&self, (rows, parts): (u64, Vec<Part>)) -> Piece {
        let (run, stamp) = (Some(self.name.clone()), self.stamp);
        Piece { run, level: 0, window: self.window, stamp, rows, parts, made_of: None }
    }

    /// Writes the list of what all tables leave; `None` for a run that leaves nothing.
    pub fn finish(&self) -> Result<Option<Kept>> {
        if !self.keep {
            return Ok(None);
        }
        let tables = self.left.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = CarriedState { tables, ..CarriedState::default() };
        state.keep(&self.objects, &self.stem).map(Some)
    }

    /// Removes what the run wrote. Only for a run that nobody counts on; what stays for lack of an answer, `gc` removes.
    pub fn give_up(&self) {
        let (folder, _) = self.stem.rsplit_once('/').unwrap_or_default();
        for object in self.objects.list(folder, None).unwrap_or_default() {
            if object.path.starts_with(&self.stem) {
                let _ = self.objects.delete(&object.path);
            }
        }
    }

    fn stem_of(&self, table: &str, what: &str) -> String {
        format!("{}-{table}{what}", self.stem)
    }

    fn rules<'p>(&self, plan: &'p TablePlan) -> Result<Rules<'p>> {
        let table = plan.table.schema.table.as_str();
        let Some((merge, Carry::Rows { met, stamp, days })) = carry_of(plan) else { return Err(wrong(table)) };
        let schema = plan.table.schema.working_schema();
        let place = |name: &str| schema.index_of(name).map_err(|_| wrong(table).with("column", name));
        let stamp = (place(stamp)?, self.stamp);
        let (met, key) = (place(met)?, key_of(&schema, merge)?);
        let days = i64::from(*days) * 86_400_000;
        let oldest = self.now_msec.saturating_sub(days).saturating_mul(1_000);
        Ok(Rules { table, schema, merge, met, stamp, oldest, key })
    }

    /// The keys of pieces, as rows that say nothing else.
    fn keys_of(&self, rules: &Rules<'_>, pieces: &[Piece], sorter: &Sorter) -> Result<RowCollector> {
        let mut keys = sorter.collector(&rules.schema);
        for part in pieces.iter().flat_map(|piece| &piece.parts) {
            read_rows(&self.objects, part, &rules.schema, (0, 0), None, &mut |batch, _| {
                let columns = batch.columns().iter().enumerate().map(|(place, column)| {
                    let is_key = rules.key.contains(&place);
                    if is_key { Arc::clone(column) } else { new_null_array(column.data_type(), column.len()) }
                });
                keys.push(RecordBatch::try_new(Arc::clone(&rules.schema), columns.collect())?)
            })?;
        }
        Ok(keys)
    }

    /// Notes what the run leaves of a table, few enough pieces for the next one.
    fn leave(&self, rules: &Rules<'_>, mut pieces: Vec<Piece>, sorter: &Sorter) -> Result<()> {
        for number in 0.. {
            let mut levels: BTreeMap<u32, usize> = BTreeMap::new();
            for piece in &pieces {
                *levels.entry(piece.level).or_default() += 1;
            }
            let Some((full, _)) = levels.into_iter().find(|(_, count)| *count >= FAN) else { break };
            let these: Vec<Piece> = pieces.extract_if(.., |piece| piece.level == full).collect();
            let stem = self.stem_of(rules.table, &format!("-{number}"));
            let merged = rules.merge_pieces(&self.objects, &these, &stem, sorter)?;
            pieces.push(Piece::of_several(&self.objects, &stem, &these, merged)?);
        }
        self.leave_as_they_are(rules.table, pieces);
        Ok(())
    }
}

/// Stamps by hash of the key, for keys that have a row with as late a stamp as the run's: just past that.
#[derive(Default)]
struct Stamps(HashMap<u64, i64>);

/// A run's own rows in one range of hashes.
struct Own {
    rows: RowCollector,
    keys: HashSet<u64>,
}

impl Own {
    fn new(sorter: &Sorter, schema: &SchemaRef) -> Self {
        Self { rows: sorter.collector(schema), keys: HashSet::new() }
    }

    /// Adds rows to the ranges that they belong to.
    fn push_all(ranges: &mut [Self], batch: &RecordBatch, hashes: &[u64], bits: u32) -> Result<()> {
        for (range, places) in by_range(hashes, bits) {
            let own = &mut ranges[range as usize];
            own.keys.extend(places.values().iter().map(|place| hashes[*place as usize]));
            own.rows.push(take_record_batch(batch, &places)?)?;
        }
        Ok(())
    }
}

impl Rules<'_> {
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
            let (place, stamp) = self.stamp;
            let mut columns = rows.columns().to_vec();
            let stamps = if stamps.0.is_empty() {
                TimestampMicrosecondArray::from_value(stamp, rows.num_rows())
            } else {
                let hashes = key_hashes(&rows, &self.key)?.into_iter();
                hashes.map(|hash| stamps.0.get(&hash).copied().or(Some(stamp))).collect()
            };
            columns[place] = Arc::new(stamps.with_data_type(columns[place].data_type().clone()));
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
                let others: BooleanArray = lately.iter().map(|lately| lately.map(|lately| !lately)).collect();
                rows.push(filter_record_batch(&batch, &lately)?)?;
                old.push(filter_record_batch(&batch, &others)?)
            })?;
        }
        if old.rows() > 0 && !met_lately.is_empty() {
            for batch in sorter.sorted(vec![old], &self.merge.key)? {
                let batch = batch?;
                let hashes = key_hashes(&batch, &self.key)?;
                let known: BooleanArray = hashes.iter().map(|hash| Some(met_lately.contains(hash))).collect();
                rows.push(filter_record_batch(&batch, &known)?)?;
            }
        }
        Ok((rows, stamps))
    }

    fn met_lately(&self, batch: &RecordBatch) -> BooleanArray {
        let met = batch.column(self.met).as_primitive::<TimestampMicrosecondType>();
        met.iter().map(|met| Some(met.is_some_and(|met| met >= self.oldest))).collect()
    }

    /// Merges pieces into one, range by range, without the keys that are forgotten.
    fn merge_pieces(
        &self,
        objects: &Objects,
        pieces: &[Piece],
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
            for batch in merge_sorted(sorter.sorted(vec![rows], &self.merge.key)?, self.merge, &self.schema) {
                let batch = batch?;
                let batch = filter_record_batch(&batch, &self.met_lately(&batch))?;
                if batch.num_rows() > 0 {
                    writer.write(&batch, &key_hashes(&batch, &self.key)?)?;
                }
            }
        }
        writer.finish()
    }
}

/// Places of a merge's key columns.
fn key_of(schema: &SchemaRef, merge: &Merge) -> Result<Vec<usize>> {
    merge.key.iter().map(|name| Ok(schema.index_of(name)?)).collect()
}

fn wrong(table: &str) -> Error {
    Error::internal("carry the rows of a merged table").with("table", table)
}
