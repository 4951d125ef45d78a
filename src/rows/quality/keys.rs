//! Keys of `unique` rules: hashed by the tasks, sorted after them, and counted.
//!
//! A key is kept as 128 bits of its BLAKE3 hash. Two different keys with one hash would be counted as one that comes
//! twice: a false alarm, never a double that is missed. Among ten billion rows the chance of it is below one in 10^18.

use super::describe::RowText;
use super::values::Scalar;
use crate::rows::sort::{RowCollector, Sorter};
use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryBuilder, RecordBatch, StringBuilder, UInt32Array};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, UInt32Type};
use etl_sdk::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// Examples kept of the keys that come more than once.
const EXAMPLES: usize = 3;

/// Where the name of a table stands elsewhere, when a task's keys are kept with its partial rows.
pub const KEYS: &str = "_quality";

/// The order that rows of [`key_schema`] are sorted by to be counted.
const KEY_ORDER: [&str; 2] = ["rule", "key"];

/// Columns of the collected keys: `rule` (index among the job's rules), `key` (its hash), `example` (its text, short;
/// empty when no examples are kept).
pub fn key_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("rule", DataType::UInt32, false),
        Field::new("key", DataType::FixedSizeBinary(KEY_BYTES as i32), false),
        Field::new("example", DataType::Utf8, false),
    ]))
}

/// What was found of one rule's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Repeated {
    /// Rows whose key an other row has before them.
    pub rows: u64,
    /// Texts of some of the keys that come more than once.
    pub examples: Vec<String>,
}

/// The keys of a batch: a row for each of its rows without a null in `columns`.
pub(super) fn keys_of(rule: u32, batch: &RecordBatch, columns: &[usize], examples: bool) -> Result<RecordBatch> {
    let parts = columns.iter().map(|index| Part::of(batch.column(*index))).collect::<Result<Vec<_>>>()?;
    let mut texts = RowText::new(batch, columns)?;
    let mut keys = FixedSizeBinaryBuilder::with_capacity(batch.num_rows(), KEY_BYTES as i32);
    let mut shown = StringBuilder::new();
    let (mut encoded, mut text) = (Vec::new(), String::new());
    for row in 0..batch.num_rows() {
        if columns.iter().any(|index| batch.column(*index).is_null(row)) {
            continue;
        }
        encoded.clear();
        for part in &parts {
            part.encode(row, &mut encoded);
        }
        keys.append_value(&blake3::hash(&encoded).as_bytes()[..KEY_BYTES])?;
        if examples {
            texts.write(row, &mut text);
        }
        shown.append_value(&text);
    }
    let keys = keys.finish();
    let rules = UInt32Array::from(vec![rule; keys.len()]);
    Ok(RecordBatch::try_new(key_schema(), vec![Arc::new(rules), Arc::new(keys), Arc::new(shown.finish())])?)
}

/// One column of a key, encoded so that no two keys look alike: numbers in eight bytes, texts behind their length.
struct Part {
    scalar: Scalar,
    values: ArrayRef,
}

impl Part {
    fn of(column: &ArrayRef) -> Result<Self> {
        let scalar = Scalar::of(column.data_type())
            .ok_or_else(|| Error::internal("make a key").with("type", column.data_type()))?;
        Ok(Self { scalar, values: scalar.plain(column)? })
    }

    fn encode(&self, row: usize, into: &mut Vec<u8>) {
        match self.scalar {
            Scalar::Text => {
                let text = self.values.as_string::<i32>().value(row);
                into.extend_from_slice(&(text.len() as u64).to_le_bytes());
                into.extend_from_slice(text.as_bytes());
            }
            Scalar::Number => {
                // The two zeros are equal, and so are all NaNs.
                let number = self.values.as_primitive::<Float64Type>().value(row);
                let number = if number.is_nan() { f64::NAN } else { number + 0.0 };
                into.extend_from_slice(&number.to_bits().to_le_bytes());
            }
            Scalar::Flag => into.push(u8::from(self.values.as_boolean().value(row))),
            Scalar::Whole | Scalar::Instant | Scalar::Date => {
                into.extend_from_slice(&self.values.as_primitive::<Int64Type>().value(row).to_le_bytes());
            }
        }
    }
}

/// Sorts the keys of all tasks and counts, by rule, those that come more than once.
pub(super) fn count_repeated(collectors: Vec<RowCollector>, sorter: &Sorter) -> Result<BTreeMap<u32, Repeated>> {
    let mut found: BTreeMap<u32, Repeated> = BTreeMap::new();
    // The key before, and whether it was counted as one that comes again.
    let mut before: Option<(u32, Vec<u8>, bool)> = None;
    for batch in sorter.sorted(collectors, &KEY_ORDER.map(str::to_owned))? {
        let batch = batch?;
        let rules = batch.column(0).as_primitive::<UInt32Type>();
        let keys = batch.column(1).as_fixed_size_binary();
        let examples = batch.column(2).as_string::<i32>();
        for row in 0..batch.num_rows() {
            let (rule, key) = (rules.value(row), keys.value(row));
            match &mut before {
                Some((known, last, counted)) if *known == rule && last.as_slice() == key => {
                    let repeated = found.entry(rule).or_default();
                    repeated.rows += 1;
                    let example = examples.value(row);
                    if !*counted && !example.is_empty() && repeated.examples.len() < EXAMPLES {
                        repeated.examples.push(example.to_owned());
                    }
                    *counted = true;
                }
                Some((known, last, counted)) => {
                    *known = rule;
                    last.clear();
                    last.extend_from_slice(key);
                    *counted = false;
                }
                None => before = Some((rule, key.to_vec(), false)),
            }
        }
    }
    Ok(found)
}
