//! Sorting more rows than fit in memory: collected to disk by the tasks, sorted by DataFusion, read back as an iterator.

use super::session::{batch_bytes, engine_error, task_context};
use super::spill::{SpillFolder, Stretch, UnnamedFile, disk_error};
use crate::limits::LimitsConfig;
use crate::process::stop::Stop;
use crate::process::task::spawn;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use etl_sdk::{Error, Result};
use futures::StreamExt;
use futures::executor::block_on;
use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Bytes of rows a collector holds before it writes them.
const COLLECTOR_BYTES: usize = 2 << 20;
/// The least a sort can work with.
const MIN_MEMORY: usize = 8 << 20;
/// Most rows of a batch that leaves a sort.
const MAX_ROWS: usize = 8_192;
/// Batches that wait between a sort and its reader.
const QUEUE: usize = 2;

/// Sorts tables within `limits.memory`, spilling to `limits.spill_folder`. Clones are cheap and work together.
///
/// The memory is each sort's own: sorts that run side by side take it once each, unless it is [split](Self::split).
#[derive(Clone, Debug)]
pub struct Sorter {
    memory: usize,
    folder: Arc<SpillFolder>,
    runtime: Handle,
    collected: Arc<Collected>,
    stop: Stop,
}

/// What the collectors of one sorter share.
#[derive(Debug, Default)]
struct Collected {
    /// Bytes that all collectors hold in memory.
    held: AtomicUsize,
    /// The file that collectors write to, as long as one of them needs it.
    file: Mutex<Weak<UnnamedFile>>,
}

impl Sorter {
    /// Checks the spill folder. `runtime` must have worker threads of its own; sorts run on it.
    pub fn new(limits: &LimitsConfig, runtime: Handle) -> Result<Self> {
        let memory = usize::try_from(limits.memory.0).unwrap_or(usize::MAX);
        if memory < MIN_MEMORY {
            return Err(Error::config("set up sorting")
                .with("setting", "limits.memory")
                .with("value", limits.memory)
                .hint("sorting needs 8MiB at least"));
        }
        let folder = Arc::new(SpillFolder::open(limits.spill_folder.clone())?);
        Ok(Self { memory, folder, runtime, collected: Arc::default(), stop: Stop::default() })
    }

    /// A sorter whose sorts end when the run is stopped.
    #[must_use]
    pub fn with_stop(self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// A sorter with a share of the memory, for `parts` sorts side by side.
    #[must_use]
    pub fn split(&self, parts: usize) -> Self {
        Self { memory: (self.memory / parts.max(1)).max(MIN_MEMORY), ..self.clone() }
    }

    /// Bytes written to disk so far, by collectors and by sorts.
    pub fn spilled_bytes(&self) -> u64 {
        self.folder.written()
    }

    /// An empty collector for batches of `schema`.
    pub fn collector(&self, schema: &SchemaRef) -> RowCollector {
        RowCollector {
            schema: Arc::clone(schema),
            sorter: self.clone(),
            waiting: Vec::new(),
            held: 0,
            rows: 0,
            bytes: 0,
            file: None,
            stretches: Vec::new(),
        }
    }

    /// A collector with rows that [`RowCollector::keep`] gave, perhaps to another process.
    ///
    /// Fails with kind `Limit` when the disk of `limits.spill_folder` is full.
    pub fn restore(
        &self,
        schema: &SchemaRef,
        kept: &[u8],
        stretches: &[u64],
        size: (u64, u64),
    ) -> Result<RowCollector> {
        let mut collector = self.collector(schema);
        (collector.rows, collector.bytes) = size;
        let mut rest = kept;
        for length in stretches {
            let Some((stretch, after)) = rest.split_at_checked(*length as usize) else {
                return Err(Error::internal("restore collected rows").with("bytes", kept.len()));
            };
            collector.append(stretch)?;
            rest = after;
        }
        Ok(collector)
    }

    /// Sorts the rows of all collectors by the columns `by`, ascending, nulls first. Rows that are equal in them keep
    /// their order: by collector as given, then as pushed.
    ///
    /// Fails when the collectors have different columns or `by` names none of theirs.
    pub fn sorted(&self, mut collectors: Vec<RowCollector>, by: &[String]) -> Result<SortedRows> {
        let Some(schema) = collectors.first().map(|first| Arc::clone(&first.schema)) else {
            return Ok(SortedRows::empty(self));
        };
        if let Some(other) = collectors.iter().find(|other| other.schema.fields() != schema.fields()) {
            return Err(Error::internal("sort rows").with("columns", &schema).with("other", &other.schema));
        }
        let (rows, bytes) = collectors.iter().fold((0, 0), |(rows, bytes), one| (rows + one.rows, bytes + one.bytes));
        let target = batch_bytes(self.memory);
        let row_bytes = (bytes / rows.max(1)).max(1);
        let batch_rows = (target as u64 / row_bytes).clamp(1, MAX_ROWS as u64) as usize;

        let source_schema = with_row_number(&schema);
        let parts = collectors.iter_mut().map(RowCollector::take_rows).collect();
        let source = Source { schema: Arc::clone(&source_schema), parts: Mutex::new(parts), target };
        let ordering = ordering(&schema, by)?;
        let (context, head_room) = task_context(self.memory, batch_rows, &self.folder)?;
        let source = StreamingTableExec::try_new(source_schema, vec![Arc::new(source)], None, Vec::new(), false, None)
            .map_err(|error| engine_error("sort rows", error))?;
        let plan = SortExec::new(ordering, Arc::new(source));
        Ok(SortedRows::start(plan, context, head_room, schema, self))
    }
}

/// The columns `by`, then the row number, which makes the order total: the sort itself promises nothing about equals.
fn ordering(schema: &SchemaRef, by: &[String]) -> Result<LexOrdering> {
    let ascending = arrow::compute::SortOptions { descending: false, nulls_first: true };
    let mut columns = Vec::with_capacity(by.len() + 1);
    for name in by {
        let index = schema.index_of(name).map_err(|_| Error::config("sort rows").with("missing column", name))?;
        columns.push(PhysicalSortExpr::new(Arc::new(Column::new(name, index)), ascending));
    }
    columns.push(PhysicalSortExpr::new(Arc::new(Column::new(ROW_NUMBER, schema.fields().len())), ascending));
    LexOrdering::new(columns).ok_or_else(|| Error::internal("sort rows by no column"))
}

/// Name of the column behind all others while rows are sorted.
const ROW_NUMBER: &str = "\u{1}row";

fn with_row_number(schema: &SchemaRef) -> SchemaRef {
    let number = Arc::new(Field::new(ROW_NUMBER, DataType::Int64, false));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain([number]).collect::<Vec<_>>()))
}

/// Rows waiting to be sorted: a few in memory, the rest on disk.
#[derive(Debug)]
pub struct RowCollector {
    schema: SchemaRef,
    sorter: Sorter,
    waiting: Vec<RecordBatch>,
    held: usize,
    rows: u64,
    bytes: u64,
    file: Option<Arc<UnnamedFile>>,
    stretches: Vec<Stretch>,
}

/// What a collector hands to a sort.
#[derive(Debug)]
struct CollectedRows {
    file: Option<Arc<UnnamedFile>>,
    stretches: Vec<Stretch>,
    waiting: Vec<RecordBatch>,
}

impl RowCollector {
    /// Adds rows at the end.
    ///
    /// Fails with kind `Limit` when the disk of `limits.spill_folder` is full.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.schema_ref().fields() != self.schema.fields() {
            return Err(Error::internal("collect rows")
                .with("columns", &self.schema)
                .with("batch", batch.schema_ref()));
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        self.bytes += batch_size(&batch) as u64;
        let memory = batch.get_array_memory_size();
        self.held += memory;
        let all = self.sorter.collected.held.fetch_add(memory, Ordering::Relaxed) + memory;
        self.waiting.push(batch);
        if self.held > COLLECTOR_BYTES || all > self.sorter.memory / 8 { self.write() } else { Ok(()) }
    }

    /// Rows pushed so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Their bytes in memory, uncompressed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The rows as bytes that [`Sorter::restore`] takes, and the lengths of their stretches. What it gives is bounded by
    /// what a task can make.
    pub fn keep(&mut self) -> Result<(Vec<u8>, Vec<u64>)> {
        if !self.waiting.is_empty() {
            self.write()?;
        }
        let mut kept = Vec::new();
        let mut lengths = Vec::with_capacity(self.stretches.len());
        let file = self.file()?;
        for stretch in &self.stretches {
            let read = file.read(*stretch).read_to_end(&mut kept);
            lengths.push(read.map_err(|error| disk_error("read collected rows", error.kind()).source(error))? as u64);
        }
        Ok((kept, lengths))
    }

    fn write(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let encoded = encode(&self.schema, &waiting, batch_bytes(self.sorter.memory))?;
        self.release();
        self.append(&encoded)
    }

    fn append(&mut self, encoded: &[u8]) -> Result<()> {
        let file = self.file()?;
        let stretch =
            file.append(encoded).map_err(|error| disk_error("write collected rows", error.kind()).source(error))?;
        self.stretches.push(stretch);
        Ok(())
    }

    /// The file all collectors of the sorter share: one descriptor however many tasks there are.
    fn file(&mut self) -> Result<Arc<UnnamedFile>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let mut shared = self.sorter.collected.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = if let Some(file) = shared.upgrade() {
            file
        } else {
            let file = Arc::new(self.sorter.folder.file()?);
            *shared = Arc::downgrade(&file);
            file
        };
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    fn release(&mut self) {
        self.sorter.collected.held.fetch_sub(self.held, Ordering::Relaxed);
        self.held = 0;
    }

    fn take_rows(&mut self) -> CollectedRows {
        CollectedRows {
            file: self.file.take(),
            stretches: std::mem::take(&mut self.stretches),
            waiting: std::mem::take(&mut self.waiting),
        }
    }
}

impl Drop for RowCollector {
    fn drop(&mut self) {
        self.release();
    }
}

/// Batches as an Arrow IPC stream, cut so that each read back is about `target` bytes.
fn encode(schema: &SchemaRef, batches: &[RecordBatch], target: usize) -> Result<Vec<u8>> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), schema, options)?;
    let whole = concat_batches(schema, batches)?;
    for (offset, length) in cuts(&whole, target) {
        writer.write(&whole.slice(offset, length))?;
    }
    writer.finish()?;
    Ok(writer.into_inner()?)
}

/// Offsets and lengths that cut a batch into pieces of at most `target` bytes, or of one row.
fn cuts(batch: &RecordBatch, target: usize) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut open = vec![(0, batch.num_rows())];
    while let Some((offset, length)) = open.pop() {
        if length <= 1 || batch_size(&batch.slice(offset, length)) <= target {
            pieces.push((offset, length));
            continue;
        }
        let half = length / 2;
        open.push((offset + half, length - half));
        open.push((offset, half));
    }
    pieces
}

/// Bytes the rows of a batch take, whatever larger buffers they stand in.
fn batch_size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| array_size(column)).sum()
}

fn array_size(array: &dyn Array) -> usize {
    let length = array.len();
    let validity = if array.nulls().is_some() { length / 8 } else { 0 };
    let text = |offsets: &[i32]| offsets.last().zip(offsets.first()).map_or(0, |(end, start)| (end - start) as usize);
    let values = match array.data_type() {
        DataType::Utf8 => 4 * length + text(array.as_string::<i32>().value_offsets()),
        DataType::Binary => 4 * length + text(array.as_binary::<i32>().value_offsets()),
        DataType::Map(..) => {
            let map = array.as_map();
            let start = map.value_offsets().first().map_or(0, |start| *start as usize);
            4 * length + array_size(&map.entries().slice(start, text(map.value_offsets())))
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let start = list.value_offsets().first().map_or(0, |start| *start as usize);
            4 * length + array_size(&list.values().slice(start, text(list.value_offsets())))
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|member| array_size(member)).sum(),
        DataType::Boolean => length / 8,
        other => match other.primitive_width() {
            Some(width) => width * length,
            None => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
        },
    };
    validity + values
}

/// The collected rows as a DataFusion source: read one batch at a time, each with its rows' numbers at the end.
struct Source {
    schema: SchemaRef,
    parts: Mutex<Vec<CollectedRows>>,
    target: usize,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("collected rows")
    }
}

impl PartitionStream for Source {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let parts = std::mem::take(&mut *self.parts.lock().unwrap_or_else(PoisonError::into_inner));
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), QUEUE);
        let numbered =
            Numbered { schema: Arc::clone(&self.schema), target: self.target, row: 0, group: Vec::new(), size: 0 };
        let rows = stream.tx();
        stream.spawn_blocking(move || {
            // The receiver is gone when the sort was dropped: nobody is left to tell.
            let send = |batch| rows.blocking_send(Ok(batch)).is_ok();
            numbered.read(parts, &send).map_err(DataFusionError::from)
        });
        stream.build()
    }
}

/// Gathers small batches, cuts large ones and numbers the rows.
struct Numbered {
    schema: SchemaRef,
    target: usize,
    row: i64,
    group: Vec<RecordBatch>,
    size: usize,
}

impl Numbered {
    fn read(mut self, parts: Vec<CollectedRows>, send: &impl Fn(RecordBatch) -> bool) -> Result<(), ArrowError> {
        for part in parts {
            if let Some(file) = part.file {
                for stretch in part.stretches {
                    for batch in StreamReader::try_new(file.read(stretch), None)? {
                        if !self.add(batch?, send)? {
                            return Ok(());
                        }
                    }
                }
            }
            for batch in part.waiting {
                if !self.add(batch, send)? {
                    return Ok(());
                }
            }
        }
        self.flush(send).map(|_| ())
    }

    fn add(&mut self, batch: RecordBatch, send: &impl Fn(RecordBatch) -> bool) -> Result<bool, ArrowError> {
        let size = batch_size(&batch);
        if self.size + size > self.target && !self.flush(send)? {
            return Ok(false);
        }
        self.size += size;
        self.group.push(batch);
        Ok(true)
    }

    fn flush(&mut self, send: &impl Fn(RecordBatch) -> bool) -> Result<bool, ArrowError> {
        self.size = 0;
        let Some(first) = self.group.first() else { return Ok(true) };
        let whole = if self.group.len() == 1 { first.clone() } else { concat_batches(&first.schema(), &self.group)? };
        self.group.clear();
        let pieces = cuts(&whole, self.target);
        for (offset, length) in &pieces {
            let piece = if pieces.len() == 1 {
                whole.clone()
            } else {
                // A copy, not a slice: the sort counts the whole buffer behind a slice.
                let end = offset + length;
                take_record_batch(&whole, &UInt64Array::from_iter_values(*offset as u64..end as u64))?
            };
            if !send(self.numbered(&piece)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn numbered(&mut self, piece: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let end = self.row + piece.num_rows() as i64;
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(self.row..end));
        self.row = end;
        let columns = piece.columns().iter().cloned().chain([numbers]).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// Sorted rows in batches. Belongs on a plain thread: it blocks, and must not be used by async code.
/// Dropping it ends the sort.
#[derive(Debug)]
pub struct SortedRows {
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: Option<AbortOnDropHandle<()>>,
    runtime: Handle,
    stop: Stop,
}

impl SortedRows {
    fn empty(sorter: &Sorter) -> Self {
        let (_, batches) = mpsc::channel(1);
        Self { batches, task: None, runtime: sorter.runtime.clone(), stop: sorter.stop.clone() }
    }

    fn start(
        plan: SortExec,
        context: Arc<TaskContext>,
        head_room: MemoryReservation,
        schema: SchemaRef,
        sorter: &Sorter,
    ) -> Self {
        let (sender, batches) = mpsc::channel(QUEUE);
        let task = spawn(&sorter.runtime, async move {
            let _head_room = head_room;
            let mut stream = match plan.execute(0, context) {
                Ok(stream) => stream,
                Err(error) => {
                    // Nobody hears of it when the reader is gone already.
                    let _gone = sender.send(Err(engine_error("sort rows", error))).await;
                    return;
                }
            };
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(|error| engine_error("sort rows", error)).and_then(|batch| {
                    let columns = batch.columns()[..schema.fields().len()].to_vec();
                    Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
                });
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { batches, task: Some(task), runtime: sorter.runtime.clone(), stop: sorter.stop.clone() }
    }
}

impl Iterator for SortedRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let (stop, batches) = (&self.stop, &mut self.batches);
        // A sort may gather rows for minutes before it gives the first.
        match block_on(stop.unless(async { Ok(batches.recv().await) })) {
            Ok(Some(batch)) => return Some(batch),
            Ok(None) => {}
            Err(stopped) => return Some(Err(stopped)),
        }
        // The channel also closes when the task panics: the end of the rows must not be taken from that.
        let ended = self.runtime.block_on(self.task.take()?);
        ended.err().map(|error| Err(Error::internal("sort rows").source(error)))
    }
}

#[cfg(test)]
#[path = "sorter_tests.rs"]
mod tests;
