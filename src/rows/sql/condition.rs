//! A SQL condition over the rows of a table, planned once and evaluated batch by batch.

use super::depth::too_deep;
use super::guard::constants_in;
use super::plan::{explain, panicked, refused_expression, row_bound, rows_at_once, state};
use super::step::is_of_the_run;
use crate::process::panics::catch_text;
use crate::text::suggest::did_you_mean;
use arrow::array::{Array, BooleanBufferBuilder, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use etl_sdk::{EpochMillis, Error, Result, Run};
use std::sync::Arc;

/// Names of the parameters a condition may use, without their `$`.
const PARAMETERS: [&str; 3] = ["now", "window_end", "window_start"];

/// An expression that is true, false or null for each row.
///
/// It sees one row at a time: aggregates, windows, subqueries, the clock and chance are refused. The instants of the run
/// are parameters: `$now`, `$window_start` and `$window_end`, timestamps in UTC.
#[derive(Debug)]
pub struct SqlCondition {
    sql: String,
    expression: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    /// Rows that are looked at together, so that constants may be copied for each.
    rows_at_once: usize,
}

impl SqlCondition {
    /// Plans `sql` over a table called `table` with the columns of `input`.
    ///
    /// A row of which it would make more than `row_bytes` cannot be evaluated.
    ///
    /// Fails with kind `Config`, naming the column or parameter that is unknown, or what is refused.
    pub fn new(sql: &str, table: &str, run: &Run, input: &SchemaRef, row_bytes: u64) -> Result<Self> {
        if let Some(depth) = too_deep(sql) {
            return Err(depth.explain(Error::config("plan the condition")));
        }
        let bound = row_bound(row_bytes);
        let wrong = || Error::config("plan the condition").with("sql", sql);
        let engine = |error| explain(wrong(), error);
        let state = state(bound).map_err(engine)?;
        let schema = DFSchema::try_from_qualified_schema(table, input).map_err(engine)?;
        let logical = state.create_logical_expr(sql, &schema).map_err(engine)?;
        let mut refused = None;
        let walked = logical.apply(|part| {
            refused = refused_expression(part);
            Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        });
        walked.map_err(engine)?;
        if let Some((clause, why)) = refused {
            return Err(wrong().with("refused", clause).hint(why));
        }
        let bound_to_run = bind(logical, run).map_err(|failure| match failure {
            Unbound::Parameter(name) => {
                let hint = did_you_mean(&name, &PARAMETERS);
                wrong().with("unknown parameter", name).hint(hint)
            }
            Unbound::Engine(error) => engine(error),
        })?;
        let constants = constants_in(&bound_to_run).map_err(engine)?;
        let expression = state.create_physical_expr(bound_to_run, &schema).map_err(engine)?;
        let data_type = expression.data_type(input).map_err(engine)?;
        if !matches!(data_type, DataType::Boolean) {
            return Err(wrong().with("type", data_type).hint("write a condition that is true or false for each row"));
        }
        let mut columns: Vec<usize> = collect_columns(&expression).iter().map(Column::index).collect();
        columns.sort_unstable();
        Ok(Self { sql: sql.to_owned(), expression, columns, rows_at_once: rows_at_once(bound, constants) })
    }

    /// Places of the columns it looks at, ascending.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// For each row whether the condition is true. It is not where it is false or null, and where it cannot be
    /// evaluated (a division by zero, a text that is no number).
    pub fn holds(&self, batch: &RecordBatch) -> Result<BooleanBuffer> {
        let mut held = BooleanBufferBuilder::new(batch.num_rows());
        let mut open = vec![batch.clone()];
        // On a failure the halves are tried, in their order, down to the row that fails.
        while let Some(part) = open.pop() {
            if part.num_rows() > self.rows_at_once {
                open.push(part.slice(self.rows_at_once, part.num_rows() - self.rows_at_once));
                open.push(part.slice(0, self.rows_at_once));
                continue;
            }
            let evaluated = catch_text(|| self.evaluate(&part)).unwrap_or_else(|text| Err(panicked(&text)));
            match evaluated {
                Ok(rows) => held.append_buffer(&rows),
                Err(error) if is_of_the_run(&error, || self.evaluate(&part.slice(0, 0)).is_err()) => {
                    return Err(Error::internal("evaluate the condition").with("sql", &self.sql).source(error));
                }
                Err(_) if part.num_rows() <= 1 => held.append_n(part.num_rows(), false),
                Err(_) => {
                    let half = part.num_rows() / 2;
                    open.push(part.slice(half, part.num_rows() - half));
                    open.push(part.slice(0, half));
                }
            }
        }
        Ok(held.finish())
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<BooleanBuffer, DataFusionError> {
        let array = self.expression.evaluate(batch)?.into_array(batch.num_rows())?;
        let array = as_boolean_array(&array)?;
        Ok(match array.nulls() {
            Some(nulls) => array.values() & nulls.inner(),
            None => array.values().clone(),
        })
    }
}

enum Unbound {
    Parameter(String),
    Engine(DataFusionError),
}

/// Puts the run's instants in the place of the parameters.
fn bind(expression: Expr, run: &Run) -> Result<Expr, Unbound> {
    let mut missing = None;
    let bound = expression.transform(|part| {
        let Expr::Placeholder(parameter) = &part else { return Ok(Transformed::no(part)) };
        let instant = match parameter.id.trim_start_matches('$') {
            "now" => run.now,
            "window_start" => run.window_start,
            "window_end" => run.window_end,
            other => {
                missing = Some(other.to_owned());
                EpochMillis(0)
            }
        };
        let instant = ScalarValue::TimestampMicrosecond(Some(instant.micros()), Some("UTC".into()));
        Ok(Transformed::yes(lit(instant)))
    });
    match (bound, missing) {
        (_, Some(name)) => Err(Unbound::Parameter(name)),
        (Ok(bound), None) => Ok(bound.data),
        (Err(error), None) => Err(Unbound::Engine(error)),
    }
}
