//! The greatest row of each key: what readers of a table with versions take for the current one.

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::row::{OwnedRow, RowConverter};
use etl_sdk::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The last row of each key, of rows that are sorted by the key first.
pub(super) struct LatestRows<I> {
    rows: I,
    converter: RowConverter,
    key: usize,
    /// The last row so far, with its key; a later batch may have a greater one.
    held: Option<(RecordBatch, OwnedRow)>,
    left_out: Arc<AtomicU64>,
}

impl<I: Iterator<Item = Result<RecordBatch>>> LatestRows<I> {
    /// `key` is the number of columns at the front that are the key. Rows that are left out are counted in `left_out`.
    pub(super) fn new(rows: I, converter: RowConverter, key: usize, left_out: &Arc<AtomicU64>) -> Self {
        Self { rows, converter, key, held: None, left_out: Arc::clone(left_out) }
    }

    /// The rows of a batch, and the one held before it, that are the last of their keys.
    fn advance(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let rows = batch.num_rows();
        let keys = self.converter.convert_columns(&batch.columns()[..self.key])?;
        let is_last = |row: &u64| keys.row(*row as usize) != keys.row(*row as usize + 1);
        let kept = UInt64Array::from_iter_values((0..rows as u64 - 1).filter(is_last));
        let mut parts = Vec::with_capacity(2);
        let mut left_out = rows - 1 - kept.len();
        match self.held.take() {
            Some((row, key)) if key.row() != keys.row(0) => parts.push(row),
            Some(_) => left_out += 1,
            None => {}
        }
        parts.push(take_record_batch(batch, &kept)?);
        let last = take_record_batch(batch, &UInt64Array::from_iter_values([rows as u64 - 1]))?;
        self.held = Some((last, keys.row(rows - 1).owned()));
        self.left_out.fetch_add(left_out as u64, Ordering::Relaxed);
        let whole = concat_batches(&batch.schema(), &parts)?;
        Ok((whole.num_rows() > 0).then_some(whole))
    }
}

impl<I: Iterator<Item = Result<RecordBatch>>> Iterator for LatestRows<I> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = match self.rows.next() {
                None => return self.held.take().map(|(row, _)| Ok(row)),
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(batch)) if batch.num_rows() == 0 => continue,
                Some(Ok(batch)) => batch,
            };
            match self.advance(&batch) {
                Ok(None) => {}
                Ok(Some(batch)) => return Some(Ok(batch)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use arrow::row::SortField;

    #[test]
    fn the_last_row_of_a_key_is_taken_across_batches() {
        let fields = ["key", "version"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let batch = |rows: &[(i64, i64)]| {
            let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as _;
            let (keys, versions) = rows.iter().copied().unzip();
            RecordBatch::try_new(Arc::clone(&schema), vec![column(keys), column(versions)])
        };
        let batches =
            [&[(1, 1), (1, 2)][..], &[(1, 3)], &[], &[(2, 1), (3, 1), (3, 2)], &[(4, 1)]].map(|rows| Ok(batch(rows)?));
        let converter = RowConverter::new(vec![SortField::new(DataType::Int64)]).unwrap();
        let left_out = Arc::default();
        let latest = LatestRows::new(batches.into_iter(), converter, 1, &left_out);
        let mut found = Vec::new();
        for batch in latest {
            let batch = batch.unwrap();
            let column = |index: usize| batch.column(index).as_primitive::<Int64Type>().values().to_vec();
            found.extend(column(0).into_iter().zip(column(1)));
        }
        assert_eq!(found, [(1, 3), (2, 1), (3, 2), (4, 1)]);
        assert_eq!(left_out.load(Ordering::Relaxed), 3);
    }
}
