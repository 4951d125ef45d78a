//! From the text of a SQL step to expressions: parse, check, bind the parameters, plan.

use super::depth::too_deep;
use super::guard::{Bound, constants_of, guard};
use super::sizes::bytes_of_argument;
use crate::process::panics::catch_text;
use crate::text::suggest::did_you_mean;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, ScalarValue, SchemaError, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::physical_expr::{PhysicalExpr, expressions};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use etl_sdk::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A SELECT as expressions over batches of one schema.
#[derive(Debug)]
pub(super) struct Plan {
    /// What is done to a batch, in this order.
    pub(super) stages: Vec<Stage>,
    /// For each column of the output, its place after the last stage.
    pub(super) order: Vec<usize>,
    /// The table's columns, then the added ones.
    pub(super) output: SchemaRef,
    /// Rows that are looked at together, so that constants may be copied for each.
    pub(super) rows_at_once: usize,
    bound: Bound,
}

/// One step of a plan.
#[derive(Debug)]
pub(super) enum Stage {
    /// Keeps the rows for which it is true.
    Filter(Arc<dyn PhysicalExpr>),
    /// Makes columns, or takes them as they are.
    Project { columns: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef },
}

/// What SQL may make of one row: `limits.sql_row_bytes`.
pub(super) fn row_bound(bytes: u64) -> Bound {
    Bound { bytes, setting: "limits.sql_row_bytes" }
}

/// Parses the text of `file`, which must be one statement.
pub(super) fn statement_of(file: &str, sql: &str) -> Result<Statement> {
    parse(&bare_state(), file, sql)
}

/// Plans the SELECT over a table called `table` with the columns of `input`.
///
/// Fails naming the clause that is more than one row at a time, the function that depends on the clock or on chance,
/// the column that is missing or the parameter that is unused or unknown.
pub(super) fn plan_select(
    file: &str,
    table: &str,
    sql: &str,
    parameters: &BTreeMap<String, ScalarValue>,
    input: &SchemaRef,
    bound: Bound,
) -> Result<Plan> {
    let state = state(bound).map_err(|error| wrong(file, error))?;
    let statement = parse(&state, file, sql)?;
    let context = SessionContext::new_with_state(state);
    context
        .register_table(TableReference::bare(table), Arc::new(EmptyTable::new(Arc::clone(input))))
        .map_err(|error| wrong(file, error))?;
    let state = context.state();
    // Nothing is fetched while planning: the one table is in memory, so the future is ready at once.
    let plan = futures::executor::block_on(state.statement_to_plan(statement)).map_err(|error| wrong(file, error))?;
    check_rows_only(file, table, &plan)?;
    let plan = bind(file, plan, parameters)?;
    // Constants are worked out here, and a function may panic at one.
    let planned = catch_text(|| {
        let plan = analyse(&state, &plan)?;
        let mut stages = Vec::new();
        compile(&state, &plan, &mut stages)?;
        Ok((stages, plan.schema().as_arrow().clone(), constants_of(&plan)?))
    });
    let planned = planned.unwrap_or_else(|text| Err(panicked(&text)));
    let (stages, selected, constants) = planned.map_err(|error| wrong(file, error))?;
    let (order, output) = arrange(file, input, &selected)?;
    Ok(Plan { stages, order, output, rows_at_once: rows_at_once(bound, constants), bound })
}

/// Rows for which constants of so many bytes can be copied within the bound.
pub(super) fn rows_at_once(bound: Bound, constants: u64) -> usize {
    usize::try_from(bound.bytes / constants.max(1)).unwrap_or(usize::MAX).max(1)
}

/// A panic of the engine as a failure of what it was evaluating.
pub(super) fn panicked(text: &str) -> DataFusionError {
    DataFusionError::Execution(format!("the expression panicked: {text}"))
}

impl Plan {
    /// The rows that the SELECT makes of a batch; fails when it fails for any of them. A panic is such a failure.
    pub(super) fn run(&self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        catch_text(|| self.evaluate(batch)).unwrap_or_else(|text| Err(panicked(&text)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let mut rows = batch.clone();
        for stage in &self.stages {
            rows = match stage {
                Stage::Filter(condition) => {
                    let keep = condition.evaluate(&rows)?.into_array(rows.num_rows())?;
                    filter_record_batch(&rows, as_boolean_array(&keep)?)?
                }
                Stage::Project { columns, schema } => {
                    let columns = self.project(columns, &rows)?;
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

    /// The columns of a stage. Those that it makes are bounded together.
    fn project(&self, columns: &[Arc<dyn PhysicalExpr>], rows: &RecordBatch) -> Result<Vec<ArrayRef>, DataFusionError> {
        let mut made = 0_u64;
        let column = |column: &Arc<dyn PhysicalExpr>| {
            let value = column.evaluate(rows)?;
            if column.is::<expressions::Column>() {
                return value.into_array(rows.num_rows());
            }
            made = made.saturating_add(bytes_of_argument(&value, rows.num_rows()));
            if made > self.bound.bytes {
                return Err(self.bound.exceeded("the SELECT", made));
            }
            value.into_array(rows.num_rows())
        };
        columns.iter().map(column).collect()
    }
}

/// A session that plans, and runs nothing. What it plans does not make more than `bound` of a batch.
pub(super) fn state(bound: Bound) -> Result<SessionState, DataFusionError> {
    let mut state = bare_state();
    guard(&mut state, bound)?;
    Ok(state)
}

fn bare_state() -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_information_schema(false)
        // An ORDER BY in a subquery is refused like any other, not dropped in silence.
        .with_enable_subquery_sort_elimination(false);
    config.options_mut().sql_parser.collect_spans = true;
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    SessionStateBuilder::new().with_config(config).with_default_features().with_table_functions(HashMap::new()).build()
}

fn parse(state: &SessionState, file: &str, sql: &str) -> Result<Statement> {
    if let Some(depth) = too_deep(sql) {
        return Err(depth.explain(Error::config("plan the SQL").with("file", file)));
    }
    let dialect = state.config_options().sql_parser.dialect;
    state.sql_to_statement(sql, &dialect).map_err(|error| wrong(file, error))
}

/// An error of the SQL file, with its place in the file where the engine knows it.
fn wrong(file: &str, error: DataFusionError) -> Error {
    explain(Error::config("plan the SQL").with("file", file), error)
}

/// Adds to a failure where in the SQL it is, and which name is unknown.
pub(super) fn explain(failure: Error, error: DataFusionError) -> Error {
    let place = error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| span.start);
    let failure = match place {
        Some(place) => failure.with("line", place.line).with("column", place.column),
        None => failure,
    };
    let DataFusionError::SchemaError(schema, _) = error.find_root() else { return failure.source(error) };
    let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else { return failure.source(error) };
    // The engine's own text lists all columns, and these are a hundred.
    let known: Vec<&str> = valid_fields.iter().map(Column::name).collect();
    failure.with("unknown column", &field.name).hint(did_you_mean(&field.name, &known))
}

fn refused(file: &str, clause: &str, why: &str) -> Error {
    Error::config("plan the SQL").with("file", file).with("refused", clause).hint(why)
}

const ONE_ROW: &str = "a step sees one row at a time, so that rows do not depend on how they are cut into batches";
const SAME_ROWS: &str = "the same input must give the same rows; pass what varies as a parameter";

fn check_rows_only(file: &str, table: &str, plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    let walked = plan.apply_with_subqueries(|node| {
        found = refused_plan(table, node).map(|clause| refused(file, clause, ONE_ROW));
        if found.is_none() {
            node.apply_expressions(|expression| {
                expression.apply(|expression| {
                    found = refused_expression(expression).map(|(clause, why)| refused(file, &clause, why));
                    Ok(stop_if(found.is_some()))
                })
            })?;
        }
        Ok(stop_if(found.is_some()))
    });
    walked.map_err(|error| wrong(file, error))?;
    found.map_or(Ok(()), Err)
}

fn stop_if(stop: bool) -> TreeNodeRecursion {
    if stop { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue }
}

fn refused_plan(table: &str, plan: &LogicalPlan) -> Option<&'static str> {
    match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => None,
        LogicalPlan::TableScan(scan) if scan.table_name.table() == table => None,
        LogicalPlan::TableScan(_) => Some("another table"),
        LogicalPlan::Aggregate(_) => Some("GROUP BY or an aggregate function"),
        LogicalPlan::Window(_) => Some("a window function"),
        LogicalPlan::Sort(_) => Some("ORDER BY"),
        LogicalPlan::Limit(_) => Some("LIMIT or OFFSET"),
        LogicalPlan::Distinct(_) => Some("DISTINCT or a set operation"),
        LogicalPlan::Join(_) => Some("a join"),
        LogicalPlan::Union(_) => Some("UNION"),
        LogicalPlan::Unnest(_) => Some("unnest"),
        LogicalPlan::RecursiveQuery(_) => Some("WITH RECURSIVE"),
        LogicalPlan::Subquery(_) => Some("a subquery"),
        LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => Some("a SELECT without the table"),
        _ => Some("a statement that is not a SELECT"),
    }
}

/// What of an expression is no matter of one row, and why it is refused.
pub(super) fn refused_expression(expression: &Expr) -> Option<(String, &'static str)> {
    match expression {
        Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) | Expr::ScalarSubquery(_) => {
            Some(("a subquery".to_owned(), ONE_ROW))
        }
        Expr::AggregateFunction(call) => Some((format!("{}()", call.func.name()), ONE_ROW)),
        Expr::WindowFunction(call) => Some((format!("{}() OVER", call.fun.name()), ONE_ROW)),
        // Stable functions are constant for one query, but a run plans many: they count as the clock does.
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            Some((format!("{}()", call.func.name()), SAME_ROWS))
        }
        Expr::ScalarVariable(_, name) => Some((name.join("."), SAME_ROWS)),
        _ => None,
    }
}

/// Puts the values in the place of the `$name`s.
fn bind(file: &str, plan: LogicalPlan, parameters: &BTreeMap<String, ScalarValue>) -> Result<LogicalPlan> {
    let failed = |fact, name: &str| Error::config("bind the parameters of the SQL").with("file", file).with(fact, name);
    let used = plan.get_parameter_names().map_err(|error| wrong(file, error))?;
    let used: BTreeSet<&str> = used.iter().map(|name| name.trim_start_matches('$')).collect();
    if let Some(missing) = used.iter().find(|name| !parameters.contains_key(**name)) {
        return Err(failed("missing parameter", missing).hint("give it a value under `with`"));
    }
    if let Some(unused) = parameters.keys().find(|name| !used.contains(name.as_str())) {
        return Err(failed("unused parameter", unused).hint(format!("write ${unused} where the value belongs")));
    }
    if used.is_empty() {
        return Ok(plan);
    }
    let values: Vec<(&str, ScalarValue)> =
        parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    plan.replace_params_with_values(&values.into()).map_err(|error| wrong(file, error))
}

/// Types and constants are settled; the plan's shape stays, so that filters stay where they were written.
fn analyse(state: &SessionState, plan: &LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let typed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {})?;
    let rules =
        Optimizer::with_rules(vec![Arc::new(SimplifyExpressions::new()), Arc::new(CommonSubexprEliminate::new())]);
    rules.optimize(typed, state, |_, _| {})
}

fn compile(state: &SessionState, plan: &LogicalPlan, stages: &mut Vec<Stage>) -> Result<(), DataFusionError> {
    match plan {
        LogicalPlan::TableScan(_) => Ok(()),
        LogicalPlan::SubqueryAlias(alias) => compile(state, &alias.input, stages),
        LogicalPlan::Filter(filter) => {
            compile(state, &filter.input, stages)?;
            let condition = state.create_physical_expr(filter.predicate.clone(), filter.input.schema())?;
            stages.push(Stage::Filter(condition));
            Ok(())
        }
        LogicalPlan::Projection(projection) => {
            compile(state, &projection.input, stages)?;
            let input = projection.input.schema();
            let columns = projection
                .expr
                .iter()
                .map(|column| state.create_physical_expr(column.clone(), input))
                .collect::<Result<Vec<_>, _>>()?;
            let fields = projection
                .schema
                .fields()
                .iter()
                .zip(&columns)
                .map(|(field, column)| Ok(Field::new(field.name(), column.data_type(input.as_arrow())?, true)));
            let schema = Arc::new(Schema::new(fields.collect::<Result<Fields, DataFusionError>>()?));
            stages.push(Stage::Project { columns, schema });
            Ok(())
        }
        other => Err(DataFusionError::Internal(format!("unexpected plan after the check: {}", other.display()))),
    }
}

/// Puts the table's columns first and settles the types.
fn arrange(file: &str, input: &SchemaRef, selected: &Schema) -> Result<(Vec<usize>, SchemaRef)> {
    let failed = || Error::config("arrange the columns of the SQL").with("file", file);
    let mut order = Vec::with_capacity(selected.fields().len());
    let mut fields = Vec::with_capacity(selected.fields().len());
    for field in input.fields() {
        let index = selected.index_of(field.name()).map_err(|_| {
            failed().with("missing column", field.name()).hint("select every column of the table, as `*` does")
        })?;
        let found = selected.field(index).data_type();
        if !fits(found, field.data_type()) {
            return Err(failed()
                .with("column", field.name())
                .with("type", found)
                .with("declared", field.data_type())
                .hint("CAST it to the declared type"));
        }
        order.push(index);
        fields.push(Arc::clone(field));
    }
    for (index, field) in selected.fields().iter().enumerate() {
        if selected.fields()[..index].iter().any(|earlier| earlier.name() == field.name()) {
            return Err(failed().with("column twice", field.name()));
        }
        if order.contains(&index) {
            continue;
        }
        let data_type = plain(field.data_type());
        if !can_cast_types(field.data_type(), &data_type) {
            return Err(failed()
                .with("column", field.name())
                .with("type", field.data_type())
                .hint("CAST it to another type"));
        }
        order.push(index);
        fields.push(Arc::new(Field::new(field.name(), data_type, true)));
    }
    Ok((order, Arc::new(Schema::new(fields))))
}

/// Whether a value can be cast back to a column's type without changing what it says. A number that is out of range
/// fails its row when it is met.
fn fits(found: &DataType, declared: &DataType) -> bool {
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match (found, declared) {
        (DataType::Null, _) => true,
        (found, declared) if found == declared => true,
        (found, declared) if is_text(found) => is_text(declared),
        (found, declared) if found.is_integer() => declared.is_integer() || *declared == DataType::Float64,
        (DataType::Float32, DataType::Float64)
        | (DataType::Timestamp(..) | DataType::Date32, DataType::Timestamp(..)) => true,
        (found, declared) => plain(found) == *declared,
    }
}

/// The type that tables have for a value, and that all readers know: strings that own their bytes, lists of any length,
/// microseconds in UTC.
fn plain(data_type: &DataType) -> DataType {
    let field = |field: &Arc<Field>| Arc::new(field.as_ref().clone().with_data_type(plain(field.data_type())));
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => DataType::List(field(element)),
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Decimal32(digits, scale) | DataType::Decimal64(digits, scale) => {
            DataType::Decimal128(*digits, *scale)
        }
        DataType::Decimal256(digits, scale) if *digits <= 38 => DataType::Decimal128(*digits, *scale),
        DataType::Struct(members) => DataType::Struct(members.iter().map(field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        other => other.clone(),
    }
}
