//! The rows of pieces: written by hash of their keys, read by key.

use super::pieces::{CARRIED, MAX_BITS, Part, REBUILD, damaged, fetch};
use crate::commit::objects::Objects;
use crate::commit::state_object::{ContentHash, StateObject};
use crate::rows::sort::batch_size;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array, new_null_array,
};
use arrow::compute::{cast, concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use etl_sdk::{Error, Result};
use hashbrown::HashSet;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ParquetRecordBatchReaderBuilder, RowFilter};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::sync::Arc;
use twox_hash::XxHash64;

/// Column of the hashes, before all others.
const HASH: &str = "key_hash";

/// Rows that all open parts of a piece hold together, about.
const OPEN_ROWS: u64 = 1 << 20;
/// Rows of one part.
const PART_ROWS: std::ops::RangeInclusive<u64> = 4_096..=65_536;

/// Bytes of one part, about: it is made and read in memory.
const PART_BYTES: usize = 16 << 20;

/// Bytes of all open parts of a piece together.
const OPEN_BYTES: usize = 64 << 20;

/// Bytes of the rows of a row group, before they are encoded: no batch that is read has many times as many.
const GROUP_BYTES: usize = 8 << 20;

/// Rows of a batch that is read.
const BATCH_ROWS: usize = 8_192;

/// Bytes of a part that is read whole, as those of windows with few events are.
const SMALL_BYTES: u64 = 256 << 10;

/// The bits of the hash that tell the parts of a piece with about so many rows apart.
pub fn part_bits(rows: u64) -> u32 {
    (rows / PART_ROWS.end()).checked_ilog2().map_or(0, |bits| bits + 1).min(MAX_BITS)
}

/// The range that a hash falls into.
pub fn part_of(hash: u64, bits: u32) -> u64 {
    if bits == 0 { 0 } else { hash >> (64 - bits) }
}

/// Hashes of the keys of rows: of the columns `key`, nulls told from empty texts. They are kept in files, so they are the
/// same on every machine and in every version.
pub fn key_hashes(batch: &RecordBatch, key: &[usize]) -> Result<Vec<u64>> {
    let mut hashes = Vec::with_capacity(batch.num_rows());
    each_key(batch, key, |key| hashes.push(XxHash64::oneshot(0, key)))?;
    Ok(hashes)
}

/// The keys of rows, one after the other, as bytes that no other key has.
pub fn each_key(batch: &RecordBatch, key: &[usize], mut each: impl FnMut(&[u8])) -> Result<()> {
    let texts = key.iter().map(|column| cast(batch.column(*column), &DataType::Utf8));
    let texts = texts.collect::<Result<Vec<ArrayRef>, _>>()?;
    let texts: Vec<&StringArray> = texts.iter().map(AsArray::as_string::<i32>).collect();
    let mut bytes = Vec::new();
    for row in 0..batch.num_rows() {
        bytes.clear();
        for column in &texts {
            match column.is_valid(row).then(|| column.value(row)) {
                None => bytes.push(0),
                Some(text) => {
                    bytes.push(1);
                    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
        each(&bytes);
    }
    Ok(())
}

/// Writes the parts of a piece.
pub struct PieceWriter<'a> {
    objects: &'a Objects,
    /// Path of the parts up to their number.
    stem: String,
    schema: SchemaRef,
    bits: u32,
    open: Vec<Option<OpenPart>>,
    most_rows: u64,
    done: Vec<Part>,
    rows: u64,
    /// Bytes of all open parts.
    bytes: usize,
}

struct OpenPart {
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    /// Bytes of the rows of the row group in the making.
    group: usize,
    /// Bytes of what is encoded.
    bytes: usize,
}

impl OpenPart {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(batch)?;
        self.rows += batch.num_rows() as u64;
        self.group += batch_size(batch);
        if self.group >= GROUP_BYTES {
            self.group = 0;
            self.writer.flush()?;
        }
        self.bytes = self.writer.bytes_written() + self.writer.memory_size();
        Ok(())
    }
}

impl<'a> PieceWriter<'a> {
    /// A writer for rows of `schema`, cut by the highest `bits` bits of their hashes. No other piece may have the `stem`.
    pub fn new(objects: &'a Objects, stem: &str, schema: &SchemaRef, bits: u32) -> Self {
        let hash = Arc::new(Field::new(HASH, DataType::Int64, false));
        let fields: Vec<_> = std::iter::once(hash).chain(schema.fields().iter().cloned()).collect();
        let parts = 1_usize << bits;
        Self {
            objects,
            stem: stem.to_owned(),
            schema: Arc::new(Schema::new(fields)),
            bits,
            open: std::iter::repeat_with(|| None).take(parts).collect(),
            most_rows: (OPEN_ROWS / parts as u64).clamp(*PART_ROWS.start(), *PART_ROWS.end()),
            done: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Adds rows with the hashes of their keys.
    pub fn write(&mut self, batch: &RecordBatch, hashes: &[u64]) -> Result<()> {
        let numbers: ArrayRef = Arc::new(hashes.iter().map(|hash| *hash as i64).collect::<Int64Array>());
        if hashes.is_empty() {
            return Ok(());
        }
        let columns = std::iter::once(numbers).chain(batch.columns().iter().cloned()).collect();
        let whole = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        if self.bits == 0 {
            return self.add(0, &whole);
        }
        for (range, rows) in by_range(hashes, self.bits) {
            self.add(range, &take_record_batch(&whole, &rows)?)?;
        }
        Ok(())
    }

    fn add(&mut self, range: u64, batch: &RecordBatch) -> Result<()> {
        let open = &mut self.open[range as usize];
        let part = match open {
            Some(part) => part,
            None => open.insert(OpenPart {
                writer: ArrowWriter::try_new(Vec::new(), Arc::clone(&self.schema), Some(properties()))
                    .map_err(|error| Error::internal("write carried rows").source(error))?,
                rows: 0,
                group: 0,
                bytes: 0,
            }),
        };
        self.bytes -= part.bytes;
        part.write(batch).map_err(|error| Error::internal("write carried rows").source(error))?;
        self.bytes += part.bytes;
        self.rows += batch.num_rows() as u64;
        if part.rows >= self.most_rows || part.bytes >= PART_BYTES {
            return self.close(range);
        }
        if self.bytes < OPEN_BYTES {
            return Ok(());
        }
        let bytes = |part: &Option<OpenPart>| part.as_ref().map_or(0, |part| part.bytes);
        let largest = (0..self.open.len()).max_by_key(|range| bytes(&self.open[*range]));
        largest.map_or(Ok(()), |range| self.close(range as u64))
    }

    fn close(&mut self, range: u64) -> Result<()> {
        let Some(part) = self.open[range as usize].take() else { return Ok(()) };
        self.bytes -= part.bytes;
        let file = part.writer.into_inner().map_err(|error| Error::internal("write carried rows").source(error))?;
        let path = format!("{}-{:05}.parquet", self.stem, self.done.len());
        let (hash, bytes) = (ContentHash::of(&file), file.len() as u64);
        self.objects.put(&path, file)?;
        self.done.push(Part { kept: StateObject { path, hash }, bits: self.bits, range, rows: part.rows, bytes });
        Ok(())
    }

    /// Ends all parts. Gives the number of rows, and the parts.
    pub fn finish(mut self) -> Result<(u64, Vec<Part>)> {
        for range in 0..self.open.len() as u64 {
            self.close(range)?;
        }
        Ok((self.rows, self.done))
    }
}

/// Places of the rows of each range that has any.
pub fn by_range(hashes: &[u64], bits: u32) -> Vec<(u64, UInt32Array)> {
    let mut places: Vec<(u64, u32)> =
        hashes.iter().enumerate().map(|(place, hash)| (part_of(*hash, bits), place as u32)).collect();
    places.sort_unstable();
    let ranges = places.chunk_by(|left, right| left.0 == right.0);
    ranges.map(|rows| (rows[0].0, rows.iter().map(|(_, place)| *place).collect())).collect()
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by(concat!("etl-runner ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

/// Which rows of a part are read: those in a range of hashes, whose hash is among some when there are any.
struct Wanted {
    bits: u32,
    range: u64,
    hashes: Option<Arc<HashSet<u64>>>,
}

impl Wanted {
    fn has(&self, hash: u64) -> bool {
        part_of(hash, self.bits) == self.range && self.hashes.as_ref().is_none_or(|hashes| hashes.contains(&hash))
    }

    /// Of rows with these hashes.
    fn rows(&self, hashes: &dyn Array) -> Result<BooleanArray, ArrowError> {
        let hashes = hashes.as_primitive_opt::<Int64Type>();
        let hashes = hashes.ok_or_else(|| ArrowError::SchemaError(format!("{HASH} is no number")))?;
        Ok(hashes.values().iter().map(|hash| Some(self.has(*hash as u64))).collect())
    }
}

/// Reads the rows of a part whose hashes are `wanted` and in the given range of two to the power of `bits`, in batches of
/// `schema` with their hashes. A column that the part does not have yet is null.
pub fn read_rows(
    objects: &Objects,
    part: &Part,
    schema: &SchemaRef,
    (bits, range): (u32, u64),
    wanted: Option<&Arc<HashSet<u64>>>,
    each: &mut dyn FnMut(RecordBatch, &[u64]) -> Result<()>,
) -> Result<()> {
    // One range holds the other: they are cut by the same bits.
    let common = bits.min(part.bits);
    if range >> (bits - common) != part.range >> (part.bits - common) {
        return Ok(());
    }
    let wanted = Wanted { bits, range, hashes: wanted.map(Arc::clone) };
    let mut each = |batch: &RecordBatch| {
        let hashes = batch.column(0).as_primitive::<Int64Type>().values().iter().map(|hash| *hash as u64);
        let hashes: Vec<u64> = hashes.collect();
        each(fit(batch, schema, objects, part)?, &hashes)
    };
    if part.bytes > SMALL_BYTES || part.rows > BATCH_ROWS as u64 {
        return decode(objects, part, Some(wanted), &mut each);
    }
    let whole = match objects.decoded().get(&part.kept) {
        Some(whole) => whole,
        None => decode_small(objects, part)?,
    };
    let rows = wanted.rows(whole.column(0))?;
    if rows.has_true() { each(&filter_record_batch(&whole, &rows)?) } else { Ok(()) }
}

/// All rows of a small part, which the next window may want as well.
fn decode_small(objects: &Objects, part: &Part) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    decode(objects, part, None, &mut |batch| {
        batches.push(batch.clone());
        Ok(())
    })?;
    let Some(first) = batches.first() else { return Err(damaged(objects, &part.kept).with("rows", 0).hint(REBUILD)) };
    let whole = concat_batches(first.schema_ref(), &batches)?;
    objects.decoded().keep(&part.kept, &whole);
    Ok(whole)
}

/// Gives the rows of a part that are wanted, the column of their hashes first.
fn decode(
    objects: &Objects,
    part: &Part,
    wanted: Option<Wanted>,
    each: &mut dyn FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let failed = |error: ParquetError| damaged(objects, &part.kept).source(error).hint(REBUILD);
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(fetch(objects, &part.kept)?).map_err(failed)?;
    if builder.schema().fields().first().is_none_or(|field| field.name() != HASH) {
        return Err(damaged(objects, &part.kept).with("missing column", HASH).hint(REBUILD));
    }
    if let Some(wanted) = wanted {
        let mask = ProjectionMask::columns(builder.parquet_schema(), [HASH]);
        let filter = ArrowPredicateFn::new(mask, move |batch| wanted.rows(batch.column(0)));
        builder = builder.with_row_filter(RowFilter::new(vec![Box::new(filter)]));
    }
    for batch in builder.with_batch_size(BATCH_ROWS).build().map_err(failed)? {
        each(&batch.map_err(|error| damaged(objects, &part.kept).source(error).hint(REBUILD))?)?;
    }
    Ok(())
}

/// The columns of `schema`, by name.
fn fit(batch: &RecordBatch, schema: &SchemaRef, objects: &Objects, part: &Part) -> Result<RecordBatch> {
    let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => Err(damaged(objects, &part.kept)
            .with("column", field.name())
            .with("type", column.data_type())
            .with("expected", field.data_type())
            .hint(REBUILD)),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// The path that the objects of a run's carried rows begin with.
pub fn stem(run: &str, token: &str) -> String {
    format!("{CARRIED}/{run}-{token}")
}
