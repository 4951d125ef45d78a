//! The files of one partition.

use super::closing::{ClosedFile, ClosingFiles};
use super::file::{FileFormat, OpenFile};
use super::hive;
use crate::output::staging::PendingStore;
use crate::rows::sort::batch_size;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use etl_sdk::Result;
use std::sync::Arc;

/// Rows that are encoded at once. Encoders are always fed this many, so that the bytes of a file do not depend on how
/// rows came in batches; it is the size in which the Parquet writer works through a column.
pub(super) const CHUNK_ROWS: usize = 1_024;

/// A chunk whose rows have more bytes is a row group of its own: who reads a row group then knows by the average of its
/// rows how large they are, and what encoding it takes is free again.
const WIDE_CHUNK: usize = 8 << 20;

/// Waiting batches of a partition that are made one, so that rows that come one by one do not weigh as much as batches.
const MAX_WAITING: usize = 32;

/// What all partitions of a table share.
pub(super) struct FileTarget {
    pub(super) store: Arc<dyn PendingStore>,
    pub(super) format: FileFormat,
    pub(super) table: String,
    pub(super) file_stem: String,
    pub(super) target_file_size: u64,
}

impl FileTarget {
    fn path(&self, partition: &str, number: u32) -> String {
        let slash = if partition.is_empty() { "" } else { "/" };
        format!("{}/{partition}{slash}{}-{number}.{}", self.table, self.file_stem, self.format.suffix())
    }
}

/// Collects the rows of one partition, encodes them chunk by chunk and begins a new file when one is large enough.
pub(super) struct PartitionWriter {
    path: String,
    next_file: u32,
    file: Option<OpenFile>,
    /// Less than a chunk of rows, in order.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    /// Rows of the batch being written, and how many of them are encoded.
    incoming: Option<(RecordBatch, usize)>,
    encoded_bytes: usize,
}

impl PartitionWriter {
    /// `path` is the partition's, under the table's folder.
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            next_file: 0,
            file: None,
            waiting: Vec::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
            incoming: None,
            encoded_bytes: 0,
        }
    }

    /// Bytes of the row group in the making.
    pub(super) fn encoded_bytes(&self) -> usize {
        self.encoded_bytes
    }

    /// Bytes of the rows that wait to be encoded.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Rows of an offered batch that complete a chunk: the indices of each chunk's last row.
    pub(super) fn chunk_ends(&self, rows: usize) -> impl Iterator<Item = usize> + use<> {
        (CHUNK_ROWS - self.waiting_rows - 1..rows).step_by(CHUNK_ROWS)
    }

    /// Hands over rows. [`PartitionWriter::encode_chunk`] is called once per chunk that they complete, then
    /// [`PartitionWriter::keep_rest`].
    pub(super) fn offer(&mut self, rows: RecordBatch) {
        self.incoming = Some((rows, 0));
    }

    /// Encodes the next full chunk.
    pub(super) fn encode_chunk(&mut self, target: &FileTarget) -> Result<Option<ClosedFile>> {
        let Some((incoming, taken)) = &mut self.incoming else { return Ok(None) };
        let missing = (CHUNK_ROWS - self.waiting_rows).min(incoming.num_rows() - *taken);
        let rows = incoming.slice(*taken, missing);
        *taken += missing;
        self.encode_waiting_and(Some(rows), target)
    }

    /// Keeps the offered rows that complete no chunk. `shared` says that their batch is held by many: then a small rest
    /// is copied, or it would keep the whole batch in memory.
    pub(super) fn keep_rest(&mut self, shared: bool) -> Result<()> {
        let Some((incoming, taken)) = self.incoming.take() else { return Ok(()) };
        let rows = incoming.num_rows() - taken;
        if rows == 0 {
            return Ok(());
        }
        let mut rest = incoming.slice(taken, rows);
        if shared || rows * 2 < incoming.num_rows() {
            rest = take_record_batch(&rest, &UInt32Array::from_iter_values(0..rows as u32))?;
        }
        self.waiting_rows += rows;
        self.waiting_bytes += batch_size(&rest);
        self.waiting.push(rest);
        if self.waiting.len() > MAX_WAITING {
            let whole = concat_batches(self.waiting[0].schema_ref(), &self.waiting)?;
            self.waiting_bytes = batch_size(&whole);
            self.waiting = vec![whole];
        }
        Ok(())
    }

    /// Encodes the waiting rows although they make no full chunk.
    pub(super) fn encode_waiting(&mut self, target: &FileTarget) -> Result<Option<ClosedFile>> {
        if self.waiting_rows == 0 { Ok(None) } else { self.encode_waiting_and(None, target) }
    }

    fn encode_waiting_and(&mut self, rows: Option<RecordBatch>, target: &FileTarget) -> Result<Option<ClosedFile>> {
        self.waiting.extend(rows);
        let chunk = match self.waiting.as_slice() {
            [one] => one.clone(),
            several => concat_batches(target.format.schema(), several)?,
        };
        self.waiting.clear();
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let path = target.path(&self.path, self.next_file);
            self.next_file += 1;
            self.file.insert(target.format.open(target.store.as_ref(), &path)?)
        };
        if batch_size(&chunk) > WIDE_CHUNK {
            file.write_alone(&chunk)?;
        } else {
            file.write(&chunk)?;
        }
        self.encoded_bytes = file.memory();
        if file.size() >= target.target_file_size { self.close_file() } else { Ok(None) }
    }

    /// Writes rows of a partition that is written alone.
    pub(super) fn append(
        &mut self,
        rows: RecordBatch,
        target: &FileTarget,
        row_group_bytes: usize,
        files: &mut ClosingFiles,
    ) -> Result<()> {
        let chunks = self.chunk_ends(rows.num_rows()).count();
        self.offer(rows);
        for _ in 0..chunks {
            files.keep(self.encode_chunk(target)?)?;
            if self.encoded_bytes > row_group_bytes {
                self.flush()?;
            }
        }
        self.keep_rest(false)?;
        if self.waiting_bytes > row_group_bytes / 2 {
            files.keep(self.encode_waiting(target)?)?;
        }
        Ok(())
    }

    /// Writes what waits and ends the file that is open.
    pub(super) fn end(&mut self, target: &FileTarget, files: &mut ClosingFiles) -> Result<()> {
        files.keep(self.encode_waiting(target)?)?;
        files.keep(self.close_file()?)
    }

    /// Ends the row group and frees its memory.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.encoded_bytes = 0;
        self.file.as_mut().map_or(Ok(()), OpenFile::flush)
    }

    /// Ends the file that is open, if one is.
    pub(super) fn close_file(&mut self) -> Result<Option<ClosedFile>> {
        self.encoded_bytes = 0;
        let Some(file) = self.file.take() else { return Ok(None) };
        let (rows, closing) = file.close()?;
        Ok(Some(ClosedFile { partition: hive::values(&self.path), rows, closing }))
    }
}
