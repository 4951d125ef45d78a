//! Parquet files in batches, from a folder or a bucket.

use super::column::{ColumnKind, SideColumn, type_name};
use super::files::{DataFile, uri};
use crate::process::stop::Stop;
use crate::storage::{Storage, store_error};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use etl_sdk::{Error, Result};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryFutureExt};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::basic::Type as PhysicalType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a batch.
const BATCH_ROWS: usize = 1_024;

/// Bytes at the end of a file that are fetched with the footer's length.
const FOOTER_GUESS: usize = 64 << 10;

/// A file of a store as the Parquet reader sees it.
struct Remote {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    size: u64,
}

impl AsyncFileReader for Remote {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.store.get_range(&self.path, range).map_err(ParquetError::from).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { Ok(self.store.get_ranges(&self.path, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            let metadata = ParquetMetaDataReader::new()
                .with_metadata_options(options.map(|options| options.metadata_options().clone()))
                .with_page_index_policy(PageIndexPolicy::Skip)
                .with_prefetch_hint(Some(FOOTER_GUESS))
                .load_and_finish(self, size)
                .await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}

fn remote(storage: &Storage, file: &DataFile) -> Remote {
    Remote { store: Arc::clone(storage.store()), path: file.meta.location.clone(), size: file.meta.size }
}

/// The columns of a file and its rows, from the footer.
///
/// Fails with kind `Config` for what is not Parquet.
pub(super) async fn columns(storage: &Storage, file: &DataFile) -> Result<(Vec<SideColumn>, u64)> {
    let (metadata, old) = open(storage, file).await?;
    let rows = metadata.metadata().file_metadata().num_rows();
    let column = |field: &FieldRef| SideColumn {
        name: field.name().clone(),
        kind: ColumnKind::of(field.data_type()),
        type_name: if old.contains(field.name()) && ColumnKind::of(field.data_type()) != ColumnKind::Nested {
            "timestamp(INT96)".to_owned()
        } else {
            type_name(field.data_type())
        },
        data_type: Some(field.data_type().clone()),
        json: None,
    };
    let columns: Vec<SideColumn> = metadata.schema().fields().iter().map(column).collect();
    let mut names = BTreeSet::new();
    if let Some(twice) = columns.iter().find(|column| !names.insert(column.name.as_str())) {
        return Err(damaged(storage, file).with("column", &twice.name).hint("the column is there twice"));
    }
    Ok((columns, u64::try_from(rows).unwrap_or(0)))
}

/// Reads the columns that `wanted` names, batch by batch.
pub(super) async fn read(
    storage: &Storage,
    file: &DataFile,
    wanted: &dyn Fn(&str) -> bool,
    stop: &Stop,
    mut take: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let (metadata, _) = open(storage, file).await?;
    let fields = metadata.schema().fields();
    let indexes = fields.iter().enumerate().filter(|(_, field)| wanted(field.name())).map(|(index, _)| index);
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(remote(storage, file), metadata.clone());
    let mask = ProjectionMask::roots(builder.parquet_schema(), indexes);
    let stream = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let mut stream = stream.map_err(|error| failed(storage, file, error))?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        stop.check()?;
        let batch = batch.map_err(|error| failed(storage, file, error).with("after_rows", rows))?;
        rows += batch.num_rows();
        take(batch)?;
    }
    Ok(())
}

/// Reads the footer. Instants that are kept as INT96 are taken in microseconds, which is what Spark has: nanoseconds end
/// in the year 2262. Gives the names of their columns.
async fn open(storage: &Storage, file: &DataFile) -> Result<(ArrowReaderMetadata, BTreeSet<String>)> {
    let wrong = |error| failed(storage, file, error);
    let options = ArrowReaderOptions::new();
    let mut reader = remote(storage, file);
    let metadata = ArrowReaderMetadata::load_async(&mut reader, options.clone()).await.map_err(wrong)?;
    let leaves = metadata.metadata().file_metadata().schema_descr();
    let is_old = |leaf: &usize| leaves.column(*leaf).physical_type() == PhysicalType::INT96;
    let old: BTreeSet<String> =
        (0..leaves.num_columns()).filter(is_old).map(|leaf| leaves.get_column_root(leaf).name().to_owned()).collect();
    if old.is_empty() {
        return Ok((metadata, old));
    }
    let field = |field: &FieldRef| if old.contains(field.name()) { in_micros(field) } else { Arc::clone(field) };
    let schema = Schema::new(metadata.schema().fields().iter().map(field).collect::<Vec<_>>());
    let options = options.with_schema(Arc::new(schema) as SchemaRef);
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(wrong)?;
    Ok((metadata, old))
}

fn in_micros(field: &FieldRef) -> FieldRef {
    let members = |fields: &Fields| fields.iter().map(in_micros).collect::<Fields>();
    let data_type = match field.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Struct(fields) => DataType::Struct(members(fields)),
        DataType::List(element) => DataType::List(in_micros(element)),
        DataType::LargeList(element) => DataType::LargeList(in_micros(element)),
        DataType::Map(entries, sorted) => DataType::Map(in_micros(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

fn damaged(storage: &Storage, file: &DataFile) -> Error {
    Error::config("read a Parquet file").with("uri", uri(storage, &file.meta.location))
}

/// What the store says is its failure; the rest is the file's.
fn failed(storage: &Storage, file: &DataFile, error: ParquetError) -> Error {
    if let ParquetError::External(inner) = error {
        return match inner.downcast::<object_store::Error>() {
            Ok(error) => store_error("read a Parquet file", &uri(storage, &file.meta.location), *error),
            Err(inner) => damaged(storage, file).source(inner as Box<dyn StdError + Send + Sync>),
        };
    }
    damaged(storage, file).source(error)
}
