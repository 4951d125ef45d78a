//! Rows that are many times as large as others wait in a file of their own while they are sorted: batches in a sort have a
//! number of rows, and some rows must not decide how much memory all take.

use super::size::{batch_size, row_texts};
use super::spill::{SpillFolder, Stretch, UnnamedFile, disk_error};
use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use etl_sdk::{Error, Result};
use hashbrown::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The rows of one sort that are set aside, by their numbers, which are the last column.
#[derive(Debug)]
pub(super) struct Aside {
    folder: Arc<SpillFolder>,
    /// Columns that are sorted by: they stay.
    by: Vec<usize>,
    /// A row with more bytes of texts is set aside.
    most: usize,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    file: Option<UnnamedFile>,
    stretches: HashMap<i64, Stretch>,
}

impl Aside {
    pub(super) fn new(folder: &Arc<SpillFolder>, by: Vec<usize>, most: usize) -> Self {
        Self { folder: Arc::clone(folder), by, most, rows: Mutex::default() }
    }

    /// Sets the large rows of a batch aside. What stays of them is what they are sorted by, and their numbers.
    pub(super) fn put(&self, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
        if batch_size(&batch) <= self.most {
            return Ok(batch);
        }
        let sizes = row_texts(&batch);
        let is_large = |row: &usize| sizes[*row] > self.most;
        let large: Vec<usize> = (0..batch.num_rows()).filter(is_large).collect();
        if large.is_empty() {
            return Ok(batch);
        }
        let Some(numbers) = batch.columns().last().and_then(|column| column.as_primitive_opt::<Int64Type>()) else {
            return Err(ArrowError::SchemaError("rows without numbers".to_owned()));
        };
        for row in large {
            self.write(numbers.value(row), &batch.slice(row, 1))?;
        }
        let kept: UInt32Array = (0..batch.num_rows()).map(|row| (!is_large(&row)).then_some(row as u32)).collect();
        let schema = batch.schema();
        let column = |(index, column): (usize, &ArrayRef)| {
            let has_texts = matches!(
                column.data_type(),
                DataType::Utf8 | DataType::Binary | DataType::Map(..) | DataType::List(_) | DataType::Struct(_)
            );
            let stays = self.by.contains(&index) || !schema.field(index).is_nullable() || !has_texts;
            if stays { Ok(Arc::clone(column)) } else { take(column, &kept, None) }
        };
        let columns = batch.columns().iter().enumerate().map(column).collect::<Result<_, _>>()?;
        RecordBatch::try_new(schema, columns)
    }

    /// Whether no row is set aside.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).stretches.is_empty()
    }

    /// The rows of a sorted batch from `start` on that stand together: several as they are, or one that was set aside. Gives
    /// how many they are, too.
    pub(super) fn next_of(&self, batch: &RecordBatch, start: usize) -> Result<(RecordBatch, usize)> {
        let numbers = batch.columns().last().and_then(|column| column.as_primitive_opt::<Int64Type>());
        let numbers = numbers.ok_or_else(|| Error::internal("find the rows that were set aside"))?;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stretch) = rows.stretches.remove(&numbers.value(start)) {
            let file = rows.file.clone().ok_or_else(|| Error::internal("find the rows that were set aside"))?;
            drop(rows);
            return Ok((read(&file, stretch)?, 1));
        }
        let is_here = |row: &usize| !rows.stretches.contains_key(&numbers.value(*row));
        let end = (start + 1..batch.num_rows()).find(|row| !is_here(row)).unwrap_or(batch.num_rows());
        Ok((batch.slice(start, end - start), end - start))
    }

    fn write(&self, number: i64, row: &RecordBatch) -> Result<(), ArrowError> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let file = if let Some(file) = &rows.file {
            file.clone()
        } else {
            let file = self.folder.file().map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
            rows.file.insert(file).clone()
        };
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let mut writer = StreamWriter::try_new_with_options(file.appender(), row.schema_ref(), options)?;
        writer.write(row)?;
        writer.finish()?;
        let stretch = writer.into_inner()?.finish().map_err(ArrowError::from)?;
        rows.stretches.insert(number, stretch);
        Ok(())
    }
}

fn read(file: &UnnamedFile, stretch: Stretch) -> Result<RecordBatch> {
    let failed = |error: ArrowError| match error {
        ArrowError::IoError(_, io) => disk_error("read rows that were set aside", io.kind()).source(io),
        error => Error::internal("read rows that were set aside").source(error),
    };
    let row = StreamReader::try_new(file.read(stretch), None).map_err(failed)?.next();
    let missing = || failed(ArrowError::from(io::Error::from(io::ErrorKind::UnexpectedEof)));
    row.ok_or_else(missing)?.map_err(failed)
}
