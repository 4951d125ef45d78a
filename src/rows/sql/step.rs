//! SQL steps: one SELECT over a table's rows, run in the worker's own thread on each batch.
//!
//! A step sees one row at a time, so that rows depend neither on how they are cut into batches nor on the clock.
//! `sql_plan.rs` turns the text into expressions and refuses what is not of that kind; this file runs them.

use super::plan::{Plan, Stage, plan_select, statement_of};
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options, concat_batches, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::json::LineDelimitedWriter;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DataFusionError, ScalarValue};
use etl_sdk::{Enrichment, EnrichmentWorker, Error, ErrorKind, Output, Reject, Result, Run, StepName};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reason code of a row whose expressions fail.
pub const FAILED: &str = "sql_failed";
/// Reason code of a row that the `WHERE` clause leaves out.
const FILTERED: &str = "sql";

/// A SELECT over the rows of one table.
///
/// Every column of the table must be among the selected ones, by name; they keep their place and their type.
/// Further columns come behind them. String views become strings and timestamps microseconds in UTC, as the tables
/// have them.
#[derive(Debug)]
pub struct SqlStep {
    file: String,
    table: String,
    sql: String,
    parameters: BTreeMap<String, ScalarValue>,
}

impl SqlStep {
    /// Checks that `sql`, the text of `file`, is one SQL statement. `parameters` are the values of its `$name`s: an
    /// object of strings, numbers, booleans and nulls, or null for none.
    ///
    /// The rest is checked in [`Enrichment::output_schema`], where the table's columns are known.
    pub fn new(file: &str, table: &str, sql: &str, parameters: &Value) -> Result<Self> {
        statement_of(file, sql)?;
        Ok(Self {
            file: file.to_owned(),
            table: table.to_owned(),
            sql: sql.to_owned(),
            parameters: scalars(file, parameters)?,
        })
    }

    fn plan(&self, input: &SchemaRef) -> Result<Plan> {
        plan_select(&self.file, &self.table, &self.sql, &self.parameters, input)
    }
}

fn scalars(file: &str, parameters: &Value) -> Result<BTreeMap<String, ScalarValue>> {
    let wrong = || Error::config("read the parameters of the SQL").with("file", file);
    let entries = match parameters {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(entries) => entries,
        _ => return Err(wrong().hint("write `name: value` pairs")),
    };
    let scalar = |name: &String, value: &Value| match value {
        Value::Null => Ok(ScalarValue::Null),
        Value::Bool(value) => Ok(ScalarValue::Boolean(Some(*value))),
        Value::String(value) => Ok(ScalarValue::Utf8(Some(value.clone()))),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok(ScalarValue::Int64(Some(value))),
            (None, Some(value)) => Ok(ScalarValue::Float64(Some(value))),
            (None, None) => Err(wrong().with("parameter", name).with("value", value)),
        },
        Value::Array(_) | Value::Object(_) => {
            Err(wrong().with("parameter", name).hint("a parameter is a string, a number, true, false or null"))
        }
    };
    entries.iter().map(|(name, value)| Ok((name.clone(), scalar(name, value)?))).collect()
}

impl Enrichment for SqlStep {
    fn reasons(&self) -> &[&'static str] {
        &[FAILED]
    }

    fn output_schema(&self, input: &SchemaRef) -> Result<SchemaRef> {
        self.plan(input).map(|plan| plan.output)
    }

    fn worker(self: Arc<Self>, _: &Run, input: &SchemaRef) -> Result<Box<dyn EnrichmentWorker>> {
        Ok(Box::new(SqlWorker { plan: self.plan(input)?, file: self.file.clone() }))
    }
}

struct SqlWorker {
    plan: Plan,
    file: String,
}

impl EnrichmentWorker for SqlWorker {
    fn enrich(&mut self, step: &StepName, batch: RecordBatch, out: &mut Output) -> Result<RecordBatch> {
        let read = batch.num_rows();
        let mut done = Vec::new();
        let mut dead = 0;
        let mut open = vec![batch];
        // On a failure the halves are tried, down to the row that fails: its neighbours are kept.
        while let Some(part) = open.pop() {
            match self.plan.run(&part) {
                Ok(rows) => done.push(rows),
                Err(error) if is_of_the_run(&error) => {
                    return Err(Error::new(ErrorKind::Internal, "run the SQL").with("file", &self.file).source(error));
                }
                Err(error) if part.num_rows() <= 1 => {
                    dead += part.num_rows();
                    out.reject(reject(step.clone(), &error, &part));
                }
                Err(_) => {
                    let half = part.num_rows() / 2;
                    open.push(part.slice(half, part.num_rows() - half));
                    open.push(part.slice(0, half));
                }
            }
        }
        let rows = match done.len() {
            1 => done.remove(0),
            _ => concat_batches(&self.plan.output, &done)?,
        };
        out.filter(step, FILTERED, (read - dead - rows.num_rows()) as u64);
        Ok(rows)
    }
}

/// Whether a failure has nothing to do with the values of a row.
pub(super) fn is_of_the_run(error: &DataFusionError) -> bool {
    use DataFusionError::{Internal, IoError, NotImplemented, ResourcesExhausted};
    matches!(error.find_root(), Internal(_) | NotImplemented(_) | ResourcesExhausted(_) | IoError(_))
}

fn reject(step: StepName, error: &DataFusionError, row: &RecordBatch) -> Reject {
    // Without its address, the row's own values are what is left to find the record by.
    let mut writer = LineDelimitedWriter::new(Vec::new());
    let raw = match writer.write(row).and_then(|()| writer.finish()) {
        Ok(()) => writer.into_inner(),
        Err(_) => Vec::new(),
    };
    Reject { address: None, step, reason: FAILED.into(), message: error.strip_backtrace(), raw, truncated: false }
}

impl Plan {
    /// The rows that the SELECT makes of a batch; fails when it fails for any of them.
    fn run(&self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let mut rows = batch.clone();
        for stage in &self.stages {
            rows = match stage {
                Stage::Filter(condition) => {
                    let keep = condition.evaluate(&rows)?.into_array(rows.num_rows())?;
                    filter_record_batch(&rows, as_boolean_array(&keep)?)?
                }
                Stage::Project { columns, schema } => {
                    let columns = columns
                        .iter()
                        .map(|column| column.evaluate(&rows)?.into_array(rows.num_rows()))
                        .collect::<Result<Vec<ArrayRef>, _>>()?;
                    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
                    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?
                }
            };
        }
        // A value that its column cannot hold fails the row, as a cast in the SQL does.
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns = self.order.iter().zip(self.output.fields()).map(|(column, field)| {
            let column = rows.column(*column);
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            cast_with_options(column, field.data_type(), &options)
        });
        Ok(RecordBatch::try_new(Arc::clone(&self.output), columns.collect::<Result<_, _>>()?)?)
    }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
