//! Column builders for one table, filled row by row in the order of its columns.

use crate::java;
use arrow::array::{
    Array, ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, MapArray,
    NullBufferBuilder, RecordBatch, StringBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields, SchemaRef};
use etl_sdk::{Error, Result, TableSchema};
use std::sync::Arc;

/// Rows of a batch: enough to amortise work per batch, few enough for a batch of 106 columns to stay near the caches.
pub(crate) const BATCH_ROWS: usize = 4_096;

/// Bytes of texts of a batch; the row that reaches them is its last. What follows costs a few times as much memory.
pub(crate) const BATCH_BYTES: usize = 16 << 20;

/// Most bytes of texts that the builders keep room for from one batch to the next.
const ROOM_KEPT: usize = 1 << 20;

/// The rows of a table while they are built. Each call fills the next column of the current row; the order of the calls
/// is the order of the columns, and [`Rows::finish`] fails when they disagree.
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Places of the maps among the columns.
    maps: Vec<usize>,
    at: usize,
    count: usize,
    /// Bytes of the columns of texts.
    bytes: usize,
    misplaced: Option<usize>,
}

enum Column {
    Text { builder: StringBuilder, max_bytes: usize },
    Long(Int64Builder),
    Int(Int32Builder),
    Double(Float64Builder),
    Boolean(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Map(Box<MapColumn>),
}

/// A map column: keys, and for each key either a text or a struct of texts and one number.
pub(crate) struct MapColumn {
    entry: Arc<Field>,
    offsets: Vec<i32>,
    validity: NullBufferBuilder,
    keys: StringBuilder,
    texts: Vec<StringBuilder>,
    numbers: Option<Int64Builder>,
    /// Bytes of keys and texts.
    bytes: usize,
}

impl Rows {
    /// Texts longer than their column's `max_bytes` are cut when `truncate` is set.
    pub fn new(schema: &TableSchema, truncate: bool) -> Result<Self> {
        let arrow = schema.working_schema();
        let columns = arrow
            .fields()
            .iter()
            .zip(&schema.columns)
            .map(|(field, column)| Column::new(field, column.max_bytes.filter(|_| truncate)))
            .collect::<Result<Vec<_>>>()?;
        let is_map = |index: &usize| matches!(columns[*index], Column::Map(_));
        let maps = (0..columns.len()).filter(is_map).collect();
        Ok(Self { schema: arrow, columns, maps, at: 0, count: 0, bytes: 0, misplaced: None })
    }

    /// Never cuts the texts of this column.
    pub fn never_cut(&mut self, column: &str) {
        let index = self.schema.fields().iter().position(|field| field.name() == column);
        if let Some(Column::Text { max_bytes, .. }) = index.and_then(|index| self.columns.get_mut(index)) {
            *max_bytes = usize::MAX;
        }
    }

    /// The longest text that the next column takes without a cut, in bytes.
    pub fn room_of_next(&self) -> usize {
        match self.columns.get(self.at) {
            Some(Column::Text { max_bytes, .. }) => *max_bytes,
            _ => usize::MAX,
        }
    }

    /// Whether the rows built since the last [`Rows::finish`] are a batch.
    pub fn is_full(&self) -> bool {
        self.count >= BATCH_ROWS || self.bytes() >= BATCH_BYTES
    }

    /// Bytes of the texts built since then.
    fn bytes(&self) -> usize {
        let map = |index: &usize| if let Column::Map(map) = &self.columns[*index] { map.bytes } else { 0 };
        self.bytes + self.maps.iter().map(map).sum::<usize>()
    }

    fn next(&mut self) -> Option<&mut Column> {
        self.at += 1;
        self.columns.get_mut(self.at - 1)
    }

    fn misplace(&mut self) {
        self.misplaced.get_or_insert(self.at - 1);
    }

    #[allow(clippy::inline_always, reason = "called for every text of a row")]
    #[inline(always)]
    pub fn text(&mut self, value: Option<&str>) {
        let Some(Column::Text { builder, max_bytes }) = self.next() else { return self.misplace() };
        self.bytes += match value {
            None => {
                builder.append_null();
                0
            }
            Some(value) if value.len() > *max_bytes => append_cut(builder, value, *max_bytes),
            Some(value) => {
                builder.append_value(value);
                value.len()
            }
        };
    }

    pub fn long(&mut self, value: Option<i64>) {
        match self.next() {
            Some(Column::Long(builder)) => builder.append_option(value),
            _ => self.misplace(),
        }
    }

    pub fn int(&mut self, value: Option<i32>) {
        match self.next() {
            Some(Column::Int(builder)) => builder.append_option(value),
            _ => self.misplace(),
        }
    }

    pub fn double(&mut self, value: Option<f64>) {
        match self.next() {
            Some(Column::Double(builder)) => builder.append_option(value),
            _ => self.misplace(),
        }
    }

    pub fn boolean(&mut self, value: Option<bool>) {
        match self.next() {
            Some(Column::Boolean(builder)) => builder.append_option(value),
            _ => self.misplace(),
        }
    }

    /// An instant in epoch milliseconds.
    pub fn timestamp(&mut self, msec: i64) {
        match self.next() {
            Some(Column::Timestamp(builder)) => builder.append_value(msec * 1_000),
            _ => self.misplace(),
        }
    }

    /// The UTC date of an instant in epoch milliseconds.
    pub fn date(&mut self, msec: Option<i64>) {
        match self.next() {
            Some(Column::Date(builder)) => {
                builder.append_option(msec.and_then(|msec| i32::try_from(msec.div_euclid(86_400_000)).ok()));
            }
            _ => self.misplace(),
        }
    }

    /// The next column as a map; end its row with [`MapColumn::end`].
    pub fn map(&mut self) -> Option<&mut MapColumn> {
        // Looking first keeps the borrow checker content with the early return.
        if !matches!(self.columns.get(self.at), Some(Column::Map(_))) {
            self.at += 1;
            self.misplace();
            return None;
        }
        match self.next() {
            Some(Column::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// Nulls for the next `count` columns, whatever their type.
    pub fn nulls(&mut self, count: usize) {
        for _ in 0..count {
            match self.next() {
                Some(Column::Text { builder, .. }) => builder.append_null(),
                Some(Column::Long(builder)) => builder.append_null(),
                Some(Column::Int(builder)) => builder.append_null(),
                Some(Column::Double(builder)) => builder.append_null(),
                Some(Column::Boolean(builder)) => builder.append_null(),
                Some(Column::Timestamp(builder)) => builder.append_null(),
                Some(Column::Date(builder)) => builder.append_null(),
                Some(Column::Map(map)) => map.end(false),
                None => self.misplace(),
            }
        }
    }

    pub fn end_row(&mut self) {
        if self.at != self.columns.len() {
            self.misplace();
        }
        self.at = 0;
        self.count += 1;
    }

    /// All rows built so far as one batch of the table's working schema.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        if let Some(index) = self.misplaced {
            let name = self.schema.fields().get(index).map_or("(none)", |field| field.name());
            return Err(Error::internal("build rows in the order of the table's columns").with("column", name));
        }
        (self.count, self.bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }
}

/// Appends what fits of a text. Gives its length.
#[cold]
fn append_cut(builder: &mut StringBuilder, value: &str, max_bytes: usize) -> usize {
    let cut = java::truncate(value, max_bytes);
    builder.append_value(&cut);
    cut.len()
}

impl Column {
    fn new(field: &Field, max_bytes: Option<usize>) -> Result<Self> {
        Ok(match field.data_type() {
            DataType::Utf8 => Self::Text { builder: StringBuilder::new(), max_bytes: max_bytes.unwrap_or(usize::MAX) },
            DataType::Int64 => Self::Long(Int64Builder::new()),
            DataType::Int32 => Self::Int(Int32Builder::new()),
            DataType::Float64 => Self::Double(Float64Builder::new()),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Timestamp(_, _) => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(field.data_type().clone()))
            }
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Map(entry, _) => Self::Map(Box::new(MapColumn::new(entry)?)),
            other => return Err(Error::internal("build a column").with("column", field.name()).with("type", other)),
        })
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text { builder, .. } => {
                let texts = builder.finish();
                // The next batch will hold about as much: growing step by step would copy all of it again. A text that
                // is the exception must not be paid for by every batch that follows.
                *builder = StringBuilder::with_capacity(texts.len(), texts.value_data().len().min(ROOM_KEPT));
                Arc::new(texts)
            }
            Self::Long(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Map(map) => Arc::new(map.finish()?),
        })
    }
}

impl MapColumn {
    fn new(entry: &Arc<Field>) -> Result<Self> {
        let unfit = || Error::internal("build a map column").with("type", entry.data_type());
        let DataType::Struct(members) = entry.data_type() else { return Err(unfit()) };
        let [_, value] = members.as_ref() else { return Err(unfit()) };
        let value_fields = match value.data_type() {
            DataType::Struct(fields) => fields.clone(),
            _ => Fields::from(vec![Arc::clone(value)]),
        };
        let numbers = value_fields.iter().filter(|field| *field.data_type() == DataType::Int64).count();
        let texts = value_fields.iter().take_while(|field| *field.data_type() == DataType::Utf8).count();
        if numbers > 1 || texts + numbers != value_fields.len() {
            return Err(unfit());
        }
        Ok(Self {
            entry: Arc::clone(entry),
            offsets: vec![0],
            validity: NullBufferBuilder::new(0),
            keys: StringBuilder::new(),
            texts: (0..texts).map(|_| StringBuilder::new()).collect(),
            numbers: (numbers == 1).then(Int64Builder::new),
            bytes: 0,
        })
    }

    /// Adds an entry whose value is one text.
    pub fn entry(&mut self, key: &str, value: Option<&str>) {
        self.bytes += key.len() + value.map_or(0, str::len);
        self.keys.append_value(key);
        self.texts[0].append_option(value);
    }

    /// Adds an entry whose value is a struct of a text, its type name and, where the column has one, a number.
    pub fn typed_entry(&mut self, key: &str, value: Option<&str>, type_name: &str, number: Option<i64>) {
        self.bytes += key.len() + value.map_or(0, str::len) + type_name.len();
        self.keys.append_value(key);
        self.texts[0].append_option(value);
        if let Some(types) = self.texts.get_mut(1) {
            types.append_value(type_name);
        }
        if let Some(numbers) = &mut self.numbers {
            numbers.append_option(number);
        }
    }

    /// Ends the row: its entries are those added since the last end. A null row must have none.
    pub fn end(&mut self, valid: bool) {
        self.offsets.push(self.keys.len() as i32);
        self.validity.append(valid);
    }

    fn finish(&mut self) -> Result<MapArray> {
        self.bytes = 0;
        let DataType::Struct(members) = self.entry.data_type() else {
            return Err(Error::internal("finish a map column"));
        };
        let mut arrays: Vec<ArrayRef> =
            self.texts.iter_mut().map(|texts| Arc::new(texts.finish()) as ArrayRef).collect();
        if let Some(numbers) = &mut self.numbers {
            arrays.push(Arc::new(numbers.finish()));
        }
        let values: ArrayRef = match members[1].data_type() {
            DataType::Struct(fields) => Arc::new(StructArray::try_new(fields.clone(), arrays, None)?),
            _ => arrays.swap_remove(0),
        };
        let entries = StructArray::try_new(members.clone(), vec![Arc::new(self.keys.finish()), values], None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let validity = self.validity.finish();
        debug_assert_eq!(entries.len() as i32, offsets.last().copied().unwrap_or_default());
        Ok(MapArray::try_new(Arc::clone(&self.entry), offsets, entries, validity, false)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(types: &[&str]) -> TableSchema {
        let columns: Vec<_> =
            types.iter().enumerate().map(|(n, t)| format!(r#"{{"name":"c{n}","type":"{t}","max_bytes":4}}"#)).collect();
        TableSchema::parse(&format!(r#"{{"table":"t","description":"","columns":[{}]}}"#, columns.join(","))).unwrap()
    }

    #[test]
    fn rows_come_back_as_they_were_put() {
        let mut rows = Rows::new(
            &schema(&["string", "bigint", "map<string,struct<value:string,type:string,set_time_msec:bigint>>"]),
            true,
        )
        .unwrap();
        for round in 0..2 {
            rows.text(Some("abcdef"));
            rows.long(Some(round));
            let map = rows.map().unwrap();
            map.typed_entry("k", Some("v"), "string", None);
            map.end(true);
            rows.end_row();
            rows.nulls(3);
            rows.end_row();
            let batch = rows.finish().unwrap();
            assert_eq!(batch.num_rows(), 2);
            assert_eq!(batch.column(0).as_any().downcast_ref::<arrow::array::StringArray>().unwrap().value(0), "abcd");
            assert!(batch.columns().iter().all(|column| column.is_null(1) && column.is_valid(0)));
        }
    }

    #[test]
    fn a_value_in_the_wrong_column_is_told() {
        let mut rows = Rows::new(&schema(&["string", "bigint"]), true).unwrap();
        rows.long(Some(1));
        rows.long(Some(1));
        rows.end_row();
        assert!(rows.finish().is_err_and(|error| error.to_string().contains("column=c0")));
    }
}
