//! The rows of one table, from batches to pending files.

use super::closing::ClosingFiles;
use super::config::SinkConfig;
use super::count::Partitions;
use super::file::FileFormat;
use super::hive::Refusal;
use super::json;
use super::partition::{FileTarget, PartitionWriter};
use super::route::{Routed, Router};
use super::spec::TableSinkSpec;
use crate::output::staging::{PendingStore, WrittenFile};
use crate::rows::sort::{RowCollector, Sorter};
use crate::storage::MAX_PART_BYTES;
use arrow::array::{Array, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use etl_sdk::{Error, Output, Reject, Result};
use std::sync::Arc;

/// The step of the ledger that counts the sink's rows.
pub const STEP: &str = "sink";

/// Bytes kept free in a file name for its number and ending.
const NAME_ENDING_BYTES: usize = 32;

/// Name of the column that spilled rows carry: the path of their partition.
const PARTITION_COLUMN: &str = "\u{1}partition";

/// Writes the rows of one table of one task. Used by one thread; dropped without [`TableSink::finish`], it leaves
/// nothing behind.
///
/// The same rows in the same order give the same files, byte for byte, however they come in batches. The one exception
/// are rows so wide that 1,024 of each open partition do not fit in half of `row_group_bytes`: then row groups may end
/// elsewhere, and rows and files are still the same.
pub struct TableSink {
    spec: TableSinkSpec,
    target: FileTarget,
    row_group_bytes: usize,
    router: Router,
    routed: Routed,
    partitions: Partitions,
    writers: Vec<PartitionWriter>,
    sorter: Sorter,
    spill: Option<RowCollector>,
    files: ClosingFiles,
}

impl TableSink {
    /// Files are named `<table>/<name>=<value>/…/<file_stem>-<n>.<ending>`, `n` counting the files of a partition from 0.
    /// Rows of more than `config.max_open_writers` partitions wait in `sorter` until the end.
    ///
    /// Fails when `file_stem` is no plain file name or the columns have no Parquet type.
    pub fn new(
        spec: TableSinkSpec,
        config: &SinkConfig,
        store: Arc<dyn PendingStore>,
        file_stem: String,
        sorter: Sorter,
    ) -> Result<Self> {
        let plain = !file_stem.is_empty()
            && file_stem.len() + NAME_ENDING_BYTES <= MAX_PART_BYTES
            && !file_stem.starts_with(['.', '_'])
            && file_stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !plain {
            return Err(Error::internal("name the files").with("table", &spec.table).with("file_stem", file_stem));
        }
        let overhead = spec.table.len() + file_stem.len() + NAME_ENDING_BYTES + 2;
        let target = FileTarget {
            store,
            format: FileFormat::new(Arc::clone(&spec.output), config)
                .map_err(|error| error.with("table", &spec.table))?,
            table: spec.table.clone(),
            file_stem,
            target_file_size: config.target_file_size.0,
        };
        Ok(Self {
            router: Router::new(&spec, overhead, config.max_open_writers),
            files: ClosingFiles::new(&spec.table, &target.store),
            spec,
            target,
            row_group_bytes: usize::try_from(config.row_group_bytes.0).unwrap_or(usize::MAX),
            routed: Routed::default(),
            partitions: Partitions::default(),
            writers: Vec::new(),
            sorter,
            spill: None,
        })
    }

    /// Takes rows. Those that cannot have a partition become dead letters of the step [`STEP`], which counts all rows.
    ///
    /// Fails when the store or the spill does, and with `Limit` at too many partitions; the sink is of no use afterwards.
    pub fn write(&mut self, batch: RecordBatch, out: &mut Output) -> Result<()> {
        if batch.schema_ref().fields() != self.spec.input.fields() {
            return Err(Error::internal("write rows")
                .with("table", &self.spec.table)
                .with("columns", &self.spec.input)
                .with("batch", batch.schema_ref()));
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut routed = std::mem::take(&mut self.routed);
        self.router.route(&batch, &mut routed)?;
        for path in &routed.met {
            self.partitions.add(&self.spec, path)?;
        }
        self.writers.extend(routed.opened.iter().map(|path| PartitionWriter::new(path)));
        let counts = out.ledger.step(STEP);
        counts.read += batch.num_rows() as u64;
        counts.kept += (batch.num_rows() - routed.refused.len()) as u64;
        refuse(&batch, &routed.refused, &self.spec.table, out)?;

        let columns = self.spec.columns.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.spec.output), columns)?;
        drop(batch);
        self.spill(&rows, &routed)?;
        self.encode(&rows, &routed.open)?;
        self.routed = routed;
        Ok(())
    }

    /// Bytes held in memory: rows that wait to be encoded and row groups in the making. Not in it are the batch being
    /// written, parts on their way to a bucket, and the sorter's own.
    pub fn memory(&self) -> usize {
        self.writers.iter().map(|writer| writer.encoded_bytes() + writer.waiting_bytes()).sum()
    }

    /// Ends the largest row group in the making, for a caller that holds several sinks to one budget. Returns the bytes
    /// that are free again; 0 when there is no row group.
    pub fn flush_largest(&mut self) -> Result<usize> {
        // The first of equals, so that it is the same one in every run.
        let Some(largest) = self.writers.iter_mut().rev().max_by_key(|writer| writer.encoded_bytes()) else {
            return Ok(0);
        };
        let bytes = largest.encoded_bytes();
        if bytes > 0 {
            largest.flush()?;
        }
        Ok(bytes)
    }

    /// Writes what waits and returns all files, sorted by path.
    pub fn finish(mut self) -> Result<Vec<WrittenFile>> {
        for mut writer in std::mem::take(&mut self.writers) {
            self.end_partition(&mut writer)?;
        }
        if let Some(spill) = self.spill.take() {
            self.write_spilled(spill)?;
        }
        self.files.finish()
    }

    fn encode(&mut self, rows: &RecordBatch, routed: &[Vec<u32>]) -> Result<()> {
        // Chunks are encoded in the order in which their last rows came, over all partitions: which row group is ended
        // early for want of memory then does not depend on how rows came in batches.
        let mut chunks: Vec<(u32, usize)> = Vec::new();
        for (index, indices) in routed.iter().enumerate().filter(|(_, indices)| !indices.is_empty()) {
            let writer = &mut self.writers[index];
            chunks.extend(writer.chunk_ends(indices.len()).map(|end| (indices[end], index)));
            writer.offer(select(rows, indices)?);
        }
        chunks.sort_unstable();
        for (_, index) in chunks {
            let closed = self.writers[index].encode_chunk(&self.target)?;
            self.files.keep(closed)?;
            self.flush_when_full()?;
        }
        for (writer, indices) in self.writers.iter_mut().zip(routed) {
            writer.keep_rest(!indices.is_empty() && indices.len() * 2 < rows.num_rows() && is_run(indices))?;
        }
        self.encode_wide_rows()
    }

    fn flush_when_full(&mut self) -> Result<()> {
        let mut total: usize = self.writers.iter().map(PartitionWriter::encoded_bytes).sum();
        while total > self.row_group_bytes {
            let freed = self.flush_largest()?;
            if freed == 0 {
                break;
            }
            total -= freed;
        }
        Ok(())
    }

    /// Encodes waiting rows before their chunk is full when they take too much memory.
    fn encode_wide_rows(&mut self) -> Result<()> {
        let mut total: usize = self.writers.iter().map(PartitionWriter::waiting_bytes).sum();
        while total > self.row_group_bytes / 2 {
            let Some(widest) = self.writers.iter_mut().rev().max_by_key(|writer| writer.waiting_bytes()) else { break };
            total -= widest.waiting_bytes();
            let closed = widest.encode_waiting(&self.target)?;
            self.files.keep(closed)?;
            self.flush_when_full()?;
        }
        Ok(())
    }

    fn spill(&mut self, rows: &RecordBatch, routed: &Routed) -> Result<()> {
        if routed.spill.is_empty() {
            return Ok(());
        }
        let spilled = select(rows, &routed.spill)?;
        let paths = StringArray::from_iter_values(routed.spill_paths.iter().map(AsRef::as_ref));
        let schema = self.spill_schema();
        let columns = spilled.columns().iter().cloned().chain([Arc::new(paths) as _]).collect();
        let spilled = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        let sorter = &self.sorter;
        self.spill.get_or_insert_with(|| sorter.collector(&schema)).push(spilled)
    }

    fn spill_schema(&self) -> SchemaRef {
        let path = Arc::new(Field::new(PARTITION_COLUMN, DataType::Utf8, false));
        Arc::new(Schema::new(self.spec.output.fields().iter().cloned().chain([path]).collect::<Vec<_>>()))
    }

    /// Writes the spilled rows, one partition after the other.
    fn write_spilled(&mut self, spill: RowCollector) -> Result<()> {
        let mut current: Option<(String, PartitionWriter)> = None;
        for batch in self.sorter.sorted(vec![spill], &[PARTITION_COLUMN.to_owned()])? {
            let batch = batch?;
            let (paths, columns) = batch
                .columns()
                .split_last()
                .ok_or_else(|| Error::internal("read spilled rows").with("table", &self.spec.table))?;
            let paths = paths.as_string::<i32>();
            let rows = RecordBatch::try_new(Arc::clone(&self.spec.output), columns.to_vec())?;
            let mut start = 0;
            while start < paths.len() {
                let path = paths.value(start);
                let end = (start + 1..paths.len()).find(|row| paths.value(*row) != path).unwrap_or(paths.len());
                if current.as_ref().is_none_or(|(known, _)| known != path) {
                    let next = (path.to_owned(), PartitionWriter::new(path));
                    if let Some((_, mut ended)) = current.replace(next) {
                        self.end_partition(&mut ended)?;
                    }
                }
                if let Some((_, writer)) = &mut current {
                    self.append(writer, rows.slice(start, end - start))?;
                }
                start = end;
            }
        }
        current.map_or(Ok(()), |(_, mut ended)| self.end_partition(&mut ended))
    }

    fn append(&mut self, writer: &mut PartitionWriter, rows: RecordBatch) -> Result<()> {
        writer.append(rows, &self.target, self.row_group_bytes, &mut self.files)
    }

    fn end_partition(&mut self, writer: &mut PartitionWriter) -> Result<()> {
        writer.end(&self.target, &mut self.files)
    }
}

/// Whether ascending indices have no gap between them.
fn is_run(indices: &[u32]) -> bool {
    match (indices.first(), indices.last()) {
        (Some(first), Some(last)) => (last - first) as usize + 1 == indices.len(),
        _ => false,
    }
}

/// The rows at `indices`, which ascend: a view of the batch when there is no gap between them, else a copy.
fn select(rows: &RecordBatch, indices: &[u32]) -> Result<RecordBatch> {
    if is_run(indices) {
        return Ok(rows.slice(indices[0] as usize, indices.len()));
    }
    Ok(take_record_batch(rows, &UInt32Array::from(indices.to_vec()))?)
}

/// Makes dead letters of rows without a partition, each with its row as JSON.
fn refuse(batch: &RecordBatch, refused: &[(u32, Refusal)], table: &str, out: &mut Output) -> Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let indices: Vec<u32> = refused.iter().map(|(row, _)| *row).collect();
    let lines = json::lines(&select(batch, &indices)?)?;
    // A line end inside a value is written as an escape, so lines are rows.
    for ((_, refusal), raw) in refused.iter().zip(lines.split(|byte| *byte == b'\n')) {
        out.reject(Reject {
            address: None,
            step: STEP.into(),
            reason: refusal.reason().into(),
            message: format!("{}: {table}", refusal.message()),
            raw: raw.to_vec(),
            truncated: false,
        });
    }
    Ok(())
}
