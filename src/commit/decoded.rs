//! Small Parquet objects of the state, decoded once: of many windows in a row each reads what the ones before it left.

use super::state_object::StateObject;
use crate::rows::sort::batch_size;
use arrow::array::RecordBatch;
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of all batches that are kept.
const MAX_BYTES: usize = 16 << 20;

/// Bytes of one of them.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// The rows of objects, those that were used last. What an object holds never changes: it is named with its hash.
#[derive(Clone)]
pub struct Decoded(Arc<Mutex<Kept>>);

struct Kept {
    /// With the bytes of each.
    batches: LruCache<StateObject, (RecordBatch, usize)>,
    /// Of all together.
    bytes: usize,
}

impl Default for Decoded {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Kept { batches: LruCache::unbounded(), bytes: 0 })))
    }
}

impl Decoded {
    /// The rows of an object that are kept.
    pub fn get(&self, object: &StateObject) -> Option<RecordBatch> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.batches.get(object).map(|(batch, _)| batch.clone())
    }

    /// Keeps the rows of an object, unless they are many.
    pub fn keep(&self, object: &StateObject, batch: &RecordBatch) {
        let bytes = batch_size(batch);
        if bytes > MAX_BATCH_BYTES {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.batches.put(object.clone(), (batch.clone(), bytes));
        kept.bytes += bytes;
        kept.bytes -= before.map_or(0, |(_, bytes)| bytes);
        while kept.bytes > MAX_BYTES {
            let Some((_, (_, oldest))) = kept.batches.pop_lru() else { break };
            kept.bytes -= oldest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::state_object::ContentHash;
    use arrow::array::{Array, StringArray};

    fn object(name: &str) -> StateObject {
        StateObject { path: name.to_owned(), hash: ContentHash::of(name.as_bytes()) }
    }

    fn batch(bytes: usize) -> RecordBatch {
        let texts: Arc<dyn Array> = Arc::new(StringArray::from(vec!["x".repeat(bytes)]));
        RecordBatch::try_from_iter([("text", texts)]).unwrap()
    }

    #[test]
    fn what_was_used_last_is_kept_within_its_bytes() {
        let decoded = Decoded::default();
        for number in 0..100 {
            decoded.keep(&object(&number.to_string()), &batch(1 << 20));
            // The same once more takes no more.
            decoded.keep(&object(&number.to_string()), &batch(1 << 20));
            assert!(decoded.get(&object("0")).is_some(), "{number}: it is used");
            assert!(decoded.0.lock().unwrap().bytes <= MAX_BYTES);
        }
        let count = decoded.0.lock().unwrap().batches.len();
        assert!((8..=16).contains(&count), "{count}");
        assert!(decoded.get(&object("1")).is_none() && decoded.get(&object("99")).is_some());
        let other = StateObject { hash: ContentHash::of(b"other"), ..object("99") };
        assert!(decoded.get(&other).is_none(), "other bytes under its name");
    }

    #[test]
    fn many_rows_are_not_kept() {
        let decoded = Decoded::default();
        decoded.keep(&object("large"), &batch(MAX_BATCH_BYTES + 1));
        assert!(decoded.get(&object("large")).is_none());
    }
}
