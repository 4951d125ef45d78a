//! A kept report as queries see it: what most of them need is read, long lists only when they are asked for.

use crate::report::{
    BytesReport, CompactedReport, DeadLetterReport, EmptyReport, ErrorReport, FileReport, ObjectsReport, S3Report,
    StepReport, TableReport, WindowReport,
};
use crate::window::Window;
use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A run report, of this version or another: a field it does not have is empty, and a field that is not known here is
/// skipped. `status` is text, so that a status of a newer version is read too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are those of RunReport")]
pub struct KeptReport<'a> {
    pub run_id: String,
    pub job: String,
    pub status: String,
    pub window: WindowReport,
    pub now: String,
    pub version: String,
    pub dry_run: bool,
    pub revision: Option<u64>,
    pub amendment: Option<u64>,
    pub resumed_tasks: Option<u64>,
    pub empty: Option<EmptyReport>,
    pub compacted: Option<CompactedReport>,
    pub objects: ObjectsReport,
    pub bytes: BytesReport,
    pub records: u64,
    #[serde(borrow)]
    steps: Option<&'a RawValue>,
    pub tables: Vec<TableReport>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
    pub dead_letters: DeadLetterReport,
    pub elapsed_seconds: f64,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub cpu_seconds: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
    pub s3: Option<S3Report>,
    pub warnings: Vec<String>,
    pub error: Option<ErrorReport>,
}

impl<'a> KeptReport<'a> {
    /// Reads a report. `None` when the bytes are not one.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let kept: Self = serde_json::from_slice(bytes).ok()?;
        // Every field may be missing, so any JSON object would do.
        (!kept.run_id.is_empty()).then_some(kept)
    }

    /// Windows that it is of: more than one when they were decided together, without input.
    pub fn windows(&self) -> u64 {
        self.empty.map_or(1, |empty| empty.windows)
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// The window; `None` when the report has none that can be read.
    pub(super) fn window(&self) -> Option<Window> {
        let instant = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc());
        Window::new(instant(&self.window.start)?, instant(&self.window.end)?).ok()
    }

    /// Whether the report's window and the given one have an instant in common.
    pub(crate) fn overlaps(&self, window: Window) -> bool {
        self.window().is_some_and(|own| own.overlaps(&window))
    }

    /// The ledger. `None` when it is not one.
    pub fn steps(&self) -> Option<Vec<StepReport>> {
        list(self.steps)
    }

    /// The files. `None` when they are none.
    pub fn files(&self) -> Option<Vec<FileReport>> {
        list(self.files)
    }
}

fn list<T: for<'de> Deserialize<'de>>(raw: Option<&RawValue>) -> Option<Vec<T>> {
    raw.map_or_else(|| Some(Vec::new()), |raw| serde_json::from_str(raw.get()).ok())
}

/// Microseconds since 1970 of an RFC 3339 text.
pub(super) fn micros(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.timestamp_micros())
}
