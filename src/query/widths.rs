//! How many rows fit a batch: the engine counts rows, and those of a table can be long.

use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use futures::{StreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows of a batch unless they are long.
pub(super) const BATCH_ROWS: usize = 8_192;

/// Footers that are looked at; of a table with more files, as many of them.
const FOOTERS: usize = 256;

/// Footers that are fetched at once.
const FOOTERS_AT_ONCE: usize = 16;

/// Bytes of fixed width that a column may have in a row.
const FIXED_BYTES: u64 = 8;

/// The rows of a batch for all that a question reads. Clones are the same number.
#[derive(Clone, Debug)]
pub(super) struct BatchRows {
    rows: Arc<AtomicUsize>,
    /// Bytes that a batch of the longest rows may have.
    most_bytes: u64,
}

/// Neighbouring rows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl BatchRows {
    pub(super) fn new(most_bytes: u64) -> Self {
        Self { rows: Arc::new(AtomicUsize::new(BATCH_ROWS)), most_bytes }
    }

    /// Begins a new question.
    pub(super) fn reset(&self) {
        self.rows.store(BATCH_ROWS, Ordering::Relaxed);
    }

    /// The rows of a batch.
    pub(super) fn get(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// Lowers the number until a batch of the longest rows of all these fits.
    pub(super) fn fit(&self, stretches: Vec<Stretch>) {
        self.rows.fetch_min(rows_that_fit(stretches, self.most_bytes), Ordering::Relaxed);
    }
}

/// The most rows that, when they are the longest, have no more bytes.
fn rows_that_fit(mut stretches: Vec<Stretch>, most_bytes: u64) -> usize {
    let row_bytes = |stretch: &Stretch| stretch.bytes / stretch.rows.max(1);
    stretches.sort_unstable_by_key(|stretch| std::cmp::Reverse(row_bytes(stretch)));
    let (mut rows, mut room) = (0_u64, most_bytes);
    for stretch in &stretches {
        let fitting = (room / row_bytes(stretch).max(1)).min(stretch.rows);
        rows += fitting;
        room = room.saturating_sub(fitting * row_bytes(stretch));
        if fitting < stretch.rows {
            return usize::try_from(rows).unwrap_or(BATCH_ROWS).clamp(1, BATCH_ROWS);
        }
    }
    BATCH_ROWS
}

/// The row groups of some files, as far as the columns `wanted` go. A footer that cannot be read is passed over: whoever
/// reads the file says what is wrong with it.
pub(super) async fn row_groups(
    store: &Arc<dyn ObjectStore>,
    cache: &Arc<FileMetadataCache>,
    files: Vec<ObjectMeta>,
    wanted: &BTreeSet<&str>,
) -> Vec<Stretch> {
    let step = files.len().div_ceil(FOOTERS).max(1);
    let footer = |file: ObjectMeta| {
        let (store, cache) = (Arc::clone(store), Arc::clone(cache));
        async move {
            let footer = DFParquetMetadata::new(store.as_ref(), &file).with_file_metadata_cache(Some(cache));
            footer.fetch_metadata().await
        }
    };
    let footers = stream::iter(files.into_iter().step_by(step)).map(footer).buffer_unordered(FOOTERS_AT_ONCE);
    let found: Vec<Arc<ParquetMetaData>> = footers.filter_map(|footer| async { footer.ok() }).collect().await;
    let groups = found.iter().flat_map(|footer| footer.row_groups());
    groups
        .map(|group| {
            let columns = group.columns().iter();
            let columns = columns.filter(|column| {
                column.column_path().parts().first().is_some_and(|root| wanted.contains(root.as_str()))
            });
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            Stretch { rows, bytes: columns.map(|column| plain_bytes(column, rows)).sum() }
        })
        .collect()
}

/// Bytes of a column's values in memory: what a dictionary saves in the file is there again.
fn plain_bytes(column: &ColumnChunkMetaData, rows: u64) -> u64 {
    let encoded = u64::try_from(column.uncompressed_size()).unwrap_or(0);
    let texts = column.unencoded_byte_array_data_bytes().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    encoded.max(texts).max(FIXED_BYTES * rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_the_longest_rows_fits() {
        let fit = |stretches: &[(u64, u64)], most| {
            let stretches = stretches.iter().map(|(rows, bytes)| Stretch { rows: *rows, bytes: *bytes }).collect();
            rows_that_fit(stretches, most)
        };
        let mib = 1 << 20;
        assert_eq!(fit(&[], 32 * mib), BATCH_ROWS);
        assert_eq!(fit(&[(1_000_000, 1_000 * mib)], 32 * mib), BATCH_ROWS);
        assert_eq!(fit(&[(1_000, 2_200 * mib)], 32 * mib), 14);
        assert_eq!(fit(&[(10, 600 * mib)], 32 * mib), 1);
        // One long row does not make all others come one by one; many do.
        assert_eq!(fit(&[(100_000, 10 * mib), (1, 20 * mib)], 32 * mib), BATCH_ROWS);
        assert_eq!(fit(&[(100_000, 10 * mib), (1, 20 * mib), (1, 20 * mib)], 32 * mib), 1);
        assert_eq!(fit(&[(0, 0), (4, 64 * mib)], 32 * mib), 2);
    }
}
