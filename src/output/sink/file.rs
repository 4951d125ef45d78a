//! One file being written.

use super::config::{Compression, Format, SinkConfig};
use super::json;
use crate::output::staging::{Closing, PendingStore, PendingWriter};
use crate::storage::disk::disk_error;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use etl_sdk::{Error, Result};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::arrow::{ArrowSchemaConverter, parquet_to_arrow_schema};
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::SchemaDescriptor;
use std::io::Write;

/// `app version x` is the form that other readers parse; some ignore the statistics of text columns without it.
const CREATED_BY: &str = concat!("etl-runner version ", env!("CARGO_PKG_VERSION"));

/// Rows that are JSON at once.
const JSON_ROWS: usize = 64;

/// How the files of a table are written, made once.
pub(super) struct FileFormat {
    schema: SchemaRef,
    suffix: &'static str,
    parquet: Option<(SchemaDescriptor, WriterProperties)>,
}

impl FileFormat {
    pub(super) fn new(schema: SchemaRef, config: &SinkConfig) -> Result<Self> {
        if config.format == Format::Json {
            return Ok(Self { schema, suffix: "json", parquet: None });
        }
        let (suffix, codec) = match config.compression {
            Compression::Snappy => ("snappy.parquet", Codec::SNAPPY),
            Compression::Zstd => ("zstd.parquet", Codec::ZSTD(zstd_level()?)),
        };
        let descriptor = ArrowSchemaConverter::new()
            .schema_root("schema")
            .convert(&schema)
            .map_err(|error| Error::config("make the files' schema").source(error))?;
        // Version 1.0 pages are read by everything. Statistics per column chunk let readers skip row groups; those per
        // page would double the footer of a table of a hundred columns.
        let properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(codec)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(Some(config.row_group_rows.max(1)))
            .build();
        Ok(Self { schema, suffix, parquet: Some((descriptor, properties)) })
    }

    /// The ending of file names, without a dot before it.
    pub(super) fn suffix(&self) -> &'static str {
        self.suffix
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The schema with which the files are read back; `None` when they have none.
    pub(super) fn schema_of_files(&self) -> Result<Option<SchemaRef>> {
        let of_files = |(descriptor, _): &(SchemaDescriptor, WriterProperties)| {
            let schema = parquet_to_arrow_schema(descriptor, None);
            schema.map(SchemaRef::new).map_err(|error| Error::internal("read the files' schema").source(error))
        };
        self.parquet.as_ref().map(of_files).transpose()
    }

    pub(super) fn open(&self, store: &dyn PendingStore, path: &str) -> Result<OpenFile> {
        let pending = store.create(path)?;
        let encoder = match &self.parquet {
            None => Encoder::Json { pending, bytes: 0 },
            Some((descriptor, properties)) => {
                // The Arrow schema is left out of the footer: it says nothing that Parquet's own types do not, and weighs
                // more than the rows of a small file.
                let options = ArrowWriterOptions::new()
                    .with_properties(properties.clone())
                    .with_parquet_schema(descriptor.clone())
                    .with_skip_arrow_metadata(true);
                let writer = ArrowWriter::try_new_with_options(pending, self.schema.clone(), options)
                    .map_err(|error| encode_error("begin a file", path, error))?;
                Encoder::Parquet(Box::new(writer))
            }
        };
        Ok(OpenFile { path: path.to_owned(), encoder, rows: 0 })
    }
}

/// Level 1 is as fast as snappy.
fn zstd_level() -> Result<ZstdLevel> {
    ZstdLevel::try_new(1).map_err(|error| Error::internal("choose the compression").source(error))
}

/// A file that takes rows. Dropped without [`OpenFile::close`], it leaves nothing behind.
pub(super) struct OpenFile {
    path: String,
    encoder: Encoder,
    rows: u64,
}

enum Encoder {
    Parquet(Box<ArrowWriter<Box<dyn PendingWriter>>>),
    Json { pending: Box<dyn PendingWriter>, bytes: u64 },
}

impl OpenFile {
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.encoder {
            Encoder::Parquet(writer) => {
                writer.write(batch).map_err(|error| encode_error("encode rows", &self.path, error))?;
            }
            Encoder::Json { pending, bytes } => {
                for start in (0..batch.num_rows()).step_by(JSON_ROWS) {
                    let lines = json::lines(&batch.slice(start, JSON_ROWS.min(batch.num_rows() - start)))?;
                    *bytes += lines.len() as u64;
                    pending
                        .write_all(&lines)
                        .map_err(|error| encode_error("write rows", &self.path, ParquetError::from(error)))?;
                }
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Writes rows as a row group of their own.
    pub(super) fn write_alone(&mut self, batch: &RecordBatch) -> Result<()> {
        self.flush()?;
        self.write(batch)?;
        self.flush()
    }

    /// Bytes that the row group in the making holds in memory.
    pub(super) fn memory(&self) -> usize {
        match &self.encoder {
            Encoder::Parquet(writer) => writer.memory_size(),
            Encoder::Json { .. } => 0,
        }
    }

    /// Size of the file if it were closed now, about.
    pub(super) fn size(&self) -> u64 {
        match &self.encoder {
            Encoder::Parquet(writer) => (writer.bytes_written() + writer.in_progress_size()) as u64,
            Encoder::Json { bytes, .. } => *bytes,
        }
    }

    /// Ends the row group.
    pub(super) fn flush(&mut self) -> Result<()> {
        match &mut self.encoder {
            Encoder::Parquet(writer) => {
                writer.flush().map_err(|error| encode_error("write a row group", &self.path, error))
            }
            Encoder::Json { .. } => Ok(()),
        }
    }

    /// Ends the file; returns its rows beside it.
    pub(super) fn close(self) -> Result<(u64, Closing)> {
        let pending = match self.encoder {
            Encoder::Parquet(writer) => {
                writer.into_inner().map_err(|error| encode_error("end a file", &self.path, error))?
            }
            Encoder::Json { pending, .. } => pending,
        };
        Ok((self.rows, pending.close()?))
    }
}

/// An encoder's error in our words. When the store behind it failed, kind and hint are the store's: they decide whether
/// the task is tried again.
fn encode_error(operation: &str, path: &str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(io) => disk_error(operation, path, *io),
            Err(cause) => Error::internal(operation).with("path", path).source(cause),
        },
        error => Error::internal(operation).with("path", path).source(error),
    }
}
