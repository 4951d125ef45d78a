//! Pending files in memory, for tests.

use super::found::PendingFound;
use super::path::check_path;
use super::pending::{PendingStore, PendingWriter};
use super::staged::{PendingFile, Staged};
use etl_sdk::{Error, Result};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct MemoryStore(Arc<Mutex<Files>>);

#[derive(Default)]
struct Files {
    begun: u64,
    open: u64,
    most_open: u64,
    hidden: BTreeMap<String, Vec<u8>>,
    published: BTreeMap<String, Vec<u8>>,
}

impl MemoryStore {
    /// Bytes of a pending file.
    pub(crate) fn read(&self, file: &PendingFile) -> Vec<u8> {
        let Staged::Hidden { path } = &file.staged else { panic!("not a hidden file") };
        self.0.lock().unwrap().hidden[path].clone()
    }

    /// Number of pending files that are finished and neither published nor abandoned.
    pub(crate) fn hidden(&self) -> usize {
        self.0.lock().unwrap().hidden.len()
    }

    /// Most writers that were open at once.
    pub(crate) fn most_open(&self) -> u64 {
        self.0.lock().unwrap().most_open
    }
}

impl PendingStore for MemoryStore {
    fn create(&self, path: &str) -> Result<Box<dyn PendingWriter>> {
        check_path(path)?;
        let mut files = self.0.lock().unwrap();
        files.begun += 1;
        files.open += 1;
        files.most_open = files.most_open.max(files.open);
        let hidden = format!("{}", files.begun);
        Ok(Box::new(MemoryWriter { store: self.clone(), path: path.to_owned(), hidden, bytes: Vec::new() }))
    }

    fn publish(&self, file: &PendingFile) -> Result<()> {
        let bytes = self.read(file);
        self.0.lock().unwrap().published.insert(file.path.clone(), bytes);
        Ok(())
    }

    fn abandon(&self, file: &PendingFile) -> Result<()> {
        let Staged::Hidden { path } = &file.staged else { return Err(Error::internal("abandon")) };
        self.0.lock().unwrap().hidden.remove(path);
        Ok(())
    }

    fn pending(&self) -> Result<Vec<PendingFound>> {
        let found = |(name, bytes): (&String, &Vec<u8>)| PendingFound {
            path: name.clone(),
            staged: Staged::Hidden { path: name.clone() },
            bytes: Some(bytes.len() as u64),
            modified: chrono::DateTime::UNIX_EPOCH,
            run: None,
        };
        Ok(self.0.lock().unwrap().hidden.iter().map(found).collect())
    }

    fn exists(&self, files: &[&PendingFile]) -> Result<Vec<bool>> {
        let hidden = &self.0.lock().unwrap().hidden;
        let is_there = |staged: &Staged| matches!(staged, Staged::Hidden { path } if hidden.contains_key(path));
        Ok(files.iter().map(|file| is_there(&file.staged)).collect())
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.0.lock().unwrap().published.remove(path);
        Ok(())
    }
}

struct MemoryWriter {
    store: MemoryStore,
    path: String,
    hidden: String,
    bytes: Vec<u8>,
}

impl io::Write for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PendingWriter for MemoryWriter {
    fn finish(mut self: Box<Self>) -> Result<PendingFile> {
        let bytes = std::mem::take(&mut self.bytes);
        let file = PendingFile {
            path: self.path.clone(),
            bytes: bytes.len() as u64,
            staged: Staged::Hidden { path: self.hidden.clone() },
        };
        self.store.0.lock().unwrap().hidden.insert(self.hidden.clone(), bytes);
        Ok(file)
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.store.0.lock().unwrap().open -= 1;
    }
}
