//! What the events of a task say of each key, held until there is much of it, then written as partial rows.

use crate::rows::Rows;
use arrow::array::RecordBatch;
use etl_sdk::Result;
use hashbrown::HashMap;

/// Keys held before they are written out.
const MAX_HELD: usize = 20_000;

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
}

impl<K: Ord, V> Held<K, V> {
    pub fn new(rows: Rows) -> Self {
        Self { entries: HashMap::new(), rows, max: MAX_HELD }
    }

    /// Whether so many are held that they should be written out.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.max
    }

    /// Holds at most this many.
    #[cfg(test)]
    pub fn hold(&mut self, max: usize) {
        self.max = max;
    }

    /// Writes everything that is held, in the order of the keys, in batches of at most `max_rows`.
    pub fn drain(
        &mut self,
        max_rows: usize,
        write: impl Fn(&mut Rows, &K, &V),
        emit: &mut dyn FnMut(RecordBatch),
    ) -> Result<()> {
        let mut entries: Vec<_> = self.entries.drain().collect();
        entries.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        for (key, value) in &entries {
            write(&mut self.rows, key, value);
            if self.rows.len() >= max_rows {
                emit(self.rows.finish()?);
            }
        }
        emit(self.rows.finish()?);
        Ok(())
    }
}
