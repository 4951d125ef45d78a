//! What the events of a task say of each key, held until there is much of it, then written as partial rows.

use crate::rows::Rows;
use arrow::array::RecordBatch;
use etl_sdk::Result;
use hashbrown::HashMap;

/// Keys held before they are written out.
const MAX_HELD: usize = 20_000;

/// Bytes of what is said of them before they are.
const HELD_BYTES: usize = 32 << 20;

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observed {
    /// It says nothing about any key.
    Ignored,
    /// It begins a row.
    New,
    /// It went into a row that is held already.
    Merged,
}

/// The keys that are held, and the rows that they become.
pub(crate) struct Held<K, V> {
    pub entries: HashMap<K, V>,
    rows: Rows,
    max: usize,
    bytes: usize,
}

impl<K: Ord, V> Held<K, V> {
    pub fn new(rows: Rows) -> Self {
        Self { entries: HashMap::new(), rows, max: MAX_HELD, bytes: 0 }
    }

    /// Whether so many are held that they should be written out.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.max || self.bytes >= HELD_BYTES
    }

    /// Counts bytes that what is held takes now in place of others.
    pub fn count(&mut self, bytes: usize, replaced: usize) {
        self.bytes = (self.bytes + bytes).saturating_sub(replaced);
    }

    /// Holds at most this many.
    #[cfg(test)]
    pub fn hold(&mut self, max: usize) {
        self.max = max;
    }

    /// Writes everything that is held, in the order of the keys, in batches.
    pub fn drain(&mut self, write: impl Fn(&mut Rows, &K, &V), emit: &mut dyn FnMut(RecordBatch)) -> Result<()> {
        let mut entries: Vec<_> = self.entries.drain().collect();
        entries.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        self.bytes = 0;
        for (key, value) in entries {
            write(&mut self.rows, &key, &value);
            if self.rows.is_full() {
                emit(self.rows.finish()?);
            }
        }
        emit(self.rows.finish()?);
        Ok(())
    }
}
