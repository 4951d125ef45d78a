//! A test kit for transformers: run one over records in memory and look at its rows as JSON.
//!
//! Merged tables are merged here by a plain fold over JSON values, which shares no code with the engine's.

pub mod external;

use crate::{
    EpochMillis, Keep, Ledger, Merge, MergeRule, ObjectRef, Output, RawRecord, Reject, Result, Run, Transformer,
};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row as a JSON object: nulls are left out, maps are objects, times are text.
pub type Row = Map<String, Value>;

/// What a transformer made of some records.
#[derive(Debug)]
pub struct Outcome {
    /// Rows by table, in the order they came; merged tables have one row per key.
    pub tables: BTreeMap<String, Vec<Row>>,
    /// Rejected records.
    pub rejects: Vec<Reject>,
    /// Counts per step.
    pub ledger: Ledger,
}

/// A run whose instant is so many milliseconds after 1970.
pub fn run_at(id: &str, now: i64) -> Run {
    let now = EpochMillis(now);
    Run { id: id.to_owned(), now, window_start: EpochMillis(0), window_end: now }
}

/// Runs a transformer over records of one object, `records_per_task` at a time.
pub fn transform(
    transformer: &Arc<dyn Transformer>,
    run: &Run,
    records: &[&[u8]],
    records_per_task: usize,
) -> Result<Outcome> {
    let object = Arc::new(ObjectRef { uri: "memory://records".to_owned(), etag: None, ordinal: 0 });
    let mut worker = Arc::clone(transformer).worker(run)?;
    let mut out = Output::default();
    let mut offset = 0;
    for task in records.chunks(records_per_task.max(1)) {
        for bytes in task {
            worker.transform(&RawRecord { object: &object, offset, index: None, bytes, only: None }, &mut out)?;
            offset += bytes.len() as u64 + 1;
        }
        worker.finish_task(&mut out)?;
    }
    outcome(transformer, run, out)
}

/// Runs a transformer over some elements of one record, as a replay of their dead letters does. `only` is ascending.
///
/// What a transformer owes: the rows of all elements one by one are those of the record at once, and its ledger
/// balances each time.
pub fn transform_elements(
    transformer: &Arc<dyn Transformer>,
    run: &Run,
    record: &[u8],
    only: &[u32],
) -> Result<Outcome> {
    let object = Arc::new(ObjectRef { uri: "memory://records".to_owned(), etag: None, ordinal: 0 });
    let mut worker = Arc::clone(transformer).worker(run)?;
    let mut out = Output::default();
    let record = RawRecord { object: &object, offset: 0, index: None, bytes: record, only: Some(only) };
    worker.transform(&record, &mut out)?;
    worker.finish_task(&mut out)?;
    outcome(transformer, run, out)
}

fn outcome(transformer: &Arc<dyn Transformer>, run: &Run, out: Output) -> Result<Outcome> {
    let mut tables = BTreeMap::new();
    for (index, table) in transformer.tables().iter().enumerate() {
        let batches = out.batches.iter().filter(|(of, _)| *of == index).map(|(_, batch)| batch);
        let mut batch = concat_batches(&table.schema.working_schema(), batches)?;
        if let Keep::Merged(merge) = &table.keep {
            let rows = merge_rows(rows(&batch)?, merge);
            batch = transformer.complete(index, run, batch_of(&rows, &batch)?)?;
        }
        tables.insert(table.schema.table.clone(), rows(&batch)?);
    }
    Ok(Outcome { tables, rejects: out.rejects, ledger: out.ledger })
}

/// The rows of a batch as JSON objects.
pub fn rows(batch: &RecordBatch) -> Result<Vec<Row>> {
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    let text = writer.into_inner();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&text).map_err(|error| crate::Error::internal("read rows back as JSON").source(error))
}

fn batch_of(rows: &[Row], like: &RecordBatch) -> Result<RecordBatch> {
    let mut decoder =
        arrow::json::ReaderBuilder::new(like.schema()).with_batch_size(rows.len().max(1)).build_decoder()?;
    decoder.serialize(rows)?;
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(like.schema())))
}

/// Merges rows by key: the plain reading of [`Merge`].
pub fn merge_rows(rows: Vec<Row>, merge: &Merge) -> Vec<Row> {
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let key: Vec<_> = merge.key.iter().map(|column| row.get(column)).collect();
        groups.entry(format!("{key:?}")).or_default().push(row);
    }
    groups.into_values().map(|group| merge_group(&group, merge)).collect()
}

fn merge_group(group: &[Row], merge: &Merge) -> Row {
    let mut merged = Row::new();
    let mut take = |row: &Row, columns: &[String]| {
        for column in columns {
            if let Some(value) = row.get(column) {
                merged.insert(column.clone(), value.clone());
            }
        }
    };
    take(&group[0], &merge.key);
    for rule in &merge.rules {
        match rule {
            MergeRule::Greatest(column) => {
                let present = group.iter().filter(|row| row.contains_key(column));
                if let Some(row) = present.max_by(|a, b| compare(&a[column], &b[column])) {
                    take(row, std::slice::from_ref(column));
                }
            }
            MergeRule::Pick { columns, order } => {
                let key = |row: &Row| order.iter().map(|column| whole(row, column)).collect::<Vec<_>>();
                // `min_by` keeps the first of equals; the rule is the last.
                let candidates = group.iter().rev().filter(|row| row.contains_key(&order[0]));
                if let Some(row) = candidates.min_by_key(|row| key(row)) {
                    take(row, columns);
                    take(row, order);
                }
            }
            MergeRule::Sum(column) => {
                let present: Vec<i64> = group.iter().filter_map(|row| whole(row, column)).collect();
                if !present.is_empty() {
                    let sum: i64 = present.iter().sum();
                    take(&Row::from_iter([(column.clone(), sum.into())]), std::slice::from_ref(column));
                }
            }
            MergeRule::Count(column) => {
                let count: i64 = group.iter().map(|row| whole(row, column).unwrap_or(1)).sum();
                take(&Row::from_iter([(column.clone(), count.into())]), std::slice::from_ref(column));
            }
        }
    }
    merged
}

fn whole(row: &Row, column: &str) -> Option<i64> {
    row.get(column).and_then(Value::as_i64)
}

fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn totals_are_added_up_and_a_row_without_a_count_is_one() {
        let rules = vec![MergeRule::Sum("bytes".to_owned()), MergeRule::Count("requests".to_owned())];
        let merge = Merge { key: vec!["tenant".to_owned()], rules, carry: None };
        let row = |row: Value| row.as_object().cloned().unwrap();
        let rows = vec![
            row(json!({"tenant": "a", "bytes": 5})),
            row(json!({"tenant": "b"})),
            row(json!({"tenant": "a", "bytes": 7, "requests": 3})),
        ];
        let merged = merge_rows(rows, &merge);
        assert_eq!(
            merged,
            [row(json!({"tenant": "a", "bytes": 12, "requests": 4})), row(json!({"tenant": "b", "requests": 1}))]
        );
    }
}
