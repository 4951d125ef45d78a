//! Builds the columns of a batch from the results of its rows.

use crate::details::{Details, Part};
use arrow::array::{ArrayRef, MapArray, StringArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;
use etl_sdk::{ColumnType, Error, ErrorKind, Result};
use std::sync::Arc;

/// Key of the map's entry that holds the user agent itself.
const STRING: &str = "string";

/// `map<string,string>` as the table schemas have it.
pub(crate) fn map_type() -> DataType {
    ColumnType::Map(Box::new(ColumnType::String)).data_type()
}

/// One part of every row's result; null where there is none.
pub(crate) fn text_column(details: &[Option<Arc<Details>>], part: Part) -> ArrayRef {
    let values = || details.iter().map(|row| row.as_ref().and_then(|row| row.get(part)));
    let bytes = values().flatten().map(str::len).sum();
    let mut builder = StringBuilder::with_capacity(details.len(), bytes);
    values().for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

/// The map of every row: its results as JSON and the text itself. Null where there is no result.
///
/// Fails when a batch's texts pass the 2 GiB that the column can address.
pub(crate) fn map_column(details: &[Option<Arc<Details>>], texts: &StringArray) -> Result<ArrayRef> {
    let size = Size::of(details, texts);
    if size.value_bytes > i32::MAX as usize {
        return Err(Error::new(ErrorKind::Limit, "build the user agent map")
            .with("rows", details.len())
            .with("bytes", size.value_bytes)
            .hint("make the batches smaller"));
    }
    let mut keys = StringBuilder::with_capacity(size.entries, size.key_bytes);
    let mut values = StringBuilder::with_capacity(size.entries, size.value_bytes);
    let mut lengths = Vec::with_capacity(details.len());
    for (row, details) in details.iter().enumerate() {
        let Some(details) = details else {
            lengths.push(0);
            continue;
        };
        let mut entries = 1;
        for (key, part) in Part::ENTRIES {
            if let Some(value) = details.get(part) {
                keys.append_value(key);
                values.append_value(value);
                entries += 1;
            }
        }
        keys.append_value(STRING);
        values.append_value(texts.value(row));
        lengths.push(entries);
    }
    let DataType::Map(entry, sorted) = map_type() else { return Err(Error::internal("build the user agent map")) };
    let DataType::Struct(fields) = entry.data_type() else { return Err(Error::internal("build the user agent map")) };
    let children: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(values.finish())];
    let entries = StructArray::try_new(fields.clone(), children, None)?;
    let nulls: NullBuffer = details.iter().map(Option::is_some).collect();
    let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
    Ok(Arc::new(MapArray::try_new(entry, OffsetBuffer::from_lengths(lengths), entries, nulls, sorted)?))
}

/// What the map's child columns take.
#[derive(Default)]
struct Size {
    entries: usize,
    key_bytes: usize,
    value_bytes: usize,
}

impl Size {
    fn of(details: &[Option<Arc<Details>>], texts: &StringArray) -> Self {
        let mut size = Self::default();
        for (row, details) in details.iter().enumerate() {
            let Some(details) = details else { continue };
            size.add(STRING, texts.value(row));
            for (key, part) in Part::ENTRIES {
                if let Some(value) = details.get(part) {
                    size.add(key, value);
                }
            }
        }
        size
    }

    fn add(&mut self, key: &str, value: &str) {
        self.entries += 1;
        self.key_bytes += key.len();
        self.value_bytes += value.len();
    }
}
