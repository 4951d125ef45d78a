//! Parquet files in batches, from a folder or a bucket: memory depends neither on the size of a file nor on that of its
//! row groups.

use super::paged::PagedFile;
use crate::process::stop::Stop;
use crate::storage::{Storage, store_error};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use etl_sdk::{Error, Result};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryFutureExt};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::basic::Type as PhysicalType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Most rows of a batch.
const BATCH_ROWS: usize = 1_024;

/// Bytes that the rows of a batch have, about, after the average of their row group.
const BATCH_BYTES: u64 = 1 << 20;

/// A row group with more bytes, as stored, is read a page at a time.
const WHOLE_BYTES: u64 = 32 << 20;

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

fn remote(storage: &Storage, file: &ObjectMeta) -> Remote {
    Remote { store: Arc::clone(storage.store()), path: file.location.clone(), size: file.size }
}

/// What the reading of a file may take, and what ends it.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Where calls to the store run.
    pub runtime: &'a Handle,
    /// Ends the reading early when it is set.
    pub stop: &'a Stop,
    /// Most bytes of a page.
    pub page_bytes: usize,
}

/// A file's footer.
pub struct Footer {
    /// What it says.
    pub metadata: ArrowReaderMetadata,
    /// Columns of instants that are kept as INT96.
    pub old: BTreeSet<String>,
}

/// Reads the columns that `wanted` names, batch by batch.
///
/// Fails with kind `Config` for what is not Parquet.
pub fn read(
    storage: &Storage,
    file: &ObjectMeta,
    wanted: &dyn Fn(&str) -> bool,
    reading: Reading<'_>,
    mut take: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let Reading { runtime, stop, page_bytes } = reading;
    let Footer { metadata, .. } = runtime.block_on(stop.unless(footer(storage, file)))?;
    let fields = metadata.schema().fields();
    let indexes = fields.iter().enumerate().filter(|(_, field)| wanted(field.name())).map(|(index, _)| index);
    let mask = ProjectionMask::roots(metadata.metadata().file_metadata().schema_descr(), indexes);
    let mut rows = 0;
    let mut each = |batch: ParquetResult<RecordBatch>| {
        stop.check()?;
        let batch = batch.map_err(|error| failed(storage, file, error).with("after_rows", rows))?;
        rows += batch.num_rows();
        take(batch)
    };
    for (index, group) in metadata.metadata().row_groups().iter().enumerate() {
        let (stored, batch_rows) = size_of(group, &mask);
        if stored > WHOLE_BYTES {
            let Remote { store, path, size } = remote(storage, file);
            let paged = PagedFile { store, path, size, runtime: runtime.clone(), most: page_bytes };
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(paged, metadata.clone());
            let builder = builder.with_projection(mask.clone()).with_batch_size(batch_rows);
            let reader = builder.with_row_groups(vec![index]).build().map_err(|error| failed(storage, file, error))?;
            for batch in reader {
                each(batch.map_err(ParquetError::from))?;
            }
            continue;
        }
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(remote(storage, file), metadata.clone());
        let builder = builder.with_projection(mask.clone()).with_batch_size(batch_rows);
        let stream = builder.with_row_groups(vec![index]).build();
        let mut stream = stream.map_err(|error| failed(storage, file, error))?;
        while let Some(batch) = runtime.block_on(stream.next()) {
            each(batch)?;
        }
    }
    Ok(())
}

/// Bytes of the wanted columns of a row group, as stored, and the rows of a batch.
fn size_of(group: &RowGroupMetaData, mask: &ProjectionMask) -> (u64, usize) {
    let wanted = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
    let sizes = wanted.map(|(_, column)| (column.compressed_size(), column.uncompressed_size()));
    let (stored, plain) = sizes.fold((0, 0), |(stored, plain), size| (stored + size.0, plain + size.1));
    let rows = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
    let row_bytes = (u64::try_from(plain).unwrap_or(0) / rows).max(1);
    (u64::try_from(stored).unwrap_or(0), ((BATCH_BYTES / row_bytes) as usize).clamp(1, BATCH_ROWS))
}

/// Reads the footer. Instants that are kept as INT96 are taken in microseconds, which is what Spark has: nanoseconds end
/// in the year 2262.
///
/// Fails with kind `Config` for what is not Parquet.
pub async fn footer(storage: &Storage, file: &ObjectMeta) -> Result<Footer> {
    let wrong = |error| failed(storage, file, error);
    let options = ArrowReaderOptions::new();
    let mut reader = remote(storage, file);
    let metadata = ArrowReaderMetadata::load_async(&mut reader, options.clone()).await.map_err(wrong)?;
    let leaves = metadata.metadata().file_metadata().schema_descr();
    let is_old = |leaf: &usize| leaves.column(*leaf).physical_type() == PhysicalType::INT96;
    let old: BTreeSet<String> =
        (0..leaves.num_columns()).filter(is_old).map(|leaf| leaves.get_column_root(leaf).name().to_owned()).collect();
    if old.is_empty() {
        return Ok(Footer { metadata, old });
    }
    let field = |field: &FieldRef| if old.contains(field.name()) { in_micros(field) } else { Arc::clone(field) };
    let schema = Schema::new(metadata.schema().fields().iter().map(field).collect::<Vec<_>>());
    let options = options.with_schema(Arc::new(schema) as SchemaRef);
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(wrong)?;
    Ok(Footer { metadata, old })
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

/// The error of a file that is not what it should be.
pub fn damaged(storage: &Storage, file: &ObjectMeta) -> Error {
    Error::config("read a Parquet file").with("uri", storage.uri_of(&file.location))
}

/// What the store says is its failure; the rest is the file's.
fn failed(storage: &Storage, file: &ObjectMeta, error: ParquetError) -> Error {
    if let ParquetError::External(inner) = error {
        return match inner.downcast::<object_store::Error>() {
            Ok(error) => store_error("read a Parquet file", &storage.uri_of(&file.location), *error),
            Err(inner) => match inner.downcast::<Error>() {
                Ok(error) => error.with("uri", storage.uri_of(&file.location)),
                Err(inner) => damaged(storage, file).source(inner as Box<dyn StdError + Send + Sync>),
            },
        };
    }
    damaged(storage, file).source(error)
}
