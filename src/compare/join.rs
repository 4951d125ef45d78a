//! Walks both sides, each sorted by key and hash, and pairs their rows.

use super::cells::{Cells, key_of};
use super::report::SideReport;
use crate::compare::Key;
use crate::compare::plan::ComparePlan;
use crate::compare::request::{CompareSetting, Side};
use crate::process::stop::Stop;
use arrow::array::{AsArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Schema, UInt64Type};
use arrow::row::{OwnedRow, Row, RowConverter, Rows, SortField};
use etl_sdk::{Error, ErrorKind, Result};
use std::cmp::Ordering;

/// Pairs that are compared at a time.
const MAX_PAIRS: usize = 8_192;

/// Sorted batches of one side.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>>>;

/// Both sides on their way through a merge.
pub(super) struct Join<'a> {
    plan: &'a ComparePlan,
    converter: RowConverter,
    sides: [Cursor<'a>; 2],
    pairs: Pairs,
    cells: Cells<'a>,
    examples: usize,
    stop: &'a Stop,
}

/// Rows of the current batches that belong together, by their indexes.
#[derive(Default)]
struct Pairs {
    left: Vec<u64>,
    right: Vec<u64>,
}

/// A position in the rows of one side.
struct Cursor<'a> {
    rows: Batches,
    report: &'a mut SideReport,
    batch: RecordBatch,
    keys: Option<Rows>,
    at: usize,
    unpaired: Unpaired,
}

/// Rows of the current key that have no equal on the other side.
#[derive(Default)]
struct Unpaired {
    /// Indexes in the current batch.
    indexes: Vec<u64>,
    /// Those of earlier batches.
    parts: Vec<RecordBatch>,
    bytes: usize,
    max_bytes: usize,
}

/// What compares rows by the columns of `schema` from the first to `count`.
pub(super) fn converter(schema: &Schema, count: usize) -> Result<RowConverter> {
    let field = |field: &std::sync::Arc<arrow::datatypes::Field>| SortField::new(field.data_type().clone());
    Ok(RowConverter::new(schema.fields().iter().take(count).map(field).collect())?)
}

impl<'a> Join<'a> {
    /// `memory` bounds the rows of one key that are held because they differ.
    pub(super) fn new(
        plan: &'a ComparePlan,
        sides: [(Batches, &'a mut SideReport); 2],
        cells: Cells<'a>,
        examples: usize,
        memory: usize,
        stop: &'a Stop,
    ) -> Result<Self> {
        let schema = plan.schema();
        let cursor = |(rows, report)| Cursor {
            rows,
            report,
            batch: RecordBatch::new_empty(plan.schema()),
            keys: None,
            at: 0,
            unpaired: Unpaired { max_bytes: memory, ..Unpaired::default() },
        };
        let sides = sides.map(cursor);
        let converter = converter(&schema, plan.key)?;
        Ok(Self { plan, converter, sides, pairs: Pairs::default(), cells, examples, stop })
    }

    /// Walks to the end and gives what the columns counted.
    pub(super) fn run(mut self) -> Result<Cells<'a>> {
        self.load(Side::Left)?;
        self.load(Side::Right)?;
        loop {
            let order = match (self.key(Side::Left), self.key(Side::Right)) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => left.cmp(&right),
            };
            match order {
                Ordering::Equal if self.is_single(Side::Left) && self.is_single(Side::Right) => {
                    self.pair();
                    self.advance(Side::Left)?;
                    self.advance(Side::Right)?;
                }
                Ordering::Less => self.group([true, false])?,
                Ordering::Greater => self.group([false, true])?,
                Ordering::Equal => self.group([true, true])?,
            }
        }
        self.flush()?;
        Ok(self.cells)
    }

    fn cursor(&mut self, side: Side) -> &mut Cursor<'a> {
        &mut self.sides[side.index()]
    }

    fn key(&self, side: Side) -> Option<Row<'_>> {
        let cursor = &self.sides[side.index()];
        cursor.keys.as_ref().map(|keys| keys.row(cursor.at))
    }

    fn hash(&self, side: Side) -> u64 {
        let cursor = &self.sides[side.index()];
        cursor.batch.column(self.plan.columns.len()).as_primitive::<UInt64Type>().value(cursor.at)
    }

    /// Whether the batch shows that the key has one row. At a batch's end it does not.
    fn is_single(&self, side: Side) -> bool {
        let cursor = &self.sides[side.index()];
        cursor
            .keys
            .as_ref()
            .is_some_and(|keys| cursor.at + 1 < keys.num_rows() && keys.row(cursor.at) != keys.row(cursor.at + 1))
    }

    /// Takes the current rows as a pair.
    fn pair(&mut self) {
        self.pairs.left.push(self.sides[0].at as u64);
        self.pairs.right.push(self.sides[1].at as u64);
    }

    fn advance(&mut self, side: Side) -> Result<()> {
        let cursor = self.cursor(side);
        cursor.at += 1;
        if cursor.at < cursor.batch.num_rows() {
            return if self.pairs.left.len() < MAX_PAIRS { Ok(()) } else { self.flush() };
        }
        self.flush()?;
        self.load(side)
    }

    fn load(&mut self, side: Side) -> Result<()> {
        self.stop.check()?;
        let count = self.plan.key;
        let cursor = &mut self.sides[side.index()];
        cursor.unpaired.keep(&cursor.batch)?;
        (cursor.at, cursor.keys) = (0, None);
        for batch in cursor.rows.by_ref() {
            let batch = batch?;
            if batch.num_rows() > 0 {
                cursor.keys = Some(self.converter.convert_columns(&batch.columns()[..count])?);
                cursor.batch = batch;
                return Ok(());
            }
        }
        cursor.batch = RecordBatch::new_empty(self.plan.schema());
        Ok(())
    }

    /// Compares the pairs so far.
    fn flush(&mut self) -> Result<()> {
        let pairs = std::mem::take(&mut self.pairs);
        if pairs.left.is_empty() {
            return Ok(());
        }
        let left = gathered(&self.sides[0].batch, pairs.left)?;
        let right = gathered(&self.sides[1].batch, pairs.right)?;
        self.cells.compare(&left, &right)
    }

    /// Takes all rows of the smallest key, which is on the sides that `on` says. Equal rows are paired; those that are left
    /// are paired in the order of their values, and what is left then is on one side alone.
    fn group(&mut self, on: [bool; 2]) -> Result<()> {
        let first = if on[0] { Side::Left } else { Side::Right };
        let Some(key) = self.key(first).map(|key| key.owned()) else { return Ok(()) };
        let shown = key_of(self.plan, &self.sides[first.index()].batch, self.sides[first.index()].at);
        let counts = self.take_key(on, &key)?;
        let unpaired = if on == [true, true] { self.settle()? } else { counts };
        for side in Side::BOTH {
            self.note(side, &shown, counts[side.index()], unpaired[side.index()]);
        }
        Ok(())
    }

    /// Pairs the equal rows of a key and keeps the others. Gives the rows of the key on each side.
    fn take_key(&mut self, on: [bool; 2], key: &OwnedRow) -> Result<[u64; 2]> {
        let mut counts = [0, 0];
        let is_shared = on == [true, true];
        loop {
            let here = Side::BOTH.map(|side| on[side.index()] && self.is_at(side, key));
            let order = match here {
                [false, false] => return Ok(counts),
                [true, false] => Ordering::Less,
                [false, true] => Ordering::Greater,
                [true, true] => self.hash(Side::Left).cmp(&self.hash(Side::Right)),
            };
            if order == Ordering::Equal {
                self.pair();
            }
            for (side, other) in [(Side::Left, Ordering::Greater), (Side::Right, Ordering::Less)] {
                if order == other {
                    continue;
                }
                counts[side.index()] += 1;
                if is_shared && order != Ordering::Equal {
                    let cursor = self.cursor(side);
                    cursor.unpaired.indexes.push(cursor.at as u64);
                }
            }
            // Both rows of a pair are noted before a batch is left.
            if order != Ordering::Greater {
                self.advance(Side::Left)?;
            }
            if order != Ordering::Less {
                self.advance(Side::Right)?;
            }
        }
    }

    /// Reports a key with `rows` rows on a side, `unpaired` of them without a partner.
    fn note(&mut self, side: Side, key: &Key, rows: u64, unpaired: u64) {
        let examples = self.examples;
        let report = &mut *self.cursor(side).report;
        if unpaired > 0 {
            report.only.rows += unpaired;
            if report.only.examples.len() < examples {
                report.only.examples.push(key.clone());
            }
        }
        if rows > 1 {
            report.duplicates.keys += 1;
            report.duplicates.rows += rows;
            if report.duplicates.examples.len() < examples {
                report.duplicates.examples.push(key.clone());
            }
        }
    }

    fn is_at(&self, side: Side, key: &OwnedRow) -> bool {
        self.key(side).is_some_and(|row| row == key.row())
    }

    /// Pairs the rows of the key that have no equal, and gives how many are left over on each side.
    fn settle(&mut self) -> Result<[u64; 2]> {
        if self.sides.iter().any(|cursor| cursor.unpaired.is_empty()) {
            return Ok(Side::BOTH.map(|side| self.cursor(side).unpaired.clear()));
        }
        let mut sorted = Vec::with_capacity(2);
        for side in Side::BOTH {
            let cursor = &mut self.sides[side.index()];
            let rows = cursor.unpaired.take(&cursor.batch)?;
            sorted.push(by_values(&rows, self.plan.columns.len())?);
        }
        let pairs = sorted[0].num_rows().min(sorted[1].num_rows());
        self.cells.compare(&sorted[0].slice(0, pairs), &sorted[1].slice(0, pairs))?;
        Ok([0, 1].map(|side: usize| (sorted[side].num_rows() - pairs) as u64))
    }
}

impl Unpaired {
    fn is_empty(&self) -> bool {
        self.indexes.is_empty() && self.parts.is_empty()
    }

    /// Copies the rows of a batch that is about to be left.
    ///
    /// Fails with `Limit` when the rows of one key are too many.
    fn keep(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.indexes.is_empty() {
            return Ok(());
        }
        let rows = take_record_batch(batch, &UInt64Array::from(std::mem::take(&mut self.indexes)))?;
        self.bytes += rows.get_array_memory_size();
        self.parts.push(rows);
        if self.bytes > self.max_bytes {
            return Err(Error::new(ErrorKind::Limit, "pair the rows of one key")
                .with("bytes", self.bytes)
                .with("max_bytes", self.max_bytes)
                .with("setting", CompareSetting::Key)
                .hint("so many rows of one key differ: add key columns, or allow more memory"));
        }
        Ok(())
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.keep(batch)?;
        self.bytes = 0;
        Ok(concat_batches(&batch.schema(), &std::mem::take(&mut self.parts))?)
    }

    /// Forgets the rows and gives how many they were.
    fn clear(&mut self) -> u64 {
        let rows = self.indexes.len() + self.parts.iter().map(RecordBatch::num_rows).sum::<usize>();
        (self.bytes, self.parts) = (0, Vec::new());
        self.indexes.clear();
        rows as u64
    }
}

/// Rows sorted by the values of all columns.
fn by_values(rows: &RecordBatch, columns: usize) -> Result<RecordBatch> {
    if rows.num_rows() < 2 {
        return Ok(rows.clone());
    }
    let values = converter(&rows.schema(), columns)?.convert_columns(&rows.columns()[..columns])?;
    let mut indexes: Vec<u64> = (0..rows.num_rows() as u64).collect();
    indexes.sort_by(|one, other| values.row(*one as usize).cmp(&values.row(*other as usize)));
    Ok(take_record_batch(rows, &UInt64Array::from(indexes))?)
}

/// Rows of a batch; a slice of it where that will do.
fn gathered(batch: &RecordBatch, indexes: Vec<u64>) -> Result<RecordBatch> {
    let (Some(first), Some(last)) = (indexes.first(), indexes.last()) else { return Ok(batch.slice(0, 0)) };
    // Indexes only grow.
    if last - first + 1 == indexes.len() as u64 {
        return Ok(batch.slice(*first as usize, indexes.len()));
    }
    Ok(take_record_batch(batch, &UInt64Array::from(indexes))?)
}
