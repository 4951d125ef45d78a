//! The job's output tables, read where the runs wrote them.
//!
//! The engine's own table over a folder takes hidden files for data, keeps lists of files, and reads a null partition as
//! the text that stands for it in the path; so the files are listed here.

use super::provider::{FileTable, Scan, external};
use super::prune::may_match;
use super::reports::Skipped;
use super::widths::{BATCH_ROWS, BatchRows, Stretch, row_groups};
use crate::output::sink::{Format, TableSinkSpec, partition_values};
use crate::storage::{Storage, store_error};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Result as EngineResult, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, JsonSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::{StreamExt, TryStreamExt, future};
use object_store::ObjectMeta;
use object_store::path::Path as ObjectPath;
use std::sync::Arc;

/// What the engine knows the sink's store as.
pub(super) const SINK_STORE: &str = "sink://tables/";

/// Files whose names are looked at together.
const FILES_AT_ONCE: usize = 4_096;

/// A table that runs of the job wrote. Its columns are those of the job file as it is now: a column that older files
/// do not have is null in their rows.
#[derive(Debug)]
pub struct OutputTable {
    sink: Storage,
    store: ObjectStoreUrl,
    folder: ObjectPath,
    format: Format,
    schema: TableSchema,
    partitions: Vec<String>,
    skipped: Skipped,
    batch_rows: BatchRows,
}

/// A file of the table, with the texts of its partition.
struct TableFile {
    meta: ObjectMeta,
    partition: Vec<Option<String>>,
}

impl OutputTable {
    /// The table of `spec` under `sink`, which the engine knows as `store`; nothing is read. Files that lie in other
    /// partitions than the job's are counted in `skipped`.
    pub(super) fn new(
        sink: &Storage,
        store: ObjectStoreUrl,
        format: Format,
        spec: &TableSinkSpec,
        skipped: Skipped,
        batch_rows: BatchRows,
    ) -> Self {
        let partitions: Vec<String> = spec.partition_names().map(str::to_owned).collect();
        let fields: Vec<FieldRef> =
            partitions.iter().map(|name| Arc::new(Field::new(name, DataType::Utf8, true))).collect();
        Self {
            sink: sink.clone(),
            store,
            folder: sink.prefix().clone().join(spec.table()),
            format,
            schema: TableSchema::builder(Arc::clone(spec.output())).with_table_partition_cols(fields).build(),
            partitions,
            skipped,
            batch_rows,
        }
    }

    /// Names of the partition columns, outermost first. They are text, and come behind the other columns.
    pub fn partitions(&self) -> &[String] {
        &self.partitions
    }

    fn find(&self, meta: ObjectMeta) -> Option<TableFile> {
        let below = meta.location.as_ref().strip_prefix(self.folder.as_ref())?.trim_start_matches('/');
        let (folders, file) = below.rsplit_once('/').unwrap_or(("", below));
        // Spark's and Hive's rule for what is not data.
        let hidden = |part: &str| part.starts_with('.') || (part.starts_with('_') && !part.contains('='));
        if below.split('/').any(hidden) || meta.size == 0 || !file.ends_with(self.ending()) {
            return None;
        }
        let values = partition_values(folders);
        let fits = values.len() == self.partitions.len()
            && folders.split('/').filter(|part| !part.is_empty()).count() == values.len()
            && values.iter().zip(&self.partitions).all(|(part, expected)| part.name == *expected);
        if !fits {
            self.skipped.add("files are in other partitions than the job's", &self.sink.uri_of(&meta.location));
            return None;
        }
        Some(TableFile { meta, partition: values.into_iter().map(|part| part.value).collect() })
    }

    fn ending(&self) -> &'static str {
        match self.format {
            Format::Parquet => ".parquet",
            Format::Json => ".json",
        }
    }

    /// The files that `filters` about the partitions do not rule out.
    async fn files(&self, state: &dyn Session, filters: &[Expr]) -> EngineResult<Vec<PartitionedFile>> {
        let listing = self.sink.store().list(Some(&self.folder));
        let failed = |error| external(store_error("list the table", &self.sink.uri_of(&self.folder), error));
        let found = listing.map_err(failed).try_filter_map(|meta| future::ready(Ok(self.find(meta))));
        let mut chunks = found.try_chunks(FILES_AT_ONCE).boxed();
        let mut files = Vec::new();
        while let Some(chunk) = chunks.try_next().await.map_err(|error| error.1)? {
            let keep = may_match(state, filters, &self.names(&chunk)?)?;
            for (found, _) in chunk.into_iter().zip(keep).filter(|(_, keep)| *keep) {
                let values = found.partition.into_iter().map(ScalarValue::Utf8).collect();
                files.push(PartitionedFile::from(found.meta).with_partition_values(values));
            }
        }
        Ok(files)
    }

    /// How long the rows of some files are, as far as a question reads them.
    async fn stretches(
        &self,
        state: &dyn Session,
        files: &[PartitionedFile],
        projection: Option<&Vec<usize>>,
    ) -> Vec<Stretch> {
        if self.format == Format::Json {
            // Lines tell nothing of their number; a file is a batch at most, and of a large one a batch is less.
            let largest = files.iter().map(|file| file.object_meta.size).max().unwrap_or(0);
            return vec![Stretch { rows: BATCH_ROWS as u64, bytes: largest }];
        }
        let schema = self.schema.table_schema();
        let wanted = match projection {
            Some(indexes) => indexes.iter().map(|index| schema.field(*index).name().as_str()).collect(),
            None => schema.fields().iter().map(|field| field.name().as_str()).collect(),
        };
        let metas = files.iter().map(|file| file.object_meta.clone()).collect();
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        row_groups(self.sink.store(), &cache, metas, &wanted).await
    }

    fn names(&self, chunk: &[TableFile]) -> EngineResult<RecordBatch> {
        let column = |index: usize| -> ArrayRef {
            Arc::new(chunk.iter().map(|found| found.partition.get(index).cloned().flatten()).collect::<StringArray>())
        };
        let columns = (0..self.partitions.len()).map(column).collect();
        let schema = Arc::new(Schema::new(self.schema.table_partition_cols().clone()));
        let options = RecordBatchOptions::new().with_row_count(Some(chunk.len()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }
}

#[async_trait]
impl FileTable for OutputTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn named_columns(&self) -> Vec<&str> {
        self.partitions.iter().map(String::as_str).collect()
    }

    async fn plan(&self, state: &dyn Session, scan: Scan<'_>) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let files = self.files(state, scan.filters).await?;
        if files.is_empty() {
            let schema = match scan.projection {
                Some(indexes) => Arc::new(self.schema().project(indexes)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        self.batch_rows.fit(self.stretches(state, &files, scan.projection).await);
        let source: Arc<dyn FileSource> = match self.format {
            Format::Parquet => {
                // Footers are looked at before; they are not fetched again.
                let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
                let readers = CachedParquetFileReaderFactory::new(Arc::clone(self.sink.store()), cache);
                let source = ParquetSource::new(self.schema.clone());
                Arc::new(source.with_parquet_file_reader_factory(Arc::new(readers)))
            }
            Format::Json => Arc::new(JsonSource::new(self.schema.clone())),
        };
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(groups)
            .with_projection_indices(scan.projection.cloned())?
            .with_limit(scan.limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
