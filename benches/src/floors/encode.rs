//! The encode floor: the rows of a run's tables into Parquet again.

use super::Floor;
use super::raw::files;
use crate::measure::Stopwatch;
use etl_sdk::{Error, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Rows of a batch; the runner's own size.
const BATCH_ROWS: usize = 8_192;
/// Rows of a row group; the sink's default.
const ROW_GROUP_ROWS: usize = 262_144;

/// Reads each Parquet file below a folder and encodes its rows again, with the sink's settings, into a writer that
/// throws the bytes away. Reading is not counted. Memory: a batch and an encoded row group.
pub fn encode(folder: &Path) -> Result<Floor> {
    let mut watch = Stopwatch::default();
    let (mut bytes_in, mut bytes_out) = (0, 0);
    for path in files(folder, ".parquet")? {
        let failed = |error: parquet::errors::ParquetError| {
            Error::config("encode a table again").with("path", path.display()).source(error)
        };
        let file = File::open(&path)
            .map_err(|error| Error::config("open a table's file").with("path", path.display()).source(error))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        let compression = compression_of(&builder);
        let schema = builder.schema().clone();
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(failed)?;
        let mut sink = Counter::default();
        let mut writer =
            watch.time(|| ArrowWriter::try_new(&mut sink, schema, Some(properties(compression))).map_err(failed))?;
        for batch in reader {
            let batch = batch?;
            bytes_in += batch.get_array_memory_size() as u64;
            watch.time(|| writer.write(&batch).map_err(failed))?;
        }
        watch.time(|| writer.close().map_err(failed))?;
        bytes_out += sink.bytes;
    }
    Ok(Floor { cpu_seconds: watch.seconds(), bytes_in, bytes_out })
}

fn compression_of(builder: &ParquetRecordBatchReaderBuilder<File>) -> Compression {
    let groups = builder.metadata().row_groups();
    groups
        .first()
        .and_then(|group| group.columns().first())
        .map_or(Compression::SNAPPY, ColumnChunkMetaData::compression)
}

fn properties(compression: Compression) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build()
}

/// Counts bytes and drops them.
#[derive(Default)]
struct Counter {
    bytes: u64,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
