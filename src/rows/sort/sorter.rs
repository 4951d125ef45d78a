//! Sorting more rows than fit in memory: collected to disk by the tasks, sorted by DataFusion, read back as an iterator.

use super::aside::Aside;
use super::session::{batch_bytes, engine_error, task_context};
use super::size::{batch_size, cuts};
use super::spill::{SpillFolder, Stretch, UnnamedFile, disk_error};
use crate::limits::{self, LimitsConfig};
use crate::process::stop::Stop;
use crate::process::task::spawn;
use crate::process::usage::metered;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
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
const MIN_MEMORY: usize = limits::MIN_MEMORY.0 as usize;
/// Most rows of a batch that leaves a sort.
const MAX_ROWS: usize = 8_192;
/// A row this many times as large as the rows of a full batch is sorted by its key alone.
const LARGE: usize = 4;
/// A row with fewer bytes of texts never is: putting it aside costs more.
const LEAST_ASIDE: usize = 16 << 10;
/// Bytes of partial rows that are kept as one object of the state, about.
const KEPT_BYTES: u64 = 16 << 20;
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
                .hint(format!("sorting needs {} at least", limits::MIN_MEMORY)));
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
        let ordering = ordering(&schema, by)?;
        let keys = by.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        let aside = Arc::new(Aside::new(&self.folder, keys, (LARGE * target / batch_rows).max(LEAST_ASIDE)));
        let source =
            Source { schema: Arc::clone(&source_schema), parts: Mutex::new(parts), target, aside: Arc::clone(&aside) };
        let (context, head_room) = task_context(self.memory, batch_rows, &self.folder)?;
        let source = StreamingTableExec::try_new(source_schema, vec![Arc::new(source)], None, Vec::new(), false, None)
            .map_err(|error| engine_error("sort rows", error))?;
        let plan = SortExec::new(ordering, Arc::new(source));
        Ok(SortedRows::start(plan, context, head_room, Restore { schema, aside, current: None }, self))
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

    /// Gives the rows as bytes that [`RowCollector::restore`] takes, piece by piece, each with the lengths of its stretches.
    pub fn keep(&mut self, mut each: impl FnMut(Vec<u8>, Vec<u64>) -> Result<()>) -> Result<()> {
        if !self.waiting.is_empty() {
            self.write()?;
        }
        let file = self.file()?;
        let (mut kept, mut lengths) = (Vec::new(), Vec::new());
        for stretch in &self.stretches {
            if !lengths.is_empty() && kept.len() as u64 + stretch.length() > KEPT_BYTES {
                each(std::mem::take(&mut kept), std::mem::take(&mut lengths))?;
            }
            let read = file.read(*stretch).read_to_end(&mut kept);
            lengths.push(read.map_err(|error| disk_error("read collected rows", error.kind()).source(error))? as u64);
        }
        if lengths.is_empty() { Ok(()) } else { each(kept, lengths) }
    }

    /// Adds rows that [`RowCollector::keep`] gave.
    ///
    /// Fails with kind `Limit` when the disk of `limits.spill_folder` is full.
    pub fn restore(&mut self, kept: &[u8], stretches: &[u64], (rows, bytes): (u64, u64)) -> Result<()> {
        self.rows += rows;
        self.bytes += bytes;
        let mut rest = kept;
        for length in stretches {
            let Some((stretch, after)) = rest.split_at_checked(*length as usize) else {
                return Err(Error::internal("restore collected rows").with("bytes", kept.len()));
            };
            self.append(stretch)?;
            rest = after;
        }
        Ok(())
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

/// The collected rows as a DataFusion source: read one batch at a time, each with its rows' numbers at the end.
struct Source {
    schema: SchemaRef,
    parts: Mutex<Vec<CollectedRows>>,
    target: usize,
    aside: Arc<Aside>,
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
        let numbered = Numbered {
            schema: Arc::clone(&self.schema),
            target: self.target,
            aside: Arc::clone(&self.aside),
            row: 0,
            group: Vec::new(),
            size: 0,
        };
        let rows = stream.tx();
        stream.spawn_blocking(metered(move || {
            // The receiver is gone when the sort was dropped: nobody is left to tell.
            let send = |batch| rows.blocking_send(Ok(batch)).is_ok();
            numbered.read(parts, &send).map_err(DataFusionError::from)
        }));
        stream.build()
    }
}

/// Gathers small batches, cuts large ones and numbers the rows.
struct Numbered {
    schema: SchemaRef,
    target: usize,
    aside: Arc<Aside>,
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
        self.aside.put(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// Sorted rows in batches. Belongs on a plain thread: it blocks, and must not be used by async code.
/// Dropping it ends the sort.
#[derive(Debug)]
pub struct SortedRows {
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: Option<AbortOnDropHandle<()>>,
    restore: Option<Restore>,
    runtime: Handle,
    stop: Stop,
}

/// Makes whole rows of those that leave a sort.
#[derive(Debug)]
struct Restore {
    schema: SchemaRef,
    aside: Arc<Aside>,
    /// A batch with rows that were set aside, and how many of its rows are done with.
    current: Option<(RecordBatch, usize)>,
}

impl Restore {
    fn add(&mut self, batch: RecordBatch) {
        self.current = Some((batch, 0));
    }

    /// The next rows, as the collectors took them.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some((batch, done)) = self.current.take() else { return Ok(None) };
        let (rows, count) = if self.aside.is_empty() {
            (batch.slice(done, batch.num_rows() - done), batch.num_rows() - done)
        } else {
            self.aside.next_of(&batch, done)?
        };
        if done + count < batch.num_rows() {
            self.current = Some((batch, done + count));
        }
        let columns = rows.columns()[..self.schema.fields().len()].to_vec();
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }
}

impl SortedRows {
    fn empty(sorter: &Sorter) -> Self {
        let (_, batches) = mpsc::channel(1);
        Self { batches, task: None, restore: None, runtime: sorter.runtime.clone(), stop: sorter.stop.clone() }
    }

    fn start(
        plan: SortExec,
        context: Arc<TaskContext>,
        head_room: MemoryReservation,
        restore: Restore,
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
                let batch = batch.map_err(|error| engine_error("sort rows", error));
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Self {
            batches,
            task: Some(task),
            restore: Some(restore),
            runtime: sorter.runtime.clone(),
            stop: sorter.stop.clone(),
        }
    }
}

impl Iterator for SortedRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let restore = self.restore.as_mut()?;
            match restore.next() {
                Ok(None) => {}
                next => return next.transpose(),
            }
            // A sort may gather rows for minutes before it gives the first.
            let (stop, batches) = (&self.stop, &mut self.batches);
            match block_on(stop.unless(async { Ok(batches.recv().await) })) {
                Ok(Some(Ok(batch))) if batch.num_rows() == 0 => {}
                Ok(Some(Ok(batch))) => restore.add(batch),
                Ok(Some(Err(error))) | Err(error) => return Some(Err(error)),
                Ok(None) => break,
            }
        }
        // The channel also closes when the task panics: the end of the rows must not be taken from that.
        let ended = self.runtime.block_on(self.task.take()?);
        ended.err().map(|error| Err(Error::internal("sort rows").source(error)))
    }
}

#[cfg(test)]
#[path = "sorter_tests.rs"]
mod tests;
