//! Spilled rows live in files without a name: however the process ends, nothing is left behind.

use crate::process::usage::metered;
use crate::storage::disk::{is_disk_full, meaning_of};
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use etl_sdk::{Error, ErrorKind, Result, Retry};
use futures::Stream;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are read from a spill file at once.
const READ_BYTES: usize = 128 << 10;

/// Where spill files are made.
#[derive(Debug)]
pub(super) struct SpillFolder {
    folder: PathBuf,
    written: Arc<AtomicU64>,
}

impl SpillFolder {
    /// Opens `folder`, or the system's temporary folder; fails now when no file can be made in it.
    pub(super) fn open(folder: Option<PathBuf>) -> Result<Self> {
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        let opened = Self { folder, written: Arc::default() };
        opened.file()?;
        Ok(opened)
    }

    /// A new, empty file without a name.
    pub(super) fn file(&self) -> Result<UnnamedFile> {
        self.create().map_err(|error| {
            let operation = "make a spill file";
            let failure = match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    Error::config(operation).with("setting", "limits.spill_folder")
                }
                kind => disk_error(operation, kind),
            };
            failure.with("folder", self.folder.display()).source(error)
        })
    }

    fn create(&self) -> io::Result<UnnamedFile> {
        let file = tempfile::tempfile_in(&self.folder)?;
        Ok(UnnamedFile { file: Arc::new(file), length: Arc::default(), written: Arc::clone(&self.written) })
    }

    /// Bytes written to spill files so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

impl TempFileFactory for SpillFolder {
    fn create_temp_file(&self, _: &str) -> EngineResult<Arc<dyn SpillFile>> {
        Ok(Arc::new(self.create().map_err(DataFusionError::IoError)?))
    }
}

/// A file that only its handles know; its space is free again when the last one is dropped.
#[derive(Clone, Debug)]
pub(super) struct UnnamedFile {
    file: Arc<File>,
    length: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
}

/// A stretch of an [`UnnamedFile`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    offset: u64,
    length: u64,
}

impl Stretch {
    /// Its bytes.
    pub(super) fn length(self) -> u64 {
        self.length
    }
}

impl UnnamedFile {
    /// Writes `bytes` behind all that was written before; may be called from several threads at once.
    pub(super) fn append(&self, bytes: &[u8]) -> io::Result<Stretch> {
        let length = bytes.len() as u64;
        let offset = self.length.fetch_add(length, Ordering::Relaxed);
        self.file.write_all_at(bytes, offset)?;
        self.written.fetch_add(length, Ordering::Relaxed);
        Ok(Stretch { offset, length })
    }

    /// Writes a stretch piece by piece; nothing else may be written to the file meanwhile.
    pub(super) fn appender(&self) -> StretchWriter {
        let offset = self.length.load(Ordering::Relaxed);
        StretchWriter { writer: BufWriter::with_capacity(READ_BYTES, Appender(self.clone())), offset }
    }

    /// Reads a stretch from its start.
    pub(super) fn read(&self, stretch: Stretch) -> impl Read + Send + use<> {
        let reader = StretchReader { file: Arc::clone(&self.file), stretch };
        io::BufReader::with_capacity(READ_BYTES, reader)
    }
}

/// A stretch while it is written.
pub(super) struct StretchWriter {
    writer: BufWriter<Appender>,
    offset: u64,
}

impl Write for StretchWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl StretchWriter {
    /// Ends the stretch.
    pub(super) fn finish(mut self) -> io::Result<Stretch> {
        self.writer.flush()?;
        let length = self.writer.get_ref().0.length.load(Ordering::Relaxed) - self.offset;
        Ok(Stretch { offset: self.offset, length })
    }
}

struct StretchReader {
    file: Arc<File>,
    stretch: Stretch,
}

impl Read for StretchReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.stretch.length).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..most], self.stretch.offset)?;
        self.stretch.offset += read as u64;
        self.stretch.length -= read as u64;
        Ok(read)
    }
}

impl SpillFile for UnnamedFile {
    fn size(&self) -> Option<u64> {
        Some(self.length.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> EngineResult<Pin<Box<dyn Stream<Item = EngineResult<Bytes>> + Send>>> {
        let file = Arc::clone(&self.file);
        // A read may wait for the disk, which a thread of the async runtime must not.
        Ok(Box::pin(futures::stream::try_unfold(0, move |offset| {
            let file = Arc::clone(&file);
            async move {
                let chunk = tokio::task::spawn_blocking(metered(move || read_chunk(&file, offset))).await;
                let chunk = chunk.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
                let next = offset + chunk.len() as u64;
                Ok((!chunk.is_empty()).then_some((chunk, next)))
            }
        })))
    }

    fn open_writer(&self) -> EngineResult<Box<dyn SpillWriter>> {
        Ok(Box::new(Writer(BufWriter::with_capacity(READ_BYTES, Appender(self.clone())))))
    }
}

fn read_chunk(file: &File, offset: u64) -> EngineResult<Bytes> {
    let mut chunk = vec![0; READ_BYTES];
    let read = file.read_at(&mut chunk, offset).map_err(DataFusionError::IoError)?;
    chunk.truncate(read);
    Ok(Bytes::from(chunk))
}

struct Appender(UnnamedFile);

impl Write for Appender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Writer(BufWriter<Appender>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> EngineResult<()> {
        self.0.flush().map_err(DataFusionError::IoError)
    }
}

/// A failure of the disk that holds spilled rows.
pub(super) fn disk_error(operation: &'static str, kind: io::ErrorKind) -> Error {
    let failure = match kind {
        kind if is_disk_full(kind) => {
            Error::new(ErrorKind::Limit, operation).hint("free space, or name a folder on a larger disk")
        }
        kind => Error::new(meaning_of(kind).0, operation).retry(Retry::of_io(kind)),
    };
    failure.with("setting", "limits.spill_folder")
}
