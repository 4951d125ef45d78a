//! The files of a table that are written, and those whose last bytes are still on their way.

use crate::output::staging::{Closing, PartitionValue, PendingStore, WrittenFile};
use etl_sdk::Result;
use std::collections::VecDeque;
use std::sync::Arc;

/// Files whose last bytes are on their way at once.
const MAX_CLOSING: usize = 8;

/// A file that is written and may still be on its way.
pub(super) struct ClosedFile {
    pub(super) partition: Vec<PartitionValue>,
    pub(super) rows: u64,
    pub(super) closing: Closing,
}

/// The files that a writer of a table has ended. Dropped without [`ClosingFiles::finish`], it leaves none of them behind.
pub(super) struct ClosingFiles {
    table: String,
    store: Arc<dyn PendingStore>,
    closing: VecDeque<ClosedFile>,
    written: Vec<WrittenFile>,
}

impl ClosingFiles {
    /// None yet.
    pub(super) fn new(table: &str, store: &Arc<dyn PendingStore>) -> Self {
        Self { table: table.to_owned(), store: Arc::clone(store), closing: VecDeque::new(), written: Vec::new() }
    }

    /// Takes a file that was ended, if one was. Waits for the oldest when too many are on their way.
    pub(super) fn keep(&mut self, closed: Option<ClosedFile>) -> Result<()> {
        self.closing.extend(closed);
        while self.closing.len() > MAX_CLOSING {
            self.wait_for_oldest()?;
        }
        Ok(())
    }

    /// All files, sorted by path, once they are whole. They are the caller's then.
    pub(super) fn finish(&mut self) -> Result<Vec<WrittenFile>> {
        while !self.closing.is_empty() {
            self.wait_for_oldest()?;
        }
        let mut written = std::mem::take(&mut self.written);
        written.sort_by(|left, right| left.pending.path.cmp(&right.pending.path));
        Ok(written)
    }

    fn wait_for_oldest(&mut self) -> Result<()> {
        if let Some(ClosedFile { partition, rows, closing }) = self.closing.pop_front() {
            let pending = closing.wait()?;
            self.written.push(WrittenFile { table: self.table.clone(), partition, pending, rows });
        }
        Ok(())
    }
}

impl Drop for ClosingFiles {
    fn drop(&mut self) {
        for ClosedFile { closing, .. } in self.closing.drain(..) {
            if let Ok(file) = closing.wait() {
                let _ = self.store.abandon(&file);
            }
        }
        for file in &self.written {
            let _ = self.store.abandon(&file.pending);
        }
    }
}
