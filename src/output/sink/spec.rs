//! Which columns of a table are written, and which decide the partition.

use crate::text::suggest::did_you_mean;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use etl_sdk::{Error, PartitionBy, PartitionPart, Result, TableSchema};
use std::sync::Arc;

/// What a [`super::TableSink`] must know of its table.
#[derive(Clone, Debug)]
pub struct TableSinkSpec {
    /// Name of the table and of its folder.
    pub(super) table: String,
    /// The schema of the batches.
    pub(super) input: SchemaRef,
    /// Places in the batch of the columns that are written.
    pub(super) columns: Vec<usize>,
    /// The schema of the files.
    pub(super) output: SchemaRef,
    /// Places in the batch of the columns that partition values come from, each once.
    pub(super) sources: Vec<Source>,
    /// The partition columns, outermost first.
    pub(super) parts: Vec<Part>,
    /// Partitions that a run may make.
    pub(super) most_partitions: u64,
}

/// A column that partition values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) column: usize,
    pub(super) kind: SourceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceKind {
    /// Text, or what is read as text.
    Text,
    /// Microseconds since 1970; rows of one hour go together.
    Hours,
    /// Microseconds since 1970; rows of one day go together.
    Days,
    /// Days since 1970.
    Dates,
}

#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// Place in the list of sources.
    pub(super) source: usize,
    pub(super) takes: PartitionPart,
}

impl TableSinkSpec {
    /// `input` is the schema of the batches: the table's working schema and what enrichments have added at its end.
    /// Columns that are transient in the table's schema, and columns of a partition column's name, are not written.
    ///
    /// Fails when a partition column is missing, given twice, or of a type that has no such part.
    pub fn new(schema: &TableSchema, input: SchemaRef, partition_by: &[PartitionBy]) -> Result<Self> {
        let mut sources: Vec<Source> = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        for by in partition_by {
            let wrong = || {
                Error::config("read partition_by")
                    .with("table", &schema.table)
                    .with("name", &by.name)
                    .with("column", &by.column)
            };
            if by.name.is_empty() || parts.iter().any(|part| part.name == by.name) {
                return Err(wrong().hint("every partition column needs a name of its own"));
            }
            let column = input.index_of(&by.column).map_err(|_| {
                let known: Vec<_> = input.fields().iter().map(|field| field.name().as_str()).collect();
                wrong().hint(did_you_mean(&by.column, &known))
            })?;
            let (kind, part) = kind_of(by.part, input.field(column).data_type()).ok_or_else(|| {
                wrong()
                    .with("type", input.field(column).data_type())
                    .hint("times and dates have year, month, day and date, times also hour; everything else has value")
            })?;
            let source = sources.iter().position(|source| source.column == column).unwrap_or(sources.len());
            match sources.get_mut(source) {
                Some(known) if kind == SourceKind::Hours => known.kind = kind,
                Some(_) => {}
                None => sources.push(Source { column, kind }),
            }
            parts.push(Part { name: by.name.clone(), source, takes: part });
        }
        let is_transient = |name: &str| schema.columns.iter().any(|column| column.transient && column.name == name);
        let columns: Vec<usize> = (0..input.fields().len())
            .filter(|index| {
                let name = input.field(*index).name();
                // A reader that finds a column in the path and in the file refuses both or takes either.
                !is_transient(name) && !parts.iter().any(|part| part.name == *name)
            })
            .collect();
        let output = Schema::new(columns.iter().map(|index| Arc::clone(&input.fields()[*index])).collect::<Vec<_>>());
        if columns.is_empty() {
            return Err(Error::config("choose the columns to write")
                .with("table", &schema.table)
                .hint("all columns are transient or partition columns"));
        }
        Ok(Self {
            table: schema.table.clone(),
            input,
            columns,
            output: Arc::new(output),
            sources,
            parts,
            most_partitions: u64::MAX,
        })
    }

    /// The same, for a run that makes no more partitions of the table than so many.
    #[must_use]
    pub fn with_most_partitions(self, most_partitions: u64) -> Self {
        Self { most_partitions, ..self }
    }

    /// Name of the table and of its folder.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Names of the partition columns, outermost first.
    pub fn partition_names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.name.as_str())
    }

    /// The partition columns with what of their column they take, outermost first.
    pub fn partitions(&self) -> impl Iterator<Item = (&str, PartitionPart)> {
        self.parts.iter().map(|part| (part.name.as_str(), part.takes))
    }

    /// The first partition column that takes a column's value as it is: the tenant or app, where there is one.
    pub fn value_partition(&self) -> Option<&str> {
        self.parts.iter().find(|part| part.takes == PartitionPart::Value).map(|part| part.name.as_str())
    }

    /// The column that readers have a column of the batches as: its own, or a partition column that takes its value.
    pub fn column_of<'a>(&'a self, column: &'a str) -> Option<&'a str> {
        if self.output.column_with_name(column).is_some() {
            return Some(column);
        }
        let takes = |part: &&Part| {
            let source = self.sources[part.source].column;
            part.takes == PartitionPart::Value && self.input.field(source).name() == column
        };
        self.parts.iter().find(takes).map(|part| part.name.as_str())
    }

    /// The schema of the files: the batches' columns without the transient ones.
    pub fn output(&self) -> &SchemaRef {
        &self.output
    }
}

fn kind_of(part: PartitionPart, data_type: &DataType) -> Option<(SourceKind, PartitionPart)> {
    use PartitionPart::{Date, Hour, Value};
    Some(match (part, data_type) {
        (Value, DataType::Date32) => (SourceKind::Dates, Date),
        (Value, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean) => {
            (SourceKind::Text, part)
        }
        (Value, other) if other.is_integer() => (SourceKind::Text, part),
        (Value, _) | (Hour, DataType::Date32) => return None,
        (_, DataType::Date32) => (SourceKind::Dates, part),
        (Hour, DataType::Timestamp(TimeUnit::Microsecond, _)) => (SourceKind::Hours, part),
        (_, DataType::Timestamp(TimeUnit::Microsecond, _)) => (SourceKind::Days, part),
        _ => return None,
    })
}
