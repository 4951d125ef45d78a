//! Tables of files whose names hold the values of some columns.

use super::prune::pushdown;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::fmt;
use std::sync::Arc;

/// What a query asks of a table.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// Indexes of the columns it wants; all without it.
    pub projection: Option<&'a Vec<usize>>,
    /// Filters that may leave out files. The engine evaluates them again on the rows.
    pub filters: &'a [Expr],
    /// Rows after which it needs no more.
    pub limit: Option<usize>,
}

/// A table whose files are listed when it is asked.
#[async_trait]
pub trait FileTable: fmt::Debug + Send + Sync {
    /// All columns.
    fn schema(&self) -> SchemaRef;

    /// The columns whose values are in the names of the files.
    fn named_columns(&self) -> Vec<&str>;

    /// Lists the files that `scan` does not rule out, and says how they are read.
    async fn plan(&self, state: &dyn Session, scan: Scan<'_>) -> EngineResult<Arc<dyn ExecutionPlan>>;
}

/// A [`FileTable`] as the engine sees it.
#[derive(Debug)]
pub(super) struct FileTableProvider<T>(pub(super) T);

#[async_trait]
impl<T: FileTable + 'static> TableProvider for FileTableProvider<T> {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(pushdown(filters, &self.0.named_columns()))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        self.0.plan(state, Scan { projection, filters, limit }).await
    }
}

/// An error of this crate on its way through the engine.
pub(super) fn external(error: etl_sdk::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
