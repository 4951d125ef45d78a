//! Rows of one key become one row, by the table's [`Merge`].
//!
//! A batch is folded a column at a time: for each unit of columns the winning row of every key is found, then the
//! columns are gathered by those rows in one go; totals are added up instead. The fold is associative, so a key whose
//! rows span batches is carried over as the one row it has become.

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, Int64Array, PrimitiveArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, partition, take, take_record_batch};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use etl_sdk::{Carry, Error, ErrorKind, Merge, MergeRule, Result};
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

/// Checks that every column of `schema` is in the key or in exactly one rule, and that the types fit.
///
/// Fails naming the column: a column that nothing decides over would be lost in silence.
pub fn check_merge(merge: &Merge, schema: &SchemaRef) -> Result<()> {
    Fold::new(merge, schema)?;
    let Some(Carry::Rows { met, stamp, .. }) = &merge.carry else { return Ok(()) };
    for rule in &merge.rules {
        if let MergeRule::Sum(column) | MergeRule::Count(column) = rule {
            return Err(wrong().with("column", column).hint("a table that carries rows has no totals"));
        }
    }
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

/// Columns that one rule decides over.
#[derive(Debug)]
struct Unit {
    rule: Rule,
    columns: Vec<usize>,
}

/// Where a unit's values come from.
#[derive(Debug)]
enum Rule {
    /// Any row: the columns are equal in the whole group.
    Key,
    /// The row with the greatest value in this column.
    Greatest(usize),
    /// The first row by these columns; the last of the equal ones.
    First(Vec<usize>),
    /// All rows: the total of this column.
    Sum(usize),
    /// All rows: the total of this column, in which null is one.
    Count(usize),
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
        for (index, rule) in merge.rules.iter().enumerate() {
            units.push(unit(schema, rule, |name| claim(name, format!("rule {index}")))?);
        }
        match owners.iter().position(Option::is_none) {
            Some(column) => Err(wrong()
                .with("column", schema.field(column).name())
                .hint("every column is in the key or in one rule")),
            None => Ok(Self { schema: Arc::clone(schema), key, units }),
        }
    }

    fn key_columns(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.key.iter().map(|column| Arc::clone(batch.column(*column))).collect()
    }

    /// Folds a batch that is sorted by key.
    fn sorted(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let groups = partition(&self.key_columns(batch))?.ranges();
        self.gather(batch, &groups, |index| index)
    }

    /// One row per group; `row` turns an index within the groups into a row of the batch.
    fn gather(
        &self,
        batch: &RecordBatch,
        groups: &[Range<usize>],
        row: impl Fn(usize) -> usize,
    ) -> Result<RecordBatch> {
        let mut columns: Vec<Option<ArrayRef>> = vec![None; batch.num_columns()];
        for unit in &self.units {
            let winners = match &unit.rule {
                Rule::Key => groups.iter().map(|group| Some(row(group.start) as u32)).collect(),
                Rule::Greatest(column) => greatest(batch.column(*column), groups, &row)?,
                Rule::First(order) => first(batch, order, groups, &row),
                Rule::Sum(column) => {
                    columns[*column] = Some(self.total(batch, *column, None, groups, &row)?);
                    continue;
                }
                Rule::Count(column) => {
                    columns[*column] = Some(self.total(batch, *column, Some(1), groups, &row)?);
                    continue;
                }
            };
            for column in &unit.columns {
                columns[*column] = Some(take(batch.column(*column), &winners, None)?);
            }
        }
        // Every column has one owner, so none is missing here.
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.into_iter().flatten().collect())?)
    }

    /// The total of each group in a column of numbers; nulls stand for `null`.
    fn total(
        &self,
        batch: &RecordBatch,
        column: usize,
        null: Option<i64>,
        groups: &[Range<usize>],
        row: &impl Fn(usize) -> usize,
    ) -> Result<ArrayRef> {
        let field = self.schema.field(column);
        let overflow = || {
            Error::new(ErrorKind::Limit, "merge rows by key: a total is greater than its column can hold")
                .with("column", field.name())
                .with("type", field.data_type())
        };
        match field.data_type() {
            DataType::Int64 => {
                let sums = sums(batch.column(column).as_primitive::<Int64Type>(), null, groups, row);
                Ok(Arc::new(sums.ok_or_else(overflow)?))
            }
            DataType::Decimal128(precision, scale) => {
                let sums = sums(batch.column(column).as_primitive::<Decimal128Type>(), None, groups, row);
                let sums = sums.ok_or_else(overflow)?.with_precision_and_scale(*precision, *scale)?;
                sums.validate_decimal_precision(*precision).map_err(|error| overflow().source(error))?;
                Ok(Arc::new(sums))
            }
            other => Err(Error::internal("add up numbers").with("type", other)),
        }
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

fn unit(schema: &SchemaRef, rule: &MergeRule, mut claim: impl FnMut(&str) -> Result<usize>) -> Result<Unit> {
    let (rule, column) = match rule {
        MergeRule::Pick { columns, order } => return pick_unit(schema, columns, order, claim),
        MergeRule::Greatest(name) => {
            let column = claim(name)?;
            if !has_greatest(schema.field(column).data_type()) {
                return Err(wrong_type(schema, column, "a greatest column is a string, bigint, timestamp or date"));
            }
            (Rule::Greatest(column), column)
        }
        MergeRule::Sum(name) => {
            let column = claim(name)?;
            if !matches!(schema.field(column).data_type(), DataType::Int64 | DataType::Decimal128(..)) {
                let hint = "a sum is a bigint or a decimal; doubles have no sum that is the same in any order";
                return Err(wrong_type(schema, column, hint));
            }
            (Rule::Sum(column), column)
        }
        MergeRule::Count(name) => {
            let column = claim(name)?;
            if schema.field(column).data_type() != &DataType::Int64 {
                return Err(wrong_type(schema, column, "a count is a bigint"));
            }
            (Rule::Count(column), column)
        }
    };
    Ok(Unit { rule, columns: vec![column] })
}

fn pick_unit(
    schema: &SchemaRef,
    columns: &[String],
    order: &[String],
    mut claim: impl FnMut(&str) -> Result<usize>,
) -> Result<Unit> {
    let (mut taken, mut compared) = (Vec::with_capacity(columns.len() + order.len()), Vec::with_capacity(order.len()));
    for name in order {
        let column = claim(name)?;
        if schema.field(column).data_type() != &DataType::Int64 {
            return Err(wrong_type(schema, column, "an order column is a bigint"));
        }
        compared.push(column);
        // The order goes with the columns: a partial row is compared with others later.
        taken.push(column);
    }
    if order.is_empty() {
        return Err(wrong().with("columns", columns.join(",")).hint("a pick names at least one order column"));
    }
    for name in columns.iter().filter(|name| !order.contains(name)) {
        taken.push(claim(name)?);
    }
    Ok(Unit { rule: Rule::First(compared), columns: taken })
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

/// The first row of each group by the order columns, the last of the equal ones; null where no row is a candidate.
fn first(batch: &RecordBatch, order: &[usize], groups: &[Range<usize>], row: &impl Fn(usize) -> usize) -> UInt32Array {
    let order: Vec<&Int64Array> =
        order.iter().map(|column| batch.column(*column).as_primitive::<Int64Type>()).collect();
    let beats = |new: usize, best: usize| compare(&order, new, best) != Ordering::Greater;
    best(groups, row, |row| order[0].is_valid(row), beats)
}

/// The sum of each group. Nulls stand for `null`, and for nothing where that is none. `None` when a sum does not fit.
fn sums<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    null: Option<T::Native>,
    groups: &[Range<usize>],
    row: &impl Fn(usize) -> usize,
) -> Option<PrimitiveArray<T>> {
    let value = |row: usize| if column.is_valid(row) { Some(column.value(row)) } else { null };
    let sum = |group: &Range<usize>| {
        let mut sum: Option<T::Native> = None;
        for value in group.clone().map(row).filter_map(value) {
            sum = Some(match sum {
                Some(sum) => sum.add_checked(value).ok()?,
                None => value,
            });
        }
        Some(sum)
    };
    groups.iter().map(sum).collect::<Option<PrimitiveArray<T>>>()
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
