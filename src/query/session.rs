//! SQL over the tables: what may be asked, how much it may take, and what its failures mean.

use super::columns::{ReportColumn, ReportTableKind};
use super::current::CurrentSource;
use super::failure::explained;
use super::latest::Versions;
use super::output::{OutputTable, SINK_STORE};
use super::provider::{FileTable, FileTableProvider};
use super::reports::{ReportFolder, Skipped};
use super::runs::ReportTable;
use super::widths::{BATCH_ROWS, BatchRows};
use crate::engine::{Pipeline, TablePlan};
use crate::job::{Job, Places};
use crate::process::panics::of_thread;
use crate::rows::sort::{engine_error, query_environment};
use crate::rows::sql::{Bound, constants_of, guard, too_deep};
use crate::text::suggest::did_you_mean;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, TableReference};
use datafusion::config::SpillCompression;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use etl_sdk::{ColumnType, Error, ErrorKind, Result};
use futures::{FutureExt, StreamExt};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use strum::VariantArray;

/// The least memory of each of the parts that a query is divided into.
const MIN_PART_MEMORY: usize = 32 << 20;

/// Bytes of the longest rows of a table that a batch may have: a share of `limits.memory`, within these bounds.
const BATCH_BYTES: std::ops::RangeInclusive<u64> = 4 << 20..=32 << 20;

/// Where a batch has fewer rows, they are so long that a question is not divided into parts: each part holds several.
const LONG_ROWS: usize = 64;

const READS_ONLY: &str = "sql only reads: SELECT, SHOW TABLES, DESCRIBE and EXPLAIN";

/// A job's tables, ready for questions.
pub struct Query {
    context: SessionContext,
    /// What an answer may take.
    memory: u64,
    tables: Vec<TableInfo>,
    skipped: Skipped,
    batch_rows: BatchRows,
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
    pub fn open(
        job: &Job,
        places: &Places,
        current: &CurrentSource,
        pipeline: Option<&Pipeline>,
        threads: usize,
    ) -> Result<Self> {
        let limits = &job.config.limits;
        let memory = usize::try_from(limits.memory.0).unwrap_or(usize::MAX);
        let parts = threads.min(memory / MIN_PART_MEMORY).max(1);
        let config = SessionConfig::new()
            .with_information_schema(true)
            .with_target_partitions(parts)
            .with_batch_size(BATCH_ROWS)
            .with_sort_spill_reservation_bytes(memory / parts / 8)
            .with_spill_compression(SpillCompression::Lz4Frame);
        let mut context = SessionContext::new_with_config_rt(config, query_environment(limits)?);
        let bound = Bound { bytes: limits.memory.0, setting: "limits.memory" };
        guard(&mut context, bound).map_err(|error| engine_error("set up the engine", error))?;
        let mut query = Self {
            context,
            memory: limits.memory.0,
            tables: Vec::new(),
            skipped: Skipped::default(),
            batch_rows: BatchRows::new((limits.memory.0 / 8).clamp(*BATCH_BYTES.start(), *BATCH_BYTES.end())),
        };
        let folder = ReportFolder::new(&places.state, &job.config.job);
        for kind in ReportTableKind::VARIANTS.iter().copied() {
            let table = ReportTable::new(kind, folder.clone(), current.clone(), query.skipped.clone());
            query.register(report_info(kind), Arc::new(FileTableProvider(table)))?;
        }
        let store = ObjectStoreUrl::parse(SINK_STORE).map_err(|error| engine_error("set up the engine", error))?;
        query.context.register_object_store(store.as_ref(), Arc::clone(places.sink.store()));
        for plan in pipeline.map_or(&[][..], |pipeline| &pipeline.tables) {
            let Some(spec) = &plan.sink else { continue };
            let skipped = query.skipped.clone();
            let batch_rows = query.batch_rows.clone();
            let table =
                OutputTable::new(&places.sink, store.clone(), job.config.sink.format, spec, skipped, batch_rows);
            let mut info = output_info(plan, &table);
            if query.tables.iter().any(|known| known.name == info.name) {
                info.name = format!("output_{}", info.name);
            }
            let table: Arc<dyn TableProvider> = Arc::new(FileTableProvider(table));
            query.register(info.clone(), Arc::clone(&table))?;
            let Some(versions) = Versions::of(plan, spec) else { continue };
            let failed = |error| engine_error("make the view", error).with("table", &info.name);
            let latest = versions.latest(&info.name, table).map_err(failed)?;
            query.register(latest_info(&info, &versions), Arc::new(latest))?;
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

    /// Plans one statement and begins it. With `max_rows` the answer has at most so many.
    ///
    /// Fails with `Usage` for a text that is not SQL, that does more than ask, or that names what does not exist.
    pub async fn ask(&self, sql: &str, max_rows: Option<usize>) -> Result<Answer> {
        unless_panicked(self.begin(sql, max_rows)).await
    }

    async fn begin(&self, sql: &str, max_rows: Option<usize>) -> Result<Answer> {
        let plan = self.plan(sql).await?;
        let run = |error| explained("run the SQL", error);
        let named = names_of(&plan);
        let most_rows = self.rows_of_constants(&plan).map_err(run)?;
        let mut answer = self.context.execute_logical_plan(plan).await.map_err(run)?;
        // A statement that explains a plan has no rows that could be limited.
        let explains = matches!(
            answer.logical_plan(),
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_)
        );
        if let (Some(max), false) = (max_rows, explains) {
            answer = answer.limit(0, Some(max)).map_err(run)?;
        }
        let (mut state, logical) = answer.into_parts();
        self.batch_rows.reset();
        let mut plan = state.create_physical_plan(&logical).await.map_err(run)?;
        // Planning has looked at the files: all steps of the plan work on batches that fit.
        let batch_rows = self.batch_rows.get().min(most_rows);
        let mut config = state.config().clone().with_batch_size(batch_rows);
        if batch_rows < LONG_ROWS {
            config = config.with_target_partitions(1);
        }
        *state.config_mut() = config;
        if batch_rows < LONG_ROWS {
            plan = state.create_physical_plan(&logical).await.map_err(run)?;
        }
        let rows = execute_stream(plan, Arc::new(TaskContext::from(&state))).map_err(run)?;
        let fields = rows.schema().fields().iter().cloned().collect::<Vec<_>>();
        let fields = if named.len() == fields.len() {
            fields.iter().zip(named).map(|(field, name)| Arc::new(field.as_ref().clone().with_name(name))).collect()
        } else {
            fields
        };
        Ok(Answer { schema: Arc::new(Schema::new(fields)), rows })
    }

    /// Rows of a batch for which the constants of a plan can be copied.
    fn rows_of_constants(&self, plan: &LogicalPlan) -> Result<usize, DataFusionError> {
        let constants = constants_of(&self.context.state().optimize(plan)?)?;
        Ok(usize::try_from(self.memory / constants.max(1)).unwrap_or(usize::MAX).max(1))
    }

    async fn plan(&self, sql: &str) -> Result<LogicalPlan> {
        if let Some(depth) = too_deep(sql) {
            return Err(depth.explain(Error::new(ErrorKind::Usage, "plan the SQL")));
        }
        let state = self.context.state();
        let dialect = state.config_options().sql_parser.dialect;
        let statement = state.sql_to_statement(sql, &dialect).map_err(|error| explained("read the SQL", error))?;
        for table in state.resolve_table_references(&statement).map_err(|error| explained("read the SQL", error))? {
            if table.schema().is_some_and(|schema| schema != "public") {
                continue;
            }
            let known: Vec<&str> = self.tables.iter().map(|known| known.name.as_str()).collect();
            let is_function = state.table_functions().contains_key(table.table());
            if !known.contains(&table.table()) && !is_function && reads(&statement) {
                return Err(Error::new(ErrorKind::Usage, "plan the SQL")
                    .with("unknown table", table.table())
                    .hint(did_you_mean(table.table(), &known)));
            }
        }
        let plan = state.statement_to_plan(statement).await.map_err(|error| explained("plan the SQL", error))?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|error| Error::new(ErrorKind::Usage, "refuse the SQL").source(error).hint(READS_ONLY))?;
        Ok(plan)
    }
}

/// Whether a statement is a question; anything else is refused with a reason of its own.
fn reads(statement: &datafusion::sql::parser::Statement) -> bool {
    use datafusion::sql::parser::Statement;
    use datafusion::sql::sqlparser::ast::Statement as Sql;
    match statement {
        Statement::Statement(sql) => matches!(sql.as_ref(), Sql::Query(_)),
        _ => false,
    }
}

/// The engine passes a panic of its own tasks on to the one who waits for them.
async fn unless_panicked<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(payload) => {
            let panic = of_thread(std::thread::current().id(), &*payload);
            Err(Error::internal("run the SQL").source(panic))
        }
    }
}

/// Names of the answer's columns. A name that occurs twice is qualified by its table.
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
    let mut names: Vec<String> = schema.iter().map(name).collect();
    // A name may also be that of a table and a column by chance.
    let mut taken = BTreeSet::new();
    for name in &mut names {
        let mut numbered = (2_u32..).map(|number| format!("{name} {number}"));
        if let Some(free) = taken.contains(name).then(|| numbered.find(|name| !taken.contains(name))).flatten() {
            *name = free;
        }
        taken.insert(name.clone());
    }
    names
}

/// The rows of an answer, as they come.
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
        unless_panicked(async {
            let Some(batch) = self.rows.next().await else { return Ok(None) };
            let batch = batch.map_err(|error| explained("run the SQL", error))?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let schema = Arc::clone(&self.schema);
            Ok(Some(RecordBatch::try_new_with_options(schema, batch.columns().to_vec(), &options)?))
        })
        .await
    }
}

fn report_info(kind: ReportTableKind) -> TableInfo {
    let column = |column: &ReportColumn| ColumnInfo {
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

fn latest_info(table: &TableInfo, versions: &Versions) -> TableInfo {
    let (name, key, stamp) = (&table.name, versions.key.join(", "), &versions.stamp);
    TableInfo {
        name: format!("{name}_latest"),
        description: format!("Of `{name}`, the latest row of each {key}: the one with the greatest {stamp}."),
        columns: table.columns.clone(),
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
