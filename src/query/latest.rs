//! Views of merged tables that carry rows from run to run: of the rows of each key, the latest.

use crate::engine::TablePlan;
use crate::output::sink::TableSinkSpec;
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::{Column, Result as EngineResult};
use datafusion::datasource::provider_as_source;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlanBuilder, lit};
use etl_sdk::{Carry, Keep};
use std::sync::Arc;

/// Where a view has its rows' places among those of their key. No column has such a name.
const PLACE: &str = "place among the rows of the key";

/// How the rows of a key are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The columns that identify a row, as the output has them.
    pub key: Vec<String>,
    /// The column that is greatest in the latest row.
    pub stamp: String,
}

impl Versions {
    /// Those of a table; `None` when a key has one row, or when the output lacks a column of the key or the stamp.
    pub fn of(plan: &TablePlan, sink: &TableSinkSpec) -> Option<Self> {
        let Keep::Merged(merge) = &plan.table.keep else { return None };
        let Some(Carry::Rows { stamp, .. }) = &merge.carry else { return None };
        sink.output().column_with_name(stamp)?;
        let key = merge.key.iter().map(|column| sink.column_of(column).map(str::to_owned));
        Some(Self { key: key.collect::<Option<_>>()?, stamp: stamp.clone() })
    }

    /// The view over `table`, which is known as `name`. Its columns are those of the table.
    pub(super) fn latest(&self, name: &str, table: Arc<dyn TableProvider>) -> EngineResult<ViewTable> {
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let columns: Vec<Expr> = table.schema().fields().iter().map(|field| column(field.name())).collect();
        let place = row_number()
            .partition_by(self.key.iter().map(|name| column(name)).collect())
            .order_by(vec![column(&self.stamp).sort(false, false)])
            .build()?;
        let plan = LogicalPlanBuilder::scan(name, provider_as_source(table), None)?
            .window([place.alias(PLACE)])?
            .filter(column(PLACE).eq(lit(1_u64)))?
            .project(columns)?
            .build()?;
        Ok(ViewTable::new(plan, None))
    }
}
