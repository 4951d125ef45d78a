//! Rows of one key become one row, by the table's [`Merge`].
//!
//! A batch is folded a column at a time: for each unit of columns the winning row of every key is found, then the
//! columns are gathered by those rows in one go. The fold is associative, so a key whose rows span batches is carried
//! over as the one row it has become.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, partition, take, take_record_batch};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use etl_sdk::{Carry, Error, Merge, Pick, Result};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Folds neighbouring rows of equal key into one. `rows` must be sorted by the key; the order of rows of equal key
/// decides between candidates that are equal in all of a pick's order columns: the later one wins.
///
/// The batches keep the columns of `schema` and their order. A `merge` that does not fit the schema (see
/// [`check_merge`]) is the first item.
pub fn merge_sorted<I>(rows: I, merge: &Merge, schema: &SchemaRef) -> MergedRows<I>
where
    I: Iterator<Item = Result<RecordBatch>>,
{
    MergedRows { rows, fold: Fold::new(merge, schema).map_err(Some), carried: None, ended: false }
}

/// Checks that every column of `schema` is in the key, in `greatest` or in exactly one pick, and that the types fit.
///
/// Fails naming the column: a column that nothing decides over would be lost in silence.
pub fn check_merge(merge: &Merge, schema: &SchemaRef) -> Result<()> {
    Fold::new(merge, schema)?;
    let Some(Carry::Rows { met, stamp, .. }) = &merge.carry else { return Ok(()) };
    for name in [met, stamp] {
        let column = schema.index_of(name).map_err(|_| wrong().with("missing column", name))?;
        if !matches!(schema.field(column).data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) {
            return Err(wrong_type(
                schema,
                column,
                "the columns met and stamp of a table that carries rows are timestamps",
            ));
        }
    }
    Ok(())
}

/// A [`Merge`] resolved against a schema.
#[derive(Debug)]
struct Fold {
    schema: SchemaRef,
    key: Vec<usize>,
    units: Vec<Unit>,
}

/// Columns that come from the same row of a group.
#[derive(Debug)]
struct Unit {
    rule: Rule,
    columns: Vec<usize>,
}

/// Which row of a group a unit comes from.
#[derive(Debug)]
enum Rule {
    /// Any: the columns are equal in the whole group.
    Key,
    /// The one with the greatest value in this column.
    Greatest(usize),
    /// The first by these columns; the last of the equal ones.
    First(Vec<usize>),
}

impl Fold {
    fn new(merge: &Merge, schema: &SchemaRef) -> Result<Self> {
        let mut owners: Vec<Option<String>> = vec![None; schema.fields().len()];
        let mut claim = |name: &str, owner: String| claim_column(schema, &mut owners, name, owner);
        let mut key = Vec::with_capacity(merge.key.len());
        for name in &merge.key {
            key.push(claim(name, "key".to_owned())?);
        }
        if key.is_empty() {
            return Err(wrong().hint("name at least one key column"));
        }
        let mut units = vec![Unit { rule: Rule::Key, columns: key.clone() }];
        for name in &merge.greatest {
            let column = claim(name, "greatest".to_owned())?;
            if !has_greatest(schema.field(column).data_type()) {
                return Err(wrong_type(schema, column, "a greatest column is a string, bigint, timestamp or date"));
            }
            units.push(Unit { rule: Rule::Greatest(column), columns: vec![column] });
        }
        for (place, pick) in merge.picks.iter().enumerate() {
            units.push(pick_unit(schema, pick, |name| claim(name, format!("pick {place}")))?);
        }
        match owners.iter().position(Option::is_none) {
            Some(column) => Err(wrong()
                .with("column", schema.field(column).name())
                .hint("every column is in the key, in greatest or in one pick")),
            None => Ok(Self { schema: Arc::clone(schema), key, units }),
        }
    }

    fn key_columns(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.key.iter().map(|column| Arc::clone(batch.column(*column))).collect()
    }

    /// Folds a batch that is sorted by key.
    fn sorted(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let groups = partition(&self.key_columns(batch))?.ranges();
        self.gather(batch, &groups, |place| place)
    }

    /// One row per group; `row` turns a place within the groups into a row of the batch.
    fn gather(
        &self,
        batch: &RecordBatch,
        groups: &[Range<usize>],
        row: impl Fn(usize) -> usize,
    ) -> Result<RecordBatch> {
        let mut columns: Vec<Option<ArrayRef>> = vec![None; batch.num_columns()];
        for unit in &self.units {
            let winners = unit.rule.winners(batch, groups, &row)?;
            for column in &unit.columns {
                columns[*column] = Some(take(batch.column(*column), &winners, None)?);
            }
        }
        // Every column has one owner, so none is missing here.
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.into_iter().flatten().collect())?)
    }
}

/// Notes that `owner` decides over a column, once.
fn claim_column(schema: &SchemaRef, owners: &mut [Option<String>], name: &str, owner: String) -> Result<usize> {
    let column = schema.index_of(name).map_err(|_| wrong().with("missing column", name))?;
    if let Some(first) = owners[column].replace(owner.clone()) {
        return Err(wrong().with("column", name).with("in", first).with("and in", owner));
    }
    Ok(column)
}

fn pick_unit(schema: &SchemaRef, pick: &Pick, mut claim: impl FnMut(&str) -> Result<usize>) -> Result<Unit> {
    let mut columns = Vec::with_capacity(pick.columns.len() + pick.order.len());
    let mut order = Vec::with_capacity(pick.order.len());
    for name in &pick.order {
        let column = claim(name)?;
        if schema.field(column).data_type() != &DataType::Int64 {
            return Err(wrong_type(schema, column, "an order column is a bigint"));
        }
        order.push(column);
        // The order goes with the columns: a partial row is compared with others later.
        columns.push(column);
    }
    if order.is_empty() {
        return Err(wrong().with("columns", pick.columns.join(",")).hint("a pick names at least one order column"));
    }
    for name in pick.columns.iter().filter(|name| !pick.order.contains(name)) {
        columns.push(claim(name)?);
    }
    Ok(Unit { rule: Rule::First(order), columns })
}

fn wrong() -> Error {
    Error::config("merge rows by key")
}

fn wrong_type(schema: &SchemaRef, column: usize, hint: &str) -> Error {
    let field = schema.field(column);
    wrong().with("column", field.name()).with("type", field.data_type()).hint(hint)
}

fn has_greatest(data_type: &DataType) -> bool {
    use DataType::{Date32, Int64, Timestamp, Utf8};
    matches!(data_type, Utf8 | Int64 | Date32 | Timestamp(TimeUnit::Microsecond, _))
}

impl Rule {
    /// The winning row of each group; null where no row is a candidate.
    fn winners(
        &self,
        batch: &RecordBatch,
        groups: &[Range<usize>],
        row: &impl Fn(usize) -> usize,
    ) -> Result<UInt32Array> {
        match self {
            Self::Key => Ok(groups.iter().map(|group| Some(row(group.start) as u32)).collect()),
            Self::Greatest(column) => greatest(batch.column(*column), groups, row),
            Self::First(order) => {
                let order: Vec<&Int64Array> =
                    order.iter().map(|column| batch.column(*column).as_primitive::<Int64Type>()).collect();
                let beats = |new: usize, best: usize| compare(&order, new, best) != Ordering::Greater;
                Ok(best(groups, row, |row| order[0].is_valid(row), beats))
            }
        }
    }
}

/// The best candidate of each group. `beats` is asked whether a later row replaces an earlier one.
fn best(
    groups: &[Range<usize>],
    row: &impl Fn(usize) -> usize,
    is_candidate: impl Fn(usize) -> bool,
    beats: impl Fn(usize, usize) -> bool,
) -> UInt32Array {
    let winner = |group: &Range<usize>| {
        let candidates = group.clone().map(row).filter(|row| is_candidate(*row));
        candidates.reduce(|best, new| if beats(new, best) { new } else { best }).map(|row| row as u32)
    };
    groups.iter().map(winner).collect()
}

/// Order column by order column, nulls before values, as the sort has them.
fn compare(order: &[&Int64Array], left: usize, right: usize) -> Ordering {
    let value = |column: &Int64Array, row: usize| column.is_valid(row).then(|| column.value(row));
    order
        .iter()
        .map(|column| value(column, left).cmp(&value(column, right)))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn greatest(column: &ArrayRef, groups: &[Range<usize>], row: &impl Fn(usize) -> usize) -> Result<UInt32Array> {
    let present = |row: usize| column.is_valid(row);
    match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string::<i32>();
            Ok(best(groups, row, present, |new, best| text.value(new) >= text.value(best)))
        }
        DataType::Int64 => Ok(greatest_number(column.as_primitive::<Int64Type>(), groups, row)),
        DataType::Date32 => Ok(greatest_number(column.as_primitive::<Date32Type>(), groups, row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Ok(greatest_number(column.as_primitive::<TimestampMicrosecondType>(), groups, row))
        }
        other => Err(Error::internal("take the greatest value").with("type", other)),
    }
}

fn greatest_number<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    groups: &[Range<usize>],
    row: &impl Fn(usize) -> usize,
) -> UInt32Array
where
    T::Native: PartialOrd,
{
    best(groups, row, |row| column.is_valid(row), |new, best| column.value(new) >= column.value(best))
}

/// Merged rows in batches: see [`merge_sorted`]. Ends after the first error.
#[derive(Debug)]
pub struct MergedRows<I> {
    rows: I,
    fold: Result<Fold, Option<Error>>,
    /// The last key's row so far: the next batch may have more of it.
    carried: Option<RecordBatch>,
    ended: bool,
}

impl<I: Iterator<Item = Result<RecordBatch>>> MergedRows<I> {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let fold = match &mut self.fold {
            Ok(fold) => fold,
            Err(error) => return error.take().map_or(Ok(None), Err),
        };
        for batch in self.rows.by_ref() {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let merged = join(fold, self.carried.take(), fold.sorted(&batch)?)?;
            let last = merged.num_rows() - 1;
            // A copy, not a slice: the row must not keep its whole batch alive.
            self.carried = Some(take_record_batch(&merged, &UInt32Array::from(vec![last as u32]))?);
            if last > 0 {
                return Ok(Some(merged.slice(0, last)));
            }
        }
        self.ended = true;
        Ok(self.carried.take())
    }
}

/// Puts the carried row in front of a folded batch, and into its first row when that has the same key.
fn join(fold: &Fold, carried: Option<RecordBatch>, batch: RecordBatch) -> Result<RecordBatch> {
    let Some(carried) = carried else { return Ok(batch) };
    let seam = fold.sorted(&concat_batches(&fold.schema, [&carried, &batch.slice(0, 1)])?)?;
    Ok(concat_batches(&fold.schema, [&seam, &batch.slice(1, batch.num_rows() - 1)])?)
}

impl<I: Iterator<Item = Result<RecordBatch>>> Iterator for MergedRows<I> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance();
        self.ended |= !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
