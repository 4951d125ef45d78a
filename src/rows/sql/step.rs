//! SQL steps: one SELECT over a table's rows, run in the worker's own thread on each batch.
//!
//! A step sees one row at a time, so that rows depend neither on how they are cut into batches nor on the clock.
//! `plan.rs` turns the text into expressions and refuses what is not of that kind; this file runs them.

use super::guard::Bound;
use super::plan::{Plan, plan_select, row_bound, statement_of};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::json::LineDelimitedWriter;
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
    bound: Bound,
}

impl SqlStep {
    /// Checks that `sql`, the text of `file`, is one SQL statement. `parameters` are the values of its `$name`s: an
    /// object of strings, numbers, booleans and nulls, or null for none. A row of which it would make more than `row_bytes`
    /// is rejected.
    ///
    /// The rest is checked in [`Enrichment::output_schema`], where the table's columns are known.
    pub fn new(file: &str, table: &str, sql: &str, parameters: &Value, row_bytes: u64) -> Result<Self> {
        statement_of(file, sql)?;
        Ok(Self {
            file: file.to_owned(),
            table: table.to_owned(),
            sql: sql.to_owned(),
            parameters: scalars(file, parameters)?,
            bound: row_bound(row_bytes),
        })
    }

    fn plan(&self, input: &SchemaRef) -> Result<Plan> {
        plan_select(&self.file, &self.table, &self.sql, &self.parameters, input, self.bound)
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
        let mut done = Vec::new();
        self.enrich_in_parts(step, batch, out, &mut |rows, _| {
            done.push(rows);
            Ok(())
        })?;
        match done.len() {
            1 => Ok(done.remove(0)),
            _ => Ok(concat_batches(&self.plan.output, &done)?),
        }
    }

    fn enrich_in_parts(
        &mut self,
        step: &StepName,
        batch: RecordBatch,
        out: &mut Output,
        give: &mut dyn FnMut(RecordBatch, &mut Output) -> Result<()>,
    ) -> Result<()> {
        let mut open = vec![batch];
        // On a failure the halves are tried, down to the row that fails: its neighbours are kept.
        while let Some(part) = open.pop() {
            let rows = part.num_rows();
            if rows > self.plan.rows_at_once {
                open.push(part.slice(self.plan.rows_at_once, rows - self.plan.rows_at_once));
                open.push(part.slice(0, self.plan.rows_at_once));
                continue;
            }
            match self.plan.run(&part) {
                Ok(made) => {
                    out.filter(step, FILTERED, (rows - made.num_rows()) as u64);
                    give(made, out)?;
                }
                Err(error) if is_of_the_run(&error, || self.plan.run(&part.slice(0, 0)).is_err()) => {
                    return Err(Error::new(ErrorKind::Internal, "run the SQL").with("file", &self.file).source(error));
                }
                Err(error) if rows <= 1 => out.reject(reject(step.clone(), &error, &part)),
                Err(_) => {
                    open.push(part.slice(rows / 2, rows - rows / 2));
                    open.push(part.slice(0, rows / 2));
                }
            }
        }
        Ok(())
    }
}

/// Whether a failure has nothing to do with the values of a row. Functions call some values a defect of theirs; it is one
/// where it fails without rows as well, which `fails_empty` finds out.
pub(super) fn is_of_the_run(error: &DataFusionError, fails_empty: impl FnOnce() -> bool) -> bool {
    use DataFusionError::{Internal, IoError, NotImplemented, ResourcesExhausted};
    match error.find_root() {
        ResourcesExhausted(_) | IoError(_) => true,
        Internal(_) | NotImplemented(_) => fails_empty(),
        _ => false,
    }
}

fn reject(step: StepName, error: &DataFusionError, row: &RecordBatch) -> Reject {
    // Without its address, the row's own values are what is left to find the record by.
    let mut writer = LineDelimitedWriter::new(Vec::new());
    let raw = match writer.write(row).and_then(|()| writer.finish()) {
        Ok(()) => writer.into_inner(),
        Err(_) => Vec::new(),
    };
    let message = match error {
        DataFusionError::External(error) => error.to_string(),
        error => error.strip_backtrace(),
    };
    Reject { address: None, step, reason: FAILED.into(), message, raw, truncated: false }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
