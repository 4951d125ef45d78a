//! The tables made of run reports, column by column. Names, types and descriptions here are the documentation:
//! `etl-runner sql JOB --tables` prints them and `docs/runs.md` is checked against them.

use super::kept::{KeptReport, micros};
use crate::report::{FileReport, S3Report, StepReport};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::collections::BTreeMap;
use std::sync::Arc;
use strum::{IntoStaticStr, VariantArray};

/// The column that tells the attempts that count from those that were replaced or given up.
pub(super) const IS_CURRENT: &str = "is_current";

/// A table made of run reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
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
    pub(super) kind: ColumnKind,
    pub(super) cell: CellOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Text,
    Number,
    Float,
    Time,
    Flag,
    Texts,
    Counts,
}

pub(super) enum Cell<'r> {
    Text(Option<&'r str>),
    Number(Option<u64>),
    Float(Option<f64>),
    Time(Option<i64>),
    Flag(Option<bool>),
    Texts(&'r [String]),
    Counts(Option<&'r BTreeMap<String, u64>>),
}

/// Where a value is taken from: the report, and the part of it that the row is about.
#[derive(Clone, Copy)]
pub(super) struct ReportRow<'r> {
    pub(super) name: &'r str,
    pub(super) kept: &'r KeptReport<'r>,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) now: Option<i64>,
    /// Whether the row is about what the output has now.
    pub(super) is_current: Option<bool>,
    pub(super) part: RowPart<'r>,
}

/// The part of a report that a row is about.
#[derive(Clone, Copy)]
pub(super) enum RowPart<'r> {
    /// The report as a whole.
    Whole,
    /// A step, with its index among the steps.
    Step { index: u64, step: &'r StepReport },
    /// A file.
    File(&'r FileReport),
    /// A reason for dead letters.
    Reason { code: &'r str, count: u64 },
}

impl<'r> ReportRow<'r> {
    fn step(&self) -> Option<&'r StepReport> {
        if let RowPart::Step { step, .. } = self.part { Some(step) } else { None }
    }

    fn step_index(&self) -> Option<u64> {
        if let RowPart::Step { index, .. } = self.part { Some(index) } else { None }
    }

    fn file(&self) -> Option<&'r FileReport> {
        if let RowPart::File(file) = self.part { Some(file) } else { None }
    }

    fn reason(&self) -> Option<&'r str> {
        if let RowPart::Reason { code, .. } = self.part { Some(code) } else { None }
    }

    fn reason_count(&self) -> Option<u64> {
        if let RowPart::Reason { count, .. } = self.part { Some(count) } else { None }
    }
}

fn s3(row: &ReportRow<'_>, count: fn(&S3Report) -> u64) -> Option<u64> {
    row.kept.s3.as_ref().map(count)
}

pub(super) type CellOf = for<'r> fn(&'r ReportRow<'r>) -> Cell<'r>;

const fn column(name: &'static str, kind: ColumnKind, cell: CellOf, description: &'static str) -> ReportColumn {
    ReportColumn { name, description, kind, cell }
}

const REPORT: ReportColumn = column(
    "report",
    ColumnKind::Text,
    |row| Cell::Text(Some(row.name)),
    "Name of the kept report: one per attempt. Joins the tables; `run_id` does not, once a window was run twice.",
);
const RUN_ID: ReportColumn = column(
    "run_id",
    ColumnKind::Text,
    |row| Cell::Text(Some(&row.kept.run_id)),
    "Name of the run: the same for every attempt of a window.",
);
const WINDOW_START: ReportColumn =
    column("window_start", ColumnKind::Time, |row| Cell::Time(row.start), "First instant of the window.");
const CURRENT: ReportColumn = column(
    IS_CURRENT,
    ColumnKind::Flag,
    |row| Cell::Flag(row.is_current),
    "Whether the output has the rows of the records that the attempt read: it was committed, and nothing has replaced it. \
     After `compact` that is still the run that read them, not the compaction. Null when the commit log cannot be read.",
);

static RUNS: [ReportColumn; 41] = [
    REPORT,
    RUN_ID,
    CURRENT,
    column("job", ColumnKind::Text, |row| Cell::Text(Some(&row.kept.job)), "Name of the job."),
    column(
        "status",
        ColumnKind::Text,
        |row| Cell::Text(Some(&row.kept.status)),
        "How it ended: `done`, `empty`, `failed`, `refused`, `stopped`, `partly`, `held`.",
    ),
    WINDOW_START,
    column("window_end", ColumnKind::Time, |row| Cell::Time(row.end), "First instant after the window."),
    column(
        "windows",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.windows())),
        "Windows that it is of: 1, or more when they follow each other and none has input. Then the window is all of them.",
    ),
    column(
        "now",
        ColumnKind::Time,
        |row| Cell::Time(row.now),
        "The run's instant: when it was made, or what `--now` said.",
    ),
    column("version", ColumnKind::Text, |row| Cell::Text(Some(&row.kept.version)), "Version of the program."),
    column(
        "dry_run",
        ColumnKind::Flag,
        |row| Cell::Flag(Some(row.kept.dry_run)),
        "Whether nothing was to be published.",
    ),
    column(
        "revision",
        ColumnKind::Number,
        |row| Cell::Number(row.kept.revision),
        "0 for the first run of the window that commits, then one more with each that replaces it.",
    ),
    column(
        "resumed_tasks",
        ColumnKind::Number,
        |row| Cell::Number(row.kept.resumed_tasks),
        "Tasks that an earlier attempt had finished and this one took as they were.",
    ),
    column(
        "objects_listed",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.objects.listed)),
        "Input objects seen in the listing.",
    ),
    column(
        "objects_selected",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.objects.selected)),
        "Input objects of the window.",
    ),
    column(
        "objects_skipped",
        ColumnKind::Counts,
        |row| Cell::Counts(Some(&row.kept.objects.skipped)),
        "Input objects left out, by reason.",
    ),
    column("objects_read", ColumnKind::Number, |row| Cell::Number(Some(row.kept.objects.read)), "Input objects read."),
    column(
        "objects_archived",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.objects.archived)),
        "Input objects in an archive class, not read.",
    ),
    column(
        "bytes_compressed",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.bytes.compressed)),
        "Bytes read, as stored.",
    ),
    column(
        "bytes_decompressed",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.bytes.decompressed)),
        "Bytes read, decompressed.",
    ),
    column(
        "bytes_written",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.bytes.written)),
        "Bytes of all files; published when `status` is `done`.",
    ),
    column("records", ColumnKind::Number, |row| Cell::Number(Some(row.kept.records)), "Raw records read."),
    column(
        "rows",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.rows())),
        "Rows of all tables; published when `status` is `done`.",
    ),
    column(
        "dead_letters",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.dead_letters.total)),
        "Records and rows that could not be used.",
    ),
    column(
        "dead_letter_files",
        ColumnKind::Texts,
        |row| Cell::Texts(&row.kept.dead_letters.files),
        "Where the dead letters are.",
    ),
    column(
        "elapsed_seconds",
        ColumnKind::Float,
        |row| Cell::Float(Some(row.kept.elapsed_seconds)),
        "Seconds on the clock.",
    ),
    column(
        "started_at",
        ColumnKind::Time,
        |row| Cell::Time(row.kept.started_at.as_deref().and_then(micros)),
        "When it began, on the clock of the machine.",
    ),
    column(
        "ended_at",
        ColumnKind::Time,
        |row| Cell::Time(row.kept.ended_at.as_deref().and_then(micros)),
        "When it ended.",
    ),
    column(
        "cpu_seconds",
        ColumnKind::Float,
        |row| Cell::Float(row.kept.cpu_seconds),
        "CPU seconds of the threads that worked for it.",
    ),
    column(
        "peak_memory_bytes",
        ColumnKind::Number,
        |row| Cell::Number(row.kept.peak_memory_bytes),
        "Most resident memory of the process while it ran, bytes; null when other windows ran beside it, or when it was more before.",
    ),
    column(
        "s3_requests",
        ColumnKind::Number,
        |row| Cell::Number(s3(row, |s3| s3.requests)),
        "Requests to S3, each attempt by itself; null without buckets.",
    ),
    column(
        "s3_failed",
        ColumnKind::Number,
        |row| Cell::Number(s3(row, |s3| s3.failed)),
        "Those without an answer, or answered by 5xx or 429.",
    ),
    column(
        "s3_bytes_sent",
        ColumnKind::Number,
        |row| Cell::Number(s3(row, |s3| s3.bytes_sent)),
        "Bytes sent to S3, without headers.",
    ),
    column(
        "s3_bytes_received",
        ColumnKind::Number,
        |row| Cell::Number(s3(row, |s3| s3.bytes_received)),
        "Bytes received from S3, without headers.",
    ),
    column("tables", ColumnKind::Number, |row| Cell::Number(Some(row.kept.tables.len() as u64)), "Number of tables."),
    column(
        "files",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.tables.iter().map(|table| table.files).sum())),
        "Files of all tables; published when `status` is `done`.",
    ),
    column(
        "error_kind",
        ColumnKind::Text,
        |row| Cell::Text(row.kept.error.as_ref().map(|error| error.kind.as_str())),
        "Why it failed: `unavailable`, `limit`, `gate` and so on; null without an error.",
    ),
    column(
        "error_message",
        ColumnKind::Text,
        |row| Cell::Text(row.kept.error.as_ref().map(|error| error.message.as_str())),
        "The error in one line.",
    ),
    column(
        "hint",
        ColumnKind::Text,
        |row| Cell::Text(row.kept.error.as_ref().and_then(|error| error.hint.as_deref())),
        "What to do about the error.",
    ),
    column("warnings", ColumnKind::Texts, |row| Cell::Texts(&row.kept.warnings), "What a person should know of."),
    column(
        "warning_count",
        ColumnKind::Number,
        |row| Cell::Number(Some(row.kept.warnings.len() as u64)),
        "Number of warnings.",
    ),
];

static STEPS: [ReportColumn; 14] = [
    REPORT,
    RUN_ID,
    CURRENT,
    WINDOW_START,
    column(
        "place",
        ColumnKind::Number,
        |row| Cell::Number(row.step_index()),
        "Place among the steps, from 0, in the order rows meet them.",
    ),
    column("step", ColumnKind::Text, |row| Cell::Text(row.step().map(|step| step.name.as_str())), "Name of the step."),
    column(
        "table_name",
        ColumnKind::Text,
        |row| Cell::Text(row.step().and_then(|step| step.table.as_deref())),
        "The table it works on; null before there are rows.",
    ),
    column("read", ColumnKind::Number, |row| Cell::Number(row.step().map(|step| step.read)), "Rows in."),
    column(
        "added",
        ColumnKind::Number,
        |row| Cell::Number(row.step().map(|step| step.added)),
        "Rows made. `read + added = kept + filtered + dead`.",
    ),
    column("kept", ColumnKind::Number, |row| Cell::Number(row.step().map(|step| step.kept)), "Rows out."),
    column(
        "filtered",
        ColumnKind::Number,
        |row| Cell::Number(row.step().map(StepReport::filtered_total)),
        "Rows left out on purpose.",
    ),
    column("dead", ColumnKind::Number, |row| Cell::Number(row.step().map(StepReport::dead_total)), "Dead letters."),
    column(
        "filtered_by",
        ColumnKind::Counts,
        |row| Cell::Counts(row.step().map(|step| &step.filtered)),
        "Rows left out, by reason: `filtered_by['stale']`.",
    ),
    column(
        "dead_by",
        ColumnKind::Counts,
        |row| Cell::Counts(row.step().map(|step| &step.dead)),
        "Dead letters, by reason: `dead_by['not_json']`.",
    ),
];

static FILES: [ReportColumn; 9] = [
    REPORT,
    RUN_ID,
    column(
        IS_CURRENT,
        ColumnKind::Flag,
        |row| Cell::Flag(row.is_current),
        "Whether the file is in the output. Null when the commit log cannot be read.",
    ),
    WINDOW_START,
    column(
        "table_name",
        ColumnKind::Text,
        |row| Cell::Text(row.file().map(|file| file.table.as_str())),
        "The table it belongs to.",
    ),
    column(
        "path",
        ColumnKind::Text,
        |row| Cell::Text(row.file().map(|file| file.path.as_str())),
        "Path under the sink's url. A later attempt may have replaced the file.",
    ),
    column(
        "partition",
        ColumnKind::Text,
        |row| Cell::Text(row.file().map(|file| file.partition.as_str())),
        "`partition_app=shop/partition_year=2026`; empty without partitions.",
    ),
    column("rows", ColumnKind::Number, |row| Cell::Number(row.file().map(|file| file.rows)), "Rows in it."),
    column("bytes", ColumnKind::Number, |row| Cell::Number(row.file().map(|file| file.bytes)), "Its length."),
];

static DEAD_LETTERS: [ReportColumn; 7] = [
    REPORT,
    RUN_ID,
    CURRENT,
    WINDOW_START,
    column("reason", ColumnKind::Text, |row| Cell::Text(row.reason()), "Reason code."),
    column(
        "count",
        ColumnKind::Number,
        |row| Cell::Number(row.reason_count()),
        "Dead letters of that reason, over all steps.",
    ),
    column(
        "files",
        ColumnKind::Texts,
        |row| Cell::Texts(&row.kept.dead_letters.files),
        "Where the attempt's dead letters are, of all reasons.",
    ),
];

impl ReportTableKind {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        self.into()
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
            ColumnKind::Text => "text",
            ColumnKind::Number => "bigint",
            ColumnKind::Float => "double",
            ColumnKind::Time => "timestamp, UTC",
            ColumnKind::Flag => "boolean",
            ColumnKind::Texts => "list of text",
            ColumnKind::Counts => "map of text to bigint",
        }
    }
}

impl ColumnKind {
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
}
