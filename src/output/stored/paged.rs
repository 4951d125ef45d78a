//! A file of a store, read a page at a time: memory then does not depend on the size of its row groups.

use bytes::{Buf, Bytes};
use etl_sdk::{Error, ErrorKind};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, Read};
use std::sync::Arc;
use tokio::runtime::Handle;

/// Bytes that are fetched for the header of a page.
const HEADER_BYTES: u64 = 16 << 10;

/// The file. Belongs on a plain thread: it blocks.
#[derive(Clone)]
pub(super) struct PagedFile {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: ObjectPath,
    pub(super) size: u64,
    pub(super) runtime: Handle,
    /// Most bytes of a page.
    pub(super) most: usize,
}

/// Its bytes from some place on.
pub(super) struct FromPlace {
    file: PagedFile,
    at: u64,
    fetched: Bytes,
}

impl PagedFile {
    fn fetch(&self, start: u64, end: u64) -> Result<Bytes> {
        let end = end.min(self.size);
        Ok(self.runtime.block_on(self.store.get_range(&self.path, start.min(end)..end))?)
    }
}

impl Length for PagedFile {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for PagedFile {
    type T = FromPlace;

    fn get_read(&self, start: u64) -> Result<FromPlace> {
        Ok(FromPlace { file: self.clone(), at: start, fetched: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if length > self.most {
            let error = Error::new(ErrorKind::Limit, "read a page of a Parquet file")
                .with("page_bytes", length)
                .with("max_bytes", self.most)
                .with("setting", "memory")
                .hint("a page is read whole: allow more memory");
            return Err(ParquetError::External(Box::new(error)));
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.fetch(start, start + length as u64)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("a page of {length} bytes ends after {}", bytes.len())));
        }
        Ok(bytes)
    }
}

impl Read for FromPlace {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.fetched.is_empty() && self.at < self.file.size {
            self.fetched = self.file.fetch(self.at, self.at + HEADER_BYTES).map_err(io::Error::other)?;
            self.at += self.fetched.len() as u64;
        }
        let read = buffer.len().min(self.fetched.len());
        self.fetched.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}
