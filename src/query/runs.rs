//! Tables over the kept run reports, which are read as a stream: a query holds a few of them at a time.

use super::columns::{ReportTableKind, RowBuilder};
use super::kept::{Kept, micros};
use super::prune::{may_match, pushdown};
use super::reports::{ReportFolder, ReportObject, Skipped};
use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use etl_sdk::Result;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Columns that the name of a report tells.
const TOLD_BY_NAME: [&str; 4] = ["report", "run_id", "window_start", "window_end"];

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// One of the tables that are made of run reports.
#[derive(Debug)]
pub struct ReportTable {
    kind: ReportTableKind,
    schema: SchemaRef,
    folder: ReportFolder,
    skipped: Skipped,
}

impl ReportTable {
    /// Nothing is read before a query runs. Reports that cannot be read are counted in `skipped`.
    pub fn new(kind: ReportTableKind, folder: ReportFolder, skipped: Skipped) -> Self {
        Self { kind, schema: kind.schema(), folder, skipped }
    }

    async fn plan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let reports = self.folder.list().await.map_err(external)?;
        let reports = leave_out(state, filters, reports)?;
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let part = ReportRows {
            kind: self.kind,
            projection,
            schema: Arc::clone(&schema),
            reports,
            folder: self.folder.clone(),
            skipped: self.skipped.clone(),
        };
        // Projected already: the stream makes no other columns.
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(part)], None, None, false, limit)?))
    }
}

#[async_trait]
impl TableProvider for ReportTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(pushdown(filters, &TOLD_BY_NAME))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        self.plan(state, projection, filters, limit).await
    }
}

/// The reports whose names do not rule out that a filter is true.
fn leave_out(state: &dyn Session, filters: &[Expr], reports: Vec<ReportObject>) -> EngineResult<Vec<ReportObject>> {
    if filters.is_empty() {
        return Ok(reports);
    }
    let (told, untold): (Vec<_>, Vec<_>) = reports.into_iter().partition(|report| report.parsed.is_some());
    let parsed = || told.iter().filter_map(|report| report.parsed.as_ref());
    let time =
        |values: Vec<i64>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")) };
    let columns: [ArrayRef; 4] = [
        Arc::new(StringArray::from_iter_values(told.iter().map(|report| report.name.as_str()))),
        Arc::new(StringArray::from_iter_values(parsed().map(|name| name.run_id.as_str()))),
        time(parsed().map(|name| name.window.start.timestamp_micros()).collect()),
        time(parsed().map(|name| name.window.end.timestamp_micros()).collect()),
    ];
    let names = RecordBatch::try_from_iter(TOLD_BY_NAME.into_iter().zip(columns))?;
    let keep = may_match(state, filters, &names)?;
    let kept = told.into_iter().zip(keep).filter_map(|(report, keep)| keep.then_some(report));
    Ok(kept.chain(untold).collect())
}

/// The reports of one scan.
struct ReportRows {
    kind: ReportTableKind,
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
            builder: RowBuilder::new(self.kind, &self.projection, Arc::clone(&self.schema)),
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
        let readable = match Kept::parse(bytes) {
            Some(kept) => self.builder.push(&report.name, &kept, BATCH_ROWS, &mut self.ready)?,
            None => false,
        };
        if !readable {
            self.skipped.add("run reports are unreadable", &self.folder.uri_of(report));
        }
        Ok(())
    }
}

/// Our error on its way through the engine.
pub(super) fn external(error: etl_sdk::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Whether the report's window and the given one have an instant in common.
pub(crate) fn overlaps(kept: &Kept<'_>, window: crate::window::Window) -> bool {
    let (start, end) = (micros(&kept.window.start), micros(&kept.window.end));
    start.is_some_and(|start| start < window.end.timestamp_micros())
        && end.is_some_and(|end| window.start.timestamp_micros() < end)
}
