//! SQL over the tables: what may be asked, how much it may take, and what its failures mean.

use super::columns::ReportTableKind;
use super::output::OutputTable;
use super::reports::{ReportFolder, Skipped};
use super::runs::ReportTable;
use crate::engine::{Pipeline, TablePlan};
use crate::job::{Job, Places};
use crate::rows::sort::{engine_error, query_environment};
use crate::storage::store_error;
use crate::text::suggest::unknown;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError, SchemaError, TableReference};
use datafusion::config::SpillCompression;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use etl_sdk::{ColumnType, Error, ErrorKind, Result};
use futures::StreamExt;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Least memory of one of the parts in which a query works side by side.
const PART_MEMORY: usize = 32 << 20;

/// What the engine knows the sink's store as.
const SINK_STORE: &str = "sink://tables/";

const READS_ONLY: &str = "sql only reads: SELECT, SHOW TABLES, DESCRIBE and EXPLAIN";

/// A job's tables, ready to be asked.
pub struct Query {
    context: SessionContext,
    tables: Vec<TableInfo>,
    skipped: Skipped,
}

/// A table that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableInfo {
    /// Its name in SQL.
    pub name: String,
    /// What one row is.
    pub description: String,
    /// Its columns, in order.
    pub columns: Vec<ColumnInfo>,
}

/// A column of such a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnInfo {
    /// Its name in SQL.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What it means; empty for a column that an enrichment added.
    pub description: String,
}

impl Query {
    /// Registers the tables of run reports and, with a pipeline, the output tables that the job writes. Nothing is read.
    pub fn open(job: &Job, places: &Places, pipeline: Option<&Pipeline>, threads: usize) -> Result<Self> {
        let limits = &job.config.limits;
        let memory = usize::try_from(limits.memory.0).unwrap_or(usize::MAX);
        let parts = threads.min(memory / PART_MEMORY).max(1);
        let config = SessionConfig::new()
            .with_information_schema(true)
            .with_target_partitions(parts)
            .with_sort_spill_reservation_bytes(memory / parts / 8)
            .with_spill_compression(SpillCompression::Lz4Frame);
        let mut query = Self {
            context: SessionContext::new_with_config_rt(config, query_environment(limits)?),
            tables: Vec::new(),
            skipped: Skipped::default(),
        };
        let folder = ReportFolder::new(&places.state, &job.config.job);
        for kind in ReportTableKind::ALL {
            let table = ReportTable::new(kind, folder.clone(), query.skipped.clone());
            query.register(report_info(kind), Arc::new(table))?;
        }
        let store = ObjectStoreUrl::parse(SINK_STORE).map_err(|error| engine_error("set up the engine", error))?;
        query.context.register_object_store(store.as_ref(), Arc::clone(places.sink.store()));
        for plan in pipeline.map_or(&[][..], |pipeline| &pipeline.tables) {
            let Some(spec) = &plan.sink else { continue };
            let skipped = query.skipped.clone();
            let table = OutputTable::new(&places.sink, store.clone(), job.config.sink.format, spec, skipped);
            let mut info = output_info(plan, &table);
            if query.tables.iter().any(|known| known.name == info.name) {
                info.name = format!("output_{}", info.name);
            }
            query.register(info, Arc::new(table))?;
        }
        Ok(query)
    }

    fn register(&mut self, info: TableInfo, table: Arc<dyn TableProvider>) -> Result<()> {
        self.context
            .register_table(TableReference::bare(info.name.as_str()), table)
            .map_err(|error| engine_error("register the table", error).with("table", &info.name))?;
        self.tables.push(info);
        Ok(())
    }

    /// The tables, those of the runs first.
    pub fn tables(&self) -> &[TableInfo] {
        &self.tables
    }

    /// What was left out of the answers so far, a line each.
    pub fn notes(&self) -> Vec<String> {
        self.skipped.notes()
    }

    /// Plans one statement and begins it. With `most_rows` the answer has at most so many rows.
    ///
    /// Fails with `Usage` for a text that is no SQL, that is more than a question, or that names what does not exist.
    pub async fn ask(&self, sql: &str, most_rows: Option<usize>) -> Result<Answer> {
        let plan = self.plan(sql).await?;
        let run = |error| failed("run the SQL", error);
        let named = names_of(&plan);
        let mut answer = self.context.execute_logical_plan(plan).await.map_err(run)?;
        // What explains a plan is no plan that rows could be taken of.
        let explains = matches!(
            answer.logical_plan(),
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_)
        );
        if let (Some(most), false) = (most_rows, explains) {
            answer = answer.limit(0, Some(most)).map_err(run)?;
        }
        let rows = answer.execute_stream().await.map_err(run)?;
        let fields = rows.schema().fields().iter().cloned().collect::<Vec<_>>();
        let fields = if named.len() == fields.len() {
            fields.iter().zip(named).map(|(field, name)| Arc::new(field.as_ref().clone().with_name(name))).collect()
        } else {
            fields
        };
        Ok(Answer { schema: Arc::new(Schema::new(fields)), rows })
    }

    async fn plan(&self, sql: &str) -> Result<LogicalPlan> {
        let state = self.context.state();
        let dialect = state.config_options().sql_parser.dialect;
        let statement = state.sql_to_statement(sql, &dialect).map_err(|error| failed("read the SQL", error))?;
        for table in state.resolve_table_references(&statement).map_err(|error| failed("read the SQL", error))? {
            if table.schema().is_some_and(|schema| schema != "public") {
                continue;
            }
            let known: Vec<&str> = self.tables.iter().map(|known| known.name.as_str()).collect();
            let is_function = state.table_functions().contains_key(table.table());
            if !known.contains(&table.table()) && !is_function && reads(&statement) {
                let error = unknown("table", table.table(), &known);
                return Err(Error::new(ErrorKind::Usage, "plan the SQL")
                    .with("unknown table", table.table())
                    .hint(error.hint_text().unwrap_or_default()));
            }
        }
        let plan = state.statement_to_plan(statement).await.map_err(|error| failed("plan the SQL", error))?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|error| Error::new(ErrorKind::Usage, "refuse the SQL").source(error).hint(READS_ONLY))?;
        Ok(plan)
    }
}

/// Whether a statement is a question; what else it may be is refused with reasons of its own.
fn reads(statement: &datafusion::sql::parser::Statement) -> bool {
    use datafusion::sql::parser::Statement;
    use datafusion::sql::sqlparser::ast::Statement as Sql;
    match statement {
        Statement::Statement(sql) => matches!(sql.as_ref(), Sql::Query(_)),
        _ => false,
    }
}

/// Names of the answer's columns. Those that come twice are told apart by their tables.
fn names_of(plan: &LogicalPlan) -> Vec<String> {
    let schema = plan.schema();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for field in schema.fields() {
        *seen.entry(field.name()).or_default() += 1;
    }
    let name = |(table, field): (Option<&TableReference>, &Arc<arrow::datatypes::Field>)| match table {
        Some(table) if seen.get(field.name().as_str()).is_some_and(|times| *times > 1) => {
            format!("{}.{}", table.table(), field.name())
        }
        _ => field.name().clone(),
    };
    schema.iter().map(name).collect()
}

/// The rows of an answer, on their way.
pub struct Answer {
    schema: SchemaRef,
    rows: SendableRecordBatchStream,
}

impl Answer {
    /// The answer's columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.rows.next().await else { return Ok(None) };
        let batch = batch.map_err(|error| failed("run the SQL", error))?;
        Ok(Some(batch.with_schema(Arc::clone(&self.schema))?))
    }
}

fn report_info(kind: ReportTableKind) -> TableInfo {
    let column = |column: &super::ReportColumn| ColumnInfo {
        name: column.name.to_owned(),
        type_name: column.type_name().to_owned(),
        description: column.description.to_owned(),
    };
    TableInfo {
        name: kind.name().to_owned(),
        description: kind.description().to_owned(),
        columns: kind.columns().iter().map(column).collect(),
    }
}

fn output_info(plan: &TablePlan, table: &OutputTable) -> TableInfo {
    let declared = &plan.table.schema.columns;
    let schema = table.schema();
    let column = |field: &Arc<arrow::datatypes::Field>| {
        let known = declared.iter().find(|column| column.name == *field.name());
        let partition = table.partitions().contains(field.name());
        ColumnInfo {
            name: field.name().clone(),
            type_name: match known {
                Some(known) if !partition => type_of(&known.column_type),
                _ => plain_type(field.data_type()),
            },
            description: match known {
                _ if partition => "Partition, from the path.".to_owned(),
                Some(known) => known.description.clone(),
                None => String::new(),
            },
        }
    };
    TableInfo {
        name: plan.table.schema.table.clone(),
        description: plan.table.schema.description.clone(),
        columns: schema.fields().iter().map(column).collect(),
    }
}

fn type_of(column_type: &ColumnType) -> String {
    match column_type {
        ColumnType::String => "text".to_owned(),
        ColumnType::Timestamp => "timestamp, UTC".to_owned(),
        other => other.to_string(),
    }
}

fn plain_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Timestamp(_, _) => "timestamp, UTC".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// A failure of the engine in the words of who asked: what is wrong with the question is theirs to mend, memory, disk
/// and stores say so, and the rest is a defect.
fn failed(operation: &'static str, error: DataFusionError) -> Error {
    match unwrapped(error) {
        Cause::Ours(error) => error,
        Cause::Store(error) => {
            let gone = matches!(error, object_store::Error::NotFound { .. });
            let error = store_error("read the table", SINK_STORE, error);
            if gone { error.hint("a run replaced the file meanwhile: ask again") } else { error }
        }
        Cause::Engine(error) => of_the_question(operation, error),
    }
}

fn of_the_question(operation: &'static str, error: DataFusionError) -> Error {
    use DataFusionError as E;
    let usage = || Error::new(ErrorKind::Usage, operation);
    match error.find_root() {
        E::SchemaError(schema, _) => {
            let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else {
                return usage().source(plain(&error));
            };
            // The engine's own text lists all columns, and these may be a hundred.
            let known: Vec<&str> = valid_fields.iter().map(Column::name).collect();
            let nearest = unknown("column", &field.name, &known);
            usage().with("unknown column", &field.name).hint(nearest.hint_text().unwrap_or_default())
        }
        E::ArrowError(arrow, _)
            if !matches!(arrow.as_ref(), ArrowError::IoError(_, _) | ArrowError::MemoryError(_)) =>
        {
            usage().source(plain(&error))
        }
        E::SQL(_, _) | E::Plan(_) | E::Execution(_) | E::NotImplemented(_) | E::Configuration(_) => {
            usage().source(plain(&error))
        }
        E::ResourcesExhausted(_) => Error::new(ErrorKind::Limit, operation)
            .with("setting", "limits.memory")
            .hint("ask for less at once, or raise it for this question: --set limits.memory=2GiB")
            .source(plain(&error)),
        _ => engine_error(operation, error),
    }
}

/// The engine's text without where in its sources it was made.
fn plain(error: &DataFusionError) -> String {
    error.strip_backtrace()
}

enum Cause {
    Ours(Error),
    Store(object_store::Error),
    Engine(DataFusionError),
}

/// Takes off what the engine wraps around errors on their way through streams.
fn unwrapped(error: DataFusionError) -> Cause {
    use DataFusionError as E;
    match error {
        E::Context(_, inner) => match unwrapped(*inner) {
            Cause::Engine(inner) => Cause::Engine(inner),
            other => other,
        },
        E::ObjectStore(error) => Cause::Store(*error),
        E::ArrowError(arrow, place) => match *arrow {
            ArrowError::ExternalError(inner) => boxed(inner),
            arrow => Cause::Engine(E::ArrowError(Box::new(arrow), place)),
        },
        E::External(inner) => boxed(inner),
        error => Cause::Engine(error),
    }
}

fn boxed(error: Box<dyn std::error::Error + Send + Sync>) -> Cause {
    let error = match error.downcast::<Error>() {
        Ok(ours) => return Cause::Ours(*ours),
        Err(error) => error,
    };
    let error = match error.downcast::<DataFusionError>() {
        Ok(engine) => return unwrapped(*engine),
        Err(error) => error,
    };
    match error.downcast::<object_store::Error>() {
        Ok(store) => Cause::Store(*store),
        Err(error) => Cause::Engine(DataFusionError::External(error)),
    }
}
