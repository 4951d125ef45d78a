//! Batches of rows made of run reports.

use super::columns::{Cell, ColumnKind, ReportColumn, ReportRow, ReportTableKind, RowPart};
use super::current::Current;
use super::kept::{KeptReport, micros};
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, MapBuilder, MapFieldNames, RecordBatch,
    RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use std::sync::Arc;

enum Builder {
    Text(StringBuilder),
    Number(Int64Builder),
    Float(Float64Builder),
    Time(TimestampMicrosecondBuilder),
    Flag(BooleanBuilder),
    Texts(ListBuilder<StringBuilder>),
    Counts(MapBuilder<StringBuilder, Int64Builder>),
}

impl Builder {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Text => Self::Text(StringBuilder::new()),
            ColumnKind::Number => Self::Number(Int64Builder::new()),
            ColumnKind::Float => Self::Float(Float64Builder::new()),
            ColumnKind::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            ColumnKind::Flag => Self::Flag(BooleanBuilder::new()),
            ColumnKind::Texts => Self::Texts(ListBuilder::new(StringBuilder::new())),
            ColumnKind::Counts => {
                let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
                Self::Counts(MapBuilder::new(Some(names), StringBuilder::new(), Int64Builder::new()))
            }
        }
    }

    fn push(&mut self, cell: &Cell<'_>) -> Result<(), ArrowError> {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(value)) => builder.append_option(*value),
            (Self::Number(builder), Cell::Number(value)) => builder.append_option(value.map(bigint)),
            (Self::Float(builder), Cell::Float(value)) => builder.append_option(*value),
            (Self::Time(builder), Cell::Time(value)) => builder.append_option(*value),
            (Self::Flag(builder), Cell::Flag(value)) => builder.append_option(*value),
            (Self::Texts(builder), Cell::Texts(values)) => {
                builder.append_value(values.iter().map(|value| Some(value.as_str())));
            }
            (Self::Counts(builder), Cell::Counts(counts)) => {
                for (reason, count) in counts.iter().copied().flatten() {
                    builder.keys().append_value(reason);
                    builder.values().append_value(bigint(*count));
                }
                builder.append(counts.is_some())?;
            }
            _ => return Err(ArrowError::SchemaError("a column of run reports has two types".to_owned())),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Number(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Flag(builder) => Arc::new(builder.finish()),
            Self::Texts(builder) => Arc::new(builder.finish()),
            Self::Counts(builder) => Arc::new(builder.finish()),
        }
    }
}

fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes batches of some columns of a table.
pub(super) struct RowBuilder {
    kind: ReportTableKind,
    columns: Vec<(&'static ReportColumn, Builder)>,
    schema: SchemaRef,
    current: Option<Arc<Current>>,
    rows: usize,
}

impl RowBuilder {
    /// `projection` are indexes among the table's columns; `schema` is that of the batches. Without `current` it is not
    /// known which attempts count.
    pub(super) fn new(
        kind: ReportTableKind,
        projection: &[usize],
        schema: SchemaRef,
        current: Option<Arc<Current>>,
    ) -> Self {
        let columns = projection.iter().filter_map(|index| kind.columns().get(*index));
        let columns = columns.map(|column| (column, Builder::new(column.kind))).collect();
        Self { kind, columns, schema, current, rows: 0 }
    }

    /// Adds the rows of one report. Each time `max_rows` are complete, they go to `done` as a batch. `Ok(false)` when
    /// the part of the report that the table is made of cannot be read.
    pub(super) fn push(
        &mut self,
        name: &str,
        kept: &KeptReport<'_>,
        max_rows: usize,
        done: &mut impl Extend<RecordBatch>,
    ) -> Result<bool, ArrowError> {
        let row = ReportRow {
            name,
            kept,
            start: micros(&kept.window.start),
            end: micros(&kept.window.end),
            now: micros(&kept.now),
            is_current: self.current.as_ref().map(|current| match self.kind {
                ReportTableKind::Files => current.has_files_of(kept),
                ReportTableKind::Runs | ReportTableKind::Steps | ReportTableKind::DeadLetters => {
                    current.has_records_of(kept)
                }
            }),
            part: RowPart::Whole,
        };
        let kind = self.kind;
        let mut add = |row: ReportRow<'_>| -> Result<(), ArrowError> {
            self.push_row(&row)?;
            if self.rows >= max_rows {
                done.extend([self.finish()?]);
            }
            Ok(())
        };
        match kind {
            ReportTableKind::Runs => add(row)?,
            ReportTableKind::Steps => {
                let Some(steps) = kept.steps() else { return Ok(false) };
                for (index, step) in steps.iter().enumerate() {
                    add(ReportRow { part: RowPart::Step { index: index as u64, step }, ..row })?;
                }
            }
            ReportTableKind::Files => {
                let Some(files) = kept.files() else { return Ok(false) };
                for file in &files {
                    add(ReportRow { part: RowPart::File(file), ..row })?;
                }
            }
            ReportTableKind::DeadLetters => {
                for (code, count) in &kept.dead_letters.by_reason {
                    add(ReportRow { part: RowPart::Reason { code, count: *count }, ..row })?;
                }
            }
        }
        Ok(true)
    }

    fn push_row(&mut self, row: &ReportRow<'_>) -> Result<(), ArrowError> {
        for (column, builder) in &mut self.columns {
            builder.push(&(column.cell)(row))?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Rows that wait for their batch.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows so far as a batch.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.iter_mut().map(|(_, builder)| builder.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}
