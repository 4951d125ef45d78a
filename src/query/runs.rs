//! Tables over the kept run reports, which are read as a stream: a query holds a few of them at a time.

use super::columns::{IS_CURRENT, ReportTableKind};
use super::current::{Current, CurrentSource};
use super::kept::KeptReport;
use super::provider::{FileTable, Scan, external};
use super::prune::may_match;
use super::reports::{ReportFolder, ReportObject, Skipped};
use super::rows::RowBuilder;
use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use etl_sdk::Result;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Columns that the name of a report holds.
const NAMED_COLUMNS: [&str; 4] = ["report", "run_id", "window_start", "window_end"];

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// One of the tables that are made of run reports.
#[derive(Debug)]
pub struct ReportTable {
    kind: ReportTableKind,
    schema: SchemaRef,
    folder: ReportFolder,
    current: CurrentSource,
    skipped: Skipped,
}

impl ReportTable {
    /// Nothing is read before a query runs. Reports that cannot be read are counted in `skipped`.
    pub fn new(kind: ReportTableKind, folder: ReportFolder, current: CurrentSource, skipped: Skipped) -> Self {
        Self { kind, schema: kind.schema(), folder, current, skipped }
    }

    /// What stands, when `columns` ask for it and the log can be read.
    async fn current(&self, columns: &SchemaRef) -> Option<Arc<Current>> {
        columns.column_with_name(IS_CURRENT)?;
        self.current.ask().await.inspect_err(|error| self.skipped.unknown(IS_CURRENT, error)).ok().map(Arc::new)
    }
}

#[async_trait]
impl FileTable for ReportTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn named_columns(&self) -> Vec<&str> {
        NAMED_COLUMNS.to_vec()
    }

    async fn plan(&self, state: &dyn Session, scan: Scan<'_>) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let reports = self.folder.list().await.map_err(external)?;
        let reports = leave_out(state, scan.filters, reports)?;
        let projection = scan.projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let part = ReportRows {
            kind: self.kind,
            current: self.current(&schema).await,
            projection,
            schema: Arc::clone(&schema),
            reports,
            folder: self.folder.clone(),
            skipped: self.skipped.clone(),
        };
        // Projected already: the stream makes no other columns.
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(part)], None, None, false, scan.limit)?))
    }
}

/// The reports whose names do not rule out that a filter is true.
fn leave_out(state: &dyn Session, filters: &[Expr], reports: Vec<ReportObject>) -> EngineResult<Vec<ReportObject>> {
    if filters.is_empty() {
        return Ok(reports);
    }
    let (parsed, others): (Vec<_>, Vec<_>) = reports.into_iter().partition(|report| report.parsed.is_some());
    let report_names = || parsed.iter().filter_map(|report| report.parsed.as_ref());
    let time =
        |values: Vec<i64>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")) };
    let columns: [ArrayRef; 4] = [
        Arc::new(StringArray::from_iter_values(parsed.iter().map(|report| report.name.as_str()))),
        Arc::new(StringArray::from_iter_values(report_names().map(|name| name.run_id.as_str()))),
        time(report_names().map(|name| name.window.start.timestamp_micros()).collect()),
        time(report_names().map(|name| name.window.end.timestamp_micros()).collect()),
    ];
    let names = RecordBatch::try_from_iter(NAMED_COLUMNS.into_iter().zip(columns))?;
    let keep = may_match(state, filters, &names)?;
    let kept = parsed.into_iter().zip(keep).filter_map(|(report, keep)| keep.then_some(report));
    Ok(kept.chain(others).collect())
}

/// The reports of one scan.
struct ReportRows {
    kind: ReportTableKind,
    current: Option<Arc<Current>>,
    projection: Vec<usize>,
    schema: SchemaRef,
    reports: Vec<ReportObject>,
    folder: ReportFolder,
    skipped: Skipped,
}

impl fmt::Debug for ReportRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportRows")
            .field("table", &self.kind.name())
            .field("reports", &self.reports.len())
            .finish_non_exhaustive()
    }
}

impl PartitionStream for ReportRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = Reading {
            source: self.folder.read(self.reports.clone(), &self.skipped),
            builder: RowBuilder::new(self.kind, &self.projection, Arc::clone(&self.schema), self.current.clone()),
            ready: VecDeque::new(),
            ended: false,
            folder: self.folder.clone(),
            skipped: self.skipped.clone(),
        };
        let batches = stream::unfold(rows, |mut rows| async move { rows.next().await.map(|batch| (batch, rows)) });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

/// Reports on their way to batches.
struct Reading {
    source: BoxStream<'static, Result<(ReportObject, Bytes)>>,
    builder: RowBuilder,
    ready: VecDeque<RecordBatch>,
    ended: bool,
    folder: ReportFolder,
    skipped: Skipped,
}

impl Reading {
    async fn next(&mut self) -> Option<EngineResult<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            if self.ended {
                return None;
            }
            match self.source.next().await {
                Some(Ok((report, bytes))) => {
                    if let Err(error) = self.take(&report, &bytes) {
                        self.ended = true;
                        return Some(Err(error));
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(external(error)));
                }
                None => {
                    self.ended = true;
                    if self.builder.rows() > 0 {
                        return Some(self.builder.finish().map_err(DataFusionError::from));
                    }
                }
            }
        }
    }

    fn take(&mut self, report: &ReportObject, bytes: &Bytes) -> EngineResult<()> {
        let readable = match KeptReport::parse(bytes) {
            Some(kept) => self.builder.push(&report.name, &kept, BATCH_ROWS, &mut self.ready)?,
            None => false,
        };
        if !readable {
            self.skipped.add("run reports are unreadable", &self.folder.uri_of(report));
        }
        Ok(())
    }
}
