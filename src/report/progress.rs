//! Counters that the engine adds to while it works, and that a screen reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A handle on the counters of one run; clones share them. Adding never blocks.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    objects_total: AtomicU64,
    objects_done: AtomicU64,
    tasks_total: AtomicU64,
    tasks_kept: AtomicU64,
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
    records: AtomicU64,
    rows: AtomicU64,
    phase: Mutex<&'static str>,
}

/// The counters at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressCounts {
    /// Objects to read; zero until they are known.
    pub objects_total: u64,
    /// Objects read.
    pub objects_done: u64,
    /// Tasks of the run; zero until they are known.
    pub tasks_total: u64,
    /// Tasks whose results are kept, whatever becomes of the run.
    pub tasks_kept: u64,
    /// Stored bytes to read; zero until they are known.
    pub bytes_total: u64,
    /// Stored bytes read.
    pub bytes_done: u64,
    /// Raw records read.
    pub records: u64,
    /// Rows handed to the sink.
    pub rows: u64,
    /// `list`, `read`, `merge`, `publish`.
    pub phase: &'static str,
}

impl Progress {
    /// Says what is to be read.
    pub fn set_total(&self, objects: u64, bytes: u64) {
        self.counters.objects_total.store(objects, Ordering::Relaxed);
        self.counters.bytes_total.store(bytes, Ordering::Relaxed);
    }

    /// Begins to read, or to take once more what was read: what was counted of objects and rows before is taken back.
    pub fn begin_reading(&self, tasks: u64) {
        let counters = &self.counters;
        for counter in
            [&counters.objects_done, &counters.bytes_done, &counters.records, &counters.rows, &counters.tasks_kept]
        {
            counter.store(0, Ordering::Relaxed);
        }
        counters.tasks_total.store(tasks, Ordering::Relaxed);
    }

    /// Counts a task whose result is kept.
    pub fn add_kept_task(&self) {
        self.counters.tasks_kept.fetch_add(1, Ordering::Relaxed);
    }

    /// Says what is being done now. Not for the row path: it takes a lock.
    pub fn set_phase(&self, phase: &'static str) {
        *self.counters.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Counts objects as read.
    pub fn add_objects(&self, objects: u64) {
        self.counters.objects_done.fetch_add(objects, Ordering::Relaxed);
    }

    /// Counts stored bytes as read.
    pub fn add_bytes(&self, bytes: u64) {
        self.counters.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts raw records. Call it per chunk or batch, not per record.
    pub fn add_records(&self, records: u64) {
        self.counters.records.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts rows handed to the sink. Call it per batch.
    pub fn add_rows(&self, rows: u64) {
        self.counters.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// The counters now. Each is right for itself; they are not read at one instant.
    pub fn counts(&self) -> ProgressCounts {
        let counters = &self.counters;
        ProgressCounts {
            objects_total: counters.objects_total.load(Ordering::Relaxed),
            objects_done: counters.objects_done.load(Ordering::Relaxed),
            tasks_total: counters.tasks_total.load(Ordering::Relaxed),
            tasks_kept: counters.tasks_kept.load(Ordering::Relaxed),
            bytes_total: counters.bytes_total.load(Ordering::Relaxed),
            bytes_done: counters.bytes_done.load(Ordering::Relaxed),
            records: counters.records.load(Ordering::Relaxed),
            rows: counters.rows.load(Ordering::Relaxed),
            phase: *counters.phase.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl ProgressCounts {
    /// One line: `read: 12 of 40 objects, 1.2 GiB, 1,234 records, 1,200 rows`.
    pub fn line(&self) -> String {
        let phase = if self.phase.is_empty() { "start" } else { self.phase };
        format!(
            "{phase}: {} of {} objects, {}, {} records, {} rows",
            crate::text::count(self.objects_done),
            crate::text::count(self.objects_total),
            crate::text::bytes(self.bytes_done),
            crate::text::count(self.records),
            crate::text::count(self.rows)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_add_to_the_same_counters() {
        let progress = Progress::default();
        progress.set_total(40, 1 << 30);
        progress.set_phase("read");
        let other = progress.clone();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    other.add_objects(3);
                    other.add_bytes(1 << 20);
                    other.add_records(1_000);
                    other.add_rows(900);
                });
            }
        });
        assert_eq!(progress.counts().line(), "read: 12 of 40 objects, 4.0 MiB, 4,000 records, 3,600 rows");
    }

    #[test]
    fn what_is_read_again_is_not_counted_twice() {
        let progress = Progress::default();
        progress.set_total(2, 100);
        for _ in 0..3 {
            progress.begin_reading(2);
            progress.add_objects(2);
            progress.add_bytes(100);
            progress.add_records(10);
            progress.add_rows(9);
            progress.add_kept_task();
        }
        let expected = ProgressCounts {
            objects_total: 2,
            objects_done: 2,
            tasks_total: 2,
            tasks_kept: 1,
            bytes_total: 100,
            bytes_done: 100,
            records: 10,
            rows: 9,
            phase: "",
        };
        assert_eq!(progress.counts(), expected);
    }
}
