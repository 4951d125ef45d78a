//! The tables made of run reports, column by column. Names, types and descriptions here are the documentation:
//! `etl-runner sql JOB --tables` prints them and `docs/runs.md` is checked against them.

use super::kept::{Kept, micros};
use crate::report::{FileReport, StepReport};
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, MapBuilder, MapFieldNames, RecordBatch,
    RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A table made of run reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportTableKind {
    /// One row per attempt of a run.
    Runs,
    /// One row per step of an attempt: its ledger.
    Steps,
    /// One row per file that an attempt wrote. Those of a run that is not `done` were given up.
    Files,
    /// One row per attempt and reason.
    DeadLetters,
}

/// A column of such a table.
pub struct ReportColumn {
    /// Its name in SQL.
    pub name: &'static str,
    /// What it means, its unit.
    pub description: &'static str,
    kind: Kind,
    cell: for<'r> fn(&'r Row<'r>) -> Cell<'r>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Float,
    Time,
    Flag,
    Texts,
    Counts,
}

enum Cell<'r> {
    Text(Option<&'r str>),
    Number(Option<u64>),
    Float(f64),
    Time(Option<i64>),
    Flag(bool),
    Texts(&'r [String]),
    Counts(Option<&'r BTreeMap<String, u64>>),
}

/// Where a value is taken from: the report, and the part of it that the row is.
#[derive(Clone, Copy)]
struct Row<'r> {
    name: &'r str,
    kept: &'r Kept<'r>,
    start: Option<i64>,
    end: Option<i64>,
    now: Option<i64>,
    step: Option<(u64, &'r StepReport)>,
    file: Option<&'r FileReport>,
    reason: Option<(&'r str, u64)>,
}

type CellOf = for<'r> fn(&'r Row<'r>) -> Cell<'r>;

const fn column(name: &'static str, kind: Kind, cell: CellOf, description: &'static str) -> ReportColumn {
    ReportColumn { name, description, kind, cell }
}

const REPORT: ReportColumn = column(
    "report",
    Kind::Text,
    |row| Cell::Text(Some(row.name)),
    "Name of the kept report: one per attempt. Joins the tables; `run_id` does not, once a window was run twice.",
);
const RUN_ID: ReportColumn = column(
    "run_id",
    Kind::Text,
    |row| Cell::Text(Some(&row.kept.run_id)),
    "Name of the run: the same for every attempt of a window.",
);
const WINDOW_START: ReportColumn =
    column("window_start", Kind::Time, |row| Cell::Time(row.start), "First instant of the window.");

static RUNS: [ReportColumn; 33] = [
    REPORT,
    RUN_ID,
    column("job", Kind::Text, |row| Cell::Text(Some(&row.kept.job)), "Name of the job."),
    column(
        "status",
        Kind::Text,
        |row| Cell::Text(Some(&row.kept.status)),
        "How it ended: `done`, `empty`, `failed`, `refused`, `stopped`, `partly`, `held`.",
    ),
    WINDOW_START,
    column("window_end", Kind::Time, |row| Cell::Time(row.end), "First instant after the window."),
    column("now", Kind::Time, |row| Cell::Time(row.now), "The run's instant: when it was made, or what `--now` said."),
    column("version", Kind::Text, |row| Cell::Text(Some(&row.kept.version)), "Version of the program."),
    column("dry_run", Kind::Flag, |row| Cell::Flag(row.kept.dry_run), "Whether nothing was to be published."),
    column(
        "revision",
        Kind::Number,
        |row| Cell::Number(row.kept.revision),
        "0 for the first run of the window that commits, then one more with each that replaces it.",
    ),
    column(
        "resumed_tasks",
        Kind::Number,
        |row| Cell::Number(row.kept.resumed_tasks),
        "Tasks that an earlier attempt had finished and this one took as they were.",
    ),
    column(
        "objects_listed",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.objects.listed)),
        "Input objects seen in the listing.",
    ),
    column(
        "objects_selected",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.objects.selected)),
        "Input objects of the window.",
    ),
    column(
        "objects_skipped",
        Kind::Counts,
        |row| Cell::Counts(Some(&row.kept.objects.skipped)),
        "Input objects left out, by reason.",
    ),
    column("objects_read", Kind::Number, |row| Cell::Number(Some(row.kept.objects.read)), "Input objects read."),
    column(
        "objects_archived",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.objects.archived)),
        "Input objects in an archive class, not read.",
    ),
    column(
        "bytes_compressed",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.bytes.compressed)),
        "Bytes read, as stored.",
    ),
    column(
        "bytes_decompressed",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.bytes.decompressed)),
        "Bytes read, decompressed.",
    ),
    column(
        "bytes_written",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.bytes.written)),
        "Bytes of all files; published when `status` is `done`.",
    ),
    column("records", Kind::Number, |row| Cell::Number(Some(row.kept.records)), "Raw records read."),
    column(
        "rows",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.rows())),
        "Rows of all tables; published when `status` is `done`.",
    ),
    column(
        "dead_letters",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.dead_letters.total)),
        "Records and rows that could not be used.",
    ),
    column(
        "dead_letter_files",
        Kind::Texts,
        |row| Cell::Texts(&row.kept.dead_letters.files),
        "Where the dead letters are.",
    ),
    column("elapsed_seconds", Kind::Float, |row| Cell::Float(row.kept.elapsed_seconds), "Seconds on the clock."),
    column("cpu_seconds", Kind::Float, |row| Cell::Float(row.kept.cpu_seconds), "CPU seconds of all threads."),
    column(
        "peak_memory_bytes",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.peak_memory_bytes)),
        "Most resident memory of the process, bytes.",
    ),
    column("tables", Kind::Number, |row| Cell::Number(Some(row.kept.tables.len() as u64)), "Number of tables."),
    column(
        "files",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.tables.iter().map(|table| table.files).sum())),
        "Files of all tables; published when `status` is `done`.",
    ),
    column(
        "error_kind",
        Kind::Text,
        |row| Cell::Text(row.kept.error.as_ref().map(|error| error.kind.as_str())),
        "Why it failed: `unavailable`, `limit`, `gate` and so on; null without an error.",
    ),
    column(
        "error_message",
        Kind::Text,
        |row| Cell::Text(row.kept.error.as_ref().map(|error| error.message.as_str())),
        "The error in one line.",
    ),
    column(
        "hint",
        Kind::Text,
        |row| Cell::Text(row.kept.error.as_ref().and_then(|error| error.hint.as_deref())),
        "What to do about the error.",
    ),
    column("warnings", Kind::Texts, |row| Cell::Texts(&row.kept.warnings), "What a person should know of."),
    column(
        "warning_count",
        Kind::Number,
        |row| Cell::Number(Some(row.kept.warnings.len() as u64)),
        "Number of warnings.",
    ),
];

static STEPS: [ReportColumn; 13] = [
    REPORT,
    RUN_ID,
    WINDOW_START,
    column(
        "place",
        Kind::Number,
        |row| Cell::Number(row.step.map(|(place, _)| place)),
        "Place among the steps, from 0, in the order rows meet them.",
    ),
    column("step", Kind::Text, |row| Cell::Text(row.step.map(|(_, step)| step.name.as_str())), "Name of the step."),
    column(
        "table_name",
        Kind::Text,
        |row| Cell::Text(row.step.and_then(|(_, step)| step.table.as_deref())),
        "The table it works on; null before there are rows.",
    ),
    column("read", Kind::Number, |row| Cell::Number(row.step.map(|(_, step)| step.read)), "Rows in."),
    column(
        "added",
        Kind::Number,
        |row| Cell::Number(row.step.map(|(_, step)| step.added)),
        "Rows made. `read + added = kept + filtered + dead`.",
    ),
    column("kept", Kind::Number, |row| Cell::Number(row.step.map(|(_, step)| step.kept)), "Rows out."),
    column(
        "filtered",
        Kind::Number,
        |row| Cell::Number(row.step.map(|(_, step)| step.filtered_total())),
        "Rows left out on purpose.",
    ),
    column("dead", Kind::Number, |row| Cell::Number(row.step.map(|(_, step)| step.dead_total())), "Dead letters."),
    column(
        "filtered_by",
        Kind::Counts,
        |row| Cell::Counts(row.step.map(|(_, step)| &step.filtered)),
        "Rows left out, by reason: `filtered_by['stale']`.",
    ),
    column(
        "dead_by",
        Kind::Counts,
        |row| Cell::Counts(row.step.map(|(_, step)| &step.dead)),
        "Dead letters, by reason: `dead_by['not_json']`.",
    ),
];

static FILES: [ReportColumn; 8] = [
    REPORT,
    RUN_ID,
    WINDOW_START,
    column(
        "table_name",
        Kind::Text,
        |row| Cell::Text(row.file.map(|file| file.table.as_str())),
        "The table it belongs to.",
    ),
    column(
        "path",
        Kind::Text,
        |row| Cell::Text(row.file.map(|file| file.path.as_str())),
        "Path under the sink's url. A later attempt may have replaced the file.",
    ),
    column(
        "partition",
        Kind::Text,
        |row| Cell::Text(row.file.map(|file| file.partition.as_str())),
        "`partition_app=shop/partition_year=2026`; empty without partitions.",
    ),
    column("rows", Kind::Number, |row| Cell::Number(row.file.map(|file| file.rows)), "Rows in it."),
    column("bytes", Kind::Number, |row| Cell::Number(row.file.map(|file| file.bytes)), "Its length."),
];

static DEAD_LETTERS: [ReportColumn; 6] = [
    REPORT,
    RUN_ID,
    WINDOW_START,
    column("reason", Kind::Text, |row| Cell::Text(row.reason.map(|(reason, _)| reason)), "Reason code."),
    column(
        "count",
        Kind::Number,
        |row| Cell::Number(row.reason.map(|(_, count)| count)),
        "Dead letters of that reason, over all steps.",
    ),
    column(
        "files",
        Kind::Texts,
        |row| Cell::Texts(&row.kept.dead_letters.files),
        "Where the attempt's dead letters are, of all reasons.",
    ),
];

impl ReportTableKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Runs, Self::Steps, Self::Files, Self::DeadLetters];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Steps => "steps",
            Self::Files => "files",
            Self::DeadLetters => "dead_letters",
        }
    }

    /// What one row is.
    pub fn description(self) -> &'static str {
        match self {
            Self::Runs => "One row per attempt of a run.",
            Self::Steps => "The ledger: one row per step of an attempt.",
            Self::Files => "One row per file that an attempt wrote. Those of a run that is not `done` were given up.",
            Self::DeadLetters => "One row per attempt and reason for which records could not be used.",
        }
    }

    /// Its columns, in order.
    pub fn columns(self) -> &'static [ReportColumn] {
        match self {
            Self::Runs => &RUNS,
            Self::Steps => &STEPS,
            Self::Files => &FILES,
            Self::DeadLetters => &DEAD_LETTERS,
        }
    }

    /// Its schema.
    pub fn schema(self) -> SchemaRef {
        let fields = self.columns().iter().map(|column| Field::new(column.name, column.kind.data_type(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

impl ReportColumn {
    /// Its type for a person.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Text => "text",
            Kind::Number => "bigint",
            Kind::Float => "double",
            Kind::Time => "timestamp, UTC",
            Kind::Flag => "boolean",
            Kind::Texts => "list of text",
            Kind::Counts => "map of text to bigint",
        }
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Number => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Flag => DataType::Boolean,
            Self::Texts => DataType::new_list(DataType::Utf8, true),
            Self::Counts => {
                let entry = Fields::from(vec![
                    Field::new("key", DataType::Utf8, false),
                    Field::new("value", DataType::Int64, true),
                ]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false)
            }
        }
    }

    fn builder(self) -> Builder {
        match self {
            Self::Text => Builder::Text(StringBuilder::new()),
            Self::Number => Builder::Number(Int64Builder::new()),
            Self::Float => Builder::Float(Float64Builder::new()),
            Self::Time => Builder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Self::Flag => Builder::Flag(BooleanBuilder::new()),
            Self::Texts => Builder::Texts(ListBuilder::new(StringBuilder::new())),
            Self::Counts => {
                let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
                Builder::Counts(MapBuilder::new(Some(names), StringBuilder::new(), Int64Builder::new()))
            }
        }
    }
}

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
    fn push(&mut self, cell: &Cell<'_>) -> Result<(), ArrowError> {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(value)) => builder.append_option(*value),
            (Self::Number(builder), Cell::Number(value)) => builder.append_option(value.map(bigint)),
            (Self::Float(builder), Cell::Float(value)) => builder.append_value(*value),
            (Self::Time(builder), Cell::Time(value)) => builder.append_option(*value),
            (Self::Flag(builder), Cell::Flag(value)) => builder.append_value(*value),
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
    rows: usize,
}

impl RowBuilder {
    /// `projection` are places among the table's columns; `schema` is that of the batches.
    pub(super) fn new(kind: ReportTableKind, projection: &[usize], schema: SchemaRef) -> Self {
        let columns = projection.iter().filter_map(|place| kind.columns().get(*place));
        let columns = columns.map(|column| (column, column.kind.builder())).collect();
        Self { kind, columns, schema, rows: 0 }
    }

    /// Adds the rows of one report. Each time `most_rows` are complete, they go to `done` as a batch. `Ok(false)` when
    /// the part of the report that the table is made of cannot be read.
    pub(super) fn push(
        &mut self,
        name: &str,
        kept: &Kept<'_>,
        most_rows: usize,
        done: &mut impl Extend<RecordBatch>,
    ) -> Result<bool, ArrowError> {
        let row = Row {
            name,
            kept,
            start: micros(&kept.window.start),
            end: micros(&kept.window.end),
            now: micros(&kept.now),
            step: None,
            file: None,
            reason: None,
        };
        let kind = self.kind;
        let mut add = |row: Row<'_>| -> Result<(), ArrowError> {
            self.push_row(&row)?;
            if self.rows >= most_rows {
                done.extend([self.finish()?]);
            }
            Ok(())
        };
        match kind {
            ReportTableKind::Runs => add(row)?,
            ReportTableKind::Steps => {
                let Some(steps) = kept.steps() else { return Ok(false) };
                for (place, step) in steps.iter().enumerate() {
                    add(Row { step: Some((place as u64, step)), ..row })?;
                }
            }
            ReportTableKind::Files => {
                let Some(files) = kept.files() else { return Ok(false) };
                for file in &files {
                    add(Row { file: Some(file), ..row })?;
                }
            }
            ReportTableKind::DeadLetters => {
                for (reason, count) in &kept.dead_letters.by_reason {
                    add(Row { reason: Some((reason, *count)), ..row })?;
                }
            }
        }
        Ok(true)
    }

    fn push_row(&mut self, row: &Row<'_>) -> Result<(), ArrowError> {
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
